"""Operators at the border of `vmap`: into a level, out of it, spread over it, summed over it.

In: tensors.  Out: tensors over batched arrays, or the other way round.  Entering and leaving are
each other's adjoint, and so are spreading and summing; with them the tape needs to know nothing
else of batching.
"""

from __future__ import annotations

from typing import Any

from adjoint.array.batched import levels, tape
from adjoint.core.duals import open_levels
from adjoint.core.rows import inside, open_rows
from adjoint.core.tensor_base import make_tensor
from adjoint.ops.families import linear, movement

__all__ = ["enter", "for_each_sample", "has_level", "inside", "leave", "open_rows"]

Array = Any
Tensor = Any


def _entered(g: Any, axis: int, level: Any) -> Any:
    return _enter(g, axis=axis, level=level) if _is_tensor(g) else levels.enter(g, axis, level)


def _left(g: Any, axis: int, level: Any) -> Any:
    return leave(g, axis, level) if _is_tensor(g) else _out(g, axis, level)


def _is_tensor(g: Any) -> bool:
    return hasattr(g, "_desc")


def _out(g: Array, axis: int, level: Any) -> Array:
    if not levels.has_level(g, level):
        g = levels.spread(g, level)
    return levels.leave(g, axis, level)


@movement(lambda xp, g, axis, level: _left(g, axis, level))
def _enter(xp: Any, input: Array, *, axis: int, level: Any) -> Array:
    """Return ``input`` with the samples of ``level`` along ``axis`` hidden."""
    return levels.enter(input, axis, level)


@movement(lambda xp, g, axis, level: _entered(g, axis, level))
def _leave(xp: Any, input: Array, *, axis: int, level: Any) -> Array:
    """Return ``input`` with the samples of ``level`` along ``axis`` to be seen."""
    return levels.leave(input, axis, level)


@linear(lambda xp, g, axis, level: _entered(g, axis, level), node="LeaveBackward0")
def _release(xp: Any, input: Array, *, axis: int, level: Any) -> Array:
    """As `_leave`, for what is no view: the result stands for the tensor itself."""
    return levels.leave(input, axis, level)


def _summed(g: Any, level: Any) -> Any:
    return _sum_level(g, level=level) if _is_tensor(g) else levels.sum_level(g, level)


def _spread_over(g: Any, level: Any) -> Any:
    return _spread(g, level=level) if _is_tensor(g) else levels.spread(g, level)


@linear(lambda xp, g, level: _summed(g, level))
def _spread(xp: Any, input: Array, *, level: Any) -> Array:
    """Return ``input`` for each sample of ``level``."""
    return levels.spread(input, level)


@linear(lambda xp, g, level: _spread_over(g, level))
def _sum_level(xp: Any, input: Array, *, level: Any) -> Array:
    """Return the sum over the samples of ``level``."""
    return levels.sum_level(input, level)


def has_level(input: Tensor, level: Any) -> bool:
    """Whether a tensor has a value for each sample of ``level``."""
    return level in input._desc.type.levels


def enter(input: Tensor, axis: int, level: Any) -> Tensor:
    """Return ``input`` as a tensor with a value for each sample of ``level``: a view."""
    return _enter(input, axis=axis, level=level)


def for_each_sample(input: Tensor, wanted: tuple[Any, ...]) -> Tensor:
    """Return ``input`` with a value for each sample of all the ``wanted`` levels."""
    for level in reversed(wanted):
        if not has_level(input, level):
            input = _spread(input, level=level)
    return input


def leave(input: Tensor, axis: int, level: Any) -> Tensor:
    """Return ``input`` with the samples of ``level`` along ``axis``, over the same memory."""
    if not has_level(input, level):
        return _leave(_spread(input, level=level), axis=axis, level=level)
    side = input._side
    if side is not None and side.base is not None:
        return _leave(input, axis=axis, level=level)
    if input._edge is None and not open_levels and input.__torch_function__ is None:
        made = make_tensor(levels.leave(input._array, axis, level))
    else:
        made = _release(input, axis=axis, level=level)
    made._counter = input._version_counter()
    return made


tape.sum_tensors.append(_sum_level)
