"""The contract over batched arrays: elements picked, and added back where they were picked.

In: arrays that may be batched, and indices some of which may be.  Out: one NumPy indexing for all
samples together.

Note [An index for each sample]
    Where an index is batched the samples are counted by a further index in front, so that each
    sample meets its own places. Index arrays that slices separate make NumPy put their axes first;
    what it returns is brought into the order that one sample would have.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.batched.elementwise import below
from adjoint.array.batched.levels import (
    BatchedArray,
    all_levels,
    has_level,
    need_truth,
    spread,
    top,
)
from adjoint.array.batched.movement import behind, together
from adjoint.array.traced import TracedArray

__all__ = [
    "diagonal",
    "diagonal_embed",
    "index_add",
    "put",
    "scatter_add",
    "slice",
    "slice_into",
    "sliding",
    "sliding_add",
    "take",
    "take_along_axis",
    "write",
    "written_out",
]

Array = Any
Shape = tuple[int, ...]

_all = np.s_[:]


def _full(index: Any) -> tuple[Any, ...]:
    return (_all,) if index is ... else (_all, *index)


def written_out(index: tuple[Any, ...], ndim: int) -> tuple[Any, ...]:
    """An index expression with slices in place of its ellipsis."""
    at = next((k for k, i in enumerate(index) if i is ...), None)
    if at is None:
        return index
    taken = sum(
        i.ndim if _is_array(i) and i.dtype.kind == "b" else int(i is not None)
        for k, i in enumerate(index)
        if k != at
    )
    return (*index[:at], *(_all,) * (ndim - taken), *index[at + 1 :])


# ---- basic indices -------------------------------------------------------------------------------


def slice(x: Array, index: Any) -> Array:
    """``x[index]`` for a basic index: a view."""
    if type(x) is not BatchedArray:
        return numpy_.slice(x, index)
    return BatchedArray(below((x.value,)).slice(x.value, _full(index)), x.level)


def slice_into(g: Array, shape: Shape, index: Any) -> Array:
    """Zeros of ``shape`` with ``g`` at the basic ``index``."""
    if type(g) is not BatchedArray:
        return numpy_.slice_into(g, shape, index)
    full = _full(index if isinstance(index, tuple) or index is ... else (index,))
    n = g.value.shape[0]
    return BatchedArray(below((g.value,)).slice_into(g.value, (n, *shape), full), g.level)


# ---- index arrays --------------------------------------------------------------------------------


class _Places:
    """An index expression with arrays, at the innermost level of its operands.

    ``full``: the expression for the values; ``order``: how the axes of what it picks are permuted
    to put the samples first and the rest in the order of one sample (None: they are).
    """

    def __init__(self, x_ndim: int, index: tuple[Any, ...], level: Any, x_batched: bool) -> None:
        arrays = [i for i in index if _is_array(i)]
        own = [type(i) is BatchedArray and i.level is level for i in arrays]
        at = [k for k, i in enumerate(index) if _is_array(i)]
        masked = any(i.dtype.kind == "b" for i in arrays)
        if masked and any(own):
            raise need_truth(arrays)
        adjacent = not arrays or at[-1] - at[0] == len(at) - 1
        before = at[0] if arrays and adjacent else 0  # axes that come before the picked ones
        picked = 1 if masked else max((i.ndim for i in arrays), default=0)
        self.samples = any(own)
        self.order: tuple[int, ...] | None = None
        moved = []
        for i in index:
            if type(i) is BatchedArray and i.level is level:
                shape = i.value.shape
                i = i.value.reshape((shape[0], *(1,) * (picked + 1 - len(shape)), *shape[1:]))
            moved.append(i)
        if not self.samples:
            self.full = (_all, *moved) if x_batched else tuple(moved)
            if x_batched and not adjacent:  # (picked, samples, rest)
                self.order = (picked, *range(picked))
            return
        if x_batched:
            n = level.size
            self.full = (np.arange(n).reshape((n, *(1,) * picked)), *moved)
            if before:  # (samples, picked, before, rest)
                self.order = (0, *range(picked + 1, picked + 1 + before), *range(1, picked + 1))
        else:
            self.full = tuple(moved)
            if before:  # (before, samples, picked, rest)
                self.order = (before, *range(before))

    def ordered(self, made: Array) -> Array:
        """What was picked, samples first."""
        if self.order is None:
            return made
        return made.transpose((*self.order, *range(len(self.order), made.ndim)))

    def unordered(self, g: Array) -> Array:
        """The inverse: what is to be added, in the order in which it would be picked."""
        if self.order is None:
            return g
        inverse = [0] * len(self.order)
        for k, axis in enumerate(self.order):
            inverse[axis] = k
        return g.transpose((*inverse, *range(len(inverse), g.ndim)))


def _is_array(item: Any) -> bool:
    return isinstance(item, np.ndarray | BatchedArray | TracedArray | np.generic)


def take(x: Array, index: Any) -> Array:
    """``x[index]`` for an index that contains arrays."""
    index = index if isinstance(index, tuple) else (index,)
    level = top((x, *index))
    if level is None:
        return numpy_.take(x, index)
    batched = type(x) is BatchedArray and x.level is level
    places = _Places(x.ndim, index, level, batched)
    value = x.value if batched else x
    made = below((value, *places.full)).take(value, places.full)
    return BatchedArray(places.ordered(made), level)


def index_add(g: Array, shape: Shape, index: Any) -> Array:
    """Zeros of ``shape`` to which ``g`` is added at ``index``."""
    level = top((g, *index))
    if level is None:
        return numpy_.index_add(g, shape, index)
    places = _Places(len(shape), index, level, True)
    if type(g) is not BatchedArray or g.level is not level:
        g = spread(g, level)
    value = places.unordered(g.value)
    made = below((value, *places.full)).index_add(value, (level.size, *shape), places.full)
    return BatchedArray(made, level)


def put(x: Array, index: Any, value: Array) -> Array:
    """A copy of ``x`` with ``value`` at ``index``."""
    index = index if isinstance(index, tuple) else (index,)
    level = top((x, value, *index))
    if level is None:
        return numpy_.put(x, index, value)
    for one in all_levels((x, value, *index)):
        if not has_level(x, one):
            x = spread(x, one)
    made = x.copy()
    write(made, index, value)
    return made


def write(target: BatchedArray, index: tuple[Any, ...], value: Array) -> None:
    """``target[index] = value`` in place."""
    index = written_out(index, target.ndim)
    level = top((target, value, *index))
    if level is not target.level:
        raise ValueError("the written array has no room for the samples of the value")
    batched = type(value) is BatchedArray and value.level is level
    if not any(_is_array(i) for i in index):
        full: tuple[Any, ...] = (_all, *index)
        if not batched:
            target.value[full] = value
            return
        part = below((target.value,)).slice(target.value, full)
        n, shape = part.shape[0], value.value.shape[1:]
        while len(shape) > part.ndim - 1 and shape[0] == 1:
            shape = shape[1:]  # NumPy drops leading axes of size 1, too
        part[...] = value.value.reshape((n, *(1,) * (part.ndim - 1 - len(shape)), *shape))
        return
    places = _Places(target.ndim, index, level, True)
    if batched:
        picked = places.ordered(below((target.value, *places.full)).take(target.value, places.full))
        n, shape = picked.shape[0], value.value.shape[1:]
        value = value.value.reshape((n, *(1,) * (picked.ndim - 1 - len(shape)), *shape))
        value = places.unordered(below((value,)).broadcast_to(value, picked.shape))
    elif getattr(value, "ndim", 0):
        picked = places.ordered(below((target.value, *places.full)).take(target.value, places.full))
        value = places.unordered(below((value,)).broadcast_to(value, picked.shape))
    if type(target.value) is BatchedArray:
        write(target.value, places.full, value)
    else:
        target.value[places.full] = value


def take_along_axis(x: Array, index: Array, axis: int) -> Array:
    """Elements of ``x`` picked along one axis."""
    if top((x, index)) is None:
        return numpy_.take_along_axis(x, index, axis)
    level, values = together((x, index))
    ndim = values[0].ndim - 1
    made = below(values).take_along_axis(*values, behind(axis, ndim) if ndim else 0)
    return BatchedArray(made, level)


def scatter_add(g: Array, shape: Shape, index: Array, axis: int) -> Array:
    """Zeros of ``shape`` to which ``g`` is added at ``index`` along an axis."""
    if top((g, index)) is None:
        return numpy_.scatter_add(g, shape, index, axis)
    level, (value, places) = together((g, index))
    made = below((value, places)).scatter_add(
        value, (level.size, *shape), places, behind(axis, len(shape))
    )
    return BatchedArray(made, level)


# ---- diagonals and windows -----------------------------------------------------------------------


def diagonal(x: Array, offset: int, axis1: int, axis2: int) -> Array:
    """A diagonal of the planes of two axes, as the last axis."""
    if type(x) is not BatchedArray:
        return numpy_.diagonal(x, offset, axis1, axis2)
    n = x.ndim
    made = below((x.value,)).diagonal(x.value, offset, behind(axis1, n), behind(axis2, n))
    return BatchedArray(made, x.level)


def diagonal_embed(g: Array, shape: Shape, offset: int, axis1: int, axis2: int) -> Array:
    """Zeros of ``shape`` with ``g`` on the given diagonal."""
    if type(g) is not BatchedArray:
        return numpy_.diagonal_embed(g, shape, offset, axis1, axis2)
    n = len(shape)
    made = below((g.value,)).diagonal_embed(
        g.value, (g.value.shape[0], *shape), offset, behind(axis1, n), behind(axis2, n)
    )
    return BatchedArray(made, g.level)


def sliding(x: Array, axis: int, size: int, step: int) -> Array:
    """Windows along an axis as a new last axis: a view."""
    if type(x) is not BatchedArray:
        return numpy_.sliding(x, axis, size, step)
    value = x.value if x.ndim else x.value.reshape((x.value.shape[0], 1))
    made = below((value,)).sliding(value, behind(axis, max(x.ndim, 1)), size, step)
    return BatchedArray(made, x.level)


def sliding_add(g: Array, shape: Shape, axis: int, size: int, step: int) -> Array:
    """Zeros of ``shape`` to which windows are added."""
    if type(g) is not BatchedArray:
        return numpy_.sliding_add(g, shape, axis, size, step)
    n = g.value.shape[0]
    whole = shape or (1,)
    made = below((g.value,)).sliding_add(g.value, (n, *whole), behind(axis, len(whole)), size, step)
    return BatchedArray(made.reshape((n, *shape)), g.level)
