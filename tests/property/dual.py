"""A model of tensors for the property tests: NumPy values that carry all their derivatives forward.

`Dual` keeps a value and its derivatives along an extra last axis. Views of a `Dual` are NumPy views
of both, in-place writes write both: aliasing and the chain rule come from NumPy, not from a tape.
Only `detach` shares the value without the derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


class Dual:
    """A value, and its derivative by each of the inputs along one more axis."""

    def __init__(self, value: Array, slope: Array) -> None:
        self.value = value
        self.slope = slope

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return tuple(self.value.shape)

    def is_contiguous(self) -> bool:
        """Whether the value lies contiguous in memory."""
        return bool(self.value.flags.c_contiguous)

    def _pair(self, function: Any, *arguments: Any) -> Dual:
        return Dual(function(self.value, *arguments), function(self.slope, *arguments))

    # ---- views -------------------------------------------------------------------------------

    def __getitem__(self, index: Any) -> Dual:
        items = index if isinstance(index, tuple) else (index,)
        if all(isinstance(i, int) for i in items) and len(items) == self.value.ndim:
            items = (*items, Ellipsis)  # a 0-d view, not a number
        return Dual(self.value[items], self.slope[items if Ellipsis not in items else items[:-1]])

    def transpose(self, a: int, b: int) -> Dual:
        """The value with two axes exchanged."""
        return self._pair(np.swapaxes, a, b)

    def unsqueeze(self, dim: int) -> Dual:
        """The value with an axis of size 1 at ``dim``."""
        return self._pair(np.expand_dims, dim)

    def diagonal(self, offset: int, a: int, b: int) -> Dual:
        """The diagonal of two axes, as the last axis; writable."""
        value = np.diagonal(self.value, offset, a, b)
        value.flags.writeable = True
        slope = np.diagonal(self.slope, offset, a, b)
        slope.flags.writeable = True
        return Dual(value, np.moveaxis(slope, -1, -2))

    def view(self, size: int) -> Dual:
        """The value as a vector (-1)."""
        assert size == -1
        return Dual(self.value.reshape(-1), self.slope.reshape(-1, self.slope.shape[-1]))

    def detach(self) -> Dual:
        """The same memory, with derivatives of its own that start at zero."""
        return Dual(self.value, np.zeros_like(self.slope))

    def clone(self) -> Dual:
        """A copy of value and derivatives."""
        return self._pair(np.copy)

    # ---- arithmetic --------------------------------------------------------------------------

    def __mul__(self, other: Any) -> Dual:
        if not isinstance(other, Dual):
            return Dual(self.value * other, self.slope * other)
        value = self.value * other.value
        left = self._spread(value) * other.value[..., None]
        right = other._spread(value) * self.value[..., None]
        return Dual(value, left + right)

    def _spread(self, like: Array) -> Array:
        """The derivatives, with axes of size 1 in front: they broadcast as the value does."""
        lead = like.ndim - self.value.ndim
        return self.slope.reshape((1,) * lead + self.slope.shape)

    # ---- in place ----------------------------------------------------------------------------

    def _write(self, value: Array, slope: Array) -> None:
        self.value[...] = value
        self.slope[...] = slope

    def mul_(self, other: Any) -> None:
        """Overwrite by a product."""
        made = self * other
        self._write(made.value, made.slope)

    def add_(self, other: Any) -> None:
        """Overwrite by a sum."""
        if isinstance(other, Dual):
            self._write(self.value + other.value, self.slope + other._spread(self.value))
        else:
            self._write(self.value + other, self.slope)

    def copy_(self, other: Dual) -> None:
        """Overwrite by another value."""
        self._write(other.value, other._spread(self.value))

    def zero_(self) -> None:
        """Overwrite by zeros."""
        self._write(0.0, 0.0)

    def neg_(self) -> None:
        """Overwrite by the negative."""
        self._write(-self.value, -self.slope)

    def sin_(self) -> None:
        """Overwrite by the sine."""
        self._write(np.sin(self.value), np.cos(self.value)[..., None] * self.slope)

    def __setitem__(self, index: Any, other: Any) -> None:
        if isinstance(other, Dual):
            self[index].copy_(other) if index is not Ellipsis else self.copy_(other)
        else:
            target = self if index is Ellipsis else self[index]
            target._write(other, 0.0)

    def sum_slope(self) -> Array:
        """The derivative of the sum of all elements."""
        return self.slope.reshape(-1, self.slope.shape[-1]).sum(0)
