"""Sliding blocks: every window of images as a column of a matrix, and the sum of such columns.

In: images (N, C, H, W) or columns (N, C * kH * kW, L), perhaps without N.  Out: the other one.
"""

from __future__ import annotations

from typing import Any

from adjoint.array.kernels import Window, output_size
from adjoint.ops.arguments import tensor_argument
from adjoint.ops.families import linear
from adjoint.ops.window_arguments import (
    Sizes,
    by,
    not_implemented,
    sizes_argument,
    with_batch,
    without_batch,
)

__all__ = ["fold", "unfold"]

Array = Any
Tensor = Any
Windows = tuple[Window, ...]


@linear(lambda xp, g, windows: xp.fold(g, windows), node="Im2ColBackward0")
def _im2col(xp: Any, input: Array, *, windows: Windows) -> Array:
    """Return every window of the images as a column."""
    return xp.unfold(input, windows)


@linear(lambda xp, g, windows: xp.unfold(g, windows), node="Col2ImBackward0")
def _col2im(xp: Any, input: Array, *, windows: Windows) -> Array:
    """Return images to which every column is added where `_im2col` takes it from."""
    return xp.fold(input, windows)


# ---- PyTorch's functions -------------------------------------------------------------------------


def _pair(name: str, value: Sizes, function: str, position: int) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    sizes = sizes_argument(function, name, position, value)
    if len(sizes) != 2:
        raise RuntimeError(f"It is expected {name} equals to 2, but got size {len(sizes)}")
    return sizes[0], sizes[1]


def _check(
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    stride: tuple[int, int],
) -> None:
    for what, name, sizes in (
        ("kernel size", "kernel", kernel),
        ("dilation", "dilation", dilation),
        ("stride", "stride", stride),
    ):
        if min(sizes) <= 0:
            raise RuntimeError(
                f"{what} should be greater than zero, but got {name}_height: {sizes[0]} "
                f"{name}_width: {sizes[1]}"
            )
    if min(padding) < 0:
        raise RuntimeError(
            f"padding should be non-negative, but got pad_height: {padding[0]} pad_width: "
            f"{padding[1]}"
        )


def unfold(
    input: Tensor,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Return every window of images as a column: (N, C * kH * kW, number of windows).

    Shape: input (N, C, H, W) or (C, H, W); result (N, C * kH * kW, L) or without N.
    Raises: RuntimeError if sizes do not fit.

    Example:
        >>> import adjoint as torch
        >>> unfold(torch.arange(6.0).reshape(1, 2, 3), 2)
        tensor([[0., 1.],
                [1., 2.],
                [3., 4.],
                [4., 5.]])
    """
    tensor_argument("im2col", "input", 1, input)
    kernel = _pair("kernel_size", kernel_size, "im2col", 2)
    dilations = _pair("dilation", dilation, "im2col", 3)
    paddings = _pair("padding", padding, "im2col", 4)
    strides = _pair("stride", stride, "im2col", 5)
    _check(kernel, dilations, paddings, strides)
    shape = input._desc.shape
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            f"dimensions for input, but got: {list(shape)}"
        )
    windows = _windows(shape[-2:], kernel, dilations, paddings, strides)
    sizes = tuple(window.output for window in windows)
    if min(sizes) < 1:
        raise RuntimeError(
            f"Given input with spatial size ({by(shape[-2:], ', ')}), kernel_size="
            f"({by(kernel, ', ')}), dilation=({by(dilations, ', ')}), padding="
            f"({by(paddings, ', ')}), calculated shape of the array of sliding blocks as "
            f"({by(sizes, ', ')}), but its components must be at least one."
        )
    if input._desc.dtype.name.startswith(("int", "uint")):
        raise not_implemented("im2col_out_cpu", input)
    return without_batch(_im2col(with_batch(input, 2), windows=windows), input, 2)


def fold(
    input: Tensor,
    output_size: Sizes,
    kernel_size: Sizes,
    dilation: Sizes = 1,
    padding: Sizes = 0,
    stride: Sizes = 1,
) -> Tensor:
    """Return images to which every column is added where `unfold` takes it from.

    Shape: input (N, C * kH * kW, L) or without N; result (N, C, *output_size) or without N.
    Raises: RuntimeError if sizes do not fit.

    Example:
        >>> import adjoint as torch
        >>> fold(torch.ones(4, 2), (2, 3), 2)
        tensor([[[1., 2., 1.],
                 [1., 2., 1.]]])
    """
    tensor_argument("col2im", "input", 1, input)
    space = _pair("output_size", output_size, "col2im", 2)
    kernel = _pair("kernel_size", kernel_size, "col2im", 3)
    dilations = _pair("dilation", dilation, "col2im", 4)
    paddings = _pair("padding", padding, "col2im", 5)
    strides = _pair("stride", stride, "col2im", 6)
    _check(kernel, dilations, paddings, strides)
    shape = input._desc.shape
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            f"non-zero dimensions for input, but got: {list(shape)}"
        )
    if shape[-2] % (kernel[0] * kernel[1]):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            f"but got input.size(1)={shape[-2]} and kernel_size=({by(kernel, ', ')})."
        )
    windows = _windows(space, kernel, dilations, paddings, strides)
    counts = tuple(window.output for window in windows)
    total = counts[0] * counts[1]
    if total != shape[-1] or min(counts) < 1:
        raise RuntimeError(
            f"Given output_size=({by(space, ', ')}), kernel_size=({by(kernel, ', ')}), dilation="
            f"({by(dilations, ', ')}), padding=({by(paddings, ', ')}), stride="
            f"({by(strides, ', ')}), expected size of input's dimension 2 to match the calculated "
            f"number of sliding blocks {by(counts, ' * ')} = {total}, but got input.size(2)="
            f"{shape[-1]}."
        )
    if input._desc.dtype.name.startswith(("int", "uint")):
        raise not_implemented("col2im_out_cpu", input)
    return without_batch(_col2im(with_batch(input, 1), windows=windows), input, 1)


def _windows(
    space: tuple[int, ...],
    kernel: tuple[int, int],
    dilation: tuple[int, int],
    padding: tuple[int, int],
    stride: tuple[int, int],
) -> Windows:
    return tuple(
        Window(n, output_size(n, k, s, p, d), k, s, p, d)
        for n, k, s, p, d in zip(space, kernel, stride, padding, dilation)
    )
