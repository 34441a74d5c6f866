"""Block-diagonal batched arrays: batched arrays that are zero outside of a block for each sample.

In: cotangents of things computed sample by sample along an axis.  Out: `BlockArray`s, which keep
only the block, for as long as that is all there is; else the `BatchedArray` they stand for.

Note [Blocks]
    The gradient of the i-th loss of a batch is zero in the rows of all other samples, all the way
    back to where the samples meet the parameters. A `BlockArray` of n samples has an ``axis`` of
    n * k places, and sample i may differ from zero at places i * k to (i + 1) * k of it only.
    ``value`` holds that block for each sample: it is as large as the ordinary cotangent. Where the
    axis is summed over, or contracted with the same axis of an array that is the same for all
    samples, every sample meets its own block of it: what comes out is a gradient per sample, for
    the price of one backward walk. Whatever has no rule here goes on as a `BatchedArray`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.batched.levels import (
    BatchedArray,
    Level,
    asked_first,
    need_truth,
    need_value,
)
from adjoint.array.descriptor import Descriptor, describe
from adjoint.array.traced import TracedArray

__all__ = [
    "BlockArray",
    "OutOfBudget",
    "apart",
    "blocks_library",
    "check_budget",
    "dense",
    "identity",
    "is_plain",
    "is_zero",
    "left",
    "written_out",
]

Array = Any
Shape = tuple[int, ...]

blocks_library: list[Any] = [None]
written_out = [0]  # how often blocks were: who counts can tell whether two ways keep them alike


class OutOfBudget(MemoryError):
    """Writing a block-diagonal array out would take more memory than its level allows."""


class BlockArray(np.lib.mixins.NDArrayOperatorsMixin):
    """``value``: the block of each sample of ``level``; ``axis``: along which they lie apart."""

    __slots__ = ("axis", "budget", "level", "value")

    def __init__(self, value: Array, level: Level, axis: int, budget: int | None = None) -> None:
        self.value = value
        self.level = level
        self.axis = axis
        self.budget = budget  # bytes that leaving the blocks may take; None: any number

    # ---- facts -------------------------------------------------------------------------------

    @property
    def array_library(self) -> Any:
        """The contract over block-diagonal arrays."""
        return blocks_library[0]

    @property
    def shape(self) -> Shape:
        """The shape of one sample, with all places of the axis."""
        shape = self.value.shape[1:]
        return (*shape[: self.axis], shape[self.axis] * self.level.size, *shape[self.axis + 1 :])

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
        """As of a batched array."""
        return self.block.dtype

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self.block.itemsize

    @property
    def block(self) -> BatchedArray:
        """The blocks as a batched array."""
        return BatchedArray(self.value, self.level)

    @property
    def real(self) -> BlockArray:
        """The real parts."""
        return self.like(self.value.real)

    @property
    def imag(self) -> BlockArray:
        """The imaginary parts."""
        return self.like(self.value.imag)

    @property
    def T(self) -> BlockArray:
        """Each sample with its axes reversed."""
        made: BlockArray = blocks_library[0].permute_dims(self, tuple(range(self.ndim))[::-1])
        return made

    def like(self, value: Array, axis: int | None = None) -> BlockArray:
        """Other blocks of the same level."""
        return BlockArray(value, self.level, self.axis if axis is None else axis, self.budget)

    def describe(self) -> Descriptor:
        """The descriptor of a tensor over this array."""
        inner = describe(self.value).type
        kind = self.level.type_of(inner, blocks_library[0], (inner, "blocks"))
        return kind.shaped(self.shape) if self.level.open else kind.loose(self.shape)

    # ---- computing ---------------------------------------------------------------------------

    def reshape(self, *shape: Any) -> Any:
        """Each sample in another shape."""
        wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return blocks_library[0].reshape(self, wanted)

    def copy(self, order: Any = "C") -> BlockArray:
        """A copy."""
        return self.like(self.value.copy(order))

    def astype(self, dtype: Any) -> BlockArray:
        """The same values in another dtype."""
        return self.like(self.value.astype(dtype))

    def __getitem__(self, index: Any) -> Any:
        return dense(self)[index]

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """What keeps zeros works on the blocks, all else on the dense form."""
        if method != "__call__" or kwargs:
            raise need_value(f"numpy.{ufunc.__name__}", (self.block,))
        return blocks_library[0].apply_ufunc(ufunc, inputs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise need_value(f"numpy.{function.__name__}", (self.block,))

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise need_value(".numpy()", (self.block,))

    def __bool__(self) -> bool:
        raise need_truth((self.block,))

    def item(self) -> Any:
        """Refused: there is one for each sample."""
        raise need_value(".item()", (self.block,))

    def __repr__(self) -> str:
        return f"BlockArray(lvl={self.level.number}, axis={self.axis}, value={self.value!r})"


asked_first.add(BlockArray)


def identity(level: Level, dtype: Any, budget: int | None = None) -> BlockArray:
    """The unit vectors of as many dimensions as ``level`` has samples, one for each of them."""
    return BlockArray(np.ones((level.size, 1), dtype), level, 0, budget)


def check_budget(array: BlockArray, elements: int) -> None:
    """Raise OutOfBudget if what an array is to become has too many elements."""
    size = elements * array.itemsize
    if array.budget is not None and size > array.budget:
        raise OutOfBudget(
            f"{array.level.size} cotangents, apart from blocks of shape {list(array.shape)}, take "
            f"{size} bytes"
        )


def left(made: BatchedArray, array: BlockArray) -> BatchedArray:
    """What became of the blocks of ``array``, one for each sample, if it may be so large."""
    check_budget(array, made.level.size * made.size)
    return made


def dense(array: Array) -> Array:
    """The batched array that a block-diagonal one stands for; anything else as it is.

    Raises: OutOfBudget where that would take more memory than allowed.
    """
    if type(array) is not BlockArray:
        return array
    value = array.value
    written_out[0] += 1
    if array.budget is not None:
        check_budget(array, array.level.size * array.size)
    if type(value) is TracedArray:
        made = value.trace.call(apart, (value, array.axis))
    else:
        made = apart(value, array.axis)
    return BatchedArray(made, array.level)


def apart(value: Array, axis: int) -> Array:
    """Blocks (n, ..., k, ...) in zeros (n, ..., n * k, ...): each at its own places of the axis."""
    n, shape = len(value), value.shape[1:]
    made = np.zeros((n, *shape[:axis], n, *shape[axis:]), value.dtype)
    if value.size == n:
        made.reshape(-1)[:: n + 1] = value.reshape(-1)
    else:
        places = np.arange(n)
        # index arrays that a slice separates come first: (n, *before, k, *after)
        index: Any = (places, *(slice(None),) * axis, places)
        made[index] = value
    return made.reshape((n, *shape[:axis], n * shape[axis], *shape[axis + 1 :]))


def is_plain(x: Any) -> bool:
    """Whether an operand is an array that is the same for all samples."""
    return isinstance(x, np.ndarray | TracedArray)


def is_zero(operand: Any) -> bool:
    """Whether an operand is the number zero, or a 0-d array of it."""
    if isinstance(operand, BlockArray | BatchedArray | TracedArray):
        return False
    return not getattr(operand, "ndim", 0) and operand == 0
