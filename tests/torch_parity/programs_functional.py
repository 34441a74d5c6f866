"""Programs on ``autograd.functional``: vjp, jvp, jacobian, hessian, hvp, vhp."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants, warned


def _one(torch: Any) -> Any:
    return torch.tensor([[0.1, 0.2, 0.3], [0.4, 0.5, 0.6]])


def p_jacobian_of_rows(torch: Any) -> list[Any]:
    x = _one(torch)
    return [torch.autograd.functional.jacobian(lambda v: v.exp().sum(dim=1), x)]


def p_jacobian_leaves_input_alone(torch: Any) -> list[Any]:
    x = _one(torch).requires_grad_()
    j = torch.autograd.functional.jacobian(lambda v: v * v, x)
    return [j, j.requires_grad, x.grad]


def p_jacobian_two_inputs(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    return [torch.autograd.functional.jacobian(lambda a, b: a.exp() + 2 * b, (x, y))]


def p_jacobian_two_outputs(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    return [torch.autograd.functional.jacobian(lambda a: (a.sum(), a * a), x)]


def p_jacobian_two_by_two(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([[3.0], [4.0]])
    return [torch.autograd.functional.jacobian(lambda a, b: (a * b, b.sum() * a.sum()), (x, y))]


def p_jacobian_tuple_of_one(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    return [
        torch.autograd.functional.jacobian(lambda a: a * a, (x,)),
        torch.autograd.functional.jacobian(lambda a: (a * a,), x),
        torch.autograd.functional.jacobian(lambda a: (a * a,), (x,)),
    ]


def p_jacobian_of_scalar(torch: Any) -> list[Any]:
    x = torch.tensor(2.0)
    return [
        torch.autograd.functional.jacobian(lambda a: a**3, x),
        torch.autograd.functional.jacobian(lambda a: a.sum(), torch.ones(3)),
        torch.autograd.functional.jacobian(lambda a: a * torch.ones(2), x),
    ]


def p_jacobian_independent(torch: Any) -> list[Any]:
    x, y = torch.ones(2), torch.ones(3)
    jacobian = torch.autograd.functional.jacobian
    return [
        jacobian(lambda a, b: a * 2, (x, y)),
        raises(lambda: jacobian(lambda a, b: a * 2, (x, y), strict=True)),
        jacobian(lambda a: torch.ones(2), x),
        raises(lambda: jacobian(lambda a: torch.ones(2), x, strict=True)),
        jacobian(lambda a: a.detach() * 2, x),
    ]


def p_jacobian_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    j = torch.autograd.functional.jacobian(lambda a: a**3, x, create_graph=True)
    j.sum().backward()
    return [j, j.requires_grad, x.grad]


def p_jacobian_create_graph_of_plain_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    j = torch.autograd.functional.jacobian(lambda a: a**3, x, create_graph=True)
    return [j, j.requires_grad]


def p_jacobian_strict_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    jacobian = torch.autograd.functional.jacobian
    return [
        raises(lambda: jacobian(lambda a: a * 3, x, create_graph=True, strict=True)),
        jacobian(lambda a: a**2, x, create_graph=True, strict=True),
    ]


def p_jacobian_of_outer_parameter(torch: Any) -> list[Any]:
    w = torch.tensor([2.0, 3.0], requires_grad=True)
    x = torch.tensor([1.0, 2.0])
    j = torch.autograd.functional.jacobian(lambda a: w * a**2, x, create_graph=True)
    j.sum().backward()
    return [j, w.grad]


@variants(
    number=lambda t, v: 3.0,
    none=lambda t, v: None,
    list=lambda t, v: [v, v],
    tuple_with_number=lambda t, v: (v, 3.0),
    integer=lambda t, v: v.long(),
    text=lambda t, v: "x",
)
def p_function_returns_other_kind(torch: Any, result: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    f = torch.autograd.functional
    return [
        raises(lambda: f.jacobian(lambda a: result(torch, a), x)),
        raises(lambda: f.hessian(lambda a: result(torch, a), x)),
        raises(lambda: f.vjp(lambda a: result(torch, a), x, torch.ones(2))),
        raises(lambda: f.jvp(lambda a: result(torch, a), x, torch.ones(2))),
        raises(lambda: f.hvp(lambda a: result(torch, a), x, torch.ones(2))),
        raises(lambda: f.vhp(lambda a: result(torch, a), x, torch.ones(2))),
    ]


@variants(
    number=lambda t: 3.0,
    list=lambda t: [t.ones(2)],
    none=lambda t: None,
    tuple_with_number=lambda t: (t.ones(2), 3.0),
    integer=lambda t: t.tensor([1, 2]),
    text=lambda t: "x",
    empty=lambda t: (),
)
def p_inputs_of_other_kind(torch: Any, make: Any) -> list[Any]:
    f = torch.autograd.functional

    def total(*args: Any) -> Any:
        return sum((a * a).sum() for a in args)

    return [
        raises(lambda: f.jacobian(total, make(torch))),
        raises(lambda: f.hessian(total, make(torch))),
        raises(lambda: f.vjp(total, make(torch))),
        raises(lambda: f.jvp(total, make(torch), torch.ones(2))),
        raises(lambda: f.hvp(total, make(torch), torch.ones(2))),
    ]


def p_vectorize(torch: Any) -> list[Any]:
    x = _one(torch)
    jacobian = torch.autograd.functional.jacobian
    return [
        jacobian(lambda v: v.exp().sum(dim=1), x, vectorize=True),
        jacobian(lambda v: (v.sin(), v.sum()), x, vectorize=True),
        jacobian(lambda a, b: a * b, (torch.ones(2), torch.ones(2)), vectorize=True),
    ]


def p_vectorize_forward_mode(torch: Any) -> list[Any]:
    x = torch.tensor([0.1, 0.2])
    jacobian = torch.autograd.functional.jacobian
    return [
        jacobian(lambda v: v.exp() * v.sum(), x, vectorize=True, strategy="forward-mode"),
        raises(lambda: jacobian(lambda v: v, x, strategy="forward-mode")),
        raises(lambda: jacobian(lambda v: v, x, strategy="other")),
        raises(lambda: jacobian(lambda v: v, x, vectorize=True, strict=True)),
        raises(
            lambda: jacobian(
                lambda v: v, x, vectorize=True, strategy="forward-mode", create_graph=True
            )
        ),
    ]


def p_hessian(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0])
    return [
        torch.autograd.functional.hessian(lambda v: (v**3).sum(), x),
        torch.autograd.functional.hessian(lambda v: v.prod(), x),
        torch.autograd.functional.hessian(lambda v: v**3, torch.tensor(2.0)),
        torch.autograd.functional.hessian(lambda v: (v**2).sum().reshape(1), x),
    ]


def p_hessian_matrix_input(torch: Any) -> list[Any]:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    return [torch.autograd.functional.hessian(lambda v: (v.sin() * v).sum(), x)]


def p_hessian_two_inputs(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    return [torch.autograd.functional.hessian(lambda a, b: (a * b * b).sum(), (x, y))]


def p_hessian_independent(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    hessian = torch.autograd.functional.hessian
    return [
        hessian(lambda a, b: (a * a).sum(), (x, y)),
        raises(lambda: hessian(lambda a, b: (a * a).sum(), (x, y), strict=True)),
        hessian(lambda a: a.sum(), x),
        raises(lambda: hessian(lambda a: a.sum(), x, strict=True)),
    ]


def p_hessian_needs_scalar(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    hessian = torch.autograd.functional.hessian
    return [
        raises(lambda: hessian(lambda a: a * a, x)),
        raises(lambda: hessian(lambda a: (a.sum(), a.sum()), x)),
        raises(lambda: hessian(lambda a: (a.sum(),), x)),
    ]


def p_hessian_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    h = torch.autograd.functional.hessian(lambda a: (a**4).sum(), x, create_graph=True)
    h.sum().backward()
    return [h, x.grad]


def p_hessian_vectorized(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    hessian = torch.autograd.functional.hessian
    return [
        hessian(lambda a: (a**4).sum() * a[0], x, vectorize=True),
        hessian(
            lambda a: (a**4).sum() * a[0],
            x,
            vectorize=True,
            outer_jacobian_strategy="forward-mode",
        ).detach(),
    ]


def p_vjp(torch: Any) -> list[Any]:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    v = torch.tensor([1.0, 10.0])
    output, g = torch.autograd.functional.vjp(lambda a: a.exp().sum(1), x, v)
    return [output, g, output.requires_grad, g.requires_grad]


def p_vjp_scalar_without_v(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    return [
        torch.autograd.functional.vjp(lambda a: (a * a).sum(), x),
        raises(lambda: torch.autograd.functional.vjp(lambda a: a * a, x)),
    ]


def p_vjp_two_inputs(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    v = torch.tensor([1.0, 10.0])
    return [torch.autograd.functional.vjp(lambda a, b: 2 * a + 3 * b * b, (x, y), v)]


def p_vjp_two_outputs(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    v = (torch.tensor([1.0, 10.0]), torch.tensor(100.0))
    return [torch.autograd.functional.vjp(lambda a: (a * a, a.sum()), x, v)]


@variants(
    wrong_shape=lambda t: t.ones(3),
    number=lambda t: 3.0,
    two=lambda t: (t.ones(2), t.ones(2)),
    scalar=lambda t: t.ones(()),
    none=lambda t: None,
    list=lambda t: [t.ones(2)],
)
def p_wrong_v(torch: Any, make: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    f = torch.autograd.functional
    return [
        raises(lambda: f.vjp(lambda a: a * a, x, make(torch))),
        raises(lambda: f.jvp(lambda a: a * a, x, make(torch))),
        raises(lambda: f.hvp(lambda a: (a * a).sum(), x, make(torch))),
        raises(lambda: f.vhp(lambda a: (a * a).sum(), x, make(torch))),
    ]


def p_vjp_independent(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    vjp = torch.autograd.functional.vjp
    return [
        vjp(lambda a, b: a * 2, (x, y), torch.ones(2)),
        raises(lambda: vjp(lambda a, b: a * 2, (x, y), torch.ones(2), strict=True)),
        vjp(lambda a: torch.ones(2), x, torch.ones(2)),
        raises(lambda: vjp(lambda a: torch.ones(2), x, torch.ones(2), strict=True)),
    ]


def p_vjp_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    output, g = torch.autograd.functional.vjp(lambda a: a**3, x, torch.ones(2), create_graph=True)
    g.sum().backward()
    return [output, g, x.grad]


def p_jvp(torch: Any) -> list[Any]:
    x = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    v = torch.tensor([[1.0, 0.0], [0.0, 10.0]])
    output, t = torch.autograd.functional.jvp(lambda a: a.exp().sum(1), x, v)
    return [output, t, output.requires_grad, t.requires_grad]


def p_jvp_without_v(torch: Any) -> list[Any]:
    return [
        torch.autograd.functional.jvp(lambda a: a * torch.ones(2), torch.tensor(3.0)),
        torch.autograd.functional.jvp(lambda a: a * torch.ones(2), torch.tensor([3.0])),
        raises(lambda: torch.autograd.functional.jvp(lambda a: a * 2, torch.ones(2))),
    ]


def p_jvp_two_inputs_and_outputs(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    v = (torch.tensor([1.0, 10.0]), torch.tensor([100.0, 1000.0]))
    jvp = torch.autograd.functional.jvp
    return [
        jvp(lambda a, b: 2 * a + 3 * b, (x, y), v),
        jvp(lambda a, b: (a * b, b.sum()), (x, y), v),
    ]


def p_jvp_independent(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    v = (torch.ones(2), torch.ones(2))
    jvp = torch.autograd.functional.jvp
    return [
        jvp(lambda a, b: b * 2, (x, y), v),
        raises(lambda: jvp(lambda a: torch.ones(2), x, torch.ones(2), strict=True)),
        jvp(lambda a: torch.ones(2), x, torch.ones(2)),
    ]


def p_jvp_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    output, t = torch.autograd.functional.jvp(lambda a: a**3, x, torch.ones(2), create_graph=True)
    t.sum().backward()
    return [output, t, x.grad]


def p_hvp(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    v = torch.tensor([1.0, 10.0])
    return [
        torch.autograd.functional.hvp(lambda a: (a**3).sum() * a[0], x, v),
        torch.autograd.functional.vhp(lambda a: (a**3).sum() * a[0], x, v),
    ]


def p_hvp_two_inputs(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0])
    v = (torch.tensor([1.0, 10.0]), torch.tensor([100.0, 1000.0]))
    f = torch.autograd.functional
    return [
        f.hvp(lambda a, b: (a * b * b).sum(), (x, y), v),
        f.vhp(lambda a, b: (a * b * b).sum(), (x, y), v),
    ]


def p_hvp_errors(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    f = torch.autograd.functional
    return [
        raises(lambda: f.hvp(lambda a: a * a, x, x)),
        raises(lambda: f.vhp(lambda a: a * a, x, x)),
        raises(lambda: f.hvp(lambda a: (a * a).sum(), x)),
        raises(lambda: f.vhp(lambda a: (a * a).sum(), x)),
        raises(lambda: f.hvp(lambda a: a.sum(), x, x, strict=True)),
        raises(lambda: f.vhp(lambda a: a.sum(), x, x, strict=True)),
        f.hvp(lambda a: a.sum(), x, x),
        f.vhp(lambda a: a.sum(), x, x),
        raises(lambda: f.hvp(lambda a: (a.sum(), a.sum()), x, x)),
    ]


def p_hvp_of_scalar_without_v(torch: Any) -> list[Any]:
    x = torch.tensor(2.0)
    f = torch.autograd.functional
    return [f.hvp(lambda a: a**3, x), f.vhp(lambda a: a**3, x)]


def p_hvp_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    f = torch.autograd.functional
    _, a = f.hvp(lambda a: (a**4).sum(), x, torch.ones(2), create_graph=True)
    _, b = f.vhp(lambda a: (a**4).sum(), x, torch.ones(2), create_graph=True)
    (a * 2 + b).sum().backward()
    return [a, b, x.grad]


def p_matrix_product_jacobians(torch: Any) -> list[Any]:
    a = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    b = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
    jacobian = torch.autograd.functional.jacobian
    return [
        jacobian(lambda v: v[0] @ b, a),
        jacobian(lambda v: a @ v[:, 0], b),
        jacobian(lambda v, w: v @ w, (a, b)),
    ]


def p_in_no_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    f = torch.autograd.functional
    with torch.no_grad():
        return [
            f.jacobian(lambda a: a * a, x),
            f.hessian(lambda a: (a**3).sum(), x),
            f.vjp(lambda a: a * a, x, x),
            f.jvp(lambda a: a * a, x, x),
        ]


def p_double_and_float(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], dtype=torch.float64)
    return [
        torch.autograd.functional.jacobian(lambda a: a.float() * 2, x),
        torch.autograd.functional.jacobian(lambda a: a.double() * 2, x.float()),
    ]


def p_function_gets_new_tensors(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    seen = []

    def watch(a: Any) -> Any:
        seen.append((a is x, a.requires_grad, a.is_leaf))
        return a * a

    torch.autograd.functional.jacobian(watch, x)
    torch.autograd.functional.jacobian(watch, x, create_graph=True)
    torch.autograd.functional.vjp(watch, x, torch.ones(2))
    return [seen]


def p_no_warning(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    return [warned(lambda: torch.autograd.functional.jacobian(lambda a: a * a, x))]
