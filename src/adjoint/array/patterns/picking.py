"""Sets of picking: they move as the elements do, and are united where elements are added up.

In: PatternArrays and NumPy arrays, index expressions of slices and arrays.  Out: PatternArrays; for
a basic index, views.

Note [Computed indices]
    An index that was computed from the input would pick another element at another point: what is
    picked depends on all along the axis, and what is put may be anywhere along it. A mask computed
    from the input is taken as it is (it decides how many elements there are, as ``if`` decides what
    is computed); but where one value is written by a mask, the old elements keep their sets. A
    ``local`` library takes indices as they are, too.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.patterns.arrangement import Moving, numbered
from adjoint.array.patterns.pattern_array import PatternArray, index_of, value_of
from adjoint.array.patterns.sets import DECIDED

__all__ = ["Picking"]

Array = Any
Shape = tuple[int, ...]


class Picking(Moving):
    """The group Picking of the contract: picking moves sets, its transpose unites them."""

    def diagonal(self, x: Array, offset: int, axis1: int, axis2: int) -> Array:
        """A diagonal of the planes of two axes: a view."""
        return self.moved_by(lambda a: numpy_.diagonal(a, offset, axis1, axis2), x)

    def diagonal_embed(self, g: Array, shape: Shape, offset: int, axis1: int, axis2: int) -> Array:
        """Zeros of ``shape`` with ``g`` on a diagonal."""
        return self.moved_by(lambda a: numpy_.diagonal_embed(a, shape, offset, axis1, axis2), g)

    def slice(self, x: Array, index: Any) -> Array:
        """``x[index]`` for a basic index: a view."""
        index = index_of(index)
        return self.moved_by(lambda a: numpy_.slice(a, index), x)

    def slice_into(self, g: Array, shape: Shape, index: Any) -> Array:
        """Zeros of ``shape`` with ``g`` at a basic index."""
        index = index_of(index)
        return self.moved_by(lambda a: numpy_.slice_into(a, shape, index), g)

    def take(self, x: Array, index: Any) -> Array:
        """``x[index]`` for an index that contains arrays; see Note [Computed indices]."""
        places, axes = self._read(index, x.ndim)
        made = self.moved_by(lambda a: numpy_.take(a, places), self.spread(x, axes))
        return self._in_doubt(made) if axes else made

    def index_add(self, g: Array, shape: Shape, index: Any) -> Array:
        """Zeros of ``shape`` to which ``g`` is added at ``index``."""
        places, axes = self._read(index, len(shape))
        value = numpy_.index_add(value_of(g), shape, places)
        made = self.added_up(value, g, numbered(shape)[places])
        return self._in_doubt(self.spread(made, axes)) if axes else made

    def put(self, x: Array, index: Any, value: Any) -> Array:
        """A copy of ``x`` with ``value`` at ``index``; see Note [Computed indices]."""
        places, axes = self._read(index, x.ndim)
        made = self.moved_by(numpy_.copy, x)
        if not isinstance(x, PatternArray):
            made = self.constant(made)
        if not axes and not self._masks(index):
            made[places] = value
            return made
        written = self.constant(np.zeros(x.shape, made.dtype))
        written[places] = value
        if self._masks(index) and not np.ndim(value_of(value)):
            written[...] = value  # another mask would write it elsewhere
        written = self._in_doubt(self.spread(written, axes))
        made.value[places] = value_of(value)
        return self.computed(made.value, self.joined(made, written))

    def take_along_axis(self, x: Array, index: Array, axis: int) -> Array:
        """Elements picked along one axis."""
        places, doubt = index_of(index), not self.local and self.flags(index).any()
        made = self.moved_by(
            lambda a: numpy_.take_along_axis(a, places, axis),
            self.spread(x, (axis,)) if doubt else x,
        )
        return self._in_doubt(made) if doubt else made

    def scatter_add(self, g: Array, shape: Shape, index: Array, axis: int) -> Array:
        """Zeros of ``shape`` to which ``g`` is added at ``index`` along an axis."""
        places = index_of(index)
        value = numpy_.scatter_add(value_of(g), shape, places, axis)
        used = self.moved_by(lambda a: a[tuple([slice(n) for n in places.shape])], g)
        made = self.added_up(value, used, numpy_.take_along_axis(numbered(shape), places, axis))
        if not self.local and self.flags(index).any():
            return self._in_doubt(self.spread(made, (axis,)))
        return made

    # ---- computed indices --------------------------------------------------------------------

    def _read(self, index: Any, ndim: int) -> tuple[Any, tuple[int, ...]]:
        """An index expression without PatternArrays, and the axes along which it was computed."""
        parts = index if isinstance(index, tuple) else (index,)
        if not any(isinstance(p, PatternArray) for p in parts):
            return index, ()
        axes: list[int] = []
        axis = 0
        for part in parts:
            if part is ...:
                axis += ndim - sum(map(_consumed, parts))
            elif isinstance(part, PatternArray) and not (self._is_mask(part) or self.local):
                axes += [axis] if self.flags(part).any() else []
            axis += _consumed(part)
        return tuple([p.taken() if self._is_mask(p) else value_of(p) for p in parts]), tuple(axes)

    def _is_mask(self, part: Any) -> bool:
        return isinstance(part, PatternArray) and part.dtype.kind == "b"

    def _masks(self, index: Any) -> bool:
        """Whether there is a mask that was computed from the input."""
        parts = index if isinstance(index, tuple) else (index,)
        return not self.local and any(self._is_mask(p) and self.flags(p).any() for p in parts)

    def spread(self, x: Any, axes: tuple[int, ...]) -> Any:
        """``x`` with the sets along ``axes`` united: each element may be any of them."""
        if not axes or not isinstance(x, PatternArray):
            return x
        sets = self.sets_of(x)
        last = np.moveaxis(sets, axes, range(-len(axes), 0))
        united = self.table.unite(last.reshape(*last.shape[: -len(axes)], -1))
        united = united.reshape(*united.shape, *(1,) * len(axes))
        return self.computed(x.value, np.moveaxis(united, range(-len(axes), 0), axes))

    def _in_doubt(self, x: Any) -> Array:
        """``x``, no element of which is a constant."""
        return self.computed(value_of(x), np.maximum(self.sets_of(x), DECIDED))

    def sliding(self, x: Array, axis: int, size: int, step: int) -> Array:
        """Windows along an axis as a new last axis: a view."""
        return self.moved_by(lambda a: numpy_.sliding(a, axis, size, step), x)

    def sliding_add(self, g: Array, shape: Shape, axis: int, size: int, step: int) -> Array:
        """Zeros of ``shape`` to which windows are added."""
        value = numpy_.sliding_add(value_of(g), shape, axis, size, step)
        return self.added_up(value, g, numpy_.sliding(numbered(shape), axis, size, step))

    def tril(self, x: Array, /, k: int) -> Array:
        """``x`` with zeros above a diagonal."""
        return self._masked(numpy_.tril, x, k)

    def triu(self, x: Array, /, k: int) -> Array:
        """``x`` with zeros below a diagonal."""
        return self._masked(numpy_.triu, x, k)

    def _masked(self, function: Any, x: Any, k: int) -> Array:
        if not isinstance(x, PatternArray):
            return function(x, k)
        mask = function(np.ones(x.shape[-2:], np.bool_), k)
        sets = np.where(mask, self.mine(x).sets, np.zeros((), x.sets.dtype))
        return self.computed(function(x.value, k), sets)


def _consumed(part: Any) -> int:
    """How many axes an item of an index expression stands for."""
    if part is None or part is ...:
        return 0
    is_mask = getattr(part, "dtype", None) is not None and part.dtype.kind == "b"
    return np.ndim(value_of(part)) if is_mask else 1
