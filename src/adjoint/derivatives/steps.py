"""The steps of a program, made fewer: what is needed, what is added in place, what is overwritten.

In: the steps of a `Trace` and its results.  Out: the steps that lead to these, and what a program
must know to write them down: who owns the memory of an array, and when it is needed no more.

Note [Overwriting]
    A sum or product may be written into an operand when that is a new array that the program made
    itself, of the same shape, dtype and layout, and nobody needs it any more: neither a later step
    nor a result, neither it nor a view of it. What is computed is the same, number for number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.batched.blocks import apart
from adjoint.array.kernels.products import outer
from adjoint.array.kernels.ufuncs import is_ufunc
from adjoint.array.traced import METHODS, Attribute, Method, Step, TracedArray, item

__all__ = ["add_at", "last_uses", "needed", "numbers", "overwritten", "owner", "together", "traced"]

Array = Any


def add_at(total: Array, index: Any, term: Array) -> Array:
    """``total[index] += term``, which is what adding zeros with a part in them amounts to."""
    part = total[index]
    np.add(part, term, part)
    return total


# Functions whose results are new arrays, whatever they are given.
_NEW = {
    METHODS["dot"],
    add_at,
    apart,
    np.add.reduce,
    np.concatenate,
    np.matmul,
    np.maximum.reduce,
    np.minimum.reduce,
    np.multiply.reduce,
    np.stack,
    np.where,
    numpy_.index_add,
    numpy_.scatter_add,
    numpy_.slice_into,
    numpy_.take,
    outer,
}


def _is_new(function: Any) -> bool:
    return is_ufunc(function) or function in _NEW


def _may_be_view(function: Any) -> bool:
    """Whether a function gives its first argument's memory or new memory, never another's."""
    return function is item or isinstance(function, Attribute | Method)


def owner(x: Any, made: dict[int, Step]) -> int | None:
    """The number of the new array that ``x`` is, or looks at; None where it may be another's."""
    while type(x) is TracedArray:
        step = made.get(x.number)
        if step is None:
            return None
        if _is_new(step.function):
            return step.out
        if not _may_be_view(step.function):
            return None
        x = step.args[0]
    return None


def traced(x: Any) -> list[TracedArray]:
    """The traced arrays in something."""
    if type(x) is TracedArray:
        return [x]
    if type(x) in (tuple, list):
        return [t for part in x for t in traced(part)]
    if type(x) is dict:
        return traced(list(x.values()))
    return []


def numbers(x: Any) -> set[int]:
    """The numbers of the traced arrays in something."""
    return {t.number for t in traced(x)}


def needed(steps: list[Step], results: list[Any]) -> list[Step]:
    """The steps that lead to the results."""
    wanted, kept = numbers(results), []
    for step in reversed(steps):
        if step.out in wanted:
            kept.append(step)
            wanted |= numbers((step.args, step.kwargs))
    return kept[::-1]


# ---- zeros with parts in them --------------------------------------------------------------------


def together(steps: list[Step], results: list[Any]) -> list[Step]:
    """The steps with sums of parts that are put into zeros made of one array of zeros."""
    uses: dict[int, int] = dict.fromkeys(numbers(results), 2)
    for step in steps:
        for n in numbers((step.args, step.kwargs)):
            uses[n] = uses.get(n, 0) + 1
    made = {step.out: step for step in steps}
    dropped = set()
    changed = []
    for step in steps:
        if step.function is np.add and len(step.args) == 2 and not step.kwargs:
            for total, part in (step.args, step.args[::-1]):
                if not _may_be_written(total, made, uses) or type(part) is not TracedArray:
                    continue
                into = made.get(part.number)
                if into is None or into.function is not numpy_.slice_into or uses[part.number] > 1:
                    continue
                if total.shape != part.shape or total.dtype != part.dtype:
                    continue
                dropped.add(part.number)
                index = _view_index(into.args[2])
                before = made[total.number]
                if before.function is numpy_.slice_into and _view_index(before.args[2]) == index:
                    dropped.add(total.number)
                    pair = before.args[0], into.args[0]
                    both = pair[0].trace.array(np.add(pair[0].value, pair[1].value))
                    changed.append(Step(np.add, pair, {}, both.number))
                    step = Step(numpy_.slice_into, (both, *before.args[1:]), {}, step.out)
                else:
                    step = Step(add_at, (total, index, into.args[0]), {}, step.out)
                made[step.out] = step
                break
        changed.append(step)
    return [step for step in changed if step.out not in dropped]


def _view_index(index: Any) -> tuple[Any, ...]:
    """A basic index for which the part of integers is a view, too."""
    full = index if isinstance(index, tuple) else (index,)
    return full if ... in full else (*full, ...)


def _may_be_written(total: Any, made: dict[int, Step], uses: dict[int, int]) -> bool:
    """Whether an array is new and nobody else's."""
    if type(total) is not TracedArray or uses[total.number] > 1 or not total.ndim:
        return False
    step = made.get(total.number)
    if step is None:
        return False
    return is_ufunc(step.function) or step.function in (numpy_.slice_into, add_at)


# ---- memory --------------------------------------------------------------------------------------


def _arrays(steps: list[Step], results: list[Any]) -> dict[int, TracedArray]:
    """The traced arrays by their numbers."""
    found = {x.number: x for x in traced(results)}
    for step in steps:
        found.update({x.number: x for x in traced((step.args, step.kwargs))})
    return found


def overwritten(steps: list[Step], results: list[Any]) -> dict[int, int]:
    """By the number of a result: which of the step's operands it is written into."""
    arrays = _arrays(steps, results)
    made = {step.out: step for step in steps}
    last: dict[int | None, int] = {}  # the last step that needs the memory of a new array

    def note(values: Any, k: int) -> None:
        for x in traced(values):
            n = owner(x, made)
            last[n] = max(k, last.get(n, 0))

    for k, step in enumerate(steps):
        plain = _is_new(step.function) or _may_be_view(step.function)
        note((step.args, step.kwargs), k if plain else len(steps))
    note(results, len(steps))
    found: dict[int, int] = {}
    for k, step in enumerate(steps):
        function: Any = step.function
        out = arrays.get(step.out)
        if not is_ufunc(function) or step.kwargs or out is None:
            continue
        if function.nout != 1 or len(step.args) != function.nin:
            continue
        for i, x in enumerate(step.args):
            free = type(x) is TracedArray and owner(x, made) == x.number and last[x.number] == k
            if free and _alike(x.value, out.value):
                found[step.out] = i
                break
    return found


def _alike(a: Any, b: Any) -> bool:
    """Whether two arrays have shape, dtype and layout in common."""
    if type(a) is not np.ndarray or type(b) is not np.ndarray or not a.ndim:
        return False
    return a.shape == b.shape and a.dtype == b.dtype and a.strides == b.strides


def last_uses(steps: list[Step], results: list[Any], over: dict[int, int]) -> dict[int, list[int]]:
    """After which step large arrays are not needed any more."""
    size = {s.out for s in steps}
    arrays = _arrays(steps, results)
    last: dict[int, int] = {}
    for k, step in enumerate(steps):
        for n in numbers((step.args, step.kwargs)):
            last[n] = k
        if step.out in over:
            last.pop(step.args[over[step.out]].number)
    for n in numbers(results):
        last.pop(n, None)
    found: dict[int, list[int]] = {}
    for n, k in last.items():
        if n in size and getattr(arrays[n].value, "nbytes", 0) > 1 << 16:
            found.setdefault(k, []).append(n)
    return found
