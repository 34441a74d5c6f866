"""Programs on tensor hooks: what they receive, replace, refuse; after accumulation."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, raises, variants


def p_tensor_hook_sees_gradient(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    y = x * 2
    y.register_hook(seen.append)
    (y * y).sum().backward()
    return [seen, x.grad, seen[0].requires_grad]


def p_tensor_hook_replaces(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    return [x.grad]


def p_tensor_hooks_chain_in_order(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g + 1)
    y.register_hook(lambda g: g * 10)
    y.register_hook(lambda g: None)
    y.sum().backward()
    return [x.grad]


def p_tensor_hook_on_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g * 5)
    (x * x).sum().backward()
    first = x.grad.clone()
    (x * x).sum().backward()
    return [first, x.grad]


def p_leaf_hook_sees_the_sum_once(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    x.register_hook(lambda g: seen.append(g.clone()))
    (x * x + x * 3 + x.exp()).sum().backward()
    return [len(seen), seen]


def p_leaf_hook_in_autograd_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: g * 5)
    return [torch.autograd.grad((x * x).sum(), x), x.grad]


def p_non_leaf_hook_in_autograd_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: g * 5)
    return [torch.autograd.grad((y * y).sum(), [y, x])]


def p_handle_removes(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    handle = x.register_hook(lambda g: g * 5)
    (x * 1).sum().backward()
    handle.remove()
    handle.remove()
    (x * 1).sum().backward()
    return [x.grad]


def p_handle_as_context(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    with x.register_hook(lambda g: g * 5):
        (x * 1).sum().backward()
    (x * 1).sum().backward()
    return [x.grad]


def p_handles_have_numbers(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = x.register_hook(lambda g: None)
    b = x.register_hook(lambda g: None)
    return [type(a), b.id - a.id, a == b]


def p_remove_inside_hook(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    calls = []

    def once(g: Any) -> None:
        calls.append("once")
        handle.remove()

    handle = x.register_hook(once)
    x.register_hook(lambda g: calls.append("second"))
    (x * 1).sum().backward()
    (x * 1).sum().backward()
    return [calls]


def p_remove_later_hook_inside_hook(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    calls = []

    def first(g: Any) -> None:
        calls.append("first")
        second.remove()

    x.register_hook(first)
    second = x.register_hook(lambda g: calls.append("second"))
    (x * 1).sum().backward()
    return [calls]


def p_register_inside_hook(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    calls = []

    def first(g: Any) -> None:
        calls.append("first")
        x.register_hook(lambda g: calls.append("new"))

    x.register_hook(first)
    (x * 1).sum().backward()
    before = list(calls)
    (x * 1).sum().backward()
    return [before, calls]


@variants(
    number=lambda t, g: 3.0,
    text=lambda t, g: "no",
    tuple=lambda t, g: (g,),
    wrong_shape=lambda t, g: t.ones(3),
    scalar=lambda t, g: t.ones(()),
    float64=lambda t, g: g.double(),
    integer=lambda t, g: g.long(),
    complex=lambda t, g: g + 0j,
    same=lambda t, g: g,
    bool_value=lambda t, g: True,
    requires=lambda t, g: t.ones(2, requires_grad=True),
)
@differs("PyTorch mixes two names for types in this message", "complex")
def p_hook_returns_other_kind(torch: Any, result: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.register_hook(lambda g: result(torch, g))
    return [raises(lambda: (y * 1).sum().backward()), x.grad]


@variants(
    number=lambda t, g: 3.0,
    wrong_shape=lambda t, g: t.ones(3),
    float64=lambda t, g: g.double(),
)
def p_leaf_hook_returns_other_kind(torch: Any, result: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_hook(lambda g: result(torch, g))
    return [raises(lambda: (x * 1).sum().backward()), x.grad]


def p_hook_raises(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def fail(g: Any) -> None:
        raise ValueError("from the hook")

    y = x * 2
    y.register_hook(fail)
    return [raises(lambda: y.sum().backward()), x.grad]


def p_hook_on_plain_tensor(torch: Any) -> list[Any]:
    x = torch.ones(2)
    return [
        raises(lambda: x.register_hook(lambda g: g)),
        raises(lambda: x.register_post_accumulate_grad_hook(lambda t: None)),
    ]


def p_hook_not_callable(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    x.register_hook(3)
    return [raises(lambda: y.sum().backward()).kind]


def p_hook_changes_gradient_in_place(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g.mul_(10) and None if False else None)
    y.register_hook(lambda g: g.clone().mul_(10))
    y.sum().backward()
    return [x.grad]


def p_hook_on_same_tensor_registered_by_view(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    seen = []
    y.view(2).register_hook(lambda g: seen.append("view"))
    y.register_hook(lambda g: seen.append("tensor"))
    y.sum().backward()
    return [seen]


def p_hook_with_retain_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.register_hook(lambda g: g * 10)
    y.sum().backward()
    return [y.grad, x.grad]


def p_retain_grad_after_hook(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g * 10)
    y.retain_grad()
    y.register_hook(lambda g: g + 1)
    y.sum().backward()
    return [y.grad, x.grad]


def p_hook_then_in_place(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(("before", g)))
    y.mul_(5)
    y.register_hook(lambda g: seen.append(("after", g)))
    y.sum().backward()
    return [seen, x.grad]


def p_retain_grad_then_in_place(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(5)
    y.sum().backward()
    return [y.grad, x.grad]


def p_hook_on_view_then_in_place_on_base(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    v = y[0]
    seen = []
    v.register_hook(lambda g: seen.append(("view", g)))
    y.register_hook(lambda g: seen.append(("base", g)))
    y.mul_(5)
    (v * 3).backward()
    return [seen, x.grad]


def p_hook_on_leaf_then_backward_twice(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    calls = []
    x.register_hook(lambda g: calls.append(g))
    y = x * 2
    y.sum().backward(retain_graph=True)
    y.sum().backward()
    return [calls]


def p_hook_with_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([2.0], requires_grad=True)
    y = x**2
    y.register_hook(lambda g: g * x)
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    return [g, torch.autograd.grad(g, x)]


def p_post_accumulate(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    handle = x.register_post_accumulate_grad_hook(lambda t: seen.append((t is x, t.grad.clone())))
    (x * 3).sum().backward()
    (x * 3).sum().backward()
    handle.remove()
    (x * 3).sum().backward()
    return [seen, x.grad]


def p_post_accumulate_updates_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)

    def step(p: Any) -> None:
        with torch.no_grad():
            p.sub_(0.1 * p.grad)
        p.grad = None

    x.register_post_accumulate_grad_hook(step)
    (x * 3).sum().backward()
    (x * x).sum().backward()
    return [x, x.grad]


def p_post_accumulate_returns_value(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.register_post_accumulate_grad_hook(lambda t: 3)
    return [raises(lambda: (x * 3).sum().backward()), x.grad]


def p_post_accumulate_on_non_leaf(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2
    return [raises(lambda: y.register_post_accumulate_grad_hook(lambda t: None))]


def p_post_accumulate_not_for_autograd_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []
    x.register_post_accumulate_grad_hook(lambda t: seen.append("called"))
    torch.autograd.grad((x * 3).sum(), x)
    (x * 3).sum().backward(inputs=[x])
    return [seen]
