"""Sets of reductions, prefix sums, sorting and products of matrices: unions along axes.

In: PatternArrays and NumPy arrays.  Out: PatternArrays.

Note [Zeros of constants]
    In a product of matrices a constant zero couples nothing: row i of ``A @ x`` depends on the
    ``x[j]`` with ``A[i, j] != 0`` only, so a difference operator that is written as a full matrix
    has the pattern of its stencil. A zero that an input may change (its set is not EMPTY) counts as
    any other number; so does a zero *factor* of an elementwise product, which is more likely a
    coefficient at its present value than a missing link. A ``careful`` library, where constants may
    hide that they depend on the input, lets all zeros couple.

Note [Order]
    Where an element may stand depends on the input, so each element of a sorted array depends on
    all along its axis; so does the largest one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.patterns.pattern_array import PatternArray, value_of
from adjoint.array.patterns.picking import Picking
from adjoint.array.patterns.sets import DECIDED, EMPTY, NUMBER

__all__ = ["LinearAlgebra", "Reductions"]

Array = Any
Axes = tuple[int, ...] | None

_MANY = 1 << 25  # pairs of matrix elements that are looked at one by one


def _reduced(name: str) -> Any:
    """The union along axes."""
    function = getattr(numpy_, name)

    def rule(self: Reductions, x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
        value = np.asarray(function(value_of(x), axis, keepdims))
        if not isinstance(x, PatternArray):
            return self.constant(value)
        axes = tuple(range(x.ndim)) if axis is None else axis
        return self.computed(value, self.along(self.sets_of(x), axes).reshape(value.shape))

    return rule


class Reductions(Picking):
    """The group Reductions of the contract."""

    max = _reduced("max")
    mean = _reduced("mean")
    min = _reduced("min")
    prod = _reduced("prod")
    sum = _reduced("sum")

    def along(self, sets: Array, axes: Any) -> Array:
        """The union along axes, which are gone from the result."""
        axes = tuple(a % max(sets.ndim, 1) for a in ((axes,) if isinstance(axes, int) else axes))
        if not axes or not sets.ndim:
            return sets
        kept = [a for a in range(sets.ndim) if a not in axes]
        last = (
            sets.transpose([*kept, *axes]).reshape(*[sets.shape[a] for a in kept], -1)
            if (sets.size)
            else np.zeros((*[sets.shape[a] for a in kept], 0), sets.dtype)
        )
        return self.table.unite(last)

    def all(self, x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
        """Whether all elements along the axes are true."""
        return self._decided(np.asarray(numpy_.all(value_of(x), axis, keepdims)), x, axis)

    def any(self, x: Array, axis: Axes = None, keepdims: bool = False) -> Array:
        """Whether any element along the axes is true."""
        return self._decided(np.asarray(numpy_.any(value_of(x), axis, keepdims)), x, axis)

    def argmax(self, x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
        """Where the largest element is."""
        value = np.asarray(numpy_.argmax(value_of(x), axis, keepdims=keepdims))
        return self._decided(value, x, axis)

    def argmin(self, x: Array, /, axis: int | None = None, *, keepdims: bool = False) -> Array:
        """Where the smallest element is."""
        value = np.asarray(numpy_.argmin(value_of(x), axis, keepdims=keepdims))
        return self._decided(value, x, axis)

    def _decided(self, value: Array, x: Any, axis: Any) -> Array:
        """A result along axes that is flat."""
        if not isinstance(x, PatternArray):
            return self.constant(value)
        axes = tuple(range(x.ndim)) if axis is None else axis
        return self.computed(value, self.along(self.flags(x), axes).reshape(value.shape))

    def cumprod(self, x: Array, /, axis: int) -> Array:
        """Products of all elements up to each."""
        return self.computed(numpy_.cumprod(value_of(x), axis), self._prefixes(x, axis))

    def cumsum(self, x: Array, /, axis: int) -> Array:
        """Sums of all elements up to each."""
        return self.computed(numpy_.cumsum(value_of(x), axis), self._prefixes(x, axis))

    def logcumsumexp(self, x: Array, /, axis: int) -> Array:
        """Logarithms of sums of exponentials of all elements up to each."""
        return self.computed(numpy_.logcumsumexp(value_of(x), axis), self._prefixes(x, axis))

    def running_extreme(self, x: Array, axis: int, largest: bool) -> tuple[Array, Array]:
        """The extreme of all elements up to each, and where it stands; see Note [Order]."""
        value, where = numpy_.running_extreme(value_of(x), axis, largest)
        if not isinstance(x, PatternArray):
            return self.constant(value), where
        if self.local:
            return self.take_along_axis(x, where, axis), where
        sets = self._prefixes(x, axis)
        return self.computed(value, sets), self.computed(where, np.minimum(sets, DECIDED))

    def _prefixes(self, x: Array, axis: int) -> Array:
        """The unions of all sets up to each, with what is joined twice as far off in each step."""
        sets = self.sets_of(x)
        if not isinstance(x, PatternArray) or not sets.ndim:
            return sets.copy()
        made = np.moveaxis(sets, axis, -1).copy()
        most = np.cumsum(self.table.lengths(made), axis=-1, dtype=np.int64)
        if not self.table.fits(np.minimum(most, self.table.size).sum()):
            return np.expand_dims(self.along(sets, (axis,)), axis)
        distance = 1
        while distance < made.shape[-1]:
            joined = self.table.join(made[..., distance:], made[..., :-distance])
            made = np.concatenate((made[..., :distance], joined), axis=-1)
            distance *= 2
        return np.moveaxis(made, -1, axis)

    def sort(self, x: Array, axis: int, descending: bool, stable: bool) -> tuple[Array, Array]:
        """Sorted values and where they stood; see Note [Order]."""
        value, order = numpy_.sort(value_of(x), axis, descending, stable)
        if not isinstance(x, PatternArray):
            return self.constant(value), order
        if self.local:
            return self.take_along_axis(x, order, axis), order
        sets = np.expand_dims(self.along(self.sets_of(x), (axis,)), axis)
        places = self.computed(order, np.minimum(sets, DECIDED))
        return self.computed(value, sets), places


class LinearAlgebra(Reductions):
    """The group LinearAlgebra of the contract."""

    def matmul(self, a: Array, b: Array) -> Array:
        """The matrix product; see Note [Zeros of constants]."""
        value = np.asarray(numpy_.matmul(value_of(a), value_of(b)))
        first, second = self._as_matrix(a, True), self._as_matrix(b, False)
        sets = self.product(*first, *second)
        return self.computed(value, sets.reshape(value.shape))

    def matmul_add(self, a: Array, b: Array, c: Array) -> Array:
        """``a @ b + c``."""
        return self.matmul(a, b) + c

    def _as_matrix(self, x: Any, is_first: bool) -> tuple[Array, Array | None]:
        """Value and sets (None: a constant) of an operand, vectors as matrices."""
        value = value_of(x)
        sets = self.sets_of(x) if isinstance(x, PatternArray) else None
        if value.ndim == 1:
            place = (np.newaxis, Ellipsis) if is_first else (Ellipsis, np.newaxis)
            return value[place], None if sets is None else sets[place]
        return value, sets

    def product(self, a: Array, a_sets: Array | None, b: Array, b_sets: Array | None) -> Array:
        """The sets of ``a @ b`` for matrices (or stacks of them) with their sets."""
        shape = (
            *np.broadcast_shapes(a.shape[:-2], b.shape[:-2]),
            a.shape[-2],
            b.shape[-1],
        )
        made = np.zeros(shape, NUMBER)
        if b_sets is not None:
            couples = self._couples(a, a_sets)
            made = self.table.join(made, self._picked(couples, b_sets))
        if a_sets is not None:
            couples = self._couples(b, b_sets)
            turned = self._picked(couples.swapaxes(-1, -2), a_sets.swapaxes(-1, -2))
            made = self.table.join(made, turned.swapaxes(-1, -2))
        return made

    def _couples(self, value: Array, sets: Array | None) -> Array:
        """Where a matrix is not zero, or might not be."""
        if self.careful:
            return np.ones(value.shape, np.bool_)
        return value != 0 if sets is None else (value != 0) | (sets != EMPTY)

    def _picked(self, couples: Array, sets: Array) -> Array:
        """At (i, k) the union of ``sets[j, k]`` over the j with ``couples[i, j]``; a size of 1
        stands for all i.
        """
        if couples.all() or np.count_nonzero(couples) * sets.shape[-1] > _MANY:
            return np.expand_dims(self.along(sets, (-2,)), -2)
        if couples.ndim == 2:
            # further axes of the sets are so many more columns
            columns = np.moveaxis(sets, -2, 0)
            found = self._picked_columns(couples, columns.reshape(len(columns), -1))
            return np.moveaxis(found.reshape(len(found), *columns.shape[1:]), 0, -2)
        lead = np.broadcast_shapes(couples.shape[:-2], sets.shape[:-2])
        stacked = np.broadcast_to(couples, (*lead, *couples.shape[-2:]))
        behind = np.broadcast_to(sets, (*lead, *sets.shape[-2:]))
        made = np.zeros((*lead, couples.shape[-2], sets.shape[-1]), NUMBER)
        for place in np.ndindex(*lead):
            made[place] = self._picked_columns(stacked[place], behind[place])
        return made

    def _picked_columns(self, couples: Array, sets: Array) -> Array:
        rows, columns = couples.shape[0], sets.shape[1]
        counts = np.count_nonzero(couples, axis=1)
        numbers = sets.T[:, np.nonzero(couples)[1]].reshape(-1)
        start = np.concatenate(([0], np.cumsum(np.tile(counts, columns))))
        return self.table.unite_groups(start, numbers).reshape(columns, rows).T
