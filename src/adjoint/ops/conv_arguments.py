"""Arguments of convolutions: settings per spatial dim, and PyTorch's refusals.

In: what users pass.  Out: plain tuples - or PyTorch's exception before anything is touched.

Note [Checked once]
    A program passes the same settings for the same shapes again and again. What was found is kept
    by the descriptors of the tensors and the identities of the settings: equal ones may differ in
    what they are allowed to be (``True == 1``). Only what cannot change is kept, and kept alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.core.errors import scalar_name, type_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.arguments import tensor_argument
from adjoint.ops.matmul import _c_name
from adjoint.ops.window_arguments import by, is_int

__all__ = [
    "Key",
    "check_arguments",
    "check_dtypes",
    "check_input",
    "check_settings",
    "check_shapes",
    "expanded",
    "keep_settings",
    "kept_settings",
    "settings_key",
    "transposed_space",
]

Tensor = Any
Shape = tuple[int, ...]
Settings = dict[str, Any]
Key = tuple[Any, ...] | None

_SIGNATURE = (
    "(Tensor input, Tensor weight, Tensor bias = None, tuple of ints stride = 1, {}, tuple of ints "
    "dilation = 1, int groups = 1)"
)


# ---- what was checked before (Note [Checked once])

_KEPT = 1024
_kept: dict[tuple[Any, ...], tuple[Settings, tuple[Any, ...]]] = {}


def settings_key(name: str, input: Any, weight: Any, bias: Any, settings: tuple[Any, ...]) -> Key:
    """Return by what the settings of a call are kept; None if an operand is no Tensor."""
    try:
        third = None if bias is None else bias._desc
        return (name, input._desc, weight._desc, third, *map(id, settings))
    except AttributeError:
        return None


def kept_settings(key: Key) -> Settings | None:
    """Return what `keep_settings` was given."""
    found = _kept.get(key) if key is not None else None
    return None if found is None else found[0]


def keep_settings(key: Key, given: tuple[Any, ...], settings: Settings) -> None:
    """Keep ``settings``, to which ``given`` led, if neither can change."""
    if key is None or not all(desc is None or desc.fast for desc in key[1:4]):
        return
    for value in given:
        if type(value) is tuple:
            if any(type(size) is not int for size in value):
                return
        elif type(value) not in (int, str):
            return
    if len(_kept) >= _KEPT:
        _kept.clear()
    _kept[key] = settings, given


# ---- checks --------------------------------------------------------------------------------------


def check_arguments(name: str, positional: tuple[Any, ...], named: dict[str, Any]) -> None:
    """Refuse what is no Tensor or no int, in PyTorch's words."""
    input, weight, bias = positional
    sizes = [v for k, v in named.items() if k != "groups"]
    if (
        isinstance(input, TensorBase)
        and isinstance(weight, TensorBase)
        and (bias is None or isinstance(bias, TensorBase))
        and all(map(_are_sizes, sizes))
        and is_int(named["groups"])
    ):
        return
    if "transpose" in name:
        tensor_argument(name, "input", 1, input)
        tensor_argument(name, "weight", 2, weight)
        if bias is not None and not isinstance(bias, TensorBase):
            raise TypeError(f"{name}(): argument 'bias' must be Tensor, not {type(bias).__name__}")
        for key, value in named.items():
            kind = "int" if key == "groups" else "tuple of ints"
            if not (is_int(value) if key == "groups" else _are_sizes(value)):
                raise TypeError(
                    f"{name}(): argument '{key}' must be {kind}, not {type(value).__name__}"
                )
    given = [_type_text(v) for v in positional if v is not None or v is not bias]
    given += [
        f"{key}={_type_text(value)}"
        for key, value in named.items()
        if value not in ((1,), (0,), 1, 0) or isinstance(value, bool)
    ]
    choices = "".join(
        f"\n * {_SIGNATURE.format(padding)}"
        for padding in ("tuple of ints padding = 0", 'str padding = "valid"')
    )
    raise TypeError(
        f"{name}() received an invalid combination of arguments - got ({', '.join(given)}), but "
        f"expected one of:{choices}"
    )


def _are_sizes(value: Any) -> bool:
    if isinstance(value, str):
        return False
    return is_int(value) or (isinstance(value, Sequence) and all(map(is_int, value)))


def _type_text(value: Any) -> str:
    if isinstance(value, TensorBase):
        return "Tensor"
    module = type(value).__module__
    return type(value).__name__ if module == "builtins" else f"{module}.{type(value).__name__}"


def expanded(name: str, value: Any, function_dims: int, dims: int) -> Shape:
    """Return an int per spatial dim of the weight."""
    if is_int(value):
        sizes = (value.__index__(),) * function_dims
    else:
        sizes = tuple(size.__index__() for size in value)
    if len(sizes) == 1:
        return sizes * dims
    if len(sizes) != dims:
        raise RuntimeError(
            f"expected {name} to be a single integer value or a list of {dims} values to match the "
            f"convolution dimensions, but got {name}={list(sizes)}"
        )
    return sizes


def check_input(name: str, input: Tensor, spatial: int) -> None:
    """Raise PyTorch's RuntimeError for a wrong number of dims."""
    shape = input._desc.shape
    if len(shape) not in (spatial + 1, spatial + 2):
        raise RuntimeError(
            f"Expected {spatial + 1}D (unbatched) or {spatial + 2}D (batched) input to {name}, but "
            f"got input of size: {list(shape)}"
        )


def check_settings(settings: Settings) -> None:
    """Raise PyTorch's RuntimeError for a setting that makes no sense."""
    if settings["groups"] <= 0:
        raise RuntimeError("non-positive groups is not supported")
    if min(settings["padding"]) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(settings.get("output_padding", (0,))) < 0:
        raise RuntimeError("negative output_padding is not supported")
    if min(settings["stride"]) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if 0 in settings["dilation"]:
        raise RuntimeError("non-positive dilation is not supported")
    if min(settings["dilation"]) < 0:
        raise RuntimeError("dilation should be greater than zero")


def check_shapes(
    x: Shape, w: Shape, bias: Tensor | None, settings: Settings, transposed: bool
) -> None:
    """Raise PyTorch's RuntimeError if the shapes do not fit each other."""
    groups, size = settings["groups"], list(w)
    if len(x) != len(w):
        raise RuntimeError(
            f"Expected {len(w)}-dimensional input for {len(w)}-dimensional weight {size}, but got "
            f"{len(x)}-dimensional input of size {list(x)} instead"
        )
    if w[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            f"got weight of size {size} instead"
        )
    if w[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            f"but got weight of size [{size}] instead"
        )
    channels, filters = (w[0], w[1] * groups) if transposed else (w[1] * groups, w[0])
    given = f"Given transposed=1, weight of size {size}" if transposed else ""
    if x[1] != channels:
        raise RuntimeError(
            f"{given or f'Given groups={groups}, weight of size {size}'}, expected input{list(x)} "
            f"to have {channels} channels, but got {x[1]} channels instead. "
            "(Input is (batch, channels, *space) or (channels, *space).)"
        )
    if bias is not None and bias._desc.shape != (filters,):
        raise RuntimeError(
            f"{given or f'Given weight of size {size}'}, expected bias to be 1-dimensional with "
            f"{filters} elements, but got bias of size {list(bias._desc.shape)} instead"
        )
    if transposed:
        return
    padded = [n + 2 * p for n, p in zip(x[2:], settings["padding"])]
    kernel = [d * (k - 1) + 1 for k, d in zip(w[2:], settings["dilation"])]
    if any(n < k for n, k in zip(padded, kernel)):
        raise RuntimeError(
            f"Calculated padded input size per channel: ({by(padded)}). Kernel size: "
            f"({by(kernel)}). Kernel size can't be greater than actual input size"
        )


def check_dtypes(input: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    """Raise PyTorch's RuntimeError unless all have the same dtype."""
    found, other = input._desc.dtype, weight._desc.dtype
    if found.name == "bool" and bias is None:
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Bool'")
    if found is not other:
        if found.is_complex or found.name in ("float32", "float16", "bfloat16"):
            tail = "" if found.is_complex else " or input should be a MKLDNN tensor and weight is "
            tail = tail and f"{tail}a dense tensor"
            raise RuntimeError(
                f"Input type ({_legacy(found)}) and weight type ({_legacy(other)}) should be the "
                f"same{tail}. (Convert one of them with .to().)"
            )
        raise RuntimeError(
            f"expected scalar type {scalar_name(found)} but found {scalar_name(other)}. "
            "(Input and weight of a convolution must have one dtype: convert one with .to().)"
        )
    if bias is not None and bias._desc.dtype is not found:
        raise RuntimeError(
            f"Input type ({_c_name(input)}) and bias type ({_c_name(bias)}) should be the same"
        )
    if found.name == "bool":
        raise NotImplementedError("\"slow_conv2d_cpu\" not implemented for 'Bool'")


def _legacy(dtype: Any) -> str:
    """Return what PyTorch's messages call the tensors of a dtype."""
    if dtype.is_complex or dtype.name in ("bfloat16", "bool"):
        return f"CPU{scalar_name(dtype)}Type"
    return type_name(dtype)


def transposed_space(x: Shape, w: Shape, settings: Settings, extra: Shape) -> Shape:
    """Return the spatial sizes of a transposed convolution.

    Raises: RuntimeError in PyTorch's words if ``extra``, the output padding, is too large, or if
    nothing is left.
    """
    stride, padding, dilation = (settings[key] for key in ("stride", "padding", "dilation"))
    if any(e >= max(s, d) for e, s, d in zip(extra, stride, dilation)):
        axes = ("depth", "height", "width")
        given = (("output_padding", extra, 0), ("stride", stride, 1), ("dilation", dilation, 1))
        pairs = [
            f"{name}_{axis}: {size}"
            for name, sizes, unused in given
            for axis, size in zip(axes[-max(len(sizes), 2) :], (unused,) * (2 - len(sizes)) + sizes)
        ]
        raise RuntimeError(
            "output padding must be smaller than either stride or dilation, but got "
            f"{' '.join(pairs)}"
        )
    space = tuple(
        (n - 1) * s - 2 * p + d * (k - 1) + e + 1
        for n, k, s, p, d, e in zip(x, w, stride, padding, dilation, extra)
    )
    if min(space) < 1:
        raise RuntimeError(
            f"Given input size per channel: ({by(x)}). Calculated output size per channel: "
            f"({by(space)}). Output size is too small"
        )
    return space
