"""`autograd.Function`: what reaches ``backward``, what it may return, saved tensors."""

from __future__ import annotations

from typing import Any

import pytest

import adjoint as torch


class Cube(torch.autograd.Function):
    """x ** 3 with a derivative by hand."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * 3 * x**2


def make(forward: Any, backward: Any) -> Any:
    """A Function called ``Made`` of two functions."""
    members = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
    return type("Made", (torch.autograd.Function,), members)


def test_values_name_and_gradient() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Cube.apply(x)
    assert y.tolist() == [1.0, 8.0]
    assert y.grad_fn.name() == "CubeBackward"
    assert repr(y).endswith("grad_fn=<CubeBackward>)")
    y.sum().backward()
    assert x.grad.tolist() == [3.0, 12.0]


def test_second_derivative() -> None:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(Cube.apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    assert h.tolist() == [6.0, 12.0]


def test_not_recorded_without_need() -> None:
    assert Cube.apply(torch.ones(2)).grad_fn is None
    with torch.no_grad():
        assert Cube.apply(torch.ones(2, requires_grad=True)).grad_fn is None


def test_the_context_takes_any_attribute() -> None:
    names = ["seq", "edges", "saved", "plan", "desc", "hooks", "counter", "versions", "context"]

    def forward(ctx: Any, x: Any) -> Any:
        for name in names:
            setattr(ctx, name, f"mine: {name}")
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        assert [getattr(ctx, name) for name in names] == [f"mine: {name}" for name in names]
        return g * 2

    x = torch.ones(2, requires_grad=True)
    make(forward, backward).apply(x).sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]


def test_attributes_are_shown_by_the_node() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.factor = 3
        return x * 3

    y = make(forward, lambda ctx, g: g * ctx.factor + ctx.extra).apply(
        torch.ones(2, requires_grad=True)
    )
    assert y.grad_fn.factor == 3
    y.grad_fn.extra = 1
    assert y.grad_fn(torch.ones(2)).tolist() == [4.0, 4.0]
    with pytest.raises(AttributeError, match="missing"):
        _ = y.grad_fn.missing


def test_unused_outputs_arrive_as_zeros_or_none() -> None:
    for materialize in (True, False):
        seen = []

        def forward(ctx: Any, x: Any, materialize: bool = materialize) -> Any:
            ctx.set_materialize_grads(materialize)
            return x * 2, x * 3

        def backward(ctx: Any, g: Any, h: Any, seen: list[Any] = seen) -> Any:
            seen.append(h)
            return g * 2

        x = torch.ones(2, requires_grad=True)
        a, _ = make(forward, backward).apply(x)
        a.sum().backward()
        assert x.grad.tolist() == [2.0, 2.0]
        assert (seen[0] is None) is not materialize


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (lambda g: (g, g), r"incorrect number of gradients \(expected 1, got 2\)"),
        (lambda g: 3.0, "expected Variable or None"),
        (lambda g: g.sum().expand(3), "got .3. but expected shape compatible with .2."),
        (lambda g: (), r"expected 1, got 0"),
    ],
)
def test_wrong_gradients_are_refused(returned: Any, message: str) -> None:
    x = torch.ones(2, requires_grad=True)
    y = make(lambda ctx, x: x * 2, lambda ctx, g: returned(g)).apply(x)
    with pytest.raises(RuntimeError, match=message):
        y.sum().backward()
    assert x.grad is None


def test_overwritten_saved_tensors_are_noticed() -> None:
    leaf = torch.ones(2, requires_grad=True)
    x = leaf * 2
    y = Cube.apply(x)
    x.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_saved_tensors_are_freed() -> None:
    y = Cube.apply(torch.ones(2, requires_grad=True))
    y.sum().backward()
    with pytest.raises(RuntimeError, match="CubeBackward"):
        _ = y.grad_fn.saved_tensors


def test_setup_context_style_with_defaults() -> None:
    class Scale(torch.autograd.Function):
        @staticmethod
        def forward(x: Any, factor: float = 5.0) -> Any:
            return x * factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.factor = inputs[1]

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.factor, None

    x = torch.ones(2, requires_grad=True)
    Scale.apply(x).sum().backward()
    assert x.grad.tolist() == [5.0, 5.0]


def test_in_place_forward() -> None:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        return x.mul_(3)

    made = make(forward, lambda ctx, g: g * 3)
    leaf = torch.ones(2, requires_grad=True)
    x = leaf * 2
    y = made.apply(x)
    assert y is x
    assert x.grad_fn.name() == "MadeBackward"
    y.sum().backward()
    assert leaf.grad.tolist() == [6.0, 6.0]
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        made.apply(torch.ones(2, requires_grad=True))


def test_once_differentiable() -> None:
    once = torch.autograd.function.once_differentiable
    made = make(lambda ctx, x: x**2, once(lambda ctx, g: g * 7))
    x = torch.ones(2, requires_grad=True)
    v = torch.ones(2, requires_grad=True)
    (g,) = torch.autograd.grad(made.apply(x), x, v, create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.sum().backward()


def test_backward_inside_backward() -> None:
    w = torch.tensor(3.0, requires_grad=True)

    def backward(ctx: Any, g: Any) -> Any:
        with torch.enable_grad():
            (w * w).backward()
        return g

    x = torch.tensor(2.0, requires_grad=True)
    y = make(lambda ctx, x: x * 1, backward).apply(x * 2)
    (y * y).backward()
    assert (x.grad.item(), w.grad.item()) == (16.0, 6.0)


def test_an_undefined_gradient_is_carried_on() -> None:
    seen = []

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(g.tolist())
        return g

    inner = make(lambda ctx, x: x * 2, backward)
    outer = make(lambda ctx, x: x * 2, lambda ctx, g: None)
    x = torch.ones(2, requires_grad=True)
    outer.apply(inner.apply(x)).sum().backward()
    assert seen == [[0.0, 0.0]]
    assert x.grad.tolist() == [0.0, 0.0]
