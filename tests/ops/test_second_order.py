"""Second derivatives of every operator: the recorded backward against differences of the raw."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint
from tests.ops.cases import (
    OpCase,
    Sample,
    call,
    cotangents,
    floating,
    numeric_gradient,
    pairing,
    tensors,
)
from tests.ops.table import cases


@pytest.mark.parametrize(("case", "sample"), cases("second_order"))
def test_against_central_differences(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    results = floating(call(case, operands, sample))
    weights = [w.requires_grad_() for w in cotangents(results)]
    first = adjoint.autograd.grad(results, wanted, weights, create_graph=True, allow_unused=True)
    tracked = [g for g in first if g is not None and g.requires_grad]
    if not tracked:
        assert all(not g.numpy().any() for g in first if g is not None), "only zero is constant"
        return
    directions = cotangents(tracked, "u")
    variables = [*wanted, *weights]
    second = adjoint.autograd.grad(tracked, variables, directions, allow_unused=True)
    keep = [place for place, g in enumerate(first) if g is not None and g.requires_grad]

    arrays = [t.detach().numpy().copy() for t in variables]

    def loss() -> float:
        moved = [adjoint.from_numpy(a).requires_grad_() for a in arrays[: len(wanted)]]
        rest = iter(moved)
        again = [next(rest) if _is_wanted(t) else t for t in operands]
        outcome = floating(call(case, again, sample))
        raw = adjoint.autograd.grad(
            outcome, moved, [adjoint.from_numpy(a) for a in arrays[len(wanted) :]]
        )
        return pairing([raw[place] for place in keep], directions)

    for variable, gradient, array in zip(variables, second, arrays):
        expected = numeric_gradient(loss, array)
        got = np.zeros_like(expected) if gradient is None else gradient.detach().numpy()
        assert got.shape == tuple(variable.shape)
        np.testing.assert_allclose(got, expected, rtol=case.tolerance * 30, atol=case.tolerance * 3)


def _is_wanted(operand: Any) -> bool:
    return isinstance(operand, adjoint.Tensor) and operand.requires_grad
