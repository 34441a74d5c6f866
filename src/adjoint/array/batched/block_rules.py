"""The contract over block-diagonal arrays: what keeps blocks, and what makes gradients of them.

In: arrays of which some are `BlockArray`s (array/batched/blocks.py, Note [Blocks]); the others are
the same for all samples, or batched.  Out: block-diagonal arrays where the result is one, else
batched ones. A name that has no rule here is that of the batched library, on dense forms.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from adjoint.array.batched import library, tape
from adjoint.array.batched.blocks import (
    BlockArray,
    blocks_library,
    check_budget,
    dense,
    is_plain,
    is_zero,
    left,
)
from adjoint.array.batched.levels import BatchedArray

__all__ = ["BlockLibrary"]

Array = Any
Shape = tuple[int, ...]


class NoBlocks(Exception):
    """The result is not block-diagonal along one axis: the dense form is needed."""


def blocks_of(x: Array, like: BlockArray, axis: int) -> Array:
    """The blocks, along ``axis``, of an array that is the same for all samples: a view.

    Raises: NoBlocks if it is batched, or the axis has another size.
    """
    n = like.level.size
    if type(x) is BlockArray:
        if x.level is like.level and x.axis == axis:
            return x.block
        raise NoBlocks
    if not is_plain(x) or x.shape[axis] % n or x.shape[axis] < n:
        raise NoBlocks
    split = x.reshape((*x.shape[:axis], n, x.shape[axis] // n, *x.shape[axis + 1 :]))
    order = (axis, *(a for a in range(split.ndim) if a != axis))
    return BatchedArray(split.transpose(order), like.level)


def _first(operands: Any) -> BlockArray:
    for o in operands:
        if type(o) is BlockArray:
            return o
    raise NoBlocks


def aligned_blocks(operands: Any) -> tuple[BlockArray, int, list[Any]]:
    """Operands that broadcast, cut into blocks: the axis, counted from the back, and the parts."""
    leader = _first(operands)
    back = leader.ndim - leader.axis
    parts: list[Any] = []
    for o in operands:
        ndim = getattr(o, "ndim", 0)
        if type(o) is BlockArray:
            if o.ndim - o.axis != back:
                raise NoBlocks
            parts.append(blocks_of(o, leader, o.axis))
        elif type(o) is BatchedArray:
            raise NoBlocks
        elif ndim >= back and o.shape[ndim - back] != 1:
            parts.append(blocks_of(o, leader, ndim - back))
        else:
            parts.append(o)
    widths = {p.shape[p.ndim - back] for p in parts if type(p) is BatchedArray}
    if len(widths) > 1:
        raise NoBlocks
    return leader, back, parts


def wrapped(made: BatchedArray, leader: BlockArray, axis: int) -> BlockArray:
    """Blocks as a block-diagonal array."""
    return leader.like(made.value, axis)


# ---- element by element --------------------------------------------------------------------------

_LINEAR_FIRST = {np.divide, np.true_divide}
_LINEAR = {np.negative, np.positive, np.conjugate}


def apply_ufunc(ufunc: Any, inputs: Any) -> Array:
    """A universal function; block-diagonal where zeros stay zeros."""
    diagonal = [type(i) is BlockArray for i in inputs]
    if not any(diagonal):
        return ufunc(*inputs)
    keeps = (
        ufunc in _LINEAR
        or ufunc is np.multiply
        or (ufunc in _LINEAR_FIRST and diagonal[0] and not diagonal[1])
        or (ufunc in (np.add, np.subtract) and all(diagonal))
    )
    if ufunc in (np.add, np.subtract) and not all(diagonal):
        leader, other = (inputs[0], inputs[1]) if diagonal[0] else (inputs[1], inputs[0])
        if _adds_nothing(other, leader):  # the cotangent of a result that nobody used
            return leader if diagonal[0] or ufunc is np.add else -leader
    if keeps:
        try:
            leader, back, parts = aligned_blocks(inputs)
            made = ufunc(*parts)
            return wrapped(made, leader, made.ndim - back)
        except NoBlocks:
            pass
    return ufunc(*[dense(i) for i in inputs])


def _adds_nothing(x: Any, to: BlockArray) -> bool:
    if is_zero(x):
        return True
    if not isinstance(x, np.ndarray) or np.broadcast_shapes(x.shape, to.shape) != to.shape:
        return False
    return not x.any()


class BlockLibrary:
    """The contract's names over block-diagonal arrays."""

    def __getattr__(self, name: str) -> Any:
        """The batched library's function, on dense forms."""
        plain = getattr(library, name)

        def call(*operands: Any, **parameters: Any) -> Any:
            return plain(*map(_dense_all, operands), **parameters)

        call.__name__ = name
        setattr(self, name, call)
        return call

    apply_ufunc = staticmethod(apply_ufunc)
    straight = None  # whether blocks stay blocks is for the general path to see

    def conj(self, x: Array) -> Array:
        """The conjugates."""
        return apply_ufunc(np.conjugate, (x,))

    def copy(self, x: Array) -> Array:
        """A copy."""
        return x.copy()

    def real(self, x: Array) -> Array:
        """The real parts."""
        return x.real

    def astype(self, x: Array, dtype: Any) -> Array:
        """The same values in another dtype."""
        if type(x) is not BlockArray:
            return library.astype(x, dtype)
        return x.like(library.astype(x.block, dtype).value)

    def _backward(self, name: str, g: Array, out: Array) -> Array:
        try:
            if type(g) is not BlockArray:
                raise NoBlocks
            leader, back, parts = aligned_blocks((g, out))
        except NoBlocks:
            return getattr(library, name)(dense(g), dense(out))
        made = getattr(library, name)(*parts)
        return wrapped(made, leader, made.ndim - back)

    def sigmoid_backward(self, g: Array, out: Array) -> Array:
        """The cotangent of the argument of a sigmoid."""
        return self._backward("sigmoid_backward", g, out)

    def tanh_backward(self, g: Array, out: Array) -> Array:
        """The cotangent of the argument of a hyperbolic tangent."""
        return self._backward("tanh_backward", g, out)

    def threshold_backward(self, g: Array, out: Array) -> Array:
        """The cotangent of the argument of a rectifier."""
        return self._backward("threshold_backward", g, out)

    def where(self, condition: Array, x: Array, y: Array) -> Array:
        """A choice; block-diagonal if what is chosen is so or zero."""
        try:
            if all(type(o) is BlockArray or is_zero(o) for o in (x, y)) and (
                type(condition) is not BlockArray
            ):
                leader, back, parts = aligned_blocks((condition, x, y))
                made = library.where(*parts)
                return wrapped(made, leader, made.ndim - back)
        except NoBlocks:
            pass
        return library.where(*map(dense, (condition, x, y)))

    # ---- sums --------------------------------------------------------------------------------

    def sum(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """The sum over axes; over that of the blocks it is one value for each sample."""
        if type(x) is not BlockArray:
            return library.sum(dense(x), axis, keepdims)
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        whole = tuple(a % x.ndim for a in axes)
        made = library.sum(x.block, whole, keepdims)
        if x.axis in whole:
            return left(made, x)
        before = 0 if keepdims else sum_of(a < x.axis for a in whole)
        return wrapped(made, x, x.axis - before)

    def mean(self, x: Array, axis: Any = None, keepdims: bool = False) -> Array:
        """The mean over axes."""
        axes = range(x.ndim) if axis is None else (axis,) if isinstance(axis, int) else axis
        count = 1
        for a in axes:
            count *= x.shape[a]
        return self.sum(x, axis, keepdims) / count

    # ---- arrangement -------------------------------------------------------------------------

    def reshape(self, x: Array, shape: Shape) -> Array:
        """Each sample in another shape, where the blocks stay together."""
        if type(x) is not BlockArray:
            return x.reshape(shape)
        wanted, n = _complete(shape, x.size), x.level.size
        before = product(x.shape[: x.axis])
        ahead = 1
        for axis, size in enumerate(wanted):
            if ahead == before and size % n == 0 and (size > 1 or n == 1):
                blocks = (*wanted[:axis], size // n, *wanted[axis + 1 :])
                return x.like(x.value.reshape((n, *blocks)), axis)
            ahead *= size
        return dense(x).reshape(wanted)

    def expand_dims(self, x: Array, axis: Shape) -> Array:
        """Each sample with axes of size 1 inserted."""
        if type(x) is not BlockArray:
            return library.expand_dims(x, axis)
        place = x.axis
        for a in axis:
            place += a <= place
        return wrapped(library.expand_dims(x.block, axis), x, place)

    def squeeze(self, x: Array, axis: Any) -> Array:
        """Each sample without the named axes of size 1."""
        axes = (axis,) if isinstance(axis, int) else axis
        whole = tuple(a % x.ndim for a in axes)
        if type(x) is not BlockArray or x.axis in whole:
            return library.squeeze(dense(x), axis)
        return wrapped(
            library.squeeze(x.block, whole), x, x.axis - sum_of(a < x.axis for a in whole)
        )

    def permute_dims(self, x: Array, axes: Shape) -> Array:
        """Each sample with its axes in another order."""
        if type(x) is not BlockArray:
            return x.transpose(axes)
        return wrapped(library.permute_dims(x.block, axes), x, tuple(axes).index(x.axis))

    def swapaxes(self, x: Array, axis1: int, axis2: int) -> Array:
        """Each sample with two axes exchanged."""
        order = list(range(x.ndim))
        order[axis1], order[axis2] = order[axis2], order[axis1]
        return self.permute_dims(x, tuple(order))

    def matrix_t(self, x: Array) -> Array:
        """Each sample transposed."""
        return x.T

    def broadcast_to(self, x: Array, shape: Shape) -> Array:
        """Each sample repeated."""
        if type(x) is not BlockArray:
            return library.broadcast_to(x, shape)
        axis = x.axis + len(shape) - x.ndim
        if shape[axis] != x.shape[x.axis]:
            return library.broadcast_to(dense(x), shape)
        blocks = (*shape[:axis], x.value.shape[x.axis + 1], *shape[axis + 1 :])
        return wrapped(library.broadcast_to(x.block, blocks), x, axis)

    # ---- picking -----------------------------------------------------------------------------

    def slice(self, x: Array, index: Any) -> Array:
        """``x[index]`` for a basic index that leaves the axis of the blocks alone."""
        if type(x) is BlockArray and isinstance(index, tuple):
            place = _kept_axis(library.written_out(index, x.ndim), x.axis, x.shape)
            if place is not None:
                return wrapped(library.slice(x.block, index), x, place)
        return library.slice(dense(x), index)

    def slice_into(self, g: Array, shape: Shape, index: Any) -> Array:
        """Zeros with ``g`` at a basic index that leaves the axis of the blocks alone."""
        if type(g) is BlockArray and isinstance(index, tuple):
            full = (*library.written_out(index, len(shape)),)
            full = (*full, *(slice(None),) * (len(shape) - sum_of(i is not None for i in full)))
            for axis, size in enumerate(shape):
                if size == g.shape[g.axis] and _kept_axis(full, axis, shape) == g.axis:
                    blocks = (*shape[:axis], size // g.level.size, *shape[axis + 1 :])
                    return wrapped(library.slice_into(g.block, blocks, index), g, axis)
        return library.slice_into(dense(g), shape, index)

    def scatter_add(self, g: Array, shape: Shape, index: Array, axis: int) -> Array:
        """Zeros to which ``g`` is added along another axis than that of the blocks."""
        axis = axis % len(shape)
        try:
            if type(g) is not BlockArray or g.axis == axis or shape[g.axis] != g.shape[g.axis]:
                raise NoBlocks
            places = blocks_of(index, g, g.axis)
        except NoBlocks:
            return library.scatter_add(dense(g), shape, dense(index), axis)
        blocks = (*shape[: g.axis], g.value.shape[g.axis + 1], *shape[g.axis + 1 :])
        return wrapped(library.scatter_add(g.block, blocks, places, axis), g, g.axis)

    def take_along_axis(self, x: Array, index: Array, axis: int) -> Array:
        """Elements picked along another axis than that of the blocks."""
        try:
            if type(x) is not BlockArray or x.axis == axis % x.ndim:
                raise NoBlocks
            places = blocks_of(index, x, x.axis)
            if index.shape[x.axis] != x.shape[x.axis]:
                raise NoBlocks
        except NoBlocks:
            return library.take_along_axis(dense(x), dense(index), axis)
        return wrapped(library.take_along_axis(x.block, places, axis), x, x.axis)

    def index_add(self, g: Array, shape: Shape, index: Any) -> Array:
        """Zeros to which ``g`` is added at index arrays, each sample at its own places."""
        at = [k for k, i in enumerate(index) if is_plain(i)]
        try:
            if type(g) is not BlockArray or len(at) != 1 or index[at[0]].dtype.kind == "b":
                raise NoBlocks
            picked = g.axis - at[0]
            if not 0 <= picked < index[at[0]].ndim:
                raise NoBlocks
            if index[at[0]].shape[picked] != g.shape[g.axis]:
                raise NoBlocks
            places = blocks_of(index[at[0]], g, picked)
        except NoBlocks:
            return library.index_add(dense(g), shape, index)
        full = (*index[: at[0]], places, *index[at[0] + 1 :])
        return left(library.index_add(g.block, shape, full), g)

    # ---- products ----------------------------------------------------------------------------

    def matmul(self, a: Array, b: Array) -> Array:
        """The matrix product; where the blocks are contracted, one for each sample."""
        try:
            return _product(a, b)
        except NoBlocks:
            return library.matmul(dense(a), dense(b))

    def conv_input(self, g: Array, w: Array, x_shape: Shape, **settings: Any) -> Array:
        """The cotangent of the images of a convolution."""
        if type(g) is not BlockArray or g.axis or not is_plain(w):
            return library.conv_input(dense(g), dense(w), x_shape, **settings)
        made = library.conv_input(g.block, w, (g.value.shape[1], *x_shape[1:]), **settings)
        return wrapped(made, g, 0)

    def conv_weight(self, g: Array, x: Array, w_shape: Shape, **settings: Any) -> Array:
        """The cotangent of the filters: one for each sample."""
        try:
            if type(g) is not BlockArray or g.axis:
                raise NoBlocks
            images = blocks_of(x, g, 0)
        except NoBlocks:
            return library.conv_weight(dense(g), dense(x), w_shape, **settings)
        return left(library.conv_weight(g.block, images, w_shape, **settings), g)

    def max_pool_put(self, g: Array, places: Array, windows: Any) -> Array:
        """Zeros with each element added at the tap of its window."""
        try:
            if type(g) is not BlockArray or g.axis >= g.ndim - len(windows):
                raise NoBlocks
            taps = blocks_of(places, g, g.axis)
        except NoBlocks:
            return library.max_pool_put(dense(g), dense(places), windows)
        return wrapped(library.max_pool_put(g.block, taps, windows), g, g.axis)

    def avg_pool_input(self, g: Array, windows: Any, *settings: Any) -> Array:
        """The cotangent of the input of an average."""
        if type(g) is not BlockArray or g.axis >= g.ndim - len(windows):
            return library.avg_pool_input(dense(g), windows, *settings)
        return wrapped(library.avg_pool_input(g.block, windows, *settings), g, g.axis)

    def pad(self, x: Array, widths: Any, value: Any) -> Array:
        """Zeros around (or less of) other axes than that of the blocks."""
        if type(x) is not BlockArray or x.axis >= x.ndim - len(widths) or not is_zero(value):
            return library.pad(dense(x), widths, value)
        return wrapped(library.pad(x.block, widths, value), x, x.axis)

    def fold(self, columns: Array, windows: Any) -> Array:
        """Columns added up into images."""
        if type(columns) is not BlockArray or columns.axis:
            return library.fold(dense(columns), windows)
        return wrapped(library.fold(columns.block, windows), columns, 0)


def _product(a: Array, b: Array) -> Array:
    first = type(a) is BlockArray
    if first == (type(b) is BlockArray):
        raise NoBlocks
    g, other = (a, b) if first else (b, a)
    if not is_plain(other):
        raise NoBlocks
    place = g.axis - g.ndim  # counted from the back
    contracted = -1 if first or g.ndim == 1 else -2
    if place == contracted:
        across = -1 if not first or other.ndim == 1 else -2
        part = blocks_of(other, g, other.ndim + across)
        if part.shape[part.ndim + across] != g.value.shape[g.axis + 1]:
            raise NoBlocks
        rest = part.size // max(part.shape[part.ndim + across], 1)
        check_budget(g, g.level.size * rest * (g.block.size // max(g.value.shape[g.axis + 1], 1)))
        return library.matmul(g.block, part) if first else library.matmul(part, g.block)
    if place < -2 and other.ndim >= -place and other.shape[place] != 1:
        other = blocks_of(other, g, other.ndim + place)
    made = library.matmul(g.block, other) if first else library.matmul(other, g.block)
    if other.ndim == 1:  # the contracted axis is gone
        place += 1
    return wrapped(made, g, made.ndim + place)


# ---- helpers -------------------------------------------------------------------------------------


def _dense_all(operand: Any) -> Any:
    if type(operand) in (tuple, list):
        return type(operand)(map(_dense_all, operand))
    return dense(operand)


def sum_of(flags: Any) -> int:
    """How many of ``flags`` are true."""
    return len([f for f in flags if f])


def product(sizes: Shape) -> int:
    """The number of elements of a shape."""
    total = 1
    for n in sizes:
        total = operator.mul(total, n)
    return total


def _complete(shape: Shape, size: int) -> Shape:
    if -1 not in shape:
        return tuple(shape)
    rest = product(tuple(n for n in shape if n != -1))
    return tuple(size // max(rest, 1) if n == -1 else n for n in shape)


def _kept_axis(index: tuple[Any, ...], axis: int, shape: Shape) -> int | None:
    """Where an axis stands after a basic index that takes all of it; None if it does not."""
    here, made = 0, 0
    for item in index:
        if item is None:
            made += 1
            continue
        if here == axis:
            whole = isinstance(item, slice) and item.indices(shape[axis]) == (0, shape[axis], 1)
            return made if whole else None
        here += 1
        made += isinstance(item, slice)
    return made + axis - here


for _name in ("alike", "check_operands", "promote", "settle_tensor"):
    setattr(BlockLibrary, _name, staticmethod(getattr(tape, _name)))


def _settle(g: Array, desc: Any) -> Array:
    return g if type(g) is BlockArray else tape.settle(g, desc)


BlockLibrary.settle = staticmethod(_settle)  # type: ignore[attr-defined]
blocks_library[0] = BlockLibrary()
