"""Sparsity detection of every operator: where a result moves with an operand, the pattern says so.

The operators are called as users call them, on tensors over PatternArrays; then the same is asked
of their gradients, which is how patterns of Hessians are found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.array.patterns import PatternArray, PatternLibrary
from adjoint.core import mode as modes
from adjoint.core.mode import mode_bits
from adjoint.core.tensor_base import make_tensor
from tests.ops.cases import OpCase, Sample, call, cotangents, floating, is_differentiable
from tests.ops.table import cases

Arrays = Sequence[Any]
Function = Callable[[Arrays], list[Any]]


def patterns_of(function: Function, arrays: Arrays) -> list[list[Any]]:
    """For each result of a function of tensors, its pattern by each of ``arrays`` (None: none)."""
    xp = PatternLibrary(sum(a.size for a in arrays))
    starts = np.cumsum([0, *(a.size for a in arrays)])
    with mode_bits(on=modes.LIBRARIES):
        tensors = [make_tensor(xp.inputs(a, start)) for a, start in zip(arrays, starts)]
        results = function(tensors)
    found = []
    for result in results:
        if result is None or not isinstance(result._array, PatternArray):
            found.append([None] * len(arrays))
        else:
            dense = xp.pattern(result._array).toarray()
            found.append([dense[:, i:j] for i, j in pairwise(starts)])
    return found


def moves(function: Function, arrays: Arrays, place: int) -> list[Any]:
    """For each result a mask: which elements move with which of ``arrays[place]``."""
    columns = []
    for index in np.ndindex(arrays[place].shape):
        for step in (1e-6, 1e-6j) if arrays[place].dtype.kind == "c" else (1e-6,):
            ends = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[place][index] += sign * step
                results = function([adjoint.from_numpy(a) for a in moved])
                ends.append([None if r is None else r.detach().numpy() for r in results])
            difference = [
                None if up is None else np.abs(up.astype(complex) - down).reshape(-1) > 1e-9
                for up, down in zip(*ends)
            ]
            columns.append(difference)
    return columns


def check(function: Function, arrays: Arrays) -> None:
    found = patterns_of(function, arrays)
    for place, array in enumerate(arrays):
        steps = 2 if array.dtype.kind == "c" else 1
        for column, differences in enumerate(moves(function, arrays, place)):
            for parts, moved in zip(found, differences):
                if moved is None or not moved.any():
                    continue
                assert parts[place] is not None, "it moves, and was said to be a constant"
                assert not (moved & ~parts[place][:, column // steps]).any()


def inputs_of(case: OpCase, sample: Sample) -> list[int]:
    return [k for k, o in enumerate(sample.operands) if is_differentiable(case, k, o)]


def operands_with(sample: Sample, places: Arrays, tensors: Arrays) -> list[Any]:
    """The operands of a sample, with ``tensors`` at ``places``."""
    operands = [
        adjoint.from_numpy(o.copy()) if isinstance(o, np.ndarray) else o for o in sample.operands
    ]
    for k, tensor in zip(places, tensors):
        operands[k] = tensor
    return operands


@pytest.mark.parametrize(("case", "sample"), cases("pattern"))
def test_what_moves_is_in_the_pattern(case: OpCase, sample: Sample) -> None:
    places = inputs_of(case, sample)

    def function(tensors: Arrays) -> list[Any]:
        return floating(call(case, operands_with(sample, places, tensors), sample))

    check(function, [sample.operands[k] for k in places])


@pytest.mark.parametrize(("case", "sample"), cases("second_order"))
def test_gradients_know_what_they_depend_on(case: OpCase, sample: Sample) -> None:
    """The gradient as a function of the operands and of the cotangents."""
    places = inputs_of(case, sample)
    arrays = [sample.operands[k] for k in places]
    plain = operands_with(sample, places, [adjoint.from_numpy(a) for a in arrays])
    weights = [w.numpy() for w in cotangents(floating(call(case, plain, sample)))]

    def function(tensors: Arrays) -> list[Any]:
        leaves = [t.requires_grad_() for t in tensors[: len(places)]]
        results = floating(call(case, operands_with(sample, places, leaves), sample))
        return list(
            adjoint.autograd.grad(results, leaves, tensors[len(places) :], allow_unused=True)
        )

    check(function, [*arrays, *weights])
