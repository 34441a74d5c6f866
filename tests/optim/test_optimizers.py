"""Optimizers: they find minima, keep state, and write in place so that the tape notices."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint import nn, optim

METHODS: dict[str, tuple[Any, dict[str, Any], int]] = {
    "SGD": (optim.SGD, {"lr": 0.1}, 100),
    "momentum": (optim.SGD, {"lr": 0.05, "momentum": 0.8}, 200),
    "Nesterov": (optim.SGD, {"lr": 0.05, "momentum": 0.8, "nesterov": True}, 200),
    "Adam": (optim.Adam, {"lr": 0.1}, 400),
    "AdamW": (optim.AdamW, {"lr": 0.1, "weight_decay": 0.0}, 400),
    "amsgrad": (optim.Adam, {"lr": 0.1, "amsgrad": True}, 400),
    "RMSprop": (optim.RMSprop, {"lr": 0.01}, 600),
    "Adagrad": (optim.Adagrad, {"lr": 0.5}, 400),
    "Adadelta": (optim.Adadelta, {"lr": 20.0}, 800),
    "Adamax": (optim.Adamax, {"lr": 0.1}, 400),
    "NAdam": (optim.NAdam, {"lr": 0.1}, 400),
    "RAdam": (optim.RAdam, {"lr": 0.1}, 600),
}


@pytest.mark.parametrize("name", METHODS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_finds_the_minimum_of_a_bowl(name: str, dtype: Any) -> None:
    make, options, steps = METHODS[name]
    x = torch.tensor([3.0, -2.0], dtype=dtype, requires_grad=True)
    y = torch.tensor(1.5, dtype=dtype, requires_grad=True)
    optimizer = make([x, y], **options)
    for _ in range(steps):
        optimizer.zero_grad()
        ((x - 1) ** 2).sum().add((y + 0.5) ** 2).backward()
        optimizer.step()
    np.testing.assert_allclose([*x.tolist(), y.item()], [1, 1, -0.5], atol=2e-2)
    assert x.dtype is dtype


def test_lbfgs_needs_one_step_on_a_bowl() -> None:
    x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
    optimizer = optim.LBFGS([x], line_search_fn="strong_wolfe")

    def closure() -> Any:
        optimizer.zero_grad()
        loss = ((x - 1) ** 2 * torch.tensor([1.0, 10.0])).sum()
        loss.backward()
        return loss

    first = optimizer.step(closure)
    assert first.item() == 94
    np.testing.assert_allclose(x.detach(), [1, 1], atol=1e-5)


def test_momentum_is_the_formula() -> None:
    p = torch.zeros(3, dtype=torch.float64, requires_grad=True)
    optimizer = optim.SGD([p], lr=0.1, momentum=0.9, weight_decay=0.01)
    expected, velocity = np.zeros(3), None
    for step in range(5):
        g = np.array([1.0, 2.0, 3.0]) * (step + 1)
        p.grad = torch.from_numpy(g.copy())
        optimizer.step()
        g = g + 0.01 * expected
        velocity = g if velocity is None else 0.9 * velocity + g
        expected = expected - 0.1 * velocity
    np.testing.assert_allclose(p.detach(), expected, rtol=1e-14)


def test_adam_is_the_formula() -> None:
    p = torch.ones(2, dtype=torch.float64, requires_grad=True)
    optimizer = optim.Adam([p], lr=0.1)
    x, m, v = np.ones(2), np.zeros(2), np.zeros(2)
    for t in range(1, 6):
        g = np.array([0.5, -2.0]) * t
        p.grad = torch.from_numpy(g.copy())
        optimizer.step()
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        x = x - 0.1 * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
    np.testing.assert_allclose(p.detach(), x, rtol=1e-12)


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam])
def test_a_step_invalidates_what_the_tape_saved(make: Any) -> None:
    p = torch.ones(2, requires_grad=True)
    loss = (p * p).sum()
    loss.backward(retain_graph=True)
    make([p], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


@pytest.mark.parametrize("make", [optim.SGD, optim.Adam, optim.RMSprop])
def test_every_layout_is_updated_where_it_lies(make: Any) -> None:
    base = torch.zeros(4, 6)
    wide = nn.Parameter(base.t())
    part = nn.Parameter(torch.arange(10.0)[::2])
    scalar = torch.tensor(1.0, requires_grad=True)
    empty = nn.Parameter(torch.zeros(0, 3))
    params = [wide, part, scalar, empty]
    optimizer = make(params, lr=0.5)
    alias = part.data
    for p in params:
        p.grad = torch.ones(p.shape)
    optimizer.step()
    assert (base.numpy() < 0).all()
    np.testing.assert_array_equal(alias, part.detach())
    assert scalar.item() < 1
    assert scalar._version == 1


def test_gradients_are_left_alone() -> None:
    p = nn.Parameter(torch.ones(3))
    for make in (optim.SGD, optim.Adam, optim.Adagrad):
        p.grad = torch.full((3,), 2.0)
        make([p], lr=0.1, weight_decay=0.5, maximize=True).step()
        np.testing.assert_array_equal(p.grad, [2, 2, 2])


def test_shared_memory_is_not_mistaken() -> None:
    """The first gradient becomes the momentum's value, not the momentum itself."""
    p = nn.Parameter(torch.ones(2))
    optimizer = optim.SGD([p], lr=0.1, momentum=0.5)
    p.grad = torch.ones(2)
    optimizer.step()
    p.grad.zero_()
    np.testing.assert_array_equal(optimizer.state[p]["momentum_buffer"], [1, 1])


def test_a_saved_optimizer_goes_on_as_if_nothing_happened() -> None:
    def gradient(step: int) -> Any:
        return torch.tensor([1.0, -2.0]) * (step + 1)

    p = nn.Parameter(torch.ones(2))
    optimizer = optim.Adam([p], lr=0.1)
    for step in range(3):
        p.grad = gradient(step)
        optimizer.step()
    q = nn.Parameter(p.detach().clone())
    other = optim.Adam([q], lr=0.5)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    third = pickle.loads(pickle.dumps(optimizer))
    r = third.param_groups[0]["params"][0]
    for step in range(3):
        p.grad, q.grad, r.grad = gradient(step), gradient(step), gradient(step)
        optimizer.step()
        other.step()
        third.step()
    assert p.tolist() == q.tolist() == r.tolist()
    assert other.state_dict()["param_groups"][0]["lr"] == 0.1


def test_hooks_run_around_the_step_of_any_subclass() -> None:
    seen: list[str] = []

    class Own(optim.Optimizer):
        def step(self, closure: Any = None) -> None:
            seen.append("step")

    optimizer = Own([nn.Parameter(torch.ones(1))], {})
    optimizer.register_step_pre_hook(lambda o, args, kwargs: seen.append("before"))
    optimizer.register_step_post_hook(lambda o, args, kwargs: seen.append("after"))
    optimizer.step()
    assert seen == ["before", "step", "after"]


def test_a_step_cannot_be_recorded() -> None:
    with pytest.raises(NotImplementedError, match="differentiable=True is not supported"):
        optim.SGD([nn.Parameter(torch.ones(1))], differentiable=True)


def test_the_same_bits_every_time() -> None:
    def run() -> bytes:
        torch.manual_seed(3)
        net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 2))
        optimizer = optim.AdamW(net.parameters(), lr=0.01)
        x, y = torch.randn(12, 8), torch.randn(12, 2)
        for _ in range(10):
            optimizer.zero_grad()
            nn.functional.mse_loss(net(x), y).backward()
            optimizer.step()
        return b"".join(p.detach().numpy().tobytes() for p in net.parameters())

    assert run() == run()


@pytest.mark.parametrize("amsgrad", [False, True])
def test_adam_gives_a_large_parameter_the_same_bits_as_its_parts(amsgrad):
    torch.manual_seed(0)
    whole = torch.randn(3, 40_000)
    parts = [row.clone().requires_grad_() for row in whole]
    whole.requires_grad_()
    large = torch.optim.Adam([whole], lr=0.1, amsgrad=amsgrad)
    small = torch.optim.Adam(parts, lr=0.1, amsgrad=amsgrad)
    for _ in range(3):
        whole.grad = torch.randn(3, 40_000)
        for part, grad in zip(parts, whole.grad, strict=True):
            part.grad = grad.clone()
        large.step()
        small.step()
    assert torch.equal(whole.detach(), torch.stack([part.detach() for part in parts]))
