"""Blocks inside a level of batched arrays: many cotangents, or samples, at once.

In: a level, or how many.  Out: a block in which operators and walks reckon with batched arrays.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adjoint.array.batched import levels
from adjoint.core.mode import LIBRARIES, get_mode, set_mode
from adjoint.core.tensor_base import birthplace

__all__ = ["inside", "open_rows"]


class inside:
    """A block that computes inside an open level; the level stays open after it."""

    __slots__ = ("_before", "_birthplace", "_level", "_stack")

    def __init__(self, level: Any) -> None:
        self._level = level

    def __enter__(self) -> Any:
        level, before = self._level, get_mode()
        self._before = before & LIBRARIES
        set_mode(before | LIBRARIES)
        self._birthplace = birthplace.set(level.number)
        self._stack = levels.stack.set((*(around := levels.stack.get()), level))
        level.depth = len(around) + 1
        return level

    def __exit__(self, *error: Any) -> None:
        levels.stack.reset(self._stack)
        birthplace.reset(self._birthplace)
        set_mode(get_mode() & ~LIBRARIES | self._before)


@contextmanager
def open_rows(size: int, randomness: str = "error") -> Iterator[Any]:
    """A block with a level of ``size`` samples, in which every call takes the general path."""
    level = levels.Level(size, randomness)
    level.rows = True
    try:
        with inside(level):
            yield level
    finally:
        level.close()
