"""Arguments that all functions share which make tensors: size, dtype, device, out, requires_grad.

In: what users pass.  Out: plain shapes, dtypes, finished leaf Tensors - or PyTorch's exception
before anything is made.
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.batched.levels import BatchedArray, spread
from adjoint.array.descriptor import describe
from adjoint.array.device import as_device
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import bump
from adjoint.core.mode import INFERENCE, get_mode, grad_enabled
from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = [
    "check_options",
    "checked_dtype",
    "finish",
    "for_samples_of",
    "leaf",
    "like_memory",
    "limits_of",
    "shape_of",
    "tensor_operand",
    "type_name_of",
    "warn",
    "written_out",
]

Tensor = Any
Shape = tuple[int, ...]


def shape_of(function: str, size: tuple[Any, ...], position: int = 1) -> Shape:
    """The shape meant by ``f(2, 3)``, ``f((2, 3))``, ``f([2, 3])`` and ``f(Size)``.

    Raises: TypeError if it holds anything but ints; RuntimeError if one is negative.
    """
    given: Any = size
    if len(size) == 1 and type(size[0]) is not int:
        given = size[0]
        if not isinstance(given, tuple | list):
            index = _index(given)
            if index is None:
                raise TypeError(
                    f"{function}(): argument 'size' (position {position}) must be tuple of ints, "
                    f"not {type_name_of(given)}"
                )
            given = (index,)
    shape = []
    for i, n in enumerate(given):
        index = n if type(n) is int else _index(n)
        if index is None:
            raise TypeError(
                f"{function}(): argument 'size' failed to unpack the object at pos {i + 1} with "
                f'error "type must be tuple of ints,but got {type_name_of(n)}"'
            )
        if index >= 1 << 63:
            raise TypeError(
                f"{function}(): argument 'size' failed to unpack the object at pos {i + 1} with "
                'error "Overflow when unpacking long long"'
            )
        shape.append(index)
    for n in shape:
        if n < 0:
            if function == "zeros":
                raise RuntimeError(
                    f"zeros: Dimension size must be non-negative. (It is {n} in {shape}.)"
                )
            raise RuntimeError(f"Trying to create tensor with negative dimension {n}: {shape}")
    return tuple(shape)


def sized(function: str, size: tuple[Any, ...], keyword: dict[str, Any]) -> Shape:
    """The shape of ``f(*size)`` or ``f(size=...)``; ``keyword`` holds what else was given.

    Raises: TypeError if there is no size, or another keyword.
    """
    if keyword:
        given = keyword.pop("size", None)
        if keyword:
            raise TypeError(
                f"{function}() got an unexpected keyword argument '{next(iter(keyword))}'"
            )
        if size:
            raise TypeError(f"{function}() got multiple values for argument 'size'")
        return shape_of(function, (given,))
    if not size:
        if function in ("rand", "randn"):
            raise TypeError(
                f"{function}() received an invalid combination of arguments - got (), but "
                "expected one of: (*size), (tuple of ints size)"
            )
        raise TypeError(f'{function}() missing 1 required positional arguments: "size"')
    if len(size) > 1 and isinstance(size[0], tuple | list):
        raise TypeError(f"{function}() takes 1 positional argument but {len(size)} were given")
    return shape_of(function, size)


def _index(value: Any) -> int | None:
    """``value`` as an int where PyTorch takes it for one."""
    if isinstance(value, bool | np.bool_):
        return None
    if isinstance(value, TensorBase) and (
        value._desc.shape or value._desc.dtype.category != dtypes.INTEGRAL
    ):
        return None
    try:
        return int(value.__index__())
    except (AttributeError, TypeError):
        return None


def type_name_of(value: Any) -> str:
    kind = type(value)
    if isinstance(value, TensorBase):
        return kind.__name__
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def checked_dtype(function: str, dtype: Any) -> dtypes.dtype | None:
    """A dtype object, or the one of a Python type; None stays None.

    Raises: TypeError for anything else.
    """
    if dtype is None or type(dtype) is dtypes.dtype:
        return dtype
    found = _PYTHON.get(dtype) if isinstance(dtype, type) else None
    if found is None:
        raise TypeError(
            f"{function}(): argument 'dtype' must be torch.dtype, not {type_name_of(dtype)}"
        )
    return found


_PYTHON: dict[type, dtypes.dtype] = {
    bool: dtypes.bool_,
    int: dtypes.int64,
    float: dtypes.float64,
    complex: dtypes.complex128,
}


def check_options(function: str, device: Any, layout: Any, pin_memory: Any) -> None:
    """Refuse what this library does not have.

    Raises: RuntimeError for another device or layout, or pinned memory.
    """
    if device is not None:
        as_device(device)
    if layout is not None and str(layout) != "torch.strided":
        raise RuntimeError(f"{function}(): this library has dense tensors only, not {layout}")
    if pin_memory:
        raise RuntimeError(
            "pin_memory=True requires a CUDA or other accelerator backend; no pinned memory "
            "allocator is available on this system."
        )


def check_requires_grad(dtype: dtypes.dtype, requires_grad: Any) -> None:
    """Refuse to record integers.

    Raises: RuntimeError if ``dtype`` is neither floating-point nor complex.
    """
    if requires_grad and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "Only Tensors of floating point and complex dtype can require gradients"
            f" (this one is {dtype!r}: pass dtype=torch.float32)"
        )


def leaf(raw: Any, requires_grad: Any = False) -> Tensor:
    """A leaf tensor over a raw array; a 0-d array becomes a scalar."""
    if not raw.ndim and isinstance(raw, np.ndarray):
        raw = raw[()]
    made = make_tensor(raw)
    if get_mode() & INFERENCE:
        made._mark_inference()
    if requires_grad:
        check_requires_grad(made._desc.dtype, True)
        made.requires_grad_()
    return made


def finish(function: str, raw: Any, out: Any, requires_grad: Any) -> Tensor:
    """The result of a function with ``out=`` and ``requires_grad=``."""
    if out is None:
        return leaf(raw, requires_grad)
    written_out(out, raw)
    return out.requires_grad_() if requires_grad else out


def out_dtype(function: str, out: Any, dtype: Any) -> dtypes.dtype | None:
    """The dtype in which a function computes that was given ``dtype`` and ``out``.

    Raises: TypeError if ``out`` is no tensor; RuntimeError if it is recorded or has another dtype.
    """
    wanted = checked_dtype(function, dtype)
    if out is None:
        return wanted
    if not isinstance(out, TensorBase):
        raise TypeError(f"{function}(): argument 'out' must be Tensor, not {type_name_of(out)}")
    if out._edge is not None and grad_enabled():
        raise RuntimeError(
            f"aten::{function}(): functions with out=... arguments don't support automatic "
            "differentiation, but one of the arguments requires grad."
        )
    found = out._desc.dtype
    if wanted is not None and wanted is not found:
        raise RuntimeError(
            f"dtype {scalar_name(wanted)} does not match dtype of out parameter "
            f"({scalar_name(found)})"
        )
    return found


def written_out(out: Any, raw: Any) -> None:
    """Put a result into ``out``, which takes its shape."""
    if out._desc.shape == raw.shape:
        out._memory()[...] = raw
    else:
        out._array = np.array(raw, out._desc.numpy)
        out._desc = describe(out._array)
    bump(out)


def tensor_operand(function: str, name: str, value: Any, position: int = 1) -> Any:
    """``value`` if it is a Tensor.

    Raises: TypeError otherwise.
    """
    if not isinstance(value, TensorBase):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be Tensor, not "
            f"{type_name_of(value)}"
        )
    return value


def like_memory(raw: Any, dtype: Any, memory_format: Any = None) -> Any:
    """An uninitialised array of the shape and, unless another format is asked for, memory order.

    Of a batched array it has room for all samples.
    """
    if type(raw) is BatchedArray:
        return BatchedArray(like_memory(raw.value, dtype, memory_format), raw.level)
    keep = memory_format is None or str(memory_format) == "torch.preserve_format"
    if isinstance(raw, np.ndarray) and keep and not raw.flags.c_contiguous:
        if 0 in raw.strides and any(s == 0 and n > 1 for s, n in zip(raw.strides, raw.shape)):
            return np.empty(raw.shape, dtype)
        return _own_strides(raw, np.empty_like(raw, dtype))
    return np.empty(raw.shape, dtype)


def for_samples_of(like: Any, made: Any) -> Any:
    """The leaf ``made``, with room for each sample of ``like``."""
    levels = like._desc.type.levels
    if not levels:
        return made
    raw = made._array
    for level in reversed(levels):
        raw = spread(raw, level).copy()
    return leaf(raw, made._edge is not None)


def _own_strides(raw: Any, made: Any) -> Any:
    """``made`` with the strides of ``raw`` also along axes of size 1, where NumPy takes others."""
    if 1 not in raw.shape:
        return made
    strides = tuple(s // raw.itemsize * made.itemsize for s in raw.strides)
    if all(n == 1 or s == t for n, s, t in zip(raw.shape, strides, made.strides)):
        return np.lib.stride_tricks.as_strided(made, strides=strides)
    return made


@functools.cache
def limits_of(dtype: dtypes.dtype) -> tuple[Any, Any]:
    """The smallest and the largest number that a real dtype holds."""
    if dtype.category == dtypes.BOOL:
        return 0, 1
    limits = dtypes.iinfo(dtype) if dtype.category == dtypes.INTEGRAL else dtypes.finfo(dtype)
    return limits.min, limits.max


def warn(message: str, level: int = 3) -> None:
    """Issue a UserWarning at the user's line."""
    warnings.warn(message, UserWarning, stacklevel=level)


def not_implemented(kernel: str, dtype: dtypes.dtype) -> NotImplementedError:
    """PyTorch's refusal of a dtype."""
    return NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(dtype)}'")


def one_of(dtype: dtypes.dtype, allowed: Iterable[dtypes.dtype]) -> bool:
    """Whether ``dtype`` is among ``allowed``."""
    return any(dtype is candidate for candidate in allowed)
