"""Pooling: the largest element, or the mean, of each window.

In: an input (N, C, *space) or (C, *space) and the sizes of the windows.  Out: a Tensor, recorded
as PyTorch records it; with ``return_indices`` also where the largest elements stand.

Note [Taps]
    The operators of the largest element return beside the values one byte per window: which
    element of the window it is. The tape keeps that; PyTorch's indices (8 bytes each) are
    computed from it when they are asked for.
"""

from __future__ import annotations

from typing import Any

from adjoint.array.kernels import Window
from adjoint.core import mode as modes
from adjoint.core.mode import get_mode
from adjoint.core.tensor_base import make_tensor
from adjoint.ops.families import general, linear
from adjoint.ops.pool_arguments import Windows, pool_windows
from adjoint.ops.view import squeeze, unsqueeze
from adjoint.ops.window_arguments import Sizes, not_implemented

__all__ = [
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

Array = Any
Tensor = Any

# ---- the largest element -------------------------------------------------------------------------


def _max_vjp(xp: Any, g: Any, out: Any, windows: Windows) -> Array:
    return xp.max_pool_put(g[0], out[1], windows)


def _max_jvp(xp: Any, t: Array, out: Any, windows: Windows) -> tuple[Any, None]:
    return xp.max_pool_take(t, out[1], windows), None


@general(_max_vjp, jvp=_max_jvp, node="MaxPool2DWithIndicesBackward0", outputs=2)
def _max_pool2d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each window, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@general(_max_vjp, jvp=_max_jvp, node="MaxPool3DWithIndicesBackward0", outputs=2)
def _max_pool3d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each window, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@general(_max_vjp, jvp=_max_jvp, node="AdaptiveMaxPool2DBackward0", outputs=2)
def _adaptive_max_pool2d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each bin, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@general(_max_vjp, jvp=_max_jvp, node="AdaptiveMaxPool3DBackward0", outputs=2)
def _adaptive_max_pool3d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each bin, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@linear(
    lambda xp, g, places, windows: xp.max_pool_take(g, places, windows),
    node="MaxPool2DWithIndicesBackwardBackward0",
)
def _max_pool_put(xp: Any, input: Array, *, places: Array, windows: Windows) -> Array:
    """Return zeros with each element added at the tap of its window."""
    return xp.max_pool_put(input, places, windows)


@linear(
    lambda xp, g, places, windows: xp.max_pool_put(g, places, windows),
    node="MaxPool2DWithIndicesBackwardBackward0",
)
def _max_pool_take(xp: Any, input: Array, *, places: Array, windows: Windows) -> Array:
    """Return the elements at the taps."""
    return xp.max_pool_take(input, places, windows)


@general(
    lambda xp, g, input, windows: xp.max_pool_put(g, xp.max_pool(input, windows)[1], windows),
    node="MaxPool2DWithIndicesBackward0",
)
def _max_pool_values(xp: Any, input: Array, *, windows: Windows) -> Array:
    """Return the largest element of each window: faster where nothing is recorded."""
    return xp.max_pool_values(input, windows)


# ---- the mean ------------------------------------------------------------------------------------


def _avg_vjp(
    xp: Any, g: Array, windows: Windows, count_include_pad: bool, divisor: int | None
) -> Array:
    return xp.avg_pool_input(g, windows, count_include_pad, divisor)


@linear(_avg_vjp, node="AvgPool2DBackward0")
def _avg_pool2d(
    xp: Any, input: Array, *, windows: Windows, count_include_pad: bool, divisor: int | None
) -> Array:
    """Return the mean of each window."""
    return xp.avg_pool(input, windows, count_include_pad, divisor)


@linear(_avg_vjp, node="AvgPool3DBackward0")
def _avg_pool3d(
    xp: Any, input: Array, *, windows: Windows, count_include_pad: bool, divisor: int | None
) -> Array:
    """Return the mean of each window."""
    return xp.avg_pool(input, windows, count_include_pad, divisor)


@linear(
    lambda xp, g, windows: xp.avg_pool_input(g, windows, False, None),
    node="AdaptiveAvgPool2DBackward0",
)
def _adaptive_avg_pool2d(xp: Any, input: Array, *, windows: Windows) -> Array:
    """Return the mean of each bin."""
    return xp.avg_pool(input, windows, False, None)


@linear(
    lambda xp, g, windows: xp.avg_pool_input(g, windows, False, None),
    node="AdaptiveAvgPool3DBackward0",
)
def _adaptive_avg_pool3d(xp: Any, input: Array, *, windows: Windows) -> Array:
    """Return the mean of each bin."""
    return xp.avg_pool(input, windows, False, None)


@linear(
    lambda xp, g, windows, count_include_pad, divisor: xp.avg_pool(
        g, windows, count_include_pad, divisor
    ),
    node="AvgPool2DBackwardBackward0",
)
def _avg_pool_input(
    xp: Any, input: Array, *, windows: Windows, count_include_pad: bool, divisor: int | None
) -> Array:
    """Return the cotangent of the input of an average."""
    return xp.avg_pool_input(input, windows, count_include_pad, divisor)


# ---- PyTorch's functions -------------------------------------------------------------------------


def _refuse(input: Tensor, kernel: str, integers: bool | str) -> None:
    """Raise PyTorch's refusal of a dtype; ``integers`` tells which of them have a kernel."""
    dtype = input._desc.dtype
    if dtype.is_floating_point or (integers is True and dtype.name.startswith(("int", "uint"))):
        return
    if dtype.name != integers:
        raise not_implemented(kernel, input)


def _largest(op2: Any, op3: Any, input: Tensor, windows: Windows, return_indices: bool) -> Any:
    """Return the largest elements, and the indices where they are asked for."""
    operator = op3 if len(windows) == 3 else op2
    if not return_indices:
        if input._edge is None or not get_mode() & modes.GRAD:
            return _max_pool_values(input, windows=windows)
        return operator(input, windows=windows)[0]
    values, places = operator(input, windows=windows)
    return values, make_tensor(input._desc.type.xp.max_pool_index(places._array, windows))


def _one_dim(function: Any, input: Tensor) -> Any:
    """Return what a function of two dims makes of one: PyTorch has no other way."""
    made = function(unsqueeze(input, -2))
    return tuple(squeeze(m, -2) for m in made) if isinstance(made, tuple) else squeeze(made, -2)


def _flat(windows: Windows) -> Windows:
    """Return the windows of the same pooling of a second dim of size 1 before."""
    return (Window(1, 1, 1), *windows)


def max_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of signals.

    Args: ``stride``: default ``kernel_size``. ``ceil_mode``: the last window may end outside.
    ``return_indices``: return also where in the signal the elements stand, as int64.

    Shape: input (N, C, L) or (C, L); results (N, C, L') or (C, L').
    Raises: RuntimeError if sizes do not fit; NotImplementedError for dtypes without order.

    Example:
        >>> import adjoint as torch
        >>> max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[3., 2.]])
    """
    windows = _flat(
        pool_windows("max_pool1d", 1, input, kernel_size, stride, padding, dilation, ceil_mode)
    )
    _refuse(input, "max_pool1d_impl", False)
    return _one_dim(lambda x: _largest(_max_pool2d, _max_pool3d, x, windows, return_indices), input)


def max_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of images.

    Args: as of `max_pool1d`; an int stands for both dims. Indices count in the flattened image.

    Shape: input (N, C, H, W) or (C, H, W); results (N, C, H', W') or (C, H', W').
    Raises: RuntimeError if sizes do not fit; NotImplementedError for dtypes without order.

    Example:
        >>> import adjoint as torch
        >>> max_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
        tensor([[[ 5.,  7.],
                 [13., 15.]]])
    """
    windows = pool_windows(
        "max_pool2d", 2, input, kernel_size, stride, padding, dilation, ceil_mode
    )
    _refuse(input, "max_pool2d", True)
    return _largest(_max_pool2d, _max_pool3d, input, windows, return_indices)


def max_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    dilation: Sizes = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """Return the largest element of each window of volumes.

    Args: as of `max_pool1d`; an int stands for all dims. Indices count in the flattened volume.

    Shape: input (N, C, D, H, W) or (C, D, H, W); results (N, C, D', H', W') or (C, D', H', W').
    Raises: RuntimeError if sizes do not fit; NotImplementedError for dtypes without order.

    Example:
        >>> import adjoint as torch
        >>> max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
        tensor([[[[7.]]]])
    """
    windows = pool_windows(
        "max_pool3d", 3, input, kernel_size, stride, padding, dilation, ceil_mode
    )
    _refuse(input, "max_pool3d", True)
    return _largest(_max_pool2d, _max_pool3d, input, windows, return_indices)


def avg_pool1d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """Return the mean of each window of signals.

    Args: ``stride``: default ``kernel_size``. ``ceil_mode``: the last window may end outside.
    ``count_include_pad``: whether zeros of the padding count as elements.

    Shape: input (N, C, L) or (C, L); result (N, C, L') or (C, L').
    Raises: RuntimeError if sizes do not fit.

    Example:
        >>> import adjoint as torch
        >>> avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    windows = _flat(
        pool_windows("avg_pool1d", 1, input, kernel_size, stride, padding, 1, ceil_mode)
    )
    _refuse(input, "avg_pool2d", "int64")
    params = {"windows": windows, "count_include_pad": bool(count_include_pad), "divisor": None}
    return _one_dim(lambda x: _avg_pool2d(x, **params), input)


def _average(
    name: str,
    kernel: str,
    spatial: int,
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None,
    padding: Sizes,
    ceil_mode: bool,
    count_include_pad: bool,
    divisor_override: int | None,
) -> Tensor:
    windows = pool_windows(name, spatial, input, kernel_size, stride, padding, 1, ceil_mode)
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    _refuse(input, kernel, "int64")
    return (_avg_pool2d if spatial == 2 else _avg_pool3d)(
        input,
        windows=windows,
        count_include_pad=bool(count_include_pad),
        divisor=divisor_override,
    )


def avg_pool2d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window of images.

    Args: as of `avg_pool1d`; ``divisor_override``: divide by this instead of the window's size.

    Shape: input (N, C, H, W) or (C, H, W); result (N, C, H', W') or (C, H', W').
    Raises: RuntimeError if sizes do not fit.

    Example:
        >>> import adjoint as torch
        >>> avg_pool2d(torch.arange(16.0).reshape(1, 4, 4), 2)
        tensor([[[ 2.5000,  4.5000],
                 [10.5000, 12.5000]]])
    """
    settings = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average("avg_pool2d", "avg_pool2d", 2, input, *settings)


def avg_pool3d(
    input: Tensor,
    kernel_size: Sizes,
    stride: Sizes | None = None,
    padding: Sizes = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Tensor:
    """Return the mean of each window of volumes.

    Args: as of `avg_pool2d`.

    Shape: input (N, C, D, H, W) or (C, D, H, W); result (N, C, D', H', W') or (C, D', H', W').
    Raises: RuntimeError if sizes do not fit.

    Example:
        >>> import adjoint as torch
        >>> avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 2)
        tensor([[[[3.5000]]]])
    """
    settings = (kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override)
    return _average("avg_pool3d", "avg_pool3d_out_frame", 3, input, *settings)
