"""Programs of every operator: what a walk gives, at points for which they were not made."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint.array.batched import BatchedArray
from adjoint.derivatives import curvature, dense, per_sample
from adjoint.derivatives.program import Derivation
from tests.ops.cases import OpCase, Sample, call, cotangents, floating, is_differentiable
from tests.ops.table import cases

# What is walked every time, and why.
ARRAYS = "arrays among the parameters"
WRITTEN = "the rule puts numbers into an array in place, once there are samples"
WALKED = {
    "batch_norm-3": ARRAYS,
    "max_pool_put": ARRAYS,
    "max_pool_take": ARRAYS,
    "index_copy": WRITTEN,
    "index_fill": WRITTEN,
    "index_fill_tensor": WRITTEN,
    "index_put": WRITTEN,
    "scatter": WRITTEN,
    "scatter_number": WRITTEN,
}


def leaves_of(case: OpCase, sample: Sample, moved: float) -> tuple[list[Any], list[Any]]:
    """Return operands near those of a sample, and those of them that are differentiated by."""
    operands: list[Any] = []
    leaves: list[Any] = []
    for k, operand in enumerate(sample.operands):
        made = operand
        if isinstance(operand, np.ndarray):
            made = torch.from_numpy(operand.copy())
            if is_differentiable(case, k, operand):
                step = moved * np.cos(np.arange(operand.size)).reshape(operand.shape)
                made = torch.from_numpy(np.asarray(operand + step, operand.dtype))
                leaves.append(made.requires_grad_())
        operands.append(made)
    return operands, leaves


def number(case: OpCase, sample: Sample, operands: list[Any]) -> Any:
    """Return a number that depends on every floating result."""
    results = [r for r in floating(call(case, operands, sample)) if r.requires_grad]
    parts = [(r * w).sum() for r, w in zip(results, cotangents(results))]
    total = sum(parts[1:], parts[0])
    return torch.real(total) if total.is_complex() else total


def vector(case: OpCase, sample: Sample, operands: list[Any]) -> Any:
    """Return the first result that can be differentiated, as a vector."""
    results = [r for r in floating(call(case, operands, sample)) if r.requires_grad]
    return results[0].reshape(-1)


def plain(found: list[Any]) -> list[Any]:
    return [g.value if type(g) is BatchedArray else g for g in found]


def check(
    walk: Callable[..., list[Any]],
    record: Callable[..., Any],
    case: OpCase,
    sample: Sample,
    directed: bool = False,
) -> bool:
    """Compare at a third point; return whether there was a program."""
    derivation = Derivation(walk)
    for moved in (0.0, 1e-3, 2e-3):
        operands, leaves = leaves_of(case, sample, moved)
        if not leaves:
            return True
        output = record(case, sample, operands)
        extras = [x.detach().numpy() + moved for x in leaves] if directed else []
        if moved < 2e-3:
            derivation(output, leaves, *extras)
            continue
        found = derivation.recall(output, leaves, *extras)
        if found is None:
            return False
        expected = plain(walk(output, leaves, *extras))
        for mine, theirs in zip(found, expected, strict=True):
            assert (mine is None) == (theirs is None)
            if mine is not None:
                assert mine.dtype == theirs.dtype
                np.testing.assert_allclose(mine, theirs, rtol=1e-12, atol=1e-13)
    return True


def not_empty() -> list[Any]:
    """Return the rows of the table whose first result has elements."""
    found = []
    for parameters in cases("vjp"):
        case, sample = parameters.values
        operands, leaves = leaves_of(case, sample, 0.0)
        if leaves and all(r.numel() for r in floating(call(case, operands, sample))):
            found.append(pytest.param(case, sample, parameters.id, id=parameters.id))
    return found


ROWS = not_empty()
KINDS = {
    "all rows": (dense._all_rows, vector, False),
    "each sample": (per_sample._all_together, vector, False),
    "Hessian": (curvature._gradient_and_rows, number, False),
    "Hessian times vector": (curvature._product, number, True),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("case", "sample", "name"), ROWS)
def test_programs_give_what_walks_give(case: OpCase, sample: Sample, name: str, kind: str) -> None:
    walk, record, directed = KINDS[kind]
    made = check(walk, record, case, sample, directed)
    reason = WALKED.get(name, WALKED.get(case.op))
    if reason is None:
        assert made
    elif reason is ARRAYS:
        assert not made


def test_what_is_walked_is_in_the_table() -> None:
    names = {p.values[0].op for p in ROWS}
    assert {name.removesuffix("-3") for name in WALKED} <= names
