"""Dual tensors: the levels of forward mode, and the tangents that a tensor carries in them.

In: a tensor and a tangent of its shape.  Out: the same tensor, dual; its tangent until the level is
closed.  How operators push tangents is told in `core/forward.py`.

Note [Levels]
    Every open level has a number; an inner level has a greater one than those around it. The
    tangent of a tensor at level n is itself a tensor that may have tangents at levels below n,
    never at n or above: it belongs to the world outside the level. What is computed for level n
    sees operands `without` their tangents from n on; that, and nothing else, keeps perturbations
    apart.

Note [Dual tensors are slow]
    A dual tensor has a descriptor of a type that is nobody else's and forbids the straight path, so
    that every operator call on it takes the general path, which asks for tangents. When its last
    level is closed it gets its own descriptor back. Tensors without tangents pay nothing.
"""

from __future__ import annotations

import itertools
import weakref
from contextvars import ContextVar
from typing import Any

import numpy as np

from adjoint.array.descriptor import SCALAR, ZERO_D, ArrayType, Descriptor, array_type, memory_of
from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = [
    "Level",
    "ceiling",
    "close_level",
    "copy_tangents",
    "drop_tangent",
    "levels_of",
    "open_level",
    "open_levels",
    "outside",
    "redescribe",
    "set_tangent",
    "share_memory",
    "tangent_of",
    "usual_descriptor",
    "without",
]

_numbers = itertools.count(1)

# The open levels by number. Whoever is about to compute asks only whether there are any.
open_levels: dict[int, Level] = {}

# Levels from this number on are not seen: 0 inside the forward of an `autograd.Function`.
ceiling: ContextVar[int] = ContextVar("adjoint_ceiling", default=1 << 62)


class Level:
    """An open level, and weakly the tensors that have a tangent in it."""

    __slots__ = ("duals", "number")

    def __init__(self) -> None:
        self.number = next(_numbers)
        self.duals: list[weakref.ref[TensorBase]] = []

    def add(self, tensor: TensorBase) -> None:
        """Remember a tensor that has a tangent here."""
        duals = self.duals
        if len(duals) > 64 and len(duals) & (len(duals) - 1) == 0:
            # at every power of two: forget those that are gone
            duals[:] = [d for d in duals if d() is not None]
        duals.append(weakref.ref(tensor))


def open_level() -> Level:
    """Open a level inside all that are open."""
    level = Level()
    open_levels[level.number] = level
    return level


def close_level(level: Level) -> None:
    """Close a level; the tensors that had a tangent in it lose it."""
    del open_levels[level.number]
    for reference in level.duals:
        tensor = reference()
        if tensor is not None:
            drop_tangent(tensor, level.number)


# ---- tangents ------------------------------------------------------------------------------------


def tangent_of(tensor: Any, number: int) -> Any:
    """The tangent of ``tensor`` at a level; None if it has none there."""
    side = tensor._side if isinstance(tensor, TensorBase) else None
    return None if side is None or side.tangents is None else side.tangents.get(number)


def set_tangent(tensor: Any, number: int, tangent: Any) -> None:
    """Give ``tensor`` a tangent at an open level."""
    side = tensor._rare()
    if side.tangents is None:
        side.tangents = {}
    if number not in side.tangents:
        open_levels[number].add(tensor)
    side.tangents[number] = tangent
    tensor._desc = _slow(tensor._desc)


def redescribe(tensor: Any, desc: Descriptor) -> None:
    """Note that ``tensor`` got other data, which ``desc`` describes; it stays dual if it is."""
    dual = tensor._side is not None and tensor._side.tangents is not None
    tensor._desc = _slow(desc) if dual else usual_descriptor(desc)


def drop_tangent(tensor: Any, number: int) -> None:
    """Take the tangent at a level away."""
    side = tensor._side
    if side is None or side.tangents is None:
        return
    side.tangents.pop(number, None)
    if not side.tangents:
        side.tangents = None
        if tensor.__torch_function__ is None:
            tensor._desc = usual_descriptor(tensor._desc)


def copy_tangents(source: Any, target: Any) -> None:
    """Give ``target`` the tangents of ``source``."""
    side = source._side
    if side is not None and side.tangents is not None:
        for number, tangent in list(side.tangents.items()):
            set_tangent(target, number, tangent)


def levels_of(operands: Any) -> list[int]:
    """The levels, outermost first, in which any of ``operands`` has a tangent that may be seen."""
    found: set[int] = set()
    for operand in operands:
        if isinstance(operand, TensorBase):
            side = operand._side
            if side is not None and side.tangents is not None:
                found.update(side.tangents)
    limit = ceiling.get()
    return sorted(number for number in found if number < limit)


def without(tensor: Any, number: int) -> Any:
    """``tensor`` as the world outside level ``number`` sees it: the same memory and place on the
    tape, with its tangents below that level only.
    """
    side = tensor._side if isinstance(tensor, TensorBase) else None
    if side is None or side.tangents is None or max(side.tangents) < number:
        return tensor
    return outside(tensor, number)


def outside(tensor: Any, number: int) -> Any:
    """As `without`, but always another object: what keeps it does not keep ``tensor``."""
    made = make_tensor(tensor._array, tensor._edge, usual_descriptor(tensor._desc))
    made._counter = tensor._version_counter()
    side = tensor._side
    if side is not None and side.tangents is not None:
        for lower, tangent in list(side.tangents.items()):
            if lower < number:
                set_tangent(made, lower, tangent)
    return made


# ---- descriptors ---------------------------------------------------------------------------------

_slow_types: dict[Any, ArrayType] = {}


def _stored(kind: ArrayType, desc: Descriptor) -> Descriptor:
    if desc.storage == SCALAR:
        return kind.scalar
    return kind.zero_d if desc.storage == ZERO_D else kind.shaped(desc.shape)


def _slow(desc: Descriptor) -> Descriptor:
    """The descriptor of a dual tensor; see Note [Dual tensors are slow]."""
    if not desc.fast:
        return desc
    kind = _slow_types.get(desc.numpy)
    if kind is None:
        usual = desc.type
        kind = _slow_types[desc.numpy] = ArrayType(usual.dtype, usual.xp, usual.device, 0)
    return _stored(kind, desc)


def usual_descriptor(desc: Descriptor) -> Descriptor:
    """The descriptor of a tensor that is not dual, of what ``desc`` describes."""
    if _slow_types.get(desc.numpy) is not desc.type:
        return desc
    return _stored(array_type(desc.dtype), desc)


def share_memory(a: Any, b: Any) -> bool:
    """Whether two tensors may share memory."""
    first, second = memory_of(a._array), memory_of(b._array)
    if not isinstance(first, np.ndarray) or not isinstance(second, np.ndarray):
        return a._array is b._array
    return bool(np.may_share_memory(first, second))
