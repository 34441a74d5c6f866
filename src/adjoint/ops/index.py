"""Indexing: what ``x[...]`` and ``x[...] = y`` mean, and picking by index tensors.

In: a Tensor and PyTorch's index expressions.  Out: views for integers, slices and None; copies for index tensors.
Picking and adding are each other's transpose (take / index_add, gather / scatter_add).
"""

from __future__ import annotations

from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.ops.families import operator
from adjoint.ops.view import _alias, _slice, select, unsqueeze

Array = Any
Tensor = Any


@operator(
    "linear",
    (lambda xp, g, input_shape, index: xp.index_add(g, input_shape, index),),
    linear=True,
    node="IndexBackward0",
)
def _take(xp: Any, input: Array, *, index: Any) -> Array:
    """Return ``input[index]`` for an index of arrays."""
    return xp.take(input, index)


@operator(
    "linear",
    (lambda xp, g, index: xp.take(g, index),),
    linear=True,
    node="IndexAddBackward0",
)
def _index_add(xp: Any, input: Array, *, shape: tuple[int, ...], index: Any) -> Array:
    """Return zeros of ``shape`` to which ``input`` is added at ``index``."""
    return xp.index_add(input, shape, index)


@operator(
    "linear",
    (lambda xp, g, input_shape, index, axis: xp.scatter_add(g, input_shape, index, axis),),
    linear=True,
    node="GatherBackward0",
)
def _gather(xp: Any, input: Array, *, index: Any, axis: int) -> Array:
    """Return elements picked along one axis."""
    return xp.take_along_axis(input, index, axis)


@operator(
    "linear",
    (lambda xp, g, index, axis: xp.take_along_axis(g, index, axis),),
    linear=True,
    node="ScatterAddBackward0",
)
def _scatter_add(
    xp: Any, input: Array, *, shape: tuple[int, ...], index: Any, axis: int
) -> Array:
    """Return zeros of ``shape`` to which ``input`` is added along one axis."""
    return xp.scatter_add(input, shape, index, axis)


@operator(
    "linear",
    (lambda xp, g, index: xp.slice(g, index),),
    linear=True,
    node="SliceScatterBackward0",
)
def _slice_into(xp: Any, input: Array, *, shape: tuple[int, ...], index: Any) -> Array:
    """Return zeros of ``shape`` with ``input`` at a basic index."""
    return xp.slice_into(input, shape, index)


def getitem(input: Tensor, index: Any) -> Tensor:
    """Return ``input[index]``: a view for integers, slices, None and ...; a copy for index tensors."""
    items = index if isinstance(index, tuple) else (index,)
    picked = sum(i is not None and i is not Ellipsis for i in items)
    result, axis = input, 0
    for item in items:
        if item is None:
            result = unsqueeze(result, axis)
            axis += 1
        elif item is Ellipsis:
            axis += input.ndim - picked
        elif isinstance(item, slice):
            if item != slice(None):
                result = _slice(result, axis=axis, index=item)
            axis += 1
        elif isinstance(item, int) and not isinstance(item, bool):
            result = select(result, axis, item)
        else:
            raw = tuple(i._array if isinstance(i, TensorBase) else i for i in items)
            return _take(input, index=raw)
    return _alias(input) if result is input else result


def setitem(input: Tensor, index: Any, value: Any) -> None:
    """``input[index] = value``, in place."""
    getitem(input, index).copy_(value)
