"""Batched arrays: an array of another library with a hidden batch axis, which is what vmap is.

In: arrays and the level (level.py) whose samples lie along one of their axes.  Out:
`BatchedArray`s that show the shape of one sample, and what the tape asks of such arrays beyond the
contract: entering and leaving a level, summing over one, making room for batched values.

Note [Order of levels]
    The hidden axis is always the first one of ``value``, which may be a batched array itself. An
    inner `vmap` has a greater number; levels decrease from the outermost `BatchedArray` inward, so
    that two arrays with the same levels are built alike. Numbers are never used twice.

Note [Who sums]
    A tensor that is the same for all samples and is used by each of them collects a cotangent for
    each. While the level is open (backward inside `vmap`) these are kept apart: a gradient per
    sample is what was asked for. When it is closed (backward of what came out of `vmap`) the edge
    of a tensor without that level sums them. For that a cotangent of a tensor with a closed level
    must itself have it, even where all samples agree: `spread`, not broadcasting in silence.

Note [The dtype of a batched array]
    It equals NumPy's but is another object, so that the engine's test for "nothing to fit"
    (``g.dtype is desc.numpy``) fails and every batched cotangent is looked at on an edge.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.batched.level import (
    BatchedValueError,
    Level,
    need_truth,
    need_value,
    stack,
)
from adjoint.array.batched.level import levels_among as all_levels
from adjoint.array.descriptor import Descriptor, describe

__all__ = [
    "BatchedArray",
    "BatchedValueError",
    "Level",
    "aligned",
    "all_levels",
    "all_samples",
    "asked_first",
    "enter",
    "has_level",
    "leave",
    "levels_of",
    "library",
    "need_truth",
    "need_value",
    "one_of_each",
    "put_into",
    "spread",
    "stack",
    "sum_level",
    "top",
]

Array = Any
Shape = tuple[int, ...]

# The contract over batched arrays (array/batched/library.py), loaded by the first level.
library: list[Any] = [None]

# Kinds of arrays that know what to do with batched ones, and not the other way round.
asked_first: set[type] = set()

_FACTS = (np.shape, np.ndim, np.size)  # what NumPy tells of one sample
_dtypes: dict[Any, Any] = {}


def _own_dtype(dtype: Any) -> Any:
    found = _dtypes.get(dtype)
    if found is None:
        found = _dtypes[dtype] = np.dtype(dtype, copy=True)
    return found


def _binary(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """An operator of two operands; samples align as in `aligned`."""

    def call(self: BatchedArray, other: Any) -> Any:
        kind = type(other)
        value, level = self.value, self.level
        if kind is BatchedArray:
            if other.level is level and other.value.ndim == value.ndim:
                return BatchedArray(function(value, other.value), level)
        elif kind in asked_first:
            return NotImplemented
        elif kind is float or kind is int or getattr(other, "ndim", value.ndim) < value.ndim:
            return BatchedArray(function(value, other), level)
        level, (a, b) = aligned((self, other))
        return BatchedArray(function(a, b), level)

    return call


def _reflected(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The same with the operands exchanged: Python asks the right one."""

    def call(self: BatchedArray, other: Any) -> Any:
        if type(other) in asked_first:
            return NotImplemented
        level, (a, b) = aligned((other, self))
        return BatchedArray(function(a, b), level)

    return call


def _unary(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda self: BatchedArray(function(self.value), self.level)


def _in_place(function: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def call(self: BatchedArray, other: Any) -> Any:
        self[...] = function(self, other)
        return self

    return call


class BatchedArray:
    """An array of which ``value`` holds one for each sample of ``level``, along its first axis."""

    __slots__ = ("level", "value")

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Array, level: Level) -> None:
        self.value = value
        self.level = level

    # ---- operators ---------------------------------------------------------------------------

    __add__, __radd__ = _binary(operator.add), _reflected(operator.add)
    __sub__, __rsub__ = _binary(operator.sub), _reflected(operator.sub)
    __mul__, __rmul__ = _binary(operator.mul), _reflected(operator.mul)
    __truediv__, __rtruediv__ = _binary(operator.truediv), _reflected(operator.truediv)
    __floordiv__, __rfloordiv__ = _binary(operator.floordiv), _reflected(operator.floordiv)
    __mod__, __rmod__ = _binary(operator.mod), _reflected(operator.mod)
    __pow__, __rpow__ = _binary(operator.pow), _reflected(operator.pow)
    __and__, __rand__ = _binary(operator.and_), _reflected(operator.and_)
    __or__, __ror__ = _binary(operator.or_), _reflected(operator.or_)
    __xor__, __rxor__ = _binary(operator.xor), _reflected(operator.xor)
    __lshift__, __rlshift__ = _binary(operator.lshift), _reflected(operator.lshift)
    __rshift__, __rrshift__ = _binary(operator.rshift), _reflected(operator.rshift)
    __lt__, __le__ = _binary(operator.lt), _binary(operator.le)
    __gt__, __ge__ = _binary(operator.gt), _binary(operator.ge)
    __eq__, __ne__ = _binary(operator.eq), _binary(operator.ne)
    __neg__, __pos__ = _unary(operator.neg), _unary(operator.pos)
    __abs__, __invert__ = _unary(operator.abs), _unary(operator.invert)
    __iadd__, __isub__ = _in_place(operator.add), _in_place(operator.sub)
    __imul__, __itruediv__ = _in_place(operator.mul), _in_place(operator.truediv)

    # ---- facts -------------------------------------------------------------------------------

    @property
    def array_library(self) -> Any:
        """The contract over batched arrays."""
        return library[0]

    @property
    def shape(self) -> Shape:
        """The shape of one sample."""
        shape: Shape = self.value.shape[1:]
        return shape

    @property
    def ndim(self) -> int:
        """The number of axes of one sample."""
        n: int = self.value.ndim - 1
        return n

    @property
    def size(self) -> int:
        """The number of elements of one sample."""
        return numpy_.size(self.shape)

    @property
    def dtype(self) -> Any:
        """See Note [The dtype of a batched array]."""
        return _own_dtype(self.value.dtype)

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        n: int = self.value.dtype.itemsize
        return n

    @property
    def strides(self) -> Shape:
        """The bytes between neighbours in one sample."""
        steps: Shape = self.value.strides[1:]
        return steps

    @property
    def base(self) -> Any:
        """The memory that ``value`` looks at, if it is not its own."""
        return self.value.base

    @property
    def memory(self) -> Any:
        """The first sample as a NumPy array: every sample lies in memory as this one does."""
        value = self.value
        while type(value) is BatchedArray:
            value = value.memory
        return value[0] if len(value) else np.empty(self.shape, value.dtype)

    @property
    def flags(self) -> Any:
        """NumPy's facts about the memory of one sample."""
        return self.memory.flags

    @property
    def nbytes(self) -> int:
        """The bytes of one sample."""
        return self.size * self.itemsize

    @property
    def T(self) -> BatchedArray:
        """Each sample with its axes reversed."""
        return BatchedArray(self.value.transpose((0, *range(self.ndim, 0, -1))), self.level)

    @property
    def real(self) -> BatchedArray:
        """The real parts."""
        return BatchedArray(self.value.real, self.level)

    @property
    def imag(self) -> BatchedArray:
        """The imaginary parts."""
        return BatchedArray(self.value.imag, self.level)

    def describe(self) -> Descriptor:
        """The descriptor of a tensor over this array: slow, 0-d ones count as 0-d arrays."""
        value, level = self.value, self.level
        inner = describe(value).type
        kind = level.types.get(inner) or level.type_of(inner, library[0])
        shape = value.shape[1:]
        if not level.open:
            return kind.loose(shape)
        return (kind.shapes_get(shape) or kind.shaped(shape)) if shape else kind.zero_d

    # ---- the same elements -------------------------------------------------------------------

    def reshape(self, *shape: Any) -> BatchedArray:
        """Each sample in another shape; one size may be -1."""
        wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        if -1 in wanted:
            rest = numpy_.size(tuple(n for n in wanted if n != -1))
            wanted = tuple(self.size // max(rest, 1) if n == -1 else n for n in wanted)
        return BatchedArray(self.value.reshape((self.value.shape[0], *wanted)), self.level)

    def transpose(self, axes: Shape) -> BatchedArray:
        """Each sample with its axes in another order."""
        return BatchedArray(self.value.transpose((0, *[a + 1 for a in axes])), self.level)

    def squeeze(self, axis: Any) -> BatchedArray:
        """Each sample without the named axes of size 1."""
        axes = (axis,) if isinstance(axis, int) else axis
        n = self.ndim
        return BatchedArray(self.value.squeeze(tuple(a % n + 1 for a in axes)), self.level)

    def swapaxes(self, axis1: int, axis2: int) -> BatchedArray:
        """Each sample with two axes exchanged."""
        n = self.ndim
        return BatchedArray(self.value.swapaxes(axis1 % n + 1, axis2 % n + 1), self.level)

    def copy(self, order: Any = "C") -> BatchedArray:
        """A copy."""
        return BatchedArray(self.value.copy(order), self.level)

    def astype(self, dtype: Any) -> BatchedArray:
        """The same values in another dtype."""
        return BatchedArray(self.value.astype(dtype), self.level)

    def view(self, dtype: Any) -> BatchedArray:
        """The same memory as another dtype."""
        return BatchedArray(self.value.view(dtype), self.level)

    def __getitem__(self, index: Any) -> BatchedArray:
        xp = library[0]
        full = xp.written_out(index if isinstance(index, tuple) else (index,), self.ndim)
        basic = all(i is None or i is ... or isinstance(i, int | np.integer | slice) for i in full)
        made: BatchedArray = xp.slice(self, full) if basic else xp.take(self, full)
        return made

    def __setitem__(self, index: Any, value: Any) -> None:
        own = index is ... and type(value) is BatchedArray and value.level is self.level
        if own and value.value.shape == self.value.shape:
            self.value[...] = value.value
        else:
            put_into(self, index if isinstance(index, tuple) else (index,), value)

    def fill(self, value: Any) -> None:
        """Write one value everywhere."""
        self[...] = value

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("len() of unsized object")
        return self.shape[0]

    def __iter__(self) -> Iterator[BatchedArray]:
        return (self[i] for i in range(len(self)))

    # ---- NumPy's functions -------------------------------------------------------------------

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Any universal function computes element by element; all else wants values."""
        for operand in inputs:
            if type(operand) in asked_first:
                return NotImplemented
        if method != "__call__" or ufunc.signature is not None:
            raise need_value(f"numpy.{ufunc.__name__}", inputs)
        out = kwargs.pop("out", None)
        level, values = aligned(inputs)
        made = ufunc(*values, **kwargs)
        made = (
            tuple(BatchedArray(m, level) for m in made)
            if isinstance(made, tuple)
            else (BatchedArray(made, level))
        )
        if out is None:
            return made
        out[0][...] = made
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _FACTS:
            return getattr(self, function.__name__)
        raise need_value(f"numpy.{function.__name__}", (self,))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise need_value(".numpy()", (self,))

    def __bool__(self) -> bool:
        raise need_truth((self,))

    def item(self) -> Any:
        """Refused: there is one for each sample."""
        raise need_value(".item()", (self,))

    def tolist(self) -> Any:
        """Refused: there is one for each sample."""
        raise need_value(".tolist()", (self,))

    __float__ = __int__ = __complex__ = __index__ = item

    def __repr__(self) -> str:
        return f"BatchedArray(lvl={self.level.number}, value={self.value!r})"


# ---- levels --------------------------------------------------------------------------------------


def top(arrays: Any) -> Level | None:
    """The innermost level (the greatest number) among some arrays."""
    found: Level | None = None
    for a in arrays:
        if type(a) is BatchedArray and (found is None or a.level.number > found.number):
            found = a.level
    return found


def levels_of(array: Array) -> list[Level]:
    """The levels of an array, innermost first."""
    found = []
    while type(array) is BatchedArray:
        found.append(array.level)
        array = array.value
    return found


def all_samples(array: Array) -> Array:
    """The NumPy array of all samples of an array, those of the outermost level along axis 0."""
    while type(array) is BatchedArray:
        array = array.value
    return array


def one_of_each(array: Array, kept: Sequence[Level]) -> Array:
    """``array`` with its first sample only at levels other than those ``kept``."""
    if type(array) is not BatchedArray:
        return array
    if array.level in kept:
        return BatchedArray(one_of_each(array.value, kept), array.level)
    return one_of_each(array.value[0], kept)


def has_level(array: Array, level: Level) -> bool:
    """Whether an array has samples at a level."""
    return level in levels_of(array)


def aligned(arrays: Any) -> tuple[Level, list[Any]]:
    """The values at the innermost level of arrays that are to broadcast with each other.

    Those of that level get axes of size 1 behind the hidden one; the others are left alone.
    """
    level = top(arrays)
    assert level is not None
    alike = [a.value for a in arrays if type(a) is BatchedArray and a.level is level]
    if len(alike) == len(arrays) and len({v.ndim for v in alike}) == 1:
        return level, alike
    ndim = max([getattr(a, "ndim", 0) for a in arrays])
    values = []
    for a in arrays:
        if type(a) is BatchedArray and a.level is level:
            shape = a.value.shape
            if len(shape) <= ndim:
                a = a.value.reshape((shape[0], *(1,) * (ndim + 1 - len(shape)), *shape[1:]))
            else:
                a = a.value
        values.append(a)
    return level, values


def enter(array: Array, axis: int, level: Level) -> Array:
    """The array whose samples at ``level`` lie along ``axis`` of ``array``: a view of it."""
    if type(array) is BatchedArray and array.level.number > level.number:
        return BatchedArray(enter(array.value, axis + 1, level), array.level)
    if axis:
        rest = [a for a in range(array.ndim) if a != axis]
        array = array.transpose((axis, *rest))
    return BatchedArray(array, level)


def leave(array: Array, axis: int, level: Level) -> Array:
    """The array with its samples at ``level`` along ``axis``, the inverse of `enter`: a view."""
    if array.level is not level:
        return BatchedArray(leave(array.value, axis + 1, level), array.level)
    value = array.value
    if not axis:
        return value
    order = list(range(1, value.ndim))
    order.insert(axis, 0)
    return value.transpose(tuple(order))


def spread(array: Array, level: Level) -> Array:
    """An array that is the same for all samples of ``level``, as a batched one: a view."""
    if type(array) is BatchedArray and array.level.number > level.number:
        return BatchedArray(spread(array.value, level), array.level)
    if type(array) is BatchedArray:
        value = library[0].broadcast_view(array, (level.size, *array.shape))
    else:
        value = np.broadcast_to(array, (level.size, *array.shape))
    return BatchedArray(value, level)


def sum_level(array: Array, level: Level) -> Array:
    """The sum over all samples of ``level``; of an array that is the same for all, that often."""
    if not has_level(array, level):
        return array * level.size
    if array.level is not level:
        return BatchedArray(sum_level(array.value, level), array.level)
    xp = numpy_ if isinstance(array.value, np.ndarray) else library[0]
    return xp.sum(array.value, axis=(0,))


def put_into(target: BatchedArray, index: Any, value: Any) -> None:
    """``target[index] = value`` for each sample, in place."""
    library[0].write(target, index, value)
