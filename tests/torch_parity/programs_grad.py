"""Programs on ``autograd.grad``: every argument, with valid and invalid values."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import graph, name, raises, variants


def p_one_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    result = torch.autograd.grad((x * x).sum(), x)
    return [type(result), result, x.grad]


def p_two_inputs(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([3.0, 4.0], requires_grad=True)
    return [torch.autograd.grad((x * y).sum(), [x, y]), torch.autograd.grad((x * y).sum(), (y, x))]


def p_generator_of_inputs(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [raises(lambda: torch.autograd.grad((x * x).sum(), (item for item in [x])))]


def p_same_input_twice(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    first, second = torch.autograd.grad((x * x).sum(), [x, x])
    return [first, second, first is second]


def p_input_is_output(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    y = x * x
    return [torch.autograd.grad(x, x), torch.autograd.grad(y, y), torch.autograd.grad(y, [y, x])]


def p_given_gradient_comes_back(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    v = torch.tensor([5.0, 6.0])
    (g,) = torch.autograd.grad(x, x, v)
    y = x * 1
    (h,) = torch.autograd.grad(y, y, v)
    return [g, g is v, h is v]


def p_non_leaf_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = (y * y).sum()
    return [torch.autograd.grad(z, y), y.grad, x.grad]


def p_leaf_and_non_leaf_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    z = (y * y).sum()
    return [torch.autograd.grad(z, [y, x])]


def p_input_below_other_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = x.exp()
    b = a.sin()
    c = (b * a).sum()
    return [torch.autograd.grad(c, [a, b, x])]


def p_unused_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    unused = torch.ones(3, requires_grad=True)
    return [
        raises(lambda: torch.autograd.grad((x * x).sum(), [x, unused])),
        torch.autograd.grad((x * x).sum(), [x, unused], allow_unused=True),
        torch.autograd.grad((x * x).sum(), [x, unused], materialize_grads=True),
        torch.autograd.grad((x * x).sum(), [x, unused], allow_unused=True, materialize_grads=True),
        raises(
            lambda: torch.autograd.grad(
                (x * x).sum(), [x, unused], allow_unused=False, materialize_grads=True
            )
        ),
        raises(lambda: torch.autograd.grad((x * x).sum(), [x, unused], allow_unused=False)),
    ]


def p_unused_non_leaf_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    later = x * 3
    y = (x * x).sum()
    return [
        raises(lambda: torch.autograd.grad(y, later, retain_graph=True)),
        torch.autograd.grad(y, [later, x], allow_unused=True, retain_graph=True),
        torch.autograd.grad(y, [later, x], materialize_grads=True),
    ]


def p_input_does_not_require(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    plain = torch.ones(2)
    return [
        raises(lambda: torch.autograd.grad((x * plain).sum(), plain)),
        raises(lambda: torch.autograd.grad((x * plain).sum(), [x, plain], allow_unused=True)),
        raises(lambda: torch.autograd.grad((x * plain).sum(), [x, plain], materialize_grads=True)),
    ]


def p_output_does_not_require(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [
        raises(lambda: torch.autograd.grad(torch.ones(()), x)),
        raises(lambda: torch.autograd.grad([x.sum(), torch.ones(())], x)),
        raises(lambda: torch.autograd.grad(torch.ones(()), x, allow_unused=True)),
    ]


@variants(
    no_inputs=lambda t, x, y: (y, []),
    no_outputs=lambda t, x, y: ([], x),
    none_input=lambda t, x, y: (y, None),
    none_in_inputs=lambda t, x, y: (y, [x, None]),
    number_input=lambda t, x, y: (y, 3.0),
    number_output=lambda t, x, y: (3.0, x),
    none_output=lambda t, x, y: (None, x),
    none_in_outputs=lambda t, x, y: ([None], x),
    vector_output=lambda t, x, y: (x * 2, x),
    text=lambda t, x, y: (y, "x"),
)
def p_wrong_arguments(torch: Any, make: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    outputs, inputs = make(torch, x, y)
    return [raises(lambda: torch.autograd.grad(outputs, inputs))]


@variants(
    tensor=lambda t: t.tensor([1.0, 10.0]),
    list=lambda t: [t.tensor([1.0, 10.0])],
    tuple=lambda t: (t.tensor([1.0, 10.0]),),
    wrong_shape=lambda t: t.ones(3),
    scalar=lambda t: t.ones(()),
    float64=lambda t: t.tensor([1.0, 10.0], dtype=t.float64),
    integer=lambda t: t.tensor([1, 10]),
    complex=lambda t: t.tensor([1j, 10.0]),
    none=lambda t: None,
    list_of_none=lambda t: [None],
    number=lambda t: 3.0,
    list_of_number=lambda t: [3.0],
    too_many=lambda t: [t.ones(2), t.ones(2)],
    too_few=lambda t: [],
    expanded=lambda t: t.ones(1).expand(2),
)
def p_grad_outputs(torch: Any, make: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    result: list[Any] = []
    error = raises(lambda: result.extend(torch.autograd.grad(y, x, make(torch))))
    return [error, result]


def p_several_outputs(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = (x * x).sum()
    b = x.exp()
    return [
        torch.autograd.grad([a, b], x, [None, torch.ones(2)], retain_graph=True),
        torch.autograd.grad((a, b.sum()), x, retain_graph=True),
        torch.autograd.grad((a, a), x),
    ]


def p_several_outputs_one_implicit_and_vector(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [raises(lambda: torch.autograd.grad([x.sum(), x * 2], x))]


def p_does_not_touch_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    torch.autograd.grad((x * w).sum(), x)
    return [x.grad, w.grad]


def p_frees_the_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    torch.autograd.grad(y, x)
    return [raises(lambda: torch.autograd.grad(y, x)), raises(lambda: y.backward())]


def p_retain_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    first = torch.autograd.grad(y, x, retain_graph=True)
    return [first, torch.autograd.grad(y, x), raises(lambda: torch.autograd.grad(y, x))]


def p_unneeded_branch_is_not_run(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    side = w * w
    y = (x * side).sum()
    ran = []
    side.grad_fn.register_hook(lambda *_: ran.append("side"))
    torch.autograd.grad(y, x)
    return [list(ran), raises(lambda: side.sum().backward()), w.grad, ran]


def p_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    y = x**4
    found = []
    for _ in range(6):
        (y,) = torch.autograd.grad(y, x, create_graph=True, allow_unused=True)
        found.append(y)
        if y is None or not y.requires_grad:
            break
    return found


def p_mixed_second_derivatives(torch: Any) -> list[Any]:
    x1 = torch.tensor(3.0, requires_grad=True)
    x2 = torch.tensor(1.0, requires_grad=True)
    y = x1**2 + x2**2 + x1 * x2
    d1, d2 = torch.autograd.grad(y, (x1, x2), create_graph=True)
    return [
        d1,
        d2,
        torch.autograd.grad(d1, (x1, x2), retain_graph=True),
        torch.autograd.grad(d2, (x1, x2)),
    ]


def p_create_graph_of_linear_is_plain(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    (g,) = torch.autograd.grad(x * 3, x, create_graph=True)
    return [g, g.requires_grad, raises(lambda: torch.autograd.grad(g, x))]


def p_create_graph_with_grad_outputs_that_require(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    v = torch.ones(2, requires_grad=True)
    (g,) = torch.autograd.grad(x * 3, x, v, create_graph=True)
    (h,) = torch.autograd.grad(g, v, torch.tensor([1.0, 10.0]))
    return [g, name(g.grad_fn), h]


def p_double_backward_trick(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = x**2
    v = torch.zeros(2, requires_grad=True)
    (g,) = torch.autograd.grad(y, x, v, create_graph=True)
    return [g, torch.autograd.grad(g, v, torch.tensor([1.0, 10.0]))]


def p_without_create_graph_is_plain(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    (g,) = torch.autograd.grad(x**3, x)
    return [g, g.requires_grad, g.grad_fn, g.is_leaf]


def p_only_inputs(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    return [
        torch.autograd.grad(x * x, x, only_inputs=True),
    ]


def p_keywords(torch: Any) -> list[Any]:
    x = torch.tensor([2.0], requires_grad=True)
    return [
        torch.autograd.grad(
            outputs=x * x,
            inputs=x,
            grad_outputs=torch.tensor([3.0]),
            retain_graph=None,
            create_graph=False,
            allow_unused=None,
            is_grads_batched=False,
            materialize_grads=False,
        )
    ]


def p_batched(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x**2
    return [torch.autograd.grad(y, x, torch.eye(3), is_grads_batched=True)]


def p_batched_two_inputs(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    w = torch.ones(2, 3, requires_grad=True)
    y = w @ x
    return [torch.autograd.grad(y, [x, w], torch.eye(2), is_grads_batched=True)]


def p_batched_wrong_shape(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x**2
    return [
        raises(lambda: torch.autograd.grad(y, x, torch.ones(2), is_grads_batched=True)),
        raises(lambda: torch.autograd.grad(y, x, torch.ones(4, 2), is_grads_batched=True)),
    ]


def p_batched_and_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (rows,) = torch.autograd.grad(x**3, x, torch.eye(2), is_grads_batched=True, create_graph=True)
    return [rows, torch.autograd.grad(rows.sum(), x)]


def p_gradient_edge_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 3
    edge = torch.autograd.graph.get_gradient_edge(y)
    z = (y * y).sum()
    return [
        torch.autograd.grad(z, edge, retain_graph=True),
        torch.autograd.grad(z, [edge, x]),
    ]


def p_gradient_edge_of_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    edge = torch.autograd.graph.get_gradient_edge(x)
    return [torch.autograd.grad((x * x).sum(), edge), name(edge.node), edge.output_nr]


def p_gradient_edge_output(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    edge = torch.autograd.graph.get_gradient_edge(x * x)
    return [torch.autograd.grad(edge, x, torch.tensor([1.0, 10.0]))]


def p_gradient_edge_output_needs_gradient(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    edge = torch.autograd.graph.get_gradient_edge((x * x).sum())
    return [raises(lambda: torch.autograd.grad(edge, x))]


def p_gradient_edge_backward_inputs(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    edge = torch.autograd.graph.get_gradient_edge(x)
    (x * x).sum().backward(inputs=[edge])
    return [x.grad]


def p_gradient_edge_of_second_output(torch: Any) -> list[Any]:
    x = torch.arange(6.0).requires_grad_()
    _, b = x.split(3)
    edge = torch.autograd.graph.get_gradient_edge(b)
    return [edge.output_nr, torch.autograd.grad((b * b).sum(), edge)]


def p_gradient_edge_unused_materialized(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.ones(3, requires_grad=True)
    edge = torch.autograd.graph.get_gradient_edge(w)
    return [
        torch.autograd.grad((x * x).sum(), edge, allow_unused=True),
        raises(lambda: torch.autograd.grad((x * x).sum(), edge, materialize_grads=True)),
    ]


def p_gradient_edge_errors(torch: Any) -> list[Any]:
    return [
        raises(lambda: torch.autograd.graph.get_gradient_edge(torch.ones(2))),
        raises(lambda: torch.autograd.graph.get_gradient_edge(3)).kind,
    ]


def p_detached_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x.detach() * x).sum()
    return [torch.autograd.grad(y, x)]


def p_through_detach_is_cut(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x.detach() * 2).sum()
    return [raises(lambda: torch.autograd.grad(y, x))]


def p_grad_of_modified_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    before = y
    y.add_(1)
    z = (y * y).sum()
    return [torch.autograd.grad(z, before, retain_graph=True), torch.autograd.grad(z, x)]


def p_materialize_dtype_and_shape(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    unused = torch.ones(2, 1, dtype=torch.float64, requires_grad=True)
    return [torch.autograd.grad(x.sum(), [unused], materialize_grads=True)]


def p_materialize_with_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    unused = torch.ones(2, requires_grad=True)
    (g,) = torch.autograd.grad(x.sum(), unused, materialize_grads=True, create_graph=True)
    return [g, g.requires_grad]


def p_hessian_by_loop(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = (x.prod() + (x**3).sum()).sin()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    rows = [torch.autograd.grad(g[i], x, retain_graph=True)[0] for i in range(3)]
    return [g, torch.stack(rows)]


def p_gradient_penalty(torch: Any) -> list[Any]:
    torch.manual_seed(1)
    x = torch.tensor([[0.5, -1.0], [2.0, 0.3]], requires_grad=True)
    w = torch.tensor([[0.1, 0.7], [-0.4, 0.9]], requires_grad=True)
    out = (x @ w).tanh().sum()
    (g,) = torch.autograd.grad(out, x, create_graph=True)
    penalty = ((g.norm(2, dim=1) - 1) ** 2).mean()
    penalty.backward()
    return [penalty, w.grad, x.grad]


def p_grad_of_grad_graph_names(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    w = torch.tensor([4.0, 5.0], requires_grad=True)
    (g,) = torch.autograd.grad((x * w).sum(), x, create_graph=True)
    return [graph(g.grad_fn)]


def p_nested_grad_inside_function(torch: Any) -> list[Any]:
    def derivative(function: Any) -> Any:
        def wrapped(x: Any) -> Any:
            with torch.enable_grad():
                y = function(x)
                return torch.autograd.grad(y, x, create_graph=True)[0]

        return wrapped

    x = torch.tensor(0.7, requires_grad=True)
    f = torch.sin
    return [
        f(x),
        derivative(f)(x),
        derivative(derivative(f))(x),
        derivative(derivative(derivative(f)))(x),
    ]
