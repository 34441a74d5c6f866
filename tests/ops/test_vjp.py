"""The backward rule of every operator against central differences in float64."""

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
    is_differentiable,
    numeric_gradient,
    pairing,
    tensors,
)
from tests.ops.table import cases


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_against_central_differences(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    results = floating(call(case, operands, sample))
    weights = cotangents(results)
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    assert wanted, "no operand of this sample can carry a gradient"
    gradients = adjoint.autograd.grad(results, wanted, weights)

    def loss() -> float:
        with adjoint.no_grad():
            moved = [adjoint.from_numpy(a) if isinstance(a, np.ndarray) else a for a in arrays]
            return pairing(floating(call(case, moved, sample)), weights)

    arrays = [a.copy() if isinstance(a, np.ndarray) else a for a in sample.operands]
    places = [k for k, a in enumerate(arrays) if is_differentiable(case, k, a)]
    for place, gradient in zip(places, gradients):
        assert gradient.shape == arrays[place].shape
        expected = numeric_gradient(loss, arrays[place])
        np.testing.assert_allclose(
            gradient.numpy(), expected, rtol=case.tolerance * 10, atol=case.tolerance
        )


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_each_operand_alone(case: OpCase, sample: Sample) -> None:
    """What is not wanted changes nothing: a gradient alone equals the one asked with all others."""
    operands = tensors(case, sample)
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    results = floating(call(case, operands, sample))
    weights = cotangents(results)
    together = adjoint.autograd.grad(results, wanted, weights, retain_graph=True)
    for place, tensor in enumerate(wanted):
        alone = [_detached(t) if t is not tensor else t for t in operands]
        outcome = floating(call(case, alone, sample))
        (gradient,) = adjoint.autograd.grad(outcome, tensor, weights)
        np.testing.assert_allclose(gradient.numpy(), together[place].numpy(), rtol=1e-13)


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_single_precision_stays_single(case: OpCase, sample: Sample) -> None:
    """float32 operands have float32 gradients, close to those in float64."""
    operands = tensors(case, sample)
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    results = floating(call(case, operands, sample))
    weights = cotangents(results)
    gradients = adjoint.autograd.grad(results, wanted, weights)
    low = [_lowered(t) for t in operands]
    few = [t for t in low if isinstance(t, adjoint.Tensor) and t.requires_grad]
    outcome = floating(call(case, low, sample))
    rough = adjoint.autograd.grad(outcome, few, [w.to(r.dtype) for w, r in zip(weights, outcome)])
    for tensor, gradient, exact in zip(few, rough, gradients):
        assert gradient.dtype == tensor.dtype
        scale = float(np.abs(exact.numpy()).max(initial=1.0))
        np.testing.assert_allclose(gradient.numpy(), exact.numpy(), rtol=1e-3, atol=1e-4 * scale)


def _detached(operand: Any) -> Any:
    return operand.detach() if isinstance(operand, adjoint.Tensor) else operand


_LOW = {"float64": "float32", "complex128": "complex64"}


def _lowered(operand: Any) -> Any:
    if not isinstance(operand, adjoint.Tensor):
        return operand
    name = str(operand.dtype).removeprefix("torch.")
    lower = getattr(adjoint, _LOW.get(name, name))
    return operand.detach().to(lower).requires_grad_(operand.requires_grad)
