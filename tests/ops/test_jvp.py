"""Forward mode of every operator: pushing is the transpose of pulling, however it is derived."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import adjoint
import adjoint.autograd.forward_ad as fwAD
from adjoint.core import forward
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


def wanted_of(operands: Sequence[Any]) -> list[Any]:
    """Return the operands that carry a gradient."""
    return [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]


def pushed(
    case: OpCase, sample: Sample, operands: Sequence[Any], directions: Sequence[Any]
) -> tuple[list[Any], list[Any]]:
    """Return the results and their tangents (zeros where there is none)."""
    rest = iter(directions)
    with fwAD.dual_level():
        duals = [
            fwAD.make_dual(o, next(rest))
            if isinstance(o, adjoint.Tensor) and o.requires_grad
            else o
            for o in operands
        ]
        parts = [fwAD.unpack_dual(r) for r in floating(call(case, duals, sample))]
    moved = [adjoint.zeros_like(p.primal) if p.tangent is None else p.tangent for p in parts]
    return [p.primal for p in parts], moved


def close(case: OpCase, left: float, right: float, terms: Sequence[Any]) -> bool:
    """Whether two pairings agree within what rounding does to their terms."""
    scale = 1 + sum(float(np.abs(t.detach().numpy()).sum()) for t in terms)
    return abs(left - right) <= 1e-10 * scale


@pytest.mark.parametrize(("case", "sample"), cases("jvp"))
def test_is_the_transpose_of_the_vjp(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    wanted = wanted_of(operands)
    results = floating(call(case, operands, sample))
    if not wanted:
        assert not any(r.requires_grad for r in results)
        return
    weights = cotangents(results)
    gradients = adjoint.autograd.grad(results, wanted, weights, materialize_grads=True)
    directions = cotangents(wanted, "t")
    with adjoint.no_grad():
        primals, moved = pushed(case, sample, operands, directions)
    for primal, tangent, result in zip(primals, moved, results):
        assert tangent.shape == primal.shape
        assert tangent.dtype == primal.dtype
        np.testing.assert_array_equal(primal.detach().numpy(), result.detach().numpy())
    left, right = pairing(moved, weights), pairing(directions, gradients)
    assert close(case, left, right, [*moved, *gradients])


@pytest.mark.parametrize(("case", "sample"), cases("jvp"))
def test_every_way_to_push_agrees(
    case: OpCase, sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The operator's own way gives what the transpose of its vjp gives."""
    operands = tensors(case, sample)
    directions = cotangents(wanted_of(operands), "t")
    _, moved = pushed(case, sample, operands, directions)
    monkeypatch.setattr(forward, "rule_of", lambda op, is_complex=False: "derived")
    _, derived = pushed(case, sample, operands, directions)
    for first, second in zip(moved, derived):
        np.testing.assert_allclose(
            first.detach().numpy(), second.detach().numpy(), rtol=1e-9, atol=1e-11
        )


@pytest.mark.parametrize(("case", "sample"), cases("second_order"))
def test_a_pushed_tangent_is_differentiable(case: OpCase, sample: Sample) -> None:
    """Reverse over forward: the gradient of <w, J t> is that of <J^T w, t>."""
    if "jvp" in case.skip:
        return
    operands = tensors(case, sample)
    wanted = wanted_of(operands)
    directions = cotangents(wanted, "t")
    results, moved = pushed(case, sample, operands, directions)
    weights = cotangents(results)
    gradients = _gradients_of(moved, wanted, weights)
    again = floating(call(case, operands, sample))
    pulled = adjoint.autograd.grad(
        again, wanted, weights, create_graph=True, materialize_grads=True
    )
    expected = _gradients_of(pulled, wanted, directions)
    for first, second in zip(gradients, expected):
        np.testing.assert_allclose(
            first.numpy(), second.numpy(), rtol=case.tolerance * 10, atol=case.tolerance
        )


def _gradients_of(outputs: Sequence[Any], inputs: Sequence[Any], weights: Sequence[Any]) -> Any:
    pairs = [(o, w) for o, w in zip(outputs, weights) if o.requires_grad]
    if not pairs:
        return [adjoint.zeros_like(t) for t in inputs]
    found, seeds = zip(*pairs)
    return adjoint.autograd.grad(found, inputs, seeds, materialize_grads=True)


@pytest.mark.parametrize(("case", "sample"), cases("second_order"))
def test_a_pulled_gradient_can_be_pushed(case: OpCase, sample: Sample) -> None:
    """Forward over reverse: the tangent of J^T w is the derivative along t of x -> J(x)^T w."""
    if "jvp" in case.skip:
        return
    operands = tensors(case, sample)
    wanted = wanted_of(operands)
    directions = cotangents(wanted, "t")
    weights = cotangents(floating(call(case, operands, sample)))
    rest = iter(directions)
    with fwAD.dual_level():
        duals = [
            fwAD.make_dual(o, next(rest))
            if isinstance(o, adjoint.Tensor) and o.requires_grad
            else o
            for o in operands
        ]
        leaves = wanted_of(duals)
        results = floating(call(case, duals, sample))
        found = adjoint.autograd.grad(results, leaves, weights, materialize_grads=True)
        moved = [fwAD.unpack_dual(g).tangent for g in found]
    again = floating(call(case, operands, sample))
    pulled = adjoint.autograd.grad(
        again, wanted, weights, create_graph=True, materialize_grads=True
    )
    for tangent, gradient, array in zip(moved, pulled, wanted):
        if tangent is None:
            tangent = adjoint.zeros_like(array)
        seeds = adjoint.ones_like(gradient)
        if gradient.requires_grad:
            back = adjoint.autograd.grad(
                gradient, wanted, seeds, retain_graph=True, materialize_grads=True
            )
            expected = pairing(directions, back)
        else:
            expected = 0.0
        assert abs(pairing([tangent], [seeds]) - expected) <= case.tolerance * (
            10 + 100 * abs(expected)
        )


def test_the_pairing_is_that_of_finite_differences() -> None:
    """The table's own check of gradients and this file's speak of the same inner product."""
    x = np.array([0.5, -1.5])
    got = numeric_gradient(lambda: float((x**3).sum()), x)
    np.testing.assert_allclose(got, 3 * x**2, rtol=1e-6)
