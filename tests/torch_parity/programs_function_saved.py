"""Programs on what an ``autograd.Function`` saves, and on differentiating it twice."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.functions import exp as _exp
from tests.torch_parity.functions import make as _make
from tests.torch_parity.harness import graph, name, raises, variants


def p_saved_input(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any, w: Any) -> Any:
        ctx.save_for_backward(x, w)
        return x * w

    seen = []

    def backward(ctx: Any, g: Any) -> Any:
        x, w = ctx.saved_tensors
        seen.append((x.requires_grad, x.is_leaf, w.requires_grad, type(ctx.saved_tensors)))
        return g * w, g * x

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    y = _make(torch, forward, backward).apply(x, w)
    y.sum().backward()
    return [x.grad, w.grad, seen]


def p_saved_leaf_is_the_same_object(torch: Any) -> list[Any]:
    same = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        same.append(ctx.saved_tensors[0] is x)
        return g

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    _make(torch, forward, backward).apply(x).sum().backward()
    return [same]


def p_saved_none(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(None, x, None)
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.saved_tensors)
        return g

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    _make(torch, forward, backward).apply(x).sum().backward()
    return [seen]


@variants(number=3.0, text="x", list=[1])
def p_save_for_backward_of_other_kind(torch: Any, value: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x, value)
        return x * 2

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [raises(lambda: _make(torch, forward, lambda ctx, g: g).apply(x))]


def p_save_for_backward_twice_keeps_last(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        ctx.save_for_backward(x * 2, x * 3)
        return x * 2

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.saved_tensors)
        return g

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    _make(torch, forward, backward).apply(x).sum().backward()
    return [seen]


def p_nothing_saved(torch: Any) -> list[Any]:
    seen = []

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.saved_tensors)
        return g

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _make(torch, lambda ctx, x: x * 2, backward).apply(x)
    y.sum().backward()
    again = raises(lambda: y.sum().backward())
    return [seen, again]


def p_second_backward_raises(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _exp(torch).apply(x)
    y.sum().backward()
    return [raises(lambda: y.sum().backward()), x.grad]


def p_saved_tensors_after_backward(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _exp(torch).apply(x)
    before = y.grad_fn.saved_tensors
    y.sum().backward()
    return [before, raises(lambda: y.grad_fn.saved_tensors)]


def p_saved_tensors_modified(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    def backward(ctx: Any, g: Any) -> Any:
        return g * 2 * ctx.saved_tensors[0]

    leaf = torch.tensor([1.0, 2.0], requires_grad=True)
    x = leaf * 1
    y = _make(torch, forward, backward).apply(x)
    x.add_(1)
    return [raises(lambda: y.sum().backward())]


def p_saved_output_modified(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = _exp(torch).apply(x)
    y.add_(1)
    return [raises(lambda: y.sum().backward())]


def p_saved_intermediate(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        inner = x.sin()
        ctx.save_for_backward(x, inner)
        return inner * inner

    def backward(ctx: Any, g: Any) -> Any:
        x, inner = ctx.saved_tensors
        return g * 2 * inner * x.cos()

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(_make(torch, forward, backward).apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x)
    return [g, h]


def p_double_backward(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(_exp(torch).apply(x).sum(), x, create_graph=True)
    (h,) = torch.autograd.grad(g.sum(), x, create_graph=True)
    (k,) = torch.autograd.grad(h.sum(), x)
    return [g, name(g.grad_fn), h, k, graph(g.grad_fn)]


def p_double_backward_of_saved_input(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x**3

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * x**2 * g

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(_make(torch, forward, backward).apply(x).sum(), x, create_graph=True)
    return [g, torch.autograd.grad(g.sum(), x)]


def p_function_calls_function_in_backward(torch: Any) -> list[Any]:
    exp = _exp(torch)

    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x.exp()

    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return g * exp.apply(x)

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (g,) = torch.autograd.grad(_make(torch, forward, backward).apply(x).sum(), x, create_graph=True)
    return [g, torch.autograd.grad(g.sum(), x)]


def p_once_differentiable(torch: Any) -> list[Any]:
    once = torch.autograd.function.once_differentiable
    made = _make(torch, lambda ctx, x: x**2, once(lambda ctx, g: g * 7))
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    made.apply(x).sum().backward()
    first = x.grad.clone()
    (g,) = torch.autograd.grad(made.apply(x).sum(), x, create_graph=True)
    return [first, g, g.requires_grad]


def p_once_differentiable_twice(torch: Any) -> list[Any]:
    once = torch.autograd.function.once_differentiable
    made = _make(torch, lambda ctx, x: x**2, once(lambda ctx, g: g * 7))
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    v = torch.ones(2, requires_grad=True)
    (g,) = torch.autograd.grad(made.apply(x), x, v, create_graph=True)
    return [g, g.requires_grad, name(g.grad_fn), raises(lambda: g.sum().backward())]


def p_gradient_mode_in_backward(torch: Any) -> list[Any]:
    seen = []

    def backward(ctx: Any, g: Any) -> Any:
        seen.append((torch.is_grad_enabled(), g.requires_grad))
        return g

    made = _make(torch, lambda ctx, x: x**2, backward)
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    made.apply(x).sum().backward()
    torch.autograd.grad(made.apply(x).sum(), x, create_graph=True)
    v = torch.ones(2, requires_grad=True)
    torch.autograd.grad(made.apply(x), x, v, create_graph=True)
    return [seen]
