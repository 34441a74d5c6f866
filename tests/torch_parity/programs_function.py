"""Programs on ``autograd.Function``: what forward and backward receive and may return."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.functions import exp as _exp
from tests.torch_parity.functions import make as _make
from tests.torch_parity.functions import scale as _scale
from tests.torch_parity.harness import graph, name, raises, variants


def p_simple(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    y = _exp(torch).apply(x)
    y.sum().backward()
    return [y, y.grad_fn.name(), y.is_leaf, x.grad, repr(y.grad_fn), repr(y)]


def p_grad_fn_type(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.0], requires_grad=True)
    exp = _exp(torch)
    y = exp.apply(x)
    node = y.grad_fn
    return [
        type(node).__name__,
        type(node) is exp._backward_cls,
        [base.__name__ for base in type(node).__mro__[:2]],
        isinstance(node, torch.autograd.graph.Node),
        node.next_functions[0][0].name(),
        graph((y * 2).grad_fn),
    ]


def p_without_requires_grad(torch: Any) -> list[Any]:
    y = _exp(torch).apply(torch.ones(2))
    return [y.requires_grad, y.grad_fn, y]


def p_in_no_grad(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        y = _exp(torch).apply(x)
    return [y.requires_grad, y.grad_fn]


def p_forward_runs_without_recording(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        seen.append((torch.is_grad_enabled(), x.requires_grad, (x * 2).requires_grad))
        return x * 2

    x = torch.ones(2, requires_grad=True)
    y = _make(torch, forward, lambda ctx, g: g * 2).apply(x)
    return [seen, y.requires_grad]


def p_non_tensor_arguments(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = _scale(torch).apply(x, 3.0)
    y.sum().backward()
    return [y, x.grad, len(y.grad_fn.next_functions), y.grad_fn.next_functions]


def p_tensor_in_place_of_number(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = _scale(torch).apply(x, torch.tensor(3.0))
    y.sum().backward()
    return [y, x.grad, len(y.grad_fn.next_functions)]


def p_none_for_wanted_gradient(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    y = _scale(torch).apply(x, w)
    y.sum().backward()
    return [x.grad, w.grad]


def p_none_gradient_in_grad(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    y = _scale(torch).apply(x, w)
    return [
        raises(lambda: torch.autograd.grad(y.sum(), w, retain_graph=True)),
        torch.autograd.grad(y.sum(), [x, w], allow_unused=True),
    ]


def p_none_gradient_continues_as_undefined(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    calls = []

    def backward(ctx: Any, g: Any) -> Any:
        calls.append("outer")
        return None

    inner = _make(torch, lambda ctx, x: x * 2, lambda ctx, g: calls.append(g) or g)
    outer = _make(torch, lambda ctx, x: x * 2, backward)
    outer.apply(inner.apply(x)).sum().backward()
    return [calls, x.grad]


def p_none_gradient_through_operator(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    outer = _make(torch, lambda ctx, x: x * 2, lambda ctx, g: None)
    y = x.exp() * 3
    outer.apply(y).sum().backward()
    return [x.grad]


@variants(
    too_few=lambda g: g,
    too_many=lambda g: (g, g, g),
    too_many_none=lambda g: (g, g, None),
    number=lambda g: (3.0, None),
    text=lambda g: ("no", None),
    list=lambda g: [g, g],
    wrong_shape=lambda g: (g.sum().expand(3), g),
    expandable=lambda g: (g[None, :], g),
    scalar=lambda g: (g.sum(), g),
    float64=lambda g: (g.double(), g),
    integer=lambda g: (g.long(), g),
    complex=lambda g: (g + 1j, g),
    none=lambda g: None,
    nones=lambda g: (None, None),
    empty=lambda g: (),
)
def p_backward_returns(torch: Any, result: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    made = _make(torch, lambda ctx, x, w: x * w, lambda ctx, g: result(g))
    y = made.apply(x, w)
    return [raises(lambda: y.sum().backward()), x.grad, w.grad]


def p_gradient_for_argument_that_needs_none(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2)
    made = _make(torch, lambda ctx, x, w: x * w, lambda ctx, g: (g, g))
    made.apply(x, w).sum().backward()
    return [x.grad, w.grad]


def p_gradient_for_non_tensor_argument(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    made = _make(torch, lambda ctx, x, k: x * k, lambda ctx, g: (g, g))
    return [raises(lambda: made.apply(x, 3).sum().backward()), x.grad]


@variants(
    none=lambda t, x: None,
    number=lambda t, x: 3.0,
    text=lambda t, x: "y",
    list=lambda t, x: [x * 2, x * 3],
    tuple=lambda t, x: (x * 2, x * 3),
    tuple_with_none=lambda t, x: (x * 2, None),
    tuple_with_number=lambda t, x: (x * 2, 5, "s"),
    tuple_of_one=lambda t, x: (x * 2,),
    empty=lambda t, x: (),
    integer=lambda t, x: (x * 2).long(),
    boolean_and_float=lambda t, x: (x > 0, x * 2),
    nested=lambda t, x: ((x * 2, x * 3), x),
    dict=lambda t, x: {"a": x},
)
def p_forward_returns(torch: Any, result: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    made = _make(torch, lambda ctx, x: result(torch, x), lambda ctx, *g: g[0])
    found: list[Any] = []

    def call() -> None:
        found.append(made.apply(x))

    error = raises(call)
    if error.kind is not None:
        return [error]
    out = found[0]
    parts = out if isinstance(out, (tuple, list)) else [out]
    flags = [
        (part.requires_grad, name(part.grad_fn), part.output_nr)
        for part in parts
        if isinstance(part, torch.Tensor)
    ]
    return [error, type(out), out, flags]


def p_several_outputs(torch: Any) -> list[Any]:
    seen = []

    def forward(ctx: Any, x: Any) -> Any:
        return x * 2, x * 3

    def backward(ctx: Any, g: Any, h: Any) -> Any:
        seen.append((g, h))
        return g * 2 + h * 3

    x = torch.ones(2, requires_grad=True)
    a, b = _make(torch, forward, backward).apply(x)
    a.sum().backward(retain_graph=True)
    first = x.grad.clone()
    (a.sum() + b.sum()).backward()
    return [a.output_nr, b.output_nr, a.grad_fn is b.grad_fn, seen, first, x.grad]
