"""Forward mode of every operator: its product with a tangent is the transpose of its vjp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint
import adjoint.autograd.forward_ad as fwAD
from tests.ops.cases import (
    OpCase,
    Sample,
    call,
    cotangents,
    floating,
    pairing,
    tensors,
)
from tests.ops.table import cases


def wanted_of(operands: list[Any]) -> list[Any]:
    """Return the operands that have a rule."""
    return [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]


def pushed(
    case: OpCase, sample: Sample, operands: list[Any], tangents: dict[int, Any]
) -> tuple[list[Any], list[Any]]:
    """Return the results and their tangents (zeros where there is none)."""
    with fwAD.dual_level():
        duals = [fwAD.make_dual(o, tangents[id(o)]) if id(o) in tangents else o for o in operands]
        parts = [fwAD.unpack_dual(r) for r in floating(call(case, duals, sample))]
        primals = [p.primal for p in parts]
        moved = [adjoint.zeros_like(p.primal) if p.tangent is None else p.tangent for p in parts]
    return primals, moved


@pytest.mark.parametrize(("case", "sample"), cases("jvp"))
def test_is_the_transpose_of_the_vjp(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    wanted = wanted_of(operands)
    if not wanted:
        assert not case.record.differentiable
        return
    results = floating(call(case, operands, sample))
    weights = cotangents(results)
    gradients = adjoint.autograd.grad(results, wanted, weights, allow_unused=True)
    directions = cotangents(wanted, "t")
    constants = [o.detach() if isinstance(o, adjoint.Tensor) else o for o in operands]
    tangents = {
        id(c): directions[wanted.index_of(o)] if False else None
        for c, o in zip(constants, operands)
    }
    tangents = {}
    rest = iter(directions)
    for constant, operand in zip(constants, operands):
        if isinstance(operand, adjoint.Tensor) and operand.requires_grad:
            tangents[id(constant)] = next(rest)
    primals, moved = pushed(case, sample, constants, tangents)
    for primal, tangent, result in zip(primals, moved, results):
        assert tangent.shape == primal.shape
        assert tangent.dtype == primal.dtype
        np.testing.assert_array_equal(primal.numpy(), result.detach().numpy())
    left = pairing(moved, weights)
    right = sum(pairing([t], [g]) for t, g in zip(directions, gradients) if g is not None)
    scale = 1 + sum(float(np.abs(m.numpy()).sum()) for m in moved)
    assert abs(left - right) <= case.tolerance * scale
