"""Masked gradients of every operator: the same numbers, and nothing from a cotangent of zero.

What is asked of all operators follows from the mode's definition, so no row of the table says
anything about it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.core import forward, masked
from tests.ops.cases import OpCase, Sample, call, cotangents, floating, tensors
from tests.ops.table import cases
from tests.ops.test_jvp import pushed, wanted_of

MODES = pytest.mark.parametrize("create_graph", [False, True])


@pytest.fixture
def never_finite(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every rule runs in the library of masked gradients, as if its result were not finite."""
    monkeypatch.setattr(masked, "finite", lambda found: False)
    monkeypatch.setattr(forward, "finite", lambda found: False)


def broken(sample: Sample) -> Sample:
    """The same operands, full of nan."""
    operands = [
        np.full_like(o, np.nan) if isinstance(o, np.ndarray) and o.dtype.kind in "fc" else o
        for o in sample.operands
    ]
    return Sample(tuple(operands), sample.params)


@pytest.mark.usefixtures("never_finite")
@MODES
@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_rules_give_the_same_in_the_masked_library(
    case: OpCase, sample: Sample, create_graph: bool
) -> None:
    operands = tensors(case, sample)
    wanted = wanted_of(operands)
    results = floating(call(case, operands, sample))
    weights = cotangents(results)
    expected = adjoint.autograd.grad(results, wanted, weights)
    with adjoint.masked_gradients():
        inside = floating(call(case, operands, sample))
    found = adjoint.autograd.grad(inside, wanted, weights, create_graph=create_graph)
    for gradient, usual in zip(found, expected):
        assert (gradient.shape, gradient.dtype) == (usual.shape, usual.dtype)
        np.testing.assert_allclose(gradient.detach().numpy(), usual.numpy(), rtol=1e-11, atol=1e-12)


@MODES
@pytest.mark.parametrize("where", ["recorded", "walked"])
@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_zero_cotangents_contribute_nothing(
    case: OpCase, sample: Sample, where: str, create_graph: bool
) -> None:
    """Whatever the operands are: here nan, all of them."""
    operands = tensors(case, broken(sample))
    wanted = wanted_of(operands)
    with adjoint.masked_gradients(where == "recorded"):
        results = floating(call(case, operands, sample))
    weights = [adjoint.zeros_like(r) for r in results]
    with adjoint.masked_gradients(where == "walked"):
        found = adjoint.autograd.grad(results, wanted, weights, create_graph=create_graph)
    for gradient in found:
        assert not gradient.detach().numpy().any()
    again = [g for g in found if g.requires_grad]
    if again:
        total = [adjoint.zeros_like(g) for g in again]
        with adjoint.masked_gradients(where == "walked"):
            seconds = adjoint.autograd.grad(again, wanted, total, allow_unused=True)
        assert not any(g.numpy().any() for g in seconds if g is not None)


@pytest.mark.usefixtures("never_finite")
@pytest.mark.parametrize(("case", "sample"), cases("jvp"))
def test_tangents_are_the_same_in_the_masked_library(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    directions = cotangents(wanted_of(operands), "t")
    _, usual = pushed(case, sample, operands, directions)
    with adjoint.masked_gradients():
        _, found = pushed(case, sample, operands, directions)
    for tangent, expected in zip(found, usual):
        assert (tangent.shape, tangent.dtype) == (expected.shape, expected.dtype)
        np.testing.assert_allclose(
            tangent.detach().numpy(), expected.detach().numpy(), rtol=1e-11, atol=1e-12
        )


@pytest.mark.parametrize(("case", "sample"), cases("jvp"))
def test_zero_tangents_contribute_nothing(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, broken(sample))
    directions = [adjoint.zeros_like(t) for t in wanted_of(operands)]
    with adjoint.masked_gradients():
        _, found = pushed(case, sample, operands, directions)
    for tangent in found:
        assert not tangent.detach().numpy().any()


def elementwise_cases() -> list[Any]:
    """The samples with at least two results of the operators that work element by element."""
    return [
        param
        for param in cases("vjp")
        if param.values[0].record.family == "elementwise"  # type: ignore[attr-defined]
        and all(
            isinstance(o, np.ndarray) and o.ndim and o.size > 1
            for o in param.values[1].operands  # type: ignore[attr-defined]
        )
        and len({o.shape for o in param.values[1].operands}) == 1  # type: ignore[attr-defined]
    ]


@pytest.mark.parametrize("bad", [np.nan, np.inf, 0.0])
@pytest.mark.parametrize(("case", "sample"), elementwise_cases())
def test_one_element_not_selected(case: OpCase, sample: Sample, bad: float) -> None:
    """The others have the gradients that they have without it."""
    operands = tensors(case, sample)
    usual = adjoint.autograd.grad(
        floating(call(case, operands, sample)), wanted_of(operands), seeds(case, sample)
    )
    changed = []
    for o in sample.operands:
        o = o.copy()
        if o.dtype.kind in "fc":
            o.flat[0] = bad
        changed.append(o)
    moved = tensors(case, Sample(tuple(changed), sample.params))
    with adjoint.masked_gradients():
        results = floating(call(case, moved, sample))
    found = adjoint.autograd.grad(results, wanted_of(moved), seeds(case, sample))
    for gradient, expected in zip(found, usual):
        assert gradient.numpy().flat[0] == 0
        np.testing.assert_array_equal(gradient.numpy().flat[1:], expected.numpy().flat[1:])


def seeds(case: OpCase, sample: Sample) -> list[Any]:
    """Cotangents whose first entry is zero."""
    with adjoint.no_grad():
        weights = cotangents(floating(call(case, tensors(case, sample, grad=False), sample)))
    for w in weights:
        w.numpy().flat[0] = 0
    return weights
