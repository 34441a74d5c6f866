"""Programs on ``autograd.graph``: saved-tensor hooks, multi-grad hooks, edges, versions."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import graph, name, raises, variants


def p_saved_tensors_hooks(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    packed, unpacked = [], []

    def pack(t: Any) -> Any:
        packed.append(t)
        return len(packed), t.detach() * 1

    def unpack(pair: Any) -> Any:
        unpacked.append(pair[0])
        return pair[1] * 10

    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        z = x * y
    (z * 1).sum().backward()
    return [len(packed), packed, unpacked, x.grad, y.grad]


@variants(
    exp=lambda x: x.exp(),
    mul=lambda x: x * x,
    mul_number=lambda x: x * 3,
    add=lambda x: x + x,
    sum=lambda x: x.sum(),
    matmul=lambda x: x @ x,
    sin=lambda x: x.sin(),
    pow=lambda x: x**3,
    div=lambda x: 1 / x,
    relu=lambda x: x.relu(),
    softmax=lambda x: x.softmax(0),
    max=lambda x: x.max(0)[0],
    index=lambda x: x[[0, 0]],
    view=lambda x: x.view(-1),
    chain=lambda x: (x.exp() * x.sin()).sum(),
)
def p_what_is_packed(torch: Any, operate: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    packed: list[Any] = []

    def pack(t: Any) -> Any:
        packed.append((t.detach().clone(), t.requires_grad, t.is_leaf, name(t.grad_fn)))
        return t

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        y = operate(x)
    y.sum().backward()
    return [packed, x.grad]


def p_hooks_unpack_on_access(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    calls = []
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda t: calls.append("pack") or t, lambda t: calls.append("unpack") or t
    )
    with hooks:
        y = x * x
    before = list(calls)
    y.grad_fn._saved_self
    middle = list(calls)
    y.sum().backward()
    return [before, middle, calls]


def p_hooks_nest_innermost_acts(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    calls = []

    def hooks(label: str) -> Any:
        return torch.autograd.graph.saved_tensors_hooks(
            lambda t: calls.append(label) or t, lambda t: t
        )

    with hooks("outer"):
        x.exp()
        with hooks("inner"):
            x.exp()
        x.exp()
    x.exp()
    return [calls]


@variants(
    number=lambda t, v: 3.0,
    none=lambda t, v: None,
    float64=lambda t, v: v.double(),
)
def p_unpack_returns_other_kind(torch: Any, result: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: result(torch, t)):
        y = x.exp()
    return [raises(lambda: y.sum().backward()), x.grad]


def p_pack_raises(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)

    def fail(t: Any) -> None:
        raise ValueError("from pack")

    def call() -> None:
        with torch.autograd.graph.saved_tensors_hooks(fail, lambda t: t):
            x.exp()

    return [raises(call), x.exp().requires_grad]


def p_pack_writes_in_place(torch: Any) -> list[Any]:
    leaf = torch.tensor([0.5, 1.5], requires_grad=True)
    x = leaf * 1

    def pack(t: Any) -> Any:
        with torch.no_grad():
            t.mul_(2)
        return t

    def call() -> None:
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
            x.sin()

    return [raises(call)]


def p_unpack_with_double_backward(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        y = x**3
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return [g, torch.autograd.grad(g.sum(), x)]


def p_detached_pack_with_double_backward(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach().clone(), lambda t: t):
        y = x.exp() * x
    (g,) = torch.autograd.grad(y.sum(), x, create_graph=True)
    return [g, torch.autograd.grad(g.sum(), x)]


def p_packed_to_text(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), lambda v: torch.tensor(v)):
        y = x.sin() * x
    y.sum().backward()
    return [x.grad]


def p_modified_after_pack_is_not_noticed(torch: Any) -> list[Any]:
    leaf = torch.tensor([0.5, 1.5], requires_grad=True)
    x = leaf * 1
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.clone(), lambda t: t):
        y = x * x
    with torch.no_grad():
        x.zero_()
    y.sum().backward()
    return [leaf.grad]


def p_function_saves_through_hooks(torch: Any) -> list[Any]:
    calls = []

    class Exp(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            y = x.exp()
            ctx.save_for_backward(x, y)
            return y

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * ctx.saved_tensors[1]

    x = torch.tensor([0.5, 1.5], requires_grad=True)
    hooks = torch.autograd.graph.saved_tensors_hooks(
        lambda t: calls.append("pack") or t, lambda t: calls.append("unpack") or t
    )
    with hooks:
        y = Exp.apply(x)
    y.sum().backward()
    return [calls, x.grad]


def p_save_on_cpu(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)
    with torch.autograd.graph.save_on_cpu():
        y = (x * x).exp()
    y.sum().backward()
    return [x.grad]


def p_disable_saved_tensors_hooks(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)

    def use() -> None:
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            x.exp()

    with torch.autograd.graph.disable_saved_tensors_hooks("not here"):
        first = raises(use)
    return [first, raises(use)]


def p_disable_inside_hooks(torch: Any) -> list[Any]:
    x = torch.tensor([0.5, 1.5], requires_grad=True)

    def use() -> None:
        with (
            torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t),
            torch.autograd.graph.disable_saved_tensors_hooks("not here"),
        ):
            x.exp()

    return [raises(use)]


def p_disable_as_decorator(torch: Any) -> list[Any]:
    @torch.autograd.graph.disable_saved_tensors_hooks("not here")
    def use() -> None:
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
            pass

    return [raises(use)]


def p_multi_grad_hook_all(torch: Any) -> list[Any]:
    a, b, c = (torch.rand(2, requires_grad=True) for _ in range(3))
    calls = []
    handle = torch.autograd.graph.register_multi_grad_hook(
        (a, b, c), lambda grads: calls.append([g is not None and g for g in grads])
    )
    (a * 2 + b * 3 + c * 4).sum().backward()
    first = list(calls)
    (a * 2 + c).sum().backward()
    second = list(calls)
    third = raises(lambda: torch.autograd.grad((b * 2).sum(), b))
    handle.remove()
    (a + b + c).sum().backward()
    return [first, second, third, len(calls), type(handle)]


def p_multi_grad_hook_any(torch: Any) -> list[Any]:
    a, b = (torch.tensor([k], requires_grad=True) for k in (1.0, 2.0))
    calls = []
    handle = torch.autograd.graph.register_multi_grad_hook(
        (a, b), lambda grad: calls.append(grad), mode="any"
    )
    (a * 2 + b * 3).sum().backward()
    (b * 5).sum().backward()
    handle.remove()
    (b * 7).sum().backward()
    return [calls]


def p_multi_grad_hook_on_non_leaves(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a, b = x * 2, x * 3
    calls = []
    torch.autograd.graph.register_multi_grad_hook((a, b), lambda grads: calls.append(grads))
    (a * b).sum().backward()
    return [calls]


def p_multi_grad_hook_mode_unknown(torch: Any) -> list[Any]:
    a = torch.ones(2, requires_grad=True)
    return [
        raises(lambda: torch.autograd.graph.register_multi_grad_hook((a,), print, mode="some")),
        raises(lambda: torch.autograd.graph.register_multi_grad_hook((torch.ones(2),), print)),
    ]


def p_gradient_edge(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    edge = torch.autograd.graph.get_gradient_edge(y)
    return [
        type(edge).__name__,
        edge.node is y.grad_fn,
        edge.output_nr,
        edge[0] is y.grad_fn,
        isinstance(edge, tuple),
        edge._fields,
    ]


def p_gradient_edge_made_by_hand(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    edge = torch.autograd.graph.GradientEdge(y.grad_fn, 0)
    return [torch.autograd.grad((y * y).sum(), edge)]


def p_increment_version(torch: Any) -> list[Any]:
    x = torch.ones(2)
    torch.autograd.graph.increment_version(x)
    torch.autograd.graph.increment_version([x, x])
    y = torch.ones(2, requires_grad=True)
    z = y * y
    torch.autograd.graph.increment_version(y)
    return [x._version, raises(lambda: z.sum().backward())]


def p_increment_version_of_other_kind(torch: Any) -> list[Any]:
    return [raises(lambda: torch.autograd.graph.increment_version(3)).kind]


def p_unsafe_preserve_version_counter(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * x
    with torch.autograd._unsafe_preserve_version_counter(x), torch.no_grad():
        x.mul_(3)
    y.sum().backward()
    return [x._version, x.grad]


def p_allow_mutation_on_saved_tensors(torch: Any) -> list[Any]:
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        a = torch.ones(2, 3, requires_grad=True)
        b = a.clone()
        out = (b**2).sum()
        b.sin_()
        out.sum().backward()
    return [a.grad]


def p_allow_mutation_on_saved_leaf(torch: Any) -> list[Any]:
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        a = torch.tensor([1.0, 2.0], requires_grad=True)
        out = (a * a).sum()
        with torch.no_grad():
            a.mul_(10)
        out.backward()
    return [a, a.grad]


def p_allow_mutation_twice(torch: Any) -> list[Any]:
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        a = torch.tensor([1.0, 2.0], requires_grad=True)
        b = a * 1
        c = b * b
        b.mul_(10)
        d = b * b
        b.zero_()
        (c + d).sum().backward()
    return [a.grad]


def p_allow_mutation_backward_outside(torch: Any) -> list[Any]:
    with torch.autograd.graph.allow_mutation_on_saved_tensors():
        a = torch.tensor([1.0, 2.0], requires_grad=True)
        b = a * 1
        c = (b * b).sum()
        b.mul_(10)
    return [raises(lambda: c.backward())]


def p_allow_mutation_nested(torch: Any) -> list[Any]:
    def nest() -> None:
        with (
            torch.autograd.graph.allow_mutation_on_saved_tensors(),
            torch.autograd.graph.allow_mutation_on_saved_tensors(),
        ):
            pass

    return [raises(nest)]


_PUBLIC = (
    "saved_tensors_hooks",
    "save_on_cpu",
    "disable_saved_tensors_hooks",
    "register_multi_grad_hook",
    "allow_mutation_on_saved_tensors",
    "Node",
    "GradientEdge",
    "get_gradient_edge",
    "increment_version",
)


def p_public_names(torch: Any) -> list[Any]:
    return [hasattr(torch.autograd.graph, name_) for name_ in _PUBLIC]


def p_graph_of_small_network(torch: Any) -> list[Any]:
    x = torch.ones(3, 2)
    w1, b1 = torch.ones(4, 2, requires_grad=True), torch.zeros(4, requires_grad=True)
    w2, b2 = torch.ones(1, 4, requires_grad=True), torch.zeros(1, requires_grad=True)
    hidden = torch.tanh(x @ w1.t() + b1)
    loss = ((hidden @ w2.t() + b2) ** 2).mean()
    return [graph(loss.grad_fn, 12)]


def p_walk_finds_leaves(torch: Any) -> list[Any]:
    a = torch.tensor(1.0, requires_grad=True)
    b = torch.tensor(2.0, requires_grad=True)
    out = (a * b + a.sin()).exp()
    found, stack, seen = [], [out.grad_fn], set()
    while stack:
        node = stack.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if hasattr(node, "variable"):
            found.append(node.variable.item())
        stack.extend(child for child, _ in node.next_functions)
    return [sorted(found), len(seen)]
