"""Indexing: reading ``x[...]`` and writing ``x[...] = y``.

In: a Tensor and PyTorch's index expressions (ops/index_expression.py reads them).  Out: views for
integers, slices and None; copies for index tensors, lists and masks. Picking and adding are each
other's transpose: index and index_accumulate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.batched.levels import all_samples
from adjoint.array.descriptor import ARRAY, REAL_NUMBERS
from adjoint.array.kernels.accumulate import add_at
from adjoint.core.duals import open_levels
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import apply_inplace, bump
from adjoint.core.mode import get_mode
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import rebase_item, refresh_views
from adjoint.ops import join, view
from adjoint.ops.counting import index_mask
from adjoint.ops.families import operator
from adjoint.ops.index_expression import Expression, items_of, no_dims, selected, sliced
from adjoint.ops.inplace import _fill_value, copy_
from adjoint.ops.numbers import number as plain_number
from adjoint.ops.numbers import overflow
from adjoint.ops.piecewise import where

Array = Any
Tensor = Any
Shape = tuple[int, ...]

# ---- primitives ----------------------------------------------------------------------------------


def places(index: Array, axes: Shape) -> tuple[Any, ...]:
    """The full index expression that picks ``index`` from ``axes``."""
    full: list[Any] = [slice(None)] * (axes[-1] + 1)
    if len(axes) == 1:
        full[axes[0]] = index
    else:
        for row, axis in enumerate(axes):
            full[axis] = index[row]
    return tuple(full)


def overwritten(xp: Any, x: Array, full: tuple[Any, ...], value: Any) -> Array:
    """A copy of the raw array ``x`` with ``value`` at an index expression."""
    return xp.put(x, full, value)


def _index_vjp(xp: Any, g: Array, input_shape: Shape, index: Array, axes: Shape) -> Array:
    return xp.index_add(g, input_shape, places(index, axes))


@operator(
    "linear",
    (_index_vjp, None),
    linear=True,
    saved_names={"index": "indices"},
)
def _index(xp: Any, input: Array, index: Array, *, axes: Shape) -> Array:
    """Return the elements that an index tensor picks from ``axes``."""
    return xp.take(input, places(index, axes))


@operator(
    "linear",
    (lambda xp, g, index, axes: xp.take(g, places(index, axes)), None),
    linear=True,
)
def _index_accumulate(xp: Any, input: Array, index: Array, *, shape: Shape, axes: Shape) -> Array:
    """Return zeros of ``shape`` to which ``input`` is added where an index tensor says."""
    return xp.index_add(input, shape, places(index, axes))


def _kept(xp: Any, g: Array, index: Array, axes: Shape, accumulate: bool) -> Array:
    return g if accumulate else overwritten(xp, g, places(index, axes), 0)


@operator(
    "linear",
    (_kept, lambda xp, g, index, axes: xp.take(g, places(index, axes)), None),
    linear=True,
    saved_names={"index": "indices"},
)
def _index_put(
    xp: Any, input: Array, value: Array, index: Array, *, axes: Shape, accumulate: bool
) -> Array:
    """Return ``input`` with ``value`` where an index tensor says, written or added."""
    full = places(index, axes)
    if not accumulate:
        return overwritten(xp, input, full, value)
    picked = xp.take(input, full)
    return input + xp.index_add(xp.broadcast_to(value, picked.shape), input.shape, full)


def _write_places(
    memory: Array, value: Array, index: Array, *, axes: Shape, accumulate: bool
) -> None:
    if accumulate:
        full = places(index, axes)
        add_at(memory, full, np.broadcast_to(value, memory[full].shape))
    else:
        memory[places(index, axes)] = value


_index_put.op.overwrite = _write_places
_index_put.op.overlapping = True
_index_put.op.apart = True


@operator(
    "linear",
    (lambda xp, g, index: xp.slice(g, index),),
    linear=True,
    node="SelectBackwardBackward0",
)
def _select_into(xp: Any, input: Array, *, shape: Shape, index: Any) -> Array:
    """Return zeros of ``shape`` with ``input`` at one place of an axis."""
    return xp.slice_into(input, shape, index)


@operator(
    "linear",
    (lambda xp, g, index: xp.slice(g, index),),
    linear=True,
    node="SliceBackwardBackward0",
)
def _slice_put(xp: Any, input: Array, *, shape: Shape, index: Any) -> Array:
    """Return zeros of ``shape`` with ``input`` at a slice of an axis."""
    return xp.slice_into(input, shape, index)


@operator(
    "linear",
    (lambda xp, g, input_shape, index, axis: xp.scatter_add(g, input_shape, index, axis), None),
    linear=True,
    node="GatherBackward0",
)
def _pick_along(xp: Any, input: Array, index: Array, *, axis: int) -> Array:
    """Return elements picked along one axis; ``index`` may be shorter than ``input`` on others."""
    return xp.take_along_axis(input, index, axis)


@operator(
    "linear",
    (lambda xp, g, index, axis: xp.take_along_axis(g, index, axis), None),
    linear=True,
    node="ScatterAddBackward0",
)
def _add_along(xp: Any, input: Array, index: Array, *, shape: Shape, axis: int) -> Array:
    """Return zeros of ``shape`` to which ``input`` is added along one axis."""
    return xp.scatter_add(input, shape, index, axis)


# ---- the Tensor world's names (ops/vocabulary.py) ------------------------------------------------


def _slice_into(input: Tensor, *, shape: Shape, index: Any) -> Tensor:
    """Return zeros of ``shape`` with ``input`` at a basic index: the transpose of a view."""
    if isinstance(index[-1], slice):
        return _slice_put(input, shape=shape, index=index)
    return _select_into(input, shape=shape, index=index)


def _take(input: Tensor, *, index: Any) -> Tensor:
    """Return ``input[index]`` for a full index expression of slices and arrays."""
    tensor, axes = _joined(index)
    return _index(input, tensor, axes=axes)


def _index_add(input: Tensor, *, shape: Shape, index: Any) -> Tensor:
    """Return zeros of ``shape`` to which ``input`` is added at a full index expression."""
    tensor, axes = _joined(index)
    return _index_accumulate(input, tensor, shape=shape, axes=axes)


def _put(input: Tensor, *, index: Any, value: Any) -> Tensor:
    """Return ``input`` with ``value``, a tensor or a number, at a full index expression."""
    tensor, axes = _joined(index)
    if not isinstance(value, TensorBase):
        value = make_tensor(input._desc.numpy.type(value))
    return _index_put(input, value, tensor, axes=axes, accumulate=False)


def _gather(input: Tensor, *, index: Any, axis: int) -> Tensor:
    """Return elements of ``input`` picked along one axis."""
    return _pick_along(input, _as_tensor(index), axis=axis)


def _scatter_add(input: Tensor, *, shape: Shape, index: Any, axis: int) -> Tensor:
    """Return zeros of ``shape`` to which ``input`` is added along one axis."""
    return _add_along(input, _as_tensor(index), shape=shape, axis=axis)


def _as_tensor(index: Any) -> Tensor:
    return index if isinstance(index, TensorBase) else make_tensor(index)


def _joined(full: tuple[Any, ...]) -> tuple[Tensor, Shape]:
    axes = tuple(a for a, item in enumerate(full) if not isinstance(item, slice))
    tensors = [_as_tensor(full[a]) for a in axes]
    if len(tensors) == 1:
        return tensors[0], axes
    shape = np.broadcast_shapes(*[t._desc.shape for t in tensors])
    return join.stack([view.expand(t, shape) for t in tensors]), axes


# ---- reading -------------------------------------------------------------------------------------


def getitem(input: Tensor, index: Any) -> Tensor:
    """Return ``input[index]``: a view for integers, slices, None and ...; a copy for index tensors.

    Raises: IndexError if an index is out of bounds, there are too many, or it is of another kind.
    """
    kind = type(index)
    if kind is int and input._desc.shape:
        return selected(input, 0, index)
    if kind is tuple and index:
        made = _at_places(input, index)
        if made is not None:
            return made
    if kind is slice:
        if not input._desc.shape:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        return sliced(input, 0, index, False)
    if kind is int:
        raise no_dims()
    if (
        isinstance(index, TensorBase)
        and index._desc.dtype is dtypes.int64
        and index._desc.shape
        and input._desc.shape
    ):
        return _picked(input, index, (0,))
    found = Expression(input, items_of(index))
    if not found.picks:
        return view._alias(input) if found.result is input else found.result
    return _picked(found.result, *found.picked())


def _at_places(input: Tensor, index: tuple[Any, ...]) -> Tensor | None:
    """``input`` at integers, each of which takes away the first axis; None for all else."""
    shape = input._desc.shape
    if len(index) > len(shape):
        return None
    places = []
    for i, size in zip(index, shape):
        if type(i) is not int or not -size <= i < size:
            return None
        places.append(i + size if i < 0 else i)
    for place in places:
        input = view._select(input, axis=0, index=place)
    return input


def _picked(input: Tensor, index: Tensor, axes: Shape) -> Tensor:
    if index._desc.dtype is dtypes.bool_:
        index_mask(index)
    try:
        return _index(input, index, axes=axes)
    except IndexError:
        raise _out_of_bounds(input, index, axes) from None


def _out_of_bounds(input: Tensor, index: Tensor, axes: Shape) -> IndexError:
    rows = [index._array] if len(axes) == 1 else index._array
    for place, (row, axis) in enumerate(zip(rows, axes)):
        row, size = all_samples(row), input._desc.shape[axis]
        wrong = row[(row < -size) | (row >= size)]
        if wrong.size and not size:
            return IndexError("index is out of bounds for dimension with size 0")
        if wrong.size:
            return IndexError(
                f"index {wrong[0]} is out of bounds for dimension {place} with size {size} "
                f"(dim {axis} of a tensor of shape {list(input._desc.shape)})"
            )
    return IndexError("index is out of bounds")


# ---- writing -------------------------------------------------------------------------------------


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """Write ``value``, a number or a Tensor that broadcasts, to ``input[index]``.

    Raises: what `getitem` raises; TypeError for other values; RuntimeError where shapes or, with
    index tensors, dtypes do not fit, or the tensor may not be written in place.
    """
    if index is False or _write_item(input, index, value):
        return
    number = not isinstance(value, TensorBase)
    if number:
        value = make_tensor(plain_number(value, input._desc.dtype))
    if type(index) is int and not input._desc.shape:
        raise no_dims()
    if type(index) is slice and not input._desc.shape:
        raise IndexError("slice() cannot be applied to a 0-dim tensor.")
    found = Expression(input, (None,) if index is True else items_of(index))
    target = found.result
    if found.picks:
        tensor, axes = found.picked()
        if number and any(t._desc.dtype is dtypes.uint8 for _, t in found.picks):
            raise RuntimeError(
                "masked_fill_ only supports boolean masks, but got mask with dtype unsigned char"
            )
        if not value._desc.shape and _is_batched_mask(tensor) and len(found.picks) == 1:
            check_dtype(target, tensor, value)
            copy_(target, where(_spread_mask(tensor, axes[0], target.ndim), value, target))
        else:
            index_put_into(target, tensor, axes, _without_leading_ones(value), False)
    elif not value._desc.shape:
        apply_inplace(_fill_value.op, target, (value,), {})
    else:
        if value._desc.shape != target._desc.shape:
            ones = _leading_ones(value._desc.shape)
            value = view._view(value, shape=value._desc.shape[ones:])
            if value._desc.shape != target._desc.shape:
                value = view.expand(value, target._desc.shape)
        copy_(target, value)


def _is_batched_mask(index: Tensor) -> bool:
    """Whether an index is a mask of its own for each sample of `vmap`."""
    return index._desc.dtype is dtypes.bool_ and bool(index._desc.type.levels)


def _spread_mask(mask: Tensor, axis: int, ndim: int) -> Tensor:
    """A mask of the axes from ``axis`` on as one that broadcasts to ``ndim`` axes."""
    shape = mask._desc.shape
    return view._view(mask, shape=(*shape, *(1,) * (ndim - axis - len(shape))))


def _write_item(input: Tensor, index: Any, value: Any) -> bool:
    """The straight path of ``x[index] = value`` for integers or one slice of a tensor that holds
    its own memory; False, with nothing done, for all else.
    """
    desc = input._desc
    if desc.fast != REAL_NUMBERS or desc.storage != ARRAY or input._side is not None:
        return False
    mode, memory, edge = get_mode(), input._array, input._edge
    if mode > 1 or open_levels or memory.base is not None or (mode and edge and edge.leaf):
        return False
    kind = type(index)
    if kind is int:
        full: Any = (index,)
    elif kind is tuple and index and all(type(i) is int for i in index):
        full = index
    elif kind is slice and _is_part(index, desc.shape[0]):
        full = (index,)
    else:
        return False
    kind = type(value)
    value_edge = None
    if kind is float or kind is int:
        raw = plain_number(value, desc.dtype)
    elif isinstance(value, TensorBase) and value._desc.type is desc.type and value._desc.fast:
        raw, value_edge = value._array, value._edge
        if value._counter is not None and value._counter is input._counter:
            return False
    else:
        return False
    try:
        part = memory[(*full, ...)]
    except IndexError:
        return False
    if raw.shape and (raw.shape != part.shape or np.may_share_memory(raw, memory)):
        return False
    part[...] = raw
    counter = bump(input)
    if mode and (edge is not None or value_edge is not None):
        rebase_item(input, full, value_edge)
    if counter.views:
        refresh_views(counter)
    return True


def _is_part(item: slice, size: int) -> bool:
    """Whether a slice is forward and leaves something out."""
    start, stop, step = item.indices(size)
    return step > 0 and (start > 0 or stop < size or step > 1)


def index_put_into(
    target: Tensor, index: Tensor, axes: Shape, value: Tensor, accumulate: bool
) -> Tensor:
    """Write or add ``value`` where an index tensor picks from ``axes`` of ``target``, in place."""
    check_put(target, index, axes, value)
    operands = (value, index)
    params = {"axes": axes, "accumulate": accumulate}
    try:
        return apply_inplace(_index_put.op, target, operands, params)
    except IndexError:
        raise _out_of_bounds(target, index, axes) from None


def check_put(target: Tensor, index: Tensor, axes: Shape, value: Tensor) -> None:
    """Raise RuntimeError where the dtype or the shape of ``value`` does not fit what is picked."""
    given = value._desc
    shape = _picked_shape(target, index, axes)
    lead = len(shape) - len(given.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(given.shape, shape[lead:])):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given.shape)} cannot be broadcast to "
            f"indexing result of shape {list(shape)}"
        )
    check_dtype(target, index, value)


def check_dtype(target: Tensor, index: Tensor, value: Tensor) -> None:
    """Raise RuntimeError where the dtype of ``value`` may not be written at an index."""
    dtype, given = target._desc.dtype, value._desc
    if given.dtype is dtype:
        return
    if index._desc.dtype is not dtypes.bool_ or given.shape:
        raise RuntimeError(
            "Index put requires the source and destination dtypes match, got "
            f"{scalar_name(dtype)} for the destination and {scalar_name(given.dtype)} for the "
            "source."
        )
    if given.dtype.is_complex and dtype.category in (dtypes.INTEGRAL, dtypes.FLOATING):
        raise overflow(dtype)


def _picked_shape(target: Tensor, index: Tensor, axes: Shape) -> Shape:
    sizes, picked = target._desc.shape, index._desc.shape
    if index._desc.dtype is dtypes.bool_:
        rest = sizes[axes[0] + len(picked) :]
        return (*sizes[: axes[0]], int(np.count_nonzero(index_mask(index))), *rest)
    if len(axes) == 1:
        return (*sizes[: axes[0]], *picked, *sizes[axes[0] + 1 :])
    adjacent = axes[-1] - axes[0] == len(axes) - 1
    kept = [n for axis, n in enumerate(sizes) if axis not in axes]
    first = axes[0] if adjacent else 0
    return (*kept[:first], *picked[1:], *kept[first:])


def _leading_ones(shape: Shape) -> int:
    return next((k for k, n in enumerate(shape) if n != 1), len(shape))


def _without_leading_ones(value: Tensor) -> Tensor:
    ones = _leading_ones(value._desc.shape)
    return view._view(value, shape=value._desc.shape[ones:]) if ones else value
