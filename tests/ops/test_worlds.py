"""One rule, two worlds: raw arrays (create_graph=False) and Tensors (create_graph=True) agree."""

from __future__ import annotations

import numpy as np
import pytest

import adjoint
from tests.ops.cases import OpCase, Sample, call, cotangents, floating, tensors
from tests.ops.table import cases


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_raw_world_and_tensor_world_agree(case: OpCase, sample: Sample) -> None:
    found = []
    for create_graph in (False, True):
        operands = tensors(case, sample)
        wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
        results = floating(call(case, operands, sample))
        weights = cotangents(results)
        found.append(adjoint.autograd.grad(results, wanted, weights, create_graph=create_graph))
    for raw, recorded in zip(*found):
        assert not raw.requires_grad
        assert (raw.shape, raw.dtype) == (recorded.shape, recorded.dtype)
        np.testing.assert_allclose(recorded.detach().numpy(), raw.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_same_bits_every_time(case: OpCase, sample: Sample) -> None:
    found = []
    for _ in range(2):
        operands = tensors(case, sample)
        wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
        results = floating(call(case, operands, sample))
        found.append(adjoint.autograd.grad(results, wanted, cotangents(results)))
    for first, again in zip(*found):
        assert first.numpy().tobytes() == again.numpy().tobytes()


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_backward_accumulates_what_grad_returns(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    results = floating(call(case, operands, sample))
    weights = cotangents(results)
    expected = adjoint.autograd.grad(results, wanted, weights, retain_graph=True)
    adjoint.autograd.backward(results, weights, retain_graph=True)
    adjoint.autograd.backward(results, weights)
    for tensor, gradient in zip(wanted, expected):
        np.testing.assert_allclose(
            tensor.grad.numpy(), 2 * gradient.numpy(), rtol=1e-13, atol=1e-300
        )
        assert not np.may_share_memory(tensor.grad.numpy(), tensor.detach().numpy())
