"""Levels, one for each call of `vmap`; and what is said where a value is needed.

In: how many samples there are.  Out: a `Level`, the stack of those that are open, and the errors
for whatever wants one value where there is one for each sample.
"""

from __future__ import annotations

import importlib
import itertools
from contextvars import ContextVar
from typing import Any

from adjoint.array.descriptor import ArrayType

__all__ = [
    "BatchedStorageError",
    "BatchedValueError",
    "Level",
    "escaped",
    "levels_among",
    "need_count",
    "need_memory",
    "need_truth",
    "need_value",
    "stack",
]

_numbers = itertools.count(1)

# The levels that are open here, outermost first: of this thread, of this context.
stack: ContextVar[tuple[Level, ...]] = ContextVar("adjoint_levels", default=())


class Level:
    """One call of `vmap`: ``size`` samples; ``open`` while the function runs.

    ``depth``: how many are open around it, and itself; ``looped``: the samples are computed one
    after the other, none is hidden; ``states``: of the generators that were drawn from, as they
    were before; ``wrote``: a tensor from outside was written; ``rows``: no call of `vmap`, but
    cotangents side by side, which users know nothing of.
    """

    __slots__ = (
        *("depth", "looped", "number", "open", "randomness", "size", "states", "types"),
        *("rows", "wrote"),
    )

    def __init__(self, size: int, randomness: str = "error", looped: bool = False) -> None:
        self.number = number = next(_numbers)
        if number == 1:  # the contract over batched arrays: few programs need it
            importlib.import_module("adjoint.array.batched.library")
        self.depth = 1
        self.size = size
        self.randomness = randomness
        self.open = True
        self.looped = looped
        self.rows = False
        self.wrote = False
        self.states: dict[Any, Any] = {}
        self.types: dict[Any, ArrayType] = {}

    def type_of(self, inner: ArrayType, xp: Any, key: Any = None) -> ArrayType:
        """The type of arrays of the library ``xp`` whose values at this level are of ``inner``."""
        kind = self.types.get(key or inner)
        if kind is None:
            levels = (self, *inner.levels)
            kind = ArrayType(inner.dtype, xp, inner.device, 0, levels, inner.plain)
            if self.open:
                self.types[key or inner] = kind
            else:
                kind.dissolve()
        return kind

    def close(self) -> None:
        """The function has ended: from now on this is part of no reference cycle."""
        self.open = False
        for kind in self.types.values():
            kind.dissolve()
        self.types = {}

    def __repr__(self) -> str:
        return f"<level {self.number} of {self.size} samples>"


class BatchedValueError(RuntimeError):
    """A value was needed where there is one for each sample of ``levels``, by ``what``."""

    def __init__(self, message: str, what: str, arrays: Any) -> None:
        self.levels = levels_among(arrays)
        self.what = what
        self.place = ""
        gone = next((level for level in self.levels if not level.open), None)
        super().__init__(message if gone is None else escaped(gone))


class BatchedStorageError(BatchedValueError, NotImplementedError):
    """Memory was asked for that holds all samples."""


def escaped(level: Level) -> str:
    """What is wrong with a tensor of a level that is over."""
    return (
        "Either your tensor may have escaped from inside a function being vmapped and this is a "
        "user error (see https://pytorch.org/functorch/stable/ux_limitations.html), or there is an "
        "internal functorch error in `gen_vmap_plumbing` Please file an issue if it looks like the "
        f"latter. (A tensor with a value for each of {level.size} samples belongs to a call of "
        "vmap that is over: return it from the function instead of storing it.)"
    )


_CURE = "(There is one for each sample; `torch.where` chooses for each of them.)"


def need_value(what: str, arrays: Any) -> BatchedValueError:
    """The error for something that wants the values of batched arrays."""
    if what == ".item()":
        return BatchedValueError(
            "vmap: It looks like you're calling .item() on a Tensor. We don't support vmap over "
            "calling .item() on a Tensor, please try to rewrite what you're doing with other "
            f"operations. {_CURE}",
            what,
            arrays,
        )
    return BatchedValueError(
        f"Cannot access data pointer of Tensor that doesn't have storage. ({what} asks for values "
        "inside vmap, where there is one for each sample.)",
        what,
        arrays,
    )


def need_truth(arrays: Any) -> BatchedValueError:
    """The error for control flow, or a number of elements, that depends on batched values."""
    return BatchedValueError(
        "vmap: It looks like you're attempting to use a Tensor in some data-dependent control "
        "flow. We don't support that yet, please file an issue at "
        f"https://github.com/pytorch/pytorch/issues . {_CURE}",
        "control flow",
        arrays,
    )


def need_count(what: str, message: str, arrays: Any) -> BatchedValueError:
    """The error for a result whose size depends on batched values."""
    return BatchedValueError(f"{message} (It may differ from sample to sample.)", what, arrays)


def need_memory(arrays: Any) -> BatchedValueError:
    """The error for something that wants the memory of batched arrays."""
    return BatchedStorageError(
        "Cannot access storage of BatchedTensorImpl. (It holds all samples of vmap.)",
        "memory",
        arrays,
    )


def levels_among(values: Any) -> list[Level]:
    """The levels of some arrays (also in tuples and lists), the outermost first."""
    return sorted(_levels_in(values), key=lambda level: level.number)


def _levels_in(values: Any) -> set[Level]:
    found: set[Level] = set()
    for value in values:
        if isinstance(value, tuple | list):
            found |= _levels_in(value)
        else:
            while (level := getattr(value, "level", None)) is not None:
                found.add(level)
                value = value.value
    return found
