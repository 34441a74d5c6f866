"""What the tape keeps alive: no cycles, deep graphs freed and walked without recursion, threads."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

import adjoint as torch
from adjoint import Tensor


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.usefixtures("collector_off")
@pytest.mark.parametrize("create_graph", [False, True])
def test_graphs_are_freed_without_the_collector(create_graph: bool) -> None:
    x = torch.ones(3, requires_grad=True)
    a = x.exp()
    b = (a * a).tanh()
    c = b.view(3, 1).sum()
    alive = [weakref.ref(t) for t in (a, b, c)] + [weakref.ref(c.grad_fn)]
    (g,) = torch.autograd.grad(c, x, create_graph=create_graph)
    del a, b, c, g
    assert [ref() for ref in alive] == [None] * len(alive)


@pytest.mark.usefixtures("collector_off")
def test_backward_with_create_graph_leaves_no_cycle() -> None:
    x = torch.ones(3, requires_grad=True)
    y = (x**3).sum()
    y.backward(create_graph=True)
    alive = weakref.ref(y.grad_fn)
    x.grad = None
    del y
    assert alive() is None


@pytest.mark.usefixtures("collector_off")
def test_function_that_saves_its_output_is_freed() -> None:
    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx, g):
            return g * ctx.saved_tensors[1]

    x = torch.ones(3, requires_grad=True)
    y = Exp.apply(x)
    alive = [weakref.ref(y), weakref.ref(y.grad_fn)]
    del y
    assert [ref() for ref in alive] == [None, None]


@pytest.mark.usefixtures("collector_off")
def test_in_place_writes_leave_no_cycle() -> None:
    x = torch.ones(4, requires_grad=True)
    y = x * 2
    y[0] = 5.0
    y[1:].mul_(3)
    alive = [weakref.ref(y), weakref.ref(y.grad_fn)]
    y.sum().backward()
    del y
    assert [ref() for ref in alive] == [None, None]


def chain(x: Tensor, length: int) -> Tensor:
    """``x`` plus one, ``length`` times."""
    for _ in range(length):
        x = x + 1
    return x


def test_a_million_nodes_deep() -> None:
    x = torch.tensor(1.0, requires_grad=True)
    y = chain(x, 1_000_000)
    y.backward()
    assert x.grad.item() == 1.0


def test_a_deep_graph_is_dropped_without_recursion() -> None:
    x = torch.ones(1, requires_grad=True)
    y = x
    for _ in range(300_000):
        y = y + x
    node = weakref.ref(y.grad_fn)
    del y
    assert node() is None


def test_a_leaf_lives_on_in_its_graph() -> None:
    x = torch.tensor([2.0], requires_grad=True)
    y = x * x
    del x
    y.backward()
    found = y.grad_fn.next_functions[0][0].variable
    assert found.grad.item() == 4.0


def test_threads_may_share_a_leaf() -> None:
    x = torch.ones(50, requires_grad=True)

    def work() -> None:
        for _ in range(50):
            (x * 2).sum().backward()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert x.grad.tolist() == [400.0] * 50


def test_modes_belong_to_their_thread() -> None:
    seen = []
    with torch.no_grad():
        thread = threading.Thread(target=lambda: seen.append(torch.is_grad_enabled()))
        thread.start()
        thread.join()
    assert seen == [True]
