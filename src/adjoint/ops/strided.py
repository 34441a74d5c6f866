"""Views by strides: unfold (windows along a dim) and as_strided (any sizes and strides).

In: a Tensor and a layout.  Out: a view, whose elements may share places in memory; the cotangent of
a place is then the sum over the elements that look at it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.array.descriptor import plain
from adjoint.ops.arguments import canonical_dim
from adjoint.ops.families import linear, movement

Array = Any
Tensor = Any
Shape = tuple[int, ...]

# ---- windows -------------------------------------------------------------------------------------


@movement(
    lambda xp, g, input_shape, axis, size, step: xp.sliding_add(g, input_shape, axis, size, step),
    node="UnfoldBackward0",
)
def _windows(xp: Any, input: Array, *, axis: int, size: int, step: int) -> Array:
    """Return windows of ``size`` along an axis, ``step`` apart, as a new last axis."""
    return xp.sliding(input, axis, size, step)


@linear(
    lambda xp, g, axis, size, step: xp.sliding(g, axis, size, step),
    node="UnfoldBackwardBackward0",
)
def _add_windows(xp: Any, input: Array, *, shape: Shape, axis: int, size: int, step: int) -> Array:
    """Return zeros of ``shape`` to which windows along an axis are added."""
    return xp.sliding_add(input, shape, axis, size, step)


def unfold(input: Tensor, dimension: int, size: int, step: int) -> Tensor:
    """Return windows of ``size`` along a dim, ``step`` apart, as a new last dim: a view.

    Raises: RuntimeError if the window is longer than the dim or the step is not positive.
    """
    axis = canonical_dim(dimension, input.ndim)
    length = input.shape[axis] if input.ndim else 1
    if size > length:
        raise RuntimeError(
            f"maximum size for tensor at dimension {axis} is {length} but size is {size}"
        )
    if step <= 0:
        raise RuntimeError(f"step is {step} but must be > 0")
    return _windows(input, axis=axis, size=size, step=step)


# ---- any strides ---------------------------------------------------------------------------------


def _places(shape: Shape, strides: Shape) -> Any:
    """The place of each element, counted in elements from the first."""
    places = np.zeros(shape, np.int64)
    for axis, (n, stride) in enumerate(zip(shape, strides)):
        steps = np.arange(n, dtype=np.int64) * stride
        places += steps.reshape((n,) + (1,) * (len(shape) - axis - 1))
    return places


def _strided_vjp(
    xp: Any, g: Array, input_shape: Shape, shape: Shape, strides: Shape, offset: int, layout: Shape
) -> Array:
    """Through the memory that both layouts look at: add where the view looks, read as the input."""
    seen, kept = _places(shape, strides) + offset, _places(input_shape, layout)
    everything = [p for p in (seen, kept) if p.size]
    low = min((int(p.min()) for p in everything), default=0)
    high = max((int(p.max()) for p in everything), default=-1)
    memory = xp.index_add(g, (high - low + 1,), (seen - low,))
    return xp.take(memory, (kept - low,))


@movement(_strided_vjp, node="AsStridedBackward0")
def _as_strided(
    xp: Any, input: Array, *, shape: Shape, strides: Shape, offset: int, layout: Shape
) -> Array:
    """Return a view with any sizes and strides, ``offset`` elements from the first of ``input``."""
    return xp.as_strided(input, shape, strides, offset)


def as_strided(input: Tensor, size: Any, stride: Any, storage_offset: int | None = None) -> Tensor:
    """Return a view of the memory of ``input`` with these sizes, strides and offset.

    Raises: RuntimeError if it would reach beyond that memory.
    """
    shape, strides = tuple(size), tuple(stride)
    if len(shape) != len(strides):
        raise RuntimeError("mismatch in length of strides and shape")
    if any(s < 0 for s in strides):
        raise RuntimeError(
            "as_strided: Negative strides are not supported at the moment, got strides: "
            f"{list(strides)}"
        )
    here = input.storage_offset()
    start = here if storage_offset is None else storage_offset
    item = input._desc.dtype.itemsize
    available = _storage(input) // item
    reach = start + sum((n - 1) * s for n, s in zip(shape, strides)) + 1
    if math.prod(shape) and (start < 0 or reach > available):
        raise RuntimeError(
            f"setStorage: sizes {list(shape)}, strides {list(strides)}, storage offset {start}, "
            f"and itemsize {item} requiring a storage size of {reach * item} are out of bounds for "
            f"storage of size {available * item}"
        )
    layout = input.stride()
    return _as_strided(input, shape=shape, strides=strides, offset=start - here, layout=layout)


def _storage(input: Tensor) -> int:
    """The bytes of the memory that a tensor looks at."""
    memory = input._memory()
    if not input._desc.type.levels:  # of a sample under vmap: its own
        memory = plain(memory)
    while isinstance(memory, np.ndarray) and isinstance(memory.base, np.ndarray):
        memory = memory.base
    return int(memory.nbytes)
