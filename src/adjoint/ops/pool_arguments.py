"""Arguments of pooling: the windows that they mean, or PyTorch's refusal.

In: what users pass.  Out: a `Window` (or `Bins`) per spatial dim - or PyTorch's exception before
anything is touched.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from adjoint.array.kernels import Bins, Window, pooled_size
from adjoint.ops.arguments import canonical_dim, tensor_argument
from adjoint.ops.window_arguments import Sizes, by, is_int, sizes_argument

__all__ = ["Windows", "adaptive_windows", "pool_windows"]

Tensor = Any
Shape = tuple[int, ...]
Windows = tuple[Window | Bins, ...]

_COUNT = {1: "one", 2: "two", 3: "three"}
_AXES = {1: "W", 2: "HW", 3: "THW"}


def pool_windows(
    function: str,
    spatial: int,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    dilation: Sizes,
    ceil_mode: bool,
) -> Windows:
    """Return the windows of ``function`` over the last dims of the input.

    Raises: TypeError, RuntimeError or IndexError in PyTorch's words if sizes do not fit.
    """
    tensor_argument(function, "input", 1, input)
    kernel = _sizes(function, "kernel_size", 2, spatial, kernel_size)
    given = () if stride is None else _sizes(function, "stride", 3, spatial, stride)
    strides = given or kernel
    paddings = _sizes(function, "padding", 4, spatial, padding)
    dilations = _sizes(function, "dilation", 5, spatial, dilation)
    shape = input._desc.shape
    settings = (kernel, strides, paddings, dilations)
    return _fitting_windows(function, spatial, shape, settings, bool(ceil_mode))


@lru_cache(1024)
def _fitting_windows(
    function: str,
    spatial: int,
    shape: Shape,
    settings: tuple[Shape, Shape, Shape, Shape],
    ceil_mode: bool,
) -> Windows:
    kernel, strides, paddings, dilations = settings
    _check_dims(function, spatial, shape)
    if function == "max_pool1d":
        _check_max_pool1d(kernel[0], strides[0], paddings[0], dilations[0])
    else:
        _check_sizes(kernel, strides, paddings, dilations)
    _check_not_empty(function, spatial, shape)
    space = shape[len(shape) - spatial :]
    windows = tuple(
        Window(n, pooled_size(n, k, s, p, d, ceil_mode), k, s, p, d)
        for n, k, s, p, d in zip(space, kernel, strides, paddings, dilations)
    )
    _check_output(function, shape, windows)
    return windows


def _sizes(function: str, name: str, position: int, spatial: int, value: Sizes) -> Shape:
    """Return one int per spatial dim; () stays (): no stride given."""
    sizes = sizes_argument(function, name, position, value)
    if len(sizes) == 1:
        return sizes * spatial
    if len(sizes) == spatial or (name == "stride" and not sizes):
        return sizes
    if function == "max_pool1d":
        none = "None, " if name == "stride" else ""
        comma = "" if name == "kernel_size" else ","
        raise RuntimeError(
            f"max_pool1d() {name} must be {none}an int, list of ints{comma} or tuple of ints of "
            f"size 1 but got size {len(sizes)}"
        )
    if function == "avg_pool1d":
        raise RuntimeError(
            f"avg_pool1d() argument '{name}' should contain one int (got {len(sizes)})"
        )
    either = "" if function == "avg_pool3d" else "either "
    omitted = "omitted, " if name == "stride" else ""
    raise RuntimeError(
        f"{function}: {name} must {either}be {omitted}a single int, or a tuple of "
        f"{_COUNT[spatial]} ints"
    )


def _check_dims(function: str, spatial: int, shape: Shape) -> None:
    ndim = len(shape)
    if ndim in (spatial + 1, spatial + 2):
        return
    if function == "max_pool1d":
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            f"input, but got:{list(shape)}"
        )
    if function == "avg_pool1d":
        raise _not_two_to_three(function, ndim)
    if function == "avg_pool2d":
        if not ndim:
            raise IndexError("Dimension specified as -3 but tensor has no dimensions")
        canonical_dim(-3, ndim)
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with optional 0 dim batch size for input, but "
            f"got:{list(shape)}"
        )
    raise RuntimeError(
        f"non-empty {spatial + 1}D or {spatial + 2}D (batch mode) tensor expected for input. "
        f"({function} got a tensor of shape {list(shape)}.)"
    )


def _not_two_to_three(function: str, ndim: int) -> RuntimeError:
    return RuntimeError(
        f"Expected 2 to 3 dimensions, but got {ndim}-dimensional tensor for argument #1 'self' "
        f"(while checking arguments for {function})"
    )


def _check_max_pool1d(kernel: int, stride: int, padding: int, dilation: int) -> None:
    for name, size in (("kernel_size", kernel), ("stride", stride)):
        if size <= 0:
            raise RuntimeError(f"max_pool1d() {name} must be greater than zero, but got {size}")
    if padding < 0:
        raise RuntimeError(f"max_pool1d() padding must be non-negative, but got {padding}")
    if padding > kernel // 2:
        raise RuntimeError(
            "max_pool1d() padding should be at most half of kernel size, but got padding="
            f"{padding} and kernel_size={kernel}"
        )
    if dilation <= 0:
        raise RuntimeError(f"max_pool1d() dilation must be greater than zero, but got {dilation}")


def _check_sizes(kernel: Shape, stride: Shape, padding: Shape, dilation: Shape) -> None:
    if 0 in stride:
        raise RuntimeError("stride should not be zero")
    axes = _AXES[len(kernel)]
    for sizes, what, letter in (
        (kernel, "kernel size", "k"),
        (stride, "stride", "d"),
        (dilation, "dilation", "dilation"),
    ):
        if min(sizes) <= 0:
            pairs = zip(axes, sizes) if len(sizes) > 1 else zip("HW", (1, *sizes))
            got = " ".join(f"{letter}{axis}: {size}" for axis, size in pairs)
            raise RuntimeError(f"{what} should be greater than zero, but got {got}")
    for k, p, d in zip(kernel, padding, dilation):
        if p < 0:
            raise RuntimeError(f"pad must be non-negative, but got pad: {p}")
        if p > (d * (k - 1) + 1) // 2:
            raise RuntimeError(
                "pad should be at most half of effective kernel size, but got "
                f"pad={p}, kernel_size={k} and dilation={d}"
            )


def _check_not_empty(function: str, spatial: int, shape: Shape) -> None:
    if 0 not in shape[len(shape) - spatial - 1 :]:
        return
    if spatial == 3:
        name = "max_pool3d_with_indices_out_cpu_template" if "max" in function else "avg_pool3d"
        raise RuntimeError(
            f"{name}(): Expected input's non-batch dimensions to have positive length, but input "
            f"has a shape of {list(shape)} and non-batch dimension 0 has length zero!"
        )
    shown = [*shape[:-1], 1, shape[-1]] if function == "avg_pool1d" else list(shape)
    start = "max_pool1d: Expected 2D or 3D" if function == "max_pool1d" else "Expected 3D or 4D"
    raise RuntimeError(
        f"{start} (batch mode) tensor with optional 0 dim batch size for input, but got:{shown}"
    )


def _check_output(function: str, shape: Shape, windows: tuple[Window, ...]) -> None:
    sizes = [window.output for window in windows]
    if function == "max_pool1d":
        if sizes[0] < 1:
            raise RuntimeError(f"max_pool1d() Invalid computed output size: {sizes[0]}")
        return
    space = shape[len(shape) - len(windows) :]
    if function == "avg_pool3d" and any(n < w.kernel for n, w in zip(space, windows)):
        axes = _AXES[3]
        image = " ".join(f"{axis}: {n}" for axis, n in zip(axes, space))
        kernel = " ".join(f"k{axis}: {w.kernel}" for axis, w in zip(axes, windows))
        raise RuntimeError(f"input image ({image}) smaller than kernel size ({kernel})")
    if min(sizes) < 1:
        middle = [1] if function == "avg_pool1d" else []
        channels = shape[len(shape) - len(windows) - 1]
        before, after = (by((channels, *middle, *s), "x") for s in (space, sizes))
        raise RuntimeError(
            f"Given input size: ({before}). Calculated output size: ({after}). Output size is too "
            "small. (No window fits into the input: pad it, or make kernel_size smaller.)"
        )


# ---- adaptive ------------------------------------------------------------------------------------


def adaptive_windows(function: str, spatial: int, input: Tensor, output_size: Any) -> Windows:
    """Return the windows of ``function``; None in ``output_size`` keeps the size of the input.

    Raises: TypeError or RuntimeError in PyTorch's words if sizes do not fit.
    """
    tensor_argument(function, "input", 1, input)
    shape = input._desc.shape
    ndim = len(shape)
    sizes = _adaptive_sizes(function, spatial, shape, output_size)
    if ndim not in (spatial + 1, spatial + 2):
        if spatial == 1:
            raise _not_two_to_three(function, ndim)
        colon = ":" if "max" in function else ""
        raise RuntimeError(
            f"{function}(): Expected {spatial + 1}D or {spatial + 2}D tensor, but got{colon} "
            f"{list(shape)}"
        )
    shown, name = list(shape), function
    if function == "adaptive_avg_pool1d":  # PyTorch calls the function of two dims
        shown, name = [*shape[:-1], 1, shape[-1]], "adaptive_avg_pool2d"
    first = len(shown) - spatial - ("max" in function or spatial == 3)
    for dim in range(first, len(shown)):
        if not shown[dim]:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {shown} with dimension {dim} being empty"
            )
    if min(sizes) < 0:
        if "max" in function:
            made = [*shape[: ndim - spatial], *([1] if spatial == 1 else []), *sizes]
            raise RuntimeError(
                f"Trying to create tensor with negative dimension {min(sizes)}: {made}"
            )
        form = {1: "1, {}", 2: "{}, {}", 3: "{}, {},{}"}  # PyTorch's own commas
        received = form[spatial].format(*sizes)
        raise RuntimeError(
            f"{name}: elements of output_size must be greater than or equal to 0 but received "
            f"{{{received}}}"
        )
    return tuple(Bins(n, m).regular() for n, m in zip(shape[ndim - spatial :], sizes))


def _adaptive_sizes(function: str, spatial: int, shape: Shape, output_size: Any) -> Shape:
    given = output_size
    if isinstance(given, list | tuple) and spatial > 1:
        if len(shape) <= len(given):
            raise ValueError(f"Input dimension should be at least {len(given) + 1}")
        space = shape[len(shape) - len(given) :]
        given = tuple(n if size is None else size for n, size in zip(space, given))
    sizes = sizes_argument(function, "output_size", 2, given)
    if is_int(given):
        return sizes * spatial
    if len(sizes) != spatial:
        if spatial == 1:
            text = f"{function}() argument 'output_size' should contain one int (got {len(sizes)})"
        elif "max" in function:
            text = f"{function}(): internal error: output_size.size() must be {spatial}"
        else:
            text = f"{function}: output_size must be {spatial}"
        raise RuntimeError(text)
    return sizes
