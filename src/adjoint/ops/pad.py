"""Padding: a Tensor with more elements around its last dims, or fewer.

In: a Tensor and widths in PyTorch's order, the last dim first.  Out: a padded Tensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.ops.arguments import tensor_argument
from adjoint.ops.families import linear

__all__ = ["constant_pad_nd", "pad"]

Array = Any
Tensor = Any
Widths = tuple[tuple[int, int], ...]


@linear(
    lambda xp, g, widths: xp.pad(g, tuple((-before, -after) for before, after in widths), 0),
    jvp=lambda xp, t, widths: xp.pad(t, widths, 0),
    node="ConstantPadNdBackward0",
    saved_names={"widths": "pad"},
)
def _constant_pad(xp: Any, input: Array, *, widths: Widths, value: float) -> Array:
    """Return the input with elements ``value`` around its last axes (negative: cut off)."""
    return xp.pad(input, widths, value) if value else xp.pad(input, widths, 0)


def _sum_back(xp: Any, g: Array, widths: Widths, mode: str) -> Array:
    return xp.pad_mirrored_sum(g, widths, mode)


def _mirrored(node: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    return linear(_sum_back, node=node, saved_names={"widths": "padding"})


@_mirrored("ReflectionPad1DBackward0")
def _reflection_pad1d(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return the input continued on both sides by its mirror image."""
    return xp.pad_mirrored(input, widths, mode)


@_mirrored("ReflectionPad2DBackward0")
def _reflection_pad2d(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return the input continued on all sides by its mirror image."""
    return xp.pad_mirrored(input, widths, mode)


@_mirrored("ReflectionPad3DBackward0")
def _reflection_pad3d(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return the input continued on all sides by its mirror image."""
    return xp.pad_mirrored(input, widths, mode)


@_mirrored("ReplicationPad1DBackward0")
def _replication_pad1d(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return the input continued on both sides by its border."""
    return xp.pad_mirrored(input, widths, mode)


@_mirrored("ReplicationPad2DBackward0")
def _replication_pad2d(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return the input continued on all sides by its border."""
    return xp.pad_mirrored(input, widths, mode)


@_mirrored("ReplicationPad3DBackward0")
def _replication_pad3d(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return the input continued on all sides by its border."""
    return xp.pad_mirrored(input, widths, mode)


@_mirrored("PadCircularBackward0")
def _pad_circular(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return the input continued on all sides as if it were a ring."""
    return xp.pad_mirrored(input, widths, mode)


@linear(
    lambda xp, g, widths, mode: xp.pad_mirrored(g, widths, mode),
    node="PadMirroredBackwardBackward0",
)
def _pad_mirrored_sum(xp: Any, input: Array, *, widths: Widths, mode: str) -> Array:
    """Return what `_mirrored` padding takes back: sums over the copies of each element."""
    return xp.pad_mirrored_sum(input, widths, mode)


def _pad_mirrored(input: Tensor, widths: Widths, mode: str) -> Tensor:
    """Return the padded Tensor, recorded by the operator of ``mode`` and number of dims."""
    if mode == "circular":
        return _pad_circular(input, widths=widths, mode=mode)
    return _MIRRORED[mode, len(widths)](input, widths=widths, mode=mode)


_MIRRORED: dict[tuple[str, int], Callable[..., Any]] = {
    ("reflect", 1): _reflection_pad1d,
    ("reflect", 2): _reflection_pad2d,
    ("reflect", 3): _reflection_pad3d,
    ("replicate", 1): _replication_pad1d,
    ("replicate", 2): _replication_pad2d,
    ("replicate", 3): _replication_pad3d,
}


# ---- PyTorch's functions -------------------------------------------------------------------------


def constant_pad_nd(input: Tensor, pad: Sequence[int], value: float = 0) -> Tensor:
    """Return ``input`` with elements ``value`` around its last dims.

    ``pad`` has a pair (before, after) per dim, the last dim first; negative widths cut off.

    Raises: RuntimeError if the pairs are incomplete, more than the dims, or cut off too much.

    Example:
        >>> import adjoint as torch
        >>> constant_pad_nd(torch.tensor([1, 2]), (1, 2))
        tensor([0, 1, 2, 0, 0])
    """
    tensor_argument("constant_pad_nd", "input", 1, input)
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    widths = _widths(pad)
    shape = input._desc.shape
    if len(widths) > len(shape):
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. "
            f"Pad length is {len(pad)}while the input has {len(shape)}dimensions."
        )
    for size, (before, after) in zip(shape[len(shape) - len(widths) :], widths):
        if size + before + after < 0:
            raise RuntimeError(
                "narrow(): length must be non-negative. "
                f"(Padding ({before}, {after}) cuts off more than the {size} elements of the dim.)"
            )
    return _constant_pad(input, widths=widths, value=value)


def pad(
    input: Tensor, pad: Sequence[int], mode: str = "constant", value: float | None = None
) -> Tensor:
    """Return ``input`` with more elements around its last dims, or fewer.

    Args: ``pad``: a pair (before, after) per dim, the last dim first; negative widths cut off.
    ``mode``: what the new elements are: "constant" (``value``, default 0), "reflect" (the mirror
    image), "replicate" (the border) or "circular" (the other end).

    Raises: RuntimeError if the widths do not fit; NotImplementedError for a mode or a number of
    dims that PyTorch does not have.

    Example:
        >>> import adjoint as torch
        >>> pad(torch.tensor([[1, 2, 3]]), (2, 0), mode="reflect")
        tensor([[3, 2, 1, 2, 3]])
    """
    tensor_argument("pad", "input", 1, input)
    widths = _widths(pad)
    shape = input._desc.shape
    if len(widths) > len(shape):
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but got "
            f"padding length {2 * len(widths)} and input of dimension {len(shape)}"
        )
    if mode == "constant":
        return constant_pad_nd(input, pad, 0 if value is None else value)
    if value:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    _check_mirrored(shape, widths, mode)
    return _pad_mirrored(input, widths, mode)


def _widths(pad: Sequence[int]) -> Widths:
    """Return the pairs in the order of the dims."""
    if not isinstance(pad, list | tuple):
        raise TypeError(
            f"pad(): argument 'pad' (position 2) must be tuple of ints, not {type(pad).__name__}"
        )
    for place, width in enumerate(pad):
        if not hasattr(width, "__index__"):
            raise TypeError(
                "pad(): argument 'pad' (position 2) must be tuple of ints, but found element of "
                f"type {type(width).__name__} at pos {place}"
            )
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    flat = [width.__index__() for width in pad]
    return tuple((flat[i], flat[i + 1]) for i in range(len(flat) - 2, -1, -2))


def _check_mirrored(shape: tuple[int, ...], widths: Widths, mode: str) -> None:
    ndim, count = len(shape), len(widths)
    if not 1 <= count <= 3 or ndim not in (count + 1, count + 2):
        raise NotImplementedError(
            f"Padding size {2 * count} is not supported for {ndim}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    if mode != "circular" and 0 in shape[ndim - count - 1 :]:
        raise RuntimeError(
            f"Expected {count + 1}D or {count + 2}D (batch mode) tensor with possibly 0 batch size "
            f"and other non-zero dimensions for input, but got: {list(shape)}"
        )
    for axis, (before, after) in zip(range(ndim - count, ndim), widths):
        size = shape[axis]
        if mode == "reflect" and (before >= size or after >= size):
            raise RuntimeError(
                f"Argument #{2 * (ndim - axis) + 2}: Padding size should be less than the "
                f"corresponding input dimension, but got: padding ({before}, {after}) at dimension "
                f"{axis} of input {list(shape)}"
            )
        if mode == "circular" and (before > size or after > size):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if mode == "circular" and size + before + after < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
        if mode != "circular" and size + before + after < (count == 1):
            raise RuntimeError(
                f"input (W: {size}) is too small. Calculated output W: {size + before + after}"
            )
