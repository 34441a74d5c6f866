"""Gradients per sample in the classic style: what a loop over the losses gives, in one walk."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as torch
import adjoint.nn.functional as F
from adjoint import nn
from adjoint.array.batched import block_rules

SAMPLES = 6


class Attention(nn.Module):
    """A small one, with the samples in front of a sequence."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(4, 4) for _ in range(3))
        self.out = nn.Linear(12, 3)

    def forward(self, x: Any) -> Any:
        q, k, v = self.q(x), self.k(x), self.v(x)
        mixed = torch.softmax(q @ k.transpose(-1, -2), -1) @ v
        return self.out(mixed.reshape(len(x), -1))


def images() -> Any:
    return torch.randn(SAMPLES, 1, 8, 8)


MODELS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "mlp": (
        lambda: nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)),
        lambda: torch.randn(SAMPLES, 5),
    ),
    "convolutions": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3),
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(24, 3),
        ),
        images,
    ),
    "batch norm": (  # mixes the samples: every loss depends on all rows
        lambda: nn.Sequential(nn.Linear(5, 7), nn.BatchNorm1d(7), nn.Linear(7, 3)),
        lambda: torch.randn(SAMPLES, 5),
    ),
    "layer norm": (
        lambda: nn.Sequential(nn.Linear(5, 7), nn.LayerNorm(7), nn.Sigmoid(), nn.Linear(7, 3)),
        lambda: torch.randn(SAMPLES, 5),
    ),
    "embedding": (
        lambda: nn.Sequential(nn.Embedding(10, 4), nn.ReLU(), nn.Flatten(), nn.Linear(12, 3)),
        lambda: torch.randint(0, 10, (SAMPLES, 3)),
    ),
    "attention": (Attention, lambda: torch.randn(SAMPLES, 3, 4)),
}


def losses_of(name: str) -> tuple[Any, list[Any]]:
    torch.manual_seed(0)
    model, x = MODELS[name][0]().double(), MODELS[name][1]()
    x = x.double() if x.is_floating_point() else x
    losses = F.cross_entropy(model(x), torch.randint(0, 3, (SAMPLES,)), reduction="none")
    return losses, list(model.parameters())


def looped(losses: Any, params: list[Any]) -> list[Any]:
    rows = [torch.autograd.grad(loss, params, retain_graph=True) for loss in losses]
    return [torch.stack(column) for column in zip(*rows)]


@pytest.mark.parametrize("name", MODELS)
def test_equals_a_loop(name: str) -> None:
    losses, params = losses_of(name)
    expected = looped(losses, params)
    for create_graph in (False, True):
        found = torch.grad(
            losses, params, per_sample=True, retain_graph=True, create_graph=create_graph
        )
        assert isinstance(found, list)
        for f, e in zip(found, expected):
            assert f.requires_grad == create_graph
            torch.testing.assert_close(f.detach(), e, rtol=1e-10, atol=1e-12)
        assert min(float(e.abs().max()) for e in expected[-2:]) > 1e-4


@pytest.mark.parametrize("name", sorted(set(MODELS) - {"batch norm"}))
def test_no_cotangent_is_written_out(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The walk costs what an ordinary backward costs: blocks stay blocks up to the parameters."""
    written: list[Any] = []
    plain = block_rules.dense

    def counted(array: Any) -> Any:
        if type(array) is block_rules.BlockArray:
            written.append(array.shape)
        return plain(array)

    losses, params = losses_of(name)
    monkeypatch.setattr(block_rules, "dense", counted)
    torch.grad(losses, params, per_sample=True)
    assert written == []


def test_sum_over_the_samples_is_the_gradient() -> None:
    losses, params = losses_of("mlp")
    found = torch.grad(losses, params, per_sample=True, retain_graph=True)
    whole = torch.autograd.grad(losses.sum(), params)
    for f, w in zip(found, whole):
        torch.testing.assert_close(f.sum(0), w, rtol=1e-10, atol=1e-12)


def test_weights_and_inputs_with_the_dim_of_the_samples() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    x = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]], requires_grad=True)
    weights = torch.tensor([1.0, 10.0, 0.0])
    by_w, by_x = torch.grad((x @ w) ** 2, (w, x), weights, per_sample=True, retain_graph=True)
    assert by_w.tolist() == [[2.0, 0.0], [160.0, 80.0], [0.0, 0.0]]
    assert tuple(by_x.shape) == (3, 3, 2)
    assert by_x[1].tolist() == [[0.0, 0.0], [80.0, 160.0], [0.0, 0.0]]


def test_containers_come_back() -> None:
    model = nn.Linear(2, 1)
    losses = model(torch.ones(3, 2)).squeeze(1)
    found = torch.grad(losses, dict(model.named_parameters()), per_sample=True, retain_graph=True)
    assert {name: tuple(g.shape) for name, g in found.items()} == {
        "weight": (3, 1, 2),
        "bias": (3, 1),
    }
    assert isinstance(torch.grad(losses, model.parameters(), per_sample=True), tuple)


def test_second_derivatives_of_each_sample() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    x = torch.tensor([[1.0, 0.0], [2.0, 1.0]])
    g = torch.grad((x @ w) ** 3, w, per_sample=True, create_graph=True)
    (hessian_row,) = torch.autograd.grad(g[1, 0], w)
    assert hessian_row.tolist() == [6 * 4.0 * 2 * 2, 6 * 4.0 * 2]


def test_without_per_sample_it_is_autograd_grad() -> None:
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    assert torch.grad((w * w).sum(), {"w": w})["w"].tolist() == [2.0, 4.0]


def test_unused_inputs() -> None:
    w, v = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    losses = torch.ones(4, 2) @ w
    with pytest.raises(RuntimeError, match=r"^One of the differentiated Tensors appears to not"):
        torch.grad(losses, [w, v], per_sample=True, retain_graph=True)
    found = torch.grad(losses, [w, v], per_sample=True, retain_graph=True, allow_unused=True)
    assert found[1] is None
    found = torch.grad(losses, [w, v], per_sample=True, materialize_grads=True)
    np.testing.assert_array_equal(found[1].numpy(), np.zeros((4, 3)))


def test_what_is_no_vector_of_losses() -> None:
    w = torch.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="must be one vector with a loss for each sample"):
        torch.grad((w * w).sum(), w, per_sample=True)
    with pytest.raises(RuntimeError, match=r"^element 0 of tensors does not require grad"):
        torch.grad(torch.ones(3), w, per_sample=True)
    losses = w * w
    torch.grad(losses, w, per_sample=True)
    with pytest.raises(RuntimeError, match=r"^Trying to backward through the graph a second time"):
        torch.grad(losses, w, per_sample=True)
    assert w.grad is None


def test_leaves_nothing_behind() -> None:
    losses, params = losses_of("mlp")
    gc.collect()
    gc.disable()
    try:
        torch.grad(losses, params, per_sample=True)
        del losses, params
        assert gc.collect() == 0
    finally:
        gc.enable()
    assert torch.is_grad_enabled()
    assert (torch.ones(2, requires_grad=True) * 2).grad_fn is not None
