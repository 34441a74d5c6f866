"""Programs on the context of an ``autograd.Function``: marks, needs, views, returned inputs."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.functions import make as _make
from tests.torch_parity.harness import name, raises


def p_set_materialize_grads_false(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.set_materialize_grads(False)
        return x * 2, x * 3

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        seen.append((g, h))
        return g * 2

    x = torch.ones(2, requires_grad=True)
    a, _b = _make(torch, forward, backward).apply(x)
    a.sum().backward()
    return [seen, x.grad]


def p_materialize_grads_attribute(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        ctx.materialize_grads = False
        return x * 2, x * 3

    x = torch.ones(2, requires_grad=True)
    a, _ = _make(torch, forward, lambda ctx, *g: seen.append(g) or g[0]).apply(x)
    a.sum().backward()
    return [seen]


def p_needs_input_grad(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any, k: Any, w: Any, i: Any) -> Any:
        seen.append(("forward", ctx.needs_input_grad))
        return x * w * k

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(("backward", ctx.needs_input_grad))
        return g, None, None, None

    made = _make(torch, forward, backward)
    x = torch.ones(2, requires_grad=True)
    made.apply(x, 3, torch.ones(2), torch.arange(2)).sum().backward()
    made.apply(torch.ones(2), 3, torch.ones(2), None)
    with torch.no_grad():
        made.apply(x, 3, x, None)
    return [seen]


def p_needs_input_grad_set_by_inputs_of_backward(torch: Any) -> list[Any]:
    seen = []

    def backward(ctx: Any, g: Any) -> Any:
        seen.append(ctx.needs_input_grad)
        return g, g

    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    y = _make(torch, lambda ctx, x, w: x * w, backward).apply(x, w)
    return [torch.autograd.grad(y.sum(), x), seen]


def p_mark_non_differentiable(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        y, index = x * 2, x > 0
        z = x * 5
        ctx.mark_non_differentiable(index, z)
        return y, index, z

    seen = []
    x = torch.ones(2, requires_grad=True)
    y, index, z = _make(torch, forward, lambda ctx, *g: seen.append(g) or g[0] * 2).apply(x)
    y.sum().backward()
    return [y.requires_grad, index.requires_grad, z.requires_grad, z.grad_fn, seen, x.grad]


def p_mark_non_differentiable_all(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        y = x * 2
        ctx.mark_non_differentiable(y)
        return y

    x = torch.ones(2, requires_grad=True)
    y = _make(torch, forward, lambda ctx, g: g).apply(x)
    return [y.requires_grad, y.grad_fn, y.is_leaf]


def p_mark_non_differentiable_integer_output(torch: Any) -> list[Any]:
    x = torch.tensor([3.0, 1.0, 2.0], requires_grad=True)

    def forward(ctx: Any, x: Any) -> Any:
        values, order = x.sort()
        ctx.save_for_backward(order)
        return values, order

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        (order,) = ctx.saved_tensors
        return torch.zeros(3).index_add(0, order, g) if hasattr(torch, "zeros") else None

    values, order = _make(torch, forward, backward).apply(x)
    (values * torch.tensor([1.0, 10.0, 100.0])).sum().backward()
    return [order.requires_grad, x.grad]


def p_mark_dirty(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        x.mul_(3)
        return x

    made = _make(torch, forward, lambda ctx, g: g * 3)
    leaf = torch.ones(2, requires_grad=True)
    x = leaf * 2
    y = made.apply(x)
    y.sum().backward()
    return [y is x, x, name(x.grad_fn), leaf.grad, x._version]


def p_mark_dirty_of_leaf(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        x.mul_(3)
        return x

    made = _make(torch, forward, lambda ctx, g: g * 3)
    leaf = torch.ones(2, requires_grad=True)
    return [raises(lambda: made.apply(leaf))]


def p_mark_dirty_of_plain(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any, w: Any) -> Any:
        ctx.mark_dirty(x)
        x.mul_(w)
        return x

    made = _make(torch, forward, lambda ctx, g: (None, g))
    plain = torch.ones(2)
    w = torch.full((2,), 3.0, requires_grad=True)
    y = made.apply(plain, w)
    y.sum().backward()
    return [y is plain, plain.requires_grad, name(plain.grad_fn), w.grad]


def p_mark_dirty_not_returned(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        x.mul_(3)
        return x * 2

    made = _make(torch, forward, lambda ctx, g: g * 3)
    leaf = torch.ones(2, requires_grad=True)
    x = leaf * 2
    return [raises(lambda: made.apply(x))]


def p_mark_dirty_of_view(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        ctx.mark_dirty(x)
        x.mul_(3)
        return x

    made = _make(torch, forward, lambda ctx, g: g * 3)
    leaf = torch.ones(4, requires_grad=True)
    base = leaf * 1
    view = base[:2]
    out = made.apply(view)
    base.sum().backward()
    return [out is view, name(base.grad_fn), name(view.grad_fn), base, leaf.grad]


def p_input_returned_as_is(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: x, lambda ctx, g: g * 10)
    leaf = torch.ones(2, requires_grad=True)
    y = made.apply(leaf)
    y.sum().backward()
    return [y is leaf, y.requires_grad, y.is_leaf, name(y.grad_fn), leaf.grad, y._is_view()]


def p_input_returned_as_is_non_leaf(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: x, lambda ctx, g: g * 10)
    leaf = torch.ones(2, requires_grad=True)
    x = leaf * 2
    y = made.apply(x)
    y.sum().backward()
    return [y is x, name(x.grad_fn), name(y.grad_fn), leaf.grad]


def p_input_returned_as_is_and_written(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: x, lambda ctx, g: g * 10)
    leaf = torch.ones(2, requires_grad=True)
    x = leaf * 2
    y = made.apply(x)
    error = raises(lambda: y.mul_(2))
    return [error, x, y._base is x]


def p_input_view_returned(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: x.view(-1), lambda ctx, g: g.view(2, 2) * 10)
    leaf = torch.ones(2, 2, requires_grad=True)
    y = made.apply(leaf)
    y.sum().backward()
    return [y._is_view(), y._base is leaf, name(y.grad_fn), leaf.grad]


def p_view_returned_and_written(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: x[0], lambda ctx, g: None)
    leaf = torch.ones(2, 2, requires_grad=True)
    x = leaf * 1
    y = made.apply(x)
    return [raises(lambda: y.mul_(2)), name(y.grad_fn)]


def p_two_views_returned_and_written(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x: (x[0], x[1]), lambda ctx, g, h: torch.stack([g, h]))
    leaf = torch.ones(2, 2, requires_grad=True)
    x = leaf * 1
    y, z = made.apply(x)
    (y + 3 * z).sum().backward()
    return [raises(lambda: y.mul_(2)), name(y.grad_fn), leaf.grad]


def p_plain_input_returned(torch: Any) -> list[Any]:
    made = _make(torch, lambda ctx, x, w: (x, x * w), lambda ctx, g, h: (None, g + h))
    plain = torch.ones(2)
    w = torch.ones(2, requires_grad=True)
    a, b = made.apply(plain, w)
    (a + b).sum().backward()
    return [a is plain, a.requires_grad, plain.requires_grad, w.grad]


def p_same_tensor_returned_twice(torch: Any) -> list[Any]:
    def forward(ctx: Any, x: Any) -> Any:
        y = x * 2
        return y, y

    made = _make(torch, forward, lambda ctx, g, h: g * 10 + h)
    x = torch.ones(2, requires_grad=True)
    found: list[Any] = []
    error = raises(lambda: found.extend(made.apply(x)))
    return [error, len(found), found and found[0] is found[1]]
