"""Sets of arrangement and creation: they move exactly as the elements do.

In: PatternArrays and NumPy arrays.  Out: PatternArrays, views where NumPy gives views, so that
writing through a view reaches the sets of its base. Each function of `numpy_` is applied twice, to
the values and to the numbers of the sets; where elements are added up, their sets are united.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.patterns.pattern_array import (
    PatternArray,
    PatternBase,
    value_of,
)
from adjoint.array.patterns.sets import NUMBER

__all__ = ["Arrangement", "Creation", "Moving", "numbered"]

Array = Any
Shape = tuple[int, ...]


class Moving(PatternBase):
    """How a function that moves elements, or adds them up where they meet, treats sets."""

    def moved_by(self, function: Callable[[Array], Array], x: Any) -> Array:
        """``function``, which only moves elements, of ``x``."""
        if not isinstance(x, PatternArray):
            return function(x)
        return self.moved(function(x.value), function(self.mine(x).sets))

    def moved_together(self, function: Callable[[Any], Array], arrays: Any) -> Array:
        """``function`` of several arrays, which become parts of one."""
        value = function([value_of(a) for a in arrays])
        parts = []
        for a in arrays:
            sets = self.sets_for(a, value.dtype)
            parts.append(sets if sets.shape == a.shape else np.zeros(a.shape, sets.dtype))
        return self.computed(value, function(parts))

    def added_up(self, value: Array, g: Any, places: Array) -> Array:
        """An array with ``value``, where elements of ``g`` were added at flat ``places``."""
        sets = np.broadcast_to(self.sets_of(g), places.shape).reshape(-1)
        return self.computed(value, self.gathered(sets, places.reshape(-1), value.shape))

    def gathered(self, sets: Array, places: Array, shape: Shape) -> Array:
        """For each place of an array of ``shape`` the union of the sets that go there."""
        filled = np.flatnonzero(sets)
        if len(filled) < len(sets):
            sets, places = sets[filled], places[filled]
        made = np.zeros(math.prod(shape), NUMBER)
        made[places] = sets
        if (made[places] != sets).any():  # several different sets go to one place
            order = np.argsort(places, kind="stable")
            counts = np.bincount(places, minlength=len(made))
            start = np.concatenate(([0], np.cumsum(counts)))
            made = self.table.unite_groups(start, sets[order])
        return made.reshape(shape)


def numbered(shape: Shape) -> Array:
    """The places of an array of ``shape``, counted."""
    return np.arange(math.prod(shape)).reshape(shape)


class Arrangement(Moving):
    """The group Arrangement of the contract."""

    def as_strided(self, x: Array, shape: Shape, strides: Shape, offset: int) -> Array:
        """The memory of ``x`` in other sizes and strides: a view."""
        return self.moved_by(lambda a: numpy_.as_strided(a, shape, strides, offset), x)

    def broadcast_to(self, x: Array, shape: Shape) -> Array:
        """``x`` repeated."""
        return self.moved_by(lambda a: numpy_.broadcast_to(a, shape), x)

    def broadcast_view(self, x: Array, shape: Shape) -> Array:
        """``x`` repeated as a view."""
        return self.moved_by(lambda a: numpy_.broadcast_view(a, shape), x)

    def concatenate(self, arrays: Any, axis: int) -> Array:
        """The arrays one after the other along an axis."""
        return self.moved_together(lambda parts: numpy_.concatenate(parts, axis), arrays)

    def expand_dims(self, x: Array, axis: Shape) -> Array:
        """``x`` with axes of size 1 inserted."""
        return self.moved_by(lambda a: numpy_.expand_dims(a, axis), x)

    def flip(self, x: Array, axis: Shape) -> Array:
        """``x`` reversed along axes, as a view."""
        return self.moved_by(lambda a: numpy_.flip(a, axis), x)

    def permute_dims(self, x: Array, axes: Shape) -> Array:
        """``x`` with its axes in another order."""
        return self.moved_by(lambda a: numpy_.permute_dims(a, axes), x)

    def reshape(self, x: Array, shape: Shape) -> Array:
        """``x`` in another shape, a view where possible."""
        return self.moved_by(lambda a: numpy_.reshape(a, shape), x)

    def roll(self, x: Array, /, shift: Shape, axis: Shape) -> Array:
        """``x`` moved along axes, what leaves at one end enters at the other."""
        return self.moved_by(lambda a: numpy_.roll(a, shift, axis), x)

    def rot90(self, x: Array, k: int, axes: Shape) -> Array:
        """A copy turned by ``k`` right angles."""
        return self.moved_by(lambda a: numpy_.rot90(a, k, axes), x)

    def squeeze(self, x: Array, axis: Shape) -> Array:
        """``x`` without axes of size 1."""
        return self.moved_by(lambda a: numpy_.squeeze(a, axis), x)

    def stack(self, arrays: Any, axis: int) -> Array:
        """The arrays side by side along a new axis."""
        return self.moved_together(lambda parts: numpy_.stack(parts, axis), arrays)

    def swapaxes(self, x: Array, axis1: int, axis2: int) -> Array:
        """``x`` with two axes exchanged."""
        return self.moved_by(lambda a: numpy_.swapaxes(a, axis1, axis2), x)

    def tile(self, x: Array, /, reps: Shape) -> Array:
        """``x`` repeated side by side."""
        return self.moved_by(lambda a: numpy_.tile(a, reps), x)

    def matrix_t(self, x: Array) -> Array:
        """The transpose of a matrix."""
        return self.moved_by(numpy_.matrix_t, x)


class Creation(Moving):
    """The group Creation of the contract; new arrays can be written to, so they have sets."""

    def astype(self, x: Array, dtype: Any) -> Array:
        """``x`` in another dtype; integers and bools depend on nothing."""
        if not isinstance(x, PatternArray):
            return numpy_.astype(x, dtype)
        if x.dtype == dtype:
            return x
        value = numpy_.astype(x.value, dtype)
        if x.dtype.kind == "c" and value.dtype.kind != "c":
            return self.computed(value, self.mine(x).sets["re"])
        return self.computed(value, np.array(self.sets_for(x, value.dtype)))

    def constant_eye(self, n: int) -> Array:
        """The identity matrix as bools: a mask, and a constant."""
        return numpy_.constant_eye(n)

    def copy(self, x: Array) -> Array:
        """A copy in C order, which can be written to."""
        if not isinstance(x, PatternArray):
            return self.constant(np.array(x))
        return self.moved_by(numpy_.copy, x)

    def copy_layout(self, x: Array) -> Array:
        """A copy whose axes lie in memory as those of ``x``."""
        if not isinstance(x, PatternArray):
            return self.constant(np.array(x, order="K"))
        return self.moved_by(numpy_.copy_layout, x)

    def full(self, shape: Shape, value: Any, dtype: Any) -> Array:
        """An array filled with one value."""
        made = numpy_.full(shape, value_of(value), dtype)
        if not isinstance(value, PatternArray):
            return self.constant(made)
        return self.computed(made, np.array(self.sets_for(value, made.dtype)))

    def ones_like(self, x: Array) -> Array:
        """Ones of the shape and dtype of ``x``."""
        return self.constant(numpy_.ones_like(value_of(x)))

    def scalar_like(self, number: Any, x: Array) -> Any:
        """A number in the dtype of ``x``."""
        if isinstance(number, PatternArray):
            return self.astype(number, x.dtype)
        return numpy_.scalar_like(number, x)

    def size(self, shape: Shape) -> int:
        """The number of elements of a shape."""
        return numpy_.size(shape)

    def zeros(self, shape: Shape, dtype: Any) -> Array:
        """Zeros."""
        return self.constant(numpy_.zeros(shape, dtype))

    def zeros_like(self, x: Array) -> Array:
        """Zeros of the shape and dtype of ``x``."""
        return self.constant(numpy_.zeros_like(value_of(x)))
