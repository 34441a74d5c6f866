"""Hooks: when they run, what they may change, in which order."""

from __future__ import annotations

from typing import Any

import pytest

import adjoint as torch
from adjoint.autograd.graph import get_gradient_edge


def test_tensor_hooks_chain() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: None)
    y.sum().backward()
    assert x.grad.tolist() == [40.0, 40.0]


def test_leaf_hook_sees_the_whole_gradient_once() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    seen = []
    handle = x.register_hook(lambda g: seen.append(g.item()))
    (x * x + x * 3).backward()
    assert seen == [7.0]
    handle.remove()
    (x * x).backward()
    assert seen == [7.0]


def test_order_at_a_leaf() -> None:
    x = torch.ones(2, requires_grad=True)
    calls: list[str] = []
    node = get_gradient_edge(x).node
    node.register_hook(lambda gi, go: calls.append("post"))
    x.register_post_accumulate_grad_hook(lambda t: calls.append("accumulated"))
    node.register_prehook(lambda go: calls.append("pre"))
    x.register_hook(lambda g: calls.append("tensor"))
    (x * 3).sum().backward()
    assert calls == ["tensor", "pre", "accumulated", "post"]


def test_order_at_a_result() -> None:
    x = torch.ones(2, requires_grad=True)
    calls: list[str] = []
    y = x * 3
    y.retain_grad()
    y.grad_fn.register_hook(lambda gi, go: calls.append("post"))
    y.grad_fn.register_prehook(lambda go: calls.append("pre"))
    y.register_hook(lambda g: calls.append("tensor") or g * 2)
    y.sum().backward()
    assert calls == ["tensor", "pre", "post"]
    assert y.grad.tolist() == [2.0, 2.0]


def test_nodes_run_youngest_first_and_leaves_as_soon_as_ready() -> None:
    x, w, u = (torch.tensor(v, requires_grad=True) for v in (2.0, 3.0, 4.0))
    order: list[str] = []

    def watch(tensor: Any, label: str) -> Any:
        tensor.register_hook(lambda g: order.append(label))
        return tensor

    for tensor, label in ((x, "x"), (w, "w"), (u, "u")):
        watch(tensor, label)
    a = watch(x * w, "a")
    b = watch(a * u, "b")
    watch(b + a, "c").backward()
    assert order == ["c", "b", "u", "a", "x", "w"]


def test_node_hooks_replace_gradients() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    y = x * w
    y.grad_fn.register_prehook(lambda go: (go[0] * 2,))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10, None))
    y.sum().backward()
    assert x.grad.tolist() == [60.0, 80.0]
    assert w.grad is None


@pytest.mark.parametrize(
    ("result", "error", "message"),
    [
        (lambda g: 3.0, TypeError, "expected Variable, but hook returned 'float'"),
        (lambda g: torch.ones(3), RuntimeError, "has changed the size of value"),
        (lambda g: g.double(), RuntimeError, "has changed the type of value"),
    ],
)
def test_impossible_results_are_refused(result: Any, error: Any, message: str) -> None:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.register_hook(result)
    with pytest.raises(error, match=message):
        y.sum().backward()
    assert x.grad is None


def test_step_inside_backward() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def step(p: Any) -> None:
        with torch.no_grad():
            p.sub_(0.1 * p.grad)
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * x).sum().backward()
    assert x.tolist() == pytest.approx([0.8, 1.6])
    assert x.grad is None


def test_hooks_live_with_the_graph() -> None:
    x = torch.tensor(2.0, requires_grad=True)
    calls: list[str] = []

    def make() -> Any:
        y = x * 2
        y.register_hook(lambda g: calls.append("hook"))
        return y * 3

    make().backward()
    assert calls == ["hook"]


def test_no_hook_without_gradient() -> None:
    with pytest.raises(RuntimeError, match="doesn't require gradient"):
        torch.ones(2).register_hook(lambda g: g)
