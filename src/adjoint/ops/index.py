"""Indexing: reading ``x[...]`` and writing ``x[...] = y``.

In: a Tensor and PyTorch's index expressions (ops/index_expression.py reads them).  Out: views for
integers, slices and None; copies for index tensors, lists and masks. Picking and adding are each
other's transpose: index and index_accumulate.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.kernels.accumulate import add_at
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import apply_inplace
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import join, view
from adjoint.ops.families import operator
from adjoint.ops.index_expression import Expression, items_of, no_dims, selected, sliced
from adjoint.ops.inplace import _fill_value, copy_
from adjoint.ops.numbers import number as plain_number
from adjoint.ops.numbers import overflow

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
    made = xp.copy(x)
    made[full] = value
    return made


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
    if accumulate:
        return g
    if isinstance(g, TensorBase):
        zero = make_tensor(g._desc.numpy.type(0))
        return _index_put(g, zero, index, axes=axes, accumulate=False)
    return overwritten(xp, g, places(index, axes), 0)


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


_index_put.op.overwrite = _write_places  # type: ignore[attr-defined]
_index_put.op.overlapping = True  # type: ignore[attr-defined]
_index_put.op.apart = True  # type: ignore[attr-defined]


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
    return (tensors[0] if len(tensors) == 1 else join.stack(tensors)), axes


# ---- reading -------------------------------------------------------------------------------------


def getitem(input: Tensor, index: Any) -> Tensor:
    """Return ``input[index]``: a view for integers, slices, None and ...; a copy for index tensors.

    Raises: IndexError if an index is out of bounds, there are too many, or it is of another kind.
    """
    kind = type(index)
    if kind is int and input._desc.shape:
        return selected(input, 0, index)
    if kind is slice:
        if not input._desc.shape:
            raise IndexError("slice() cannot be applied to a 0-dim tensor.")
        return sliced(input, 0, index, skip_full=False)
    if kind is int:
        raise no_dims()
    found = Expression(input, items_of(index))
    if not found.picks:
        return view._alias(input) if found.result is input else found.result
    tensor, axes = found.picked()
    try:
        return _index(found.result, tensor, axes=axes)
    except IndexError:
        raise _out_of_bounds(found.result, tensor, axes) from None


def _out_of_bounds(input: Tensor, index: Tensor, axes: Shape) -> IndexError:
    rows = [index._array] if len(axes) == 1 else index._array
    for place, (row, axis) in enumerate(zip(rows, axes)):
        size = input._desc.shape[axis]
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
    if index is False:
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
        index_put_into(target, tensor, axes, _without_leading_ones(value), False)
    elif not value._desc.shape:
        apply_inplace(_fill_value.op, target, (value,), {})  # type: ignore[attr-defined]
    else:
        if value._desc.shape != target._desc.shape:
            ones = _leading_ones(value._desc.shape)
            value = view._view(value, shape=value._desc.shape[ones:])
            if value._desc.shape != target._desc.shape:
                value = view.expand(value, target._desc.shape)
        copy_(target, value)


def index_put_into(
    target: Tensor, index: Tensor, axes: Shape, value: Tensor, accumulate: bool
) -> Tensor:
    """Write or add ``value`` where an index tensor picks from ``axes`` of ``target``, in place."""
    check_put(target, index, axes, value)
    operands = (value, index)
    params = {"axes": axes, "accumulate": accumulate}
    try:
        return apply_inplace(_index_put.op, target, operands, params)  # type: ignore[attr-defined]
    except IndexError:
        raise _out_of_bounds(target, index, axes) from None


def check_put(target: Tensor, index: Tensor, axes: Shape, value: Tensor) -> None:
    """Raise RuntimeError where the dtype or the shape of ``value`` does not fit what is picked."""
    dtype, given = target._desc.dtype, value._desc
    shape = _picked_shape(target, index, axes)
    lead = len(shape) - len(given.shape)
    if lead < 0 or any(n not in (1, m) for n, m in zip(given.shape, shape[lead:])):
        raise RuntimeError(
            f"shape mismatch: value tensor of shape {list(given.shape)} cannot be broadcast to "
            f"indexing result of shape {list(shape)}"
        )
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
        return (*sizes[: axes[0]], int(np.count_nonzero(index._array)), *rest)
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
