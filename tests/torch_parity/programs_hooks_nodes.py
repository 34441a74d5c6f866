"""Programs on hooks of nodes, and on the order in which hooks and nodes run."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import name, raises, variants


def p_order_on_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    calls = []
    node = torch.autograd.graph.get_gradient_edge(x).node
    node.register_hook(lambda gi, go: calls.append(("post", len(gi), len(go))))
    x.register_post_accumulate_grad_hook(lambda t: calls.append("accumulated"))
    node.register_prehook(lambda go: calls.append("pre"))
    x.register_hook(lambda g: calls.append("tensor"))
    (x * 3).sum().backward()
    return [calls]


def p_order_on_non_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    calls = []
    y = x * 3
    y.retain_grad()
    y.grad_fn.register_hook(lambda gi, go: calls.append("post"))
    y.grad_fn.register_prehook(lambda go: calls.append(("pre", go)))
    y.register_hook(lambda g: calls.append(("tensor", g)) or g * 2)
    y.grad_fn.register_prehook(lambda go: calls.append("pre2"))
    y.register_hook(lambda g: calls.append(("tensor2", g)))
    y.sum().backward()
    return [calls, y.grad]


def p_node_hook(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    y = x * w
    seen = []
    y.grad_fn.register_hook(lambda gi, go: seen.append((type(gi).__name__, gi, go)))
    (y * 2).sum().backward()
    return [seen]


def p_node_hook_replaces(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    y = x * w
    y.grad_fn.register_hook(lambda gi, go: (gi[0] * 10, gi[1]))
    y.grad_fn.register_hook(lambda gi, go: (gi[0] + 1, gi[1] + 1))
    y.sum().backward()
    return [x.grad, w.grad]


def p_node_hook_with_none(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    seen = []
    y.grad_fn.register_hook(lambda gi, go: seen.append(gi))
    y.sum().backward()
    return [seen]


@variants(
    number=lambda gi: 3.0,
    too_few=lambda gi: (gi[0],),
    too_many=lambda gi: (*gi, gi[0]),
    list=lambda gi: list(gi),
    none_for_wanted=lambda gi: (None, gi[1]),
    tensor=lambda gi: gi[0],
    wrong_shape=lambda gi: (gi[0].sum(), gi[1]),
    numbers=lambda gi: (1.0, 2.0),
)
def p_node_hook_returns_other_kind(torch: Any, result: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([3.0, 4.0], requires_grad=True)
    y = x * w
    y.grad_fn.register_hook(lambda gi, go: result(gi))
    return [raises(lambda: y.sum().backward()), x.grad, w.grad]


def p_node_prehook_replaces(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    y.sum().backward()
    return [x.grad]


@variants(
    number=lambda go: 3.0,
    tensor=lambda go: go[0],
    too_many=lambda go: (go[0], go[0]),
    empty=lambda go: (),
    none=lambda go: (None,),
    list=lambda go: [go[0] * 2],
    wrong_shape=lambda go: (go[0].sum(),),
)
def p_node_prehook_returns_other_kind(torch: Any, result: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    y.grad_fn.register_prehook(lambda go: result(go))
    return [raises(lambda: y.sum().backward()), x.grad]


def p_node_hook_on_several_outputs(torch: Any) -> list[Any]:
    x = torch.arange(6.0).requires_grad_()
    a, _b, _c = x.split(2)
    seen = []
    a.grad_fn.register_prehook(lambda go: seen.append(go))
    (a * 2).sum().backward()
    return [seen]


def p_node_hook_on_several_outputs_post(torch: Any) -> list[Any]:
    x = torch.arange(6.0).requires_grad_()
    a, _b, c = x.unbind()[:3]
    seen = []
    a.grad_fn.register_hook(lambda gi, go: seen.append((gi, go)))
    (a * 2 + c).sum().backward()
    return [seen]


def p_tensor_hook_of_one_of_several_outputs(torch: Any) -> list[Any]:
    x = torch.arange(6.0).requires_grad_()
    a, b, c = x.split(2)
    seen = []
    a.register_hook(lambda g: seen.append(("a", g)))
    b.register_hook(lambda g: seen.append(("b", g)))
    c.register_hook(lambda g: seen.append(("c", g)) or g * 100)
    (a * 2 + c).sum().backward()
    return [seen, x.grad]


def p_node_handles(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    calls = []
    a = y.grad_fn.register_hook(lambda gi, go: calls.append("post"))
    b = y.grad_fn.register_prehook(lambda go: calls.append("pre"))
    y.sum().backward(retain_graph=True)
    a.remove()
    y.sum().backward(retain_graph=True)
    b.remove()
    y.sum().backward()
    return [calls]


def p_execution_order_of_nodes(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    order = []

    def watch(tensor: Any, label: str) -> Any:
        tensor.grad_fn.register_prehook(lambda go: order.append(label))
        return tensor

    a = watch(x * 2, "a")
    b = watch(x.exp(), "b")
    c = watch(a * b, "c")
    d = watch(b + 1, "d")
    e = watch(c + d, "e")
    f = watch(a.sin(), "f")
    g = watch(e * f, "g")
    g.backward()
    return [order]


def p_leaf_accumulates_as_soon_as_ready(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    w = torch.tensor(3.0, requires_grad=True)
    u = torch.tensor(4.0, requires_grad=True)
    order = []
    x.register_hook(lambda g: order.append("x"))
    w.register_hook(lambda g: order.append("w"))
    u.register_hook(lambda g: order.append("u"))
    a = x * w
    a.register_hook(lambda g: order.append("a"))
    b = a * u
    b.register_hook(lambda g: order.append("b"))
    c = b + a
    c.register_hook(lambda g: order.append("c"))
    c.backward()
    return [order]


def p_leaf_order_of_two_operands(torch: Any) -> list[Any]:
    leaves = [torch.tensor(float(k), requires_grad=True) for k in range(5)]
    order = []
    for k, leaf in enumerate(leaves):
        leaf.register_hook(lambda g, k=k: order.append(k))
    total = leaves[0] + leaves[1]
    total = leaves[2] * total
    total = torch.stack([total, leaves[4], leaves[3]]).sum()
    total.backward()
    return [order]


def p_order_of_roots(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    order = []
    a = x * 2
    b = x * 3
    a.register_hook(lambda g: order.append("a"))
    b.register_hook(lambda g: order.append("b"))
    torch.autograd.backward([a, b], retain_graph=True)
    torch.autograd.backward([b * 1, a * 1])
    return [order]


def p_retain_grad_order_with_inputs(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 2
    order = []
    y.register_hook(lambda g: order.append(("y", g)))
    x.register_hook(lambda g: order.append(("x", g)))
    (y * y).backward(inputs=[y])
    return [order, y.grad, x.grad]


def p_hook_of_captured_tensor_in_grad(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 2
    order = []
    y.register_hook(lambda g: order.append("tensor"))
    y.grad_fn.register_prehook(lambda go: order.append("pre"))
    y.grad_fn.register_hook(lambda gi, go: order.append("post"))
    (g,) = torch.autograd.grad(y * y, y)
    return [order, g]


def p_prehook_changes_captured_gradient(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 2
    y.grad_fn.register_prehook(lambda go: (go[0] * 10,))
    return [torch.autograd.grad(y * y, [y, x])]


def p_hooks_kept_by_grad_fn(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    calls = []

    def make() -> Any:
        y = x * 2
        y.register_hook(lambda g: calls.append("hook"))
        return y * 3

    make().backward()
    return [calls]


def p_hook_on_leaf_kept_by_detach_and_data(torch: Any) -> list[Any]:
    x = torch.tensor([2.0], requires_grad=True)
    calls = []
    x.register_hook(lambda g: calls.append(g))
    x.data = torch.tensor([5.0])
    (x * x).sum().backward()
    return [calls]


def p_hook_survives_requires_grad_toggle(torch: Any) -> list[Any]:
    x = torch.tensor([2.0], requires_grad=True)
    calls = []
    x.register_hook(lambda g: calls.append(g))
    x.requires_grad_(False)
    x.requires_grad_(True)
    (x * x).sum().backward()
    return [calls, x.grad]


def p_leaf_hook_then_becomes_non_leaf(torch: Any) -> list[Any]:
    x = torch.zeros(2, requires_grad=True)
    calls = []
    y = torch.zeros(2)
    y.requires_grad_()
    y.register_hook(lambda g: calls.append(("leaf", g)))
    with torch.no_grad():
        y.add_(x)
    (y * 2).sum().backward()
    return [calls, y.grad]


def p_names_of_nodes_by_hook(torch: Any) -> list[Any]:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]], requires_grad=True)
    order = []
    out = ((x @ x).relu().sum(0) * 2).mean()
    stack = [out.grad_fn]
    seen = set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        label = name(node)
        node.register_prehook(lambda go, label=label: order.append(label))
        stack += [child for child, _ in node.next_functions]
    out.backward()
    return [order]


def p_hook_called_once_for_fan_out(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    seen = []
    y = x * 1
    y.register_hook(lambda g: seen.append(g.item()))
    (y + y * 2 + y * y).backward()
    return [seen]


def p_zero_gradient_still_calls_hook(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    seen = []
    y = x * 1
    y.register_hook(lambda g: seen.append(g.item()))
    (y * 0).backward()
    return [seen]


def p_hook_on_unused_output_not_called(torch: Any) -> list[Any]:
    x = torch.arange(4.0).requires_grad_()
    a, b = x.split(2)
    seen = []
    b.register_hook(lambda g: seen.append("b"))
    a.sum().backward()
    return [seen]


def p_backward_inside_hook(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    w = torch.tensor(3.0, requires_grad=True)

    def run(g: Any) -> None:
        with torch.enable_grad():
            (w * w).backward()

    y = x * 2
    y.register_hook(run)
    (y * y).backward()
    return [x.grad, w.grad]


def p_backward_of_other_graph_through_same_leaf_inside_hook(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 2

    def run(g: Any) -> None:
        with torch.enable_grad():
            (x * 100).backward()

    y.register_hook(run)
    (y * y).backward()
    return [x.grad]
