"""Checkpoints: memory that falls, nothing kept alive, every kind of saved value comes back."""

from __future__ import annotations

import gc
import threading
import tracemalloc
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint.autograd.gradcheck import gradcheck, gradgradcheck
from adjoint.nn import functional as F
from adjoint.utils.checkpoint import (
    CheckpointError,
    checkpoint,
    checkpoint_sequential,
    get_device_states,
    set_device_states,
)

Tensor = Any
SIZE = 100_000
BOTH_WAYS = pytest.mark.parametrize("reentrant", [False, True])


def block(x: Tensor) -> Tensor:
    """Four times: an exponential, which saves its result."""
    for _ in range(4):
        x = (x.sin() * 1.5).exp()
    return x


def layers(x: Tensor, apply: Callable[[Any, Tensor], Tensor]) -> Tensor:
    """Six blocks."""
    for _ in range(6):
        x = apply(block, x) * 0.1
    return x


def kept_and_peak(apply: Callable[[Any, Tensor], Tensor]) -> tuple[float, float]:
    """How many arrays of the size of the input the graph keeps, and the most that backward needs
    beside them.
    """
    x = torch.rand(SIZE, requires_grad=True)
    layers(x, apply).sum().backward()  # warm: plans, caches
    x.grad = None
    unit = 4 * SIZE
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y = layers(x, apply).sum()
        kept = tracemalloc.get_traced_memory()[0] - before
        tracemalloc.reset_peak()
        y.backward()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    return kept / unit, peak / unit


def test_memory_falls() -> None:
    plain, plain_peak = kept_and_peak(lambda f, x: f(x))
    recorded, recorded_peak = kept_and_peak(lambda f, x: checkpoint(f, x, use_reentrant=False))
    single, single_peak = kept_and_peak(lambda f, x: checkpoint(f, x, use_reentrant=True))
    assert plain > 6 * (4 + 1) - 1  # the exponentials, and the input of the first sine
    assert recorded < 6 + 1  # the arguments of the blocks
    assert single < 6 + 1
    assert plain_peak > plain
    # one block's worth of values at a time, and a few cotangents
    assert recorded_peak < 6 + 5 + 6
    assert single_peak < 6 + 5 + 6


def test_nested_checkpoints_keep_the_outermost_arguments_only() -> None:
    def pair(x: Tensor) -> Tensor:
        for _ in range(3):
            x = checkpoint(block, x, use_reentrant=False) * 0.1
        return x

    x = torch.rand(SIZE, requires_grad=True)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        y = checkpoint(pair, checkpoint(pair, x, use_reentrant=False), use_reentrant=False)
        total = y.sum()
        del y
        kept = (tracemalloc.get_traced_memory()[0] - before) / (4 * SIZE)
    finally:
        tracemalloc.stop()
    assert kept < 2
    total.backward()
    (expected,) = torch.autograd.grad(layers(x, lambda f, a: f(a)).sum(), x)
    assert np.allclose(x.grad.numpy(), expected.numpy(), rtol=1e-4)


def test_values_go_as_the_walk_proceeds() -> None:
    alive: list[int] = []
    arrays: list[weakref.ref[Any]] = []

    def function(x: Tensor) -> Tensor:
        for _ in range(5):
            y = x.exp()
            arrays.append(weakref.ref(y._array))
            y.register_hook(lambda g: alive.append(sum(r() is not None for r in arrays)))
            x = y * 0.1
        return x

    x = torch.ones(3, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False)
    del arrays[:]
    y.sum().backward()
    # before the first value is asked for there is none; each goes when it was used
    assert alive == [0, 4, 3, 2, 1]


# ---- life times ----------------------------------------------------------------------------------


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.usefixtures("collector_off")
@BOTH_WAYS
@pytest.mark.parametrize("walked", [False, True])
def test_nothing_refers_in_a_circle(reentrant: bool, walked: bool) -> None:
    def outer(a: Tensor) -> Tensor:
        return checkpoint(block, a.sin(), use_reentrant=False)

    x = torch.ones(3, requires_grad=True)
    argument = x * 2
    y = checkpoint(outer, argument, use_reentrant=reentrant)
    alive = [weakref.ref(t) for t in (argument, y, y.grad_fn)]
    if walked:
        y.sum().backward()
    del y, argument
    assert [ref() for ref in alive] == [None] * 3


@pytest.mark.usefixtures("collector_off")
def test_second_derivatives_leave_no_cycle() -> None:
    x = torch.ones(3, requires_grad=True)
    y = checkpoint(block, x, use_reentrant=False)
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    alive = [weakref.ref(t) for t in (y, y.grad_fn, g, g.grad_fn)]
    torch.autograd.grad(g.sum(), x)
    del y, g
    assert [ref() for ref in alive] == [None] * 4


@pytest.mark.usefixtures("collector_off")
def test_a_failed_recomputation_leaves_no_cycle() -> None:
    calls = [0]

    def function(a: Tensor) -> Tensor:
        calls[0] += 1
        return a.sin().exp() if calls[0] == 1 else a.sin()

    x = torch.ones(3, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False)
    alive = weakref.ref(y.grad_fn)
    with pytest.raises(CheckpointError):
        y.sum().backward()
    del y
    assert alive() is None


@pytest.mark.usefixtures("collector_off")
def test_a_harmful_write_is_told_and_leaves_no_cycle() -> None:
    def function(a: Tensor) -> Tensor:
        b = a.exp()
        b.mul_(2)
        return b.sin()

    x = torch.ones(3, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False)
    alive = weakref.ref(y.grad_fn)
    with pytest.raises(RuntimeError, match="output 0 of Exp, is at version 1") as caught:
        y.sum().backward()
    assert "test_checkpoint.py" in str(caught.value)
    del y, caught
    assert alive() is None


def test_arguments_go_with_the_walk() -> None:
    x = torch.ones(3, requires_grad=True)
    argument = x * 2
    y = checkpoint(lambda a: a.sin().exp(), argument, use_reentrant=False).sum()
    alive = weakref.ref(argument)
    del argument
    assert alive() is not None
    y.backward()
    assert alive() is None


# ---- values --------------------------------------------------------------------------------------

FUNCTIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "layer_norm": lambda x: F.layer_norm(x, (4,)).exp(),
    "group_norm": lambda x: F.group_norm(x, 2).exp(),
    "batch_norm": lambda x: F.batch_norm(x, None, None, training=True).exp(),
    "std_mean": lambda x: torch.std_mean(x, 1)[0] * x.sum(1),
    "max_pool": lambda x: F.max_pool2d(x.exp()[None, None], 2),
    "aminmax": lambda x: torch.aminmax(x.exp(), dim=1).max,
    "sort": lambda x: x.exp().sort(1).values.sin(),
    "topk": lambda x: x.exp().topk(2, 1).values.sin(),
    "split": lambda x: torch.cat(x.exp().split(2, 1), 0).sin(),
    "linear": lambda x: F.linear(x.exp(), x[:2]).tanh(),
    "conv": lambda x: F.conv2d(x.exp()[None, None], x[None, None, :2, :2]).sin(),
    "index": lambda x: x.exp()[[0, 2, 0]].sin(),
    "where": lambda x: torch.where(x > 0, x.exp(), x.sin()),
    "cumprod": lambda x: x.exp().cumprod(1),
    "softmax": lambda x: x.softmax(1).log_softmax(0),
    "view_written": lambda x: write(x),
    "unused": lambda x: (x.exp(), x.sin())[1],
    "repeated": lambda x: x * x * x,
}


def write(x: Tensor) -> Tensor:
    """In-place writes through views."""
    y = x.exp() * 2
    y[1].mul_(3)
    y[:, 1] = y[:, 0].clone() * x[:, 1]
    return y.sin()


def points() -> Tensor:
    """A small matrix without ties."""
    values = np.random.default_rng(0).normal(size=(3, 4))
    return torch.tensor(values, requires_grad=True)


@BOTH_WAYS
@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradients_are_those_without(name: str, reentrant: bool) -> None:
    function = FUNCTIONS[name]
    x = points()
    weights = torch.rand(function(x).shape, dtype=torch.float64)
    (expected,) = torch.autograd.grad((function(x) * weights).sum(), x)
    y = checkpoint(function, x, use_reentrant=reentrant)
    (y * weights).sum().backward()
    assert np.array_equal(x.grad.numpy(), expected.numpy())


@pytest.mark.parametrize("name", ["layer_norm", "std_mean", "view_written", "softmax", "linear"])
def test_first_and_second_derivatives_pass_gradcheck(name: str) -> None:
    x = points()
    assert gradcheck(lambda a: checkpoint(FUNCTIONS[name], a, use_reentrant=False), (x,))
    assert gradgradcheck(lambda a: checkpoint(FUNCTIONS[name], a, use_reentrant=False), (x,))


def test_operators_with_several_results_give_all_of_them_to_hooks() -> None:
    shapes: list[Any] = []

    def pack(t: Tensor) -> Any:
        shapes.append(tuple(t.shape))
        return t.tolist()

    def unpack(values: Any) -> Tensor:
        return torch.tensor(values, dtype=torch.float64)

    x = points()
    expected = torch.autograd.grad(F.layer_norm(x, (4,)).exp().sum(), x)[0]
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        y = F.layer_norm(x, (4,)).exp().sum()
    assert shapes.count((3, 1)) == 2  # mean and variance
    first = torch.autograd.grad(y, x, create_graph=True)[0]
    assert np.allclose(first.detach().numpy(), expected.numpy())
    assert first.requires_grad


def test_in_forward_mode_the_tangent_passes() -> None:
    x = torch.tensor([0.5, 1.0])
    value, tangent = torch.func.jvp(
        lambda a: checkpoint(block, a, use_reentrant=False), (x,), (torch.ones(2),)
    )
    expected = torch.func.jvp(block, (x,), (torch.ones(2),))
    assert np.array_equal(value.numpy(), expected[0].numpy())
    assert np.array_equal(tangent.numpy(), expected[1].numpy())


def test_a_function_may_catch_exceptions() -> None:
    def careful(a: Tensor) -> Tensor:
        try:
            return a.sin().exp()
        except Exception:
            return a * 0

    x = torch.ones(2, requires_grad=True)
    checkpoint(careful, x, use_reentrant=False).sum().backward()
    assert x.grad.tolist() == pytest.approx([np.cos(1) * np.exp(np.sin(1))] * 2)


def test_backward_in_another_thread() -> None:
    x = torch.ones(3, requires_grad=True)
    y = checkpoint(block, x, use_reentrant=False).sum()
    (expected,) = torch.autograd.grad(y, x, retain_graph=True)
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    assert np.array_equal(x.grad.numpy(), expected.numpy())


def test_two_graphs_at_once_do_not_disturb_each_other() -> None:
    x = torch.ones(3, requires_grad=True)
    outputs = [checkpoint(block, x * k, use_reentrant=False).sum() for k in (1, 2)]
    together = torch.autograd.grad(outputs, x, retain_graph=True)[0]
    apart = [torch.autograd.grad(o, x)[0] for o in outputs]
    assert np.allclose(together.numpy(), (apart[0] + apart[1]).numpy())


def test_what_a_message_of_debug_shows() -> None:
    calls = [0]

    def function(a: Tensor) -> Tensor:
        calls[0] += 1
        if calls[0] == 1:
            a = a.exp()
        return a.sin()

    x = torch.ones(3, requires_grad=True)
    y = checkpoint(function, x, use_reentrant=False, debug=True)
    with pytest.raises(CheckpointError) as caught:
        y.sum().backward()
    text = str(caught.value)
    first, again = text.split("Saved in the recomputation:")
    assert "0. float32 [3] at" in first and "a = a.exp()" in first
    assert "return a.sin()" in first and "return a.sin()" in again
    assert "a = a.exp()" not in again
    assert "test_checkpoint.py" in first and "in function" in first


def test_a_list_of_functions_in_segments() -> None:
    x = torch.tensor([0.5], requires_grad=True)
    steps = [torch.sin, torch.exp, torch.tanh]
    y = checkpoint_sequential(steps, 3, x, use_reentrant=False)
    y.backward()
    (expected,) = torch.autograd.grad(torch.tanh(torch.exp(torch.sin(x))), x)
    assert x.grad.item() == expected.item()


def test_there_is_one_device() -> None:
    assert get_device_states(torch.ones(2)) == ([], [])
    set_device_states([], [])
    with pytest.raises(RuntimeError, match="no device but the CPU"):
        set_device_states([0], [torch.ones(1)])


TRANSFORMS: dict[str, Callable[[Any, Tensor], Tensor]] = {
    "grad": lambda f, x: torch.func.grad(lambda v: f(v).sum())(x),
    "vjp": lambda f, x: torch.func.vjp(f, x)[1](torch.ones(2))[0],
    "jacrev": lambda f, x: torch.func.jacrev(f)(x),
    "jacfwd": lambda f, x: torch.func.jacfwd(f)(x),
    "hessian": lambda f, x: torch.func.hessian(lambda v: f(v).sum())(x),
    "vmap": lambda f, x: torch.func.vmap(f)(torch.stack([x, x + 1])),
    "vmap_of_grad": lambda f, x: torch.func.vmap(torch.func.grad(lambda v: f(v).sum()))(
        torch.stack([x, x + 1])
    ),
    "grad_of_vmap": lambda f, x: torch.func.grad(lambda r: torch.func.vmap(f)(r).sum())(
        torch.stack([x, x + 1])
    ),
}


@pytest.mark.parametrize("name", TRANSFORMS)
def test_under_the_transforms_of_func(name: str) -> None:
    """PyTorch refuses these; here hooks on saved tensors know nothing of transforms."""
    transform = TRANSFORMS[name]
    x = torch.tensor([0.3, 0.7])
    found = transform(lambda v: checkpoint(block, v, use_reentrant=False), x)
    np.testing.assert_allclose(found.numpy(), transform(block, x).numpy(), rtol=1e-6)


DUALS = ["layer_norm", "std_mean", "softmax", "linear", "cumprod", "repeated", "index"]


@pytest.mark.parametrize("name", DUALS)
@pytest.mark.parametrize("way", ["checkpoint", "hooks"])
def test_forward_over_reverse(name: str, way: str) -> None:
    """Saved values that hooks have packed keep their tangents."""
    function = FUNCTIONS[name]

    def packed(v: Tensor) -> Tensor:
        if way == "checkpoint":
            return checkpoint(function, v, use_reentrant=False).sum()
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            return function(v).sum()

    x, t = points().detach(), points().detach().sin()
    expected = torch.func.jvp(torch.func.grad(lambda v: function(v).sum()), (x,), (t,))
    found = torch.func.jvp(torch.func.grad(packed), (x,), (t,))
    for ours, usual in zip(found, expected):
        np.testing.assert_allclose(ours.numpy(), usual.numpy(), rtol=1e-10, atol=1e-14)


@BOTH_WAYS
def test_backward_outside_of_vmap(reentrant: bool) -> None:
    rows = torch.tensor([[0.3, 0.7], [0.1, 0.2]], requires_grad=True)
    y = torch.func.vmap(lambda v: checkpoint(block, v, use_reentrant=reentrant))(rows)
    y.sum().backward()
    (expected,) = torch.autograd.grad(block(rows).sum(), rows)
    np.testing.assert_allclose(rows.grad.numpy(), expected.numpy(), rtol=1e-6)
