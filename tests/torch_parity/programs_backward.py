"""Programs on ``backward``: gradients given, graphs kept, what is accumulated and how."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, name, raises, variants


def p_scalar(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    return [(x * x).sum().backward(), x.grad, x.grad.is_leaf, x.grad.grad_fn]


def p_one_element_needs_no_gradient(torch: Any) -> list[Any]:
    x = torch.tensor([[3.0]], requires_grad=True)
    (x * x).backward()
    return [x.grad]


def p_on_the_leaf_itself(torch: Any) -> list[Any]:
    x = torch.tensor(3.0, requires_grad=True)
    x.backward()
    x.backward()
    return [x.grad]


def p_mean_of_square(torch: Any) -> list[Any]:
    x = torch.ones(2, 2, requires_grad=True)
    z = (x + 2) * (x + 2) * 3
    out = z.mean()
    out.backward()
    return [z, out, x.grad]


@variants(
    vector=lambda t: t.ones(2, requires_grad=True) * 2,
    matrix=lambda t: t.ones(2, 2, requires_grad=True) * 2,
    empty=lambda t: t.ones(0, requires_grad=True) * 2,
    complex_scalar=lambda t: t.tensor(1 + 1j, requires_grad=True) * 2,
    plain=lambda t: t.ones(()),
    integer=lambda t: t.ones((), dtype=t.int64),
    detached=lambda t: (t.ones((), requires_grad=True) * 2).detach(),
    no_grad=lambda t: t.no_grad()(lambda: t.ones((), requires_grad=True) * 2)(),
)
def p_error(torch: Any, make: Any) -> list[Any]:
    y = make(torch)
    return [
        raises(lambda: y.backward()),
        raises(lambda: torch.autograd.backward(y)),
        raises(lambda: torch.autograd.backward([y])),
    ]


def p_gradient(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    y.backward(torch.tensor([1.0, 0.1]))
    first = x.grad.clone()
    (x * x).backward(gradient=torch.tensor([1.0, 1.0]))
    return [first, x.grad]


@variants(
    wrong_shape=lambda t: t.ones(3),
    scalar=lambda t: t.tensor(1.0),
    row=lambda t: t.ones(1, 2),
    float64=lambda t: t.ones(2, dtype=t.float64),
    integer=lambda t: t.ones(2, dtype=t.int64),
    boolean=lambda t: t.ones(2, dtype=t.bool),
    complex=lambda t: t.ones(2, dtype=t.complex64),
    half=lambda t: t.ones(2, dtype=t.float16),
    number=lambda t: 1.0,
    list=lambda t: [1.0, 1.0],
    text=lambda t: "no",
    tuple_of_tensor=lambda t: (t.ones(2),),
    two_tensors=lambda t: (t.ones(2), t.ones(2)),
    none_in_list=lambda t: [None],
)
def p_gradient_of_other_kind(torch: Any, make: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    gradient = make(torch)
    return [raises(lambda: y.backward(gradient)), x.grad]


def p_gradient_for_complex_output(torch: Any) -> list[Any]:
    x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    y = x * x
    y.backward(torch.tensor([1.0 + 0j, 0.0 + 1j]))
    x2 = torch.tensor([1 + 2j], requires_grad=True)
    y2 = x2 * 3
    error = raises(lambda: y2.backward(torch.ones(1)))
    return [x.grad, error, x2.grad]


def p_real_gradient_of_real_loss_of_complex(torch: Any) -> list[Any]:
    x = torch.tensor([1 + 2j, 3 - 1j], requires_grad=True)
    (x * x.conj()).real.sum().backward()
    return [x.grad]


def p_gradient_that_requires_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    v = torch.ones(2, requires_grad=True)
    y = x * x
    y.backward(v)
    return [x.grad, v.grad, x.grad.requires_grad]


@differs("PyTorch's .grad shares memory with the gradient given to backward; here it never does")
def p_gradient_given_is_not_aliased(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.view(2)
    v = torch.tensor([5.0, 6.0])
    y.backward(v)
    x.grad.add_(1)
    return [v, x.grad]


def p_leaf_gradient_given_directly(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    v = torch.tensor([5.0, 6.0])
    x.backward(v)
    v.add_(100)
    return [x.grad, x.grad is v]


def p_one_gradient_for_two_leaves(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = torch.tensor([1.0, 2.0], requires_grad=True)
    (x + y).backward(torch.tensor([5.0, 6.0]))
    x.grad.mul_(10)
    return [x.grad, y.grad]


def p_second_backward_raises(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward()
    return [raises(lambda: y.backward()), x.grad]


def p_second_backward_where_nothing_is_saved(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x + 3).sum()
    y.backward()
    y.backward()
    return [x.grad]


def p_retain_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward(retain_graph=True)
    y.backward()
    return [x.grad, raises(lambda: y.backward())]


def p_shared_part_is_freed(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    shared = x.exp()
    a = (shared * 2).sum()
    b = (shared * shared).sum()
    a.backward()
    return [raises(lambda: b.backward()), x.grad]


def p_retain_graph_of_wrong_type(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [
        raises(lambda: (x * x).sum().backward(retain_graph="yes")).kind,
        raises(lambda: (x * x).sum().backward(None, None, None)).kind,
        raises(lambda: (x * x).sum().backward(retain_graph=1)).kind,
    ]


def p_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    (x**3).sum().backward(create_graph=True)
    first = x.grad
    x.grad = None
    first.sum().backward()
    return [first, first.requires_grad, x.grad, name(first.grad_fn)]


def p_create_graph_keeps_graph(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = (x**3).sum()
    y.backward(create_graph=True)
    y.backward()
    return [x.grad, raises(lambda: y.backward())]


def p_create_graph_without_retain(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    y = (x**3).sum()
    y.backward(create_graph=True, retain_graph=False)
    return [x.grad.requires_grad, raises(lambda: y.backward())]


def p_create_graph_warns(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    torch.autograd.grad((x**3).sum(), x, create_graph=True)
    return [x.grad]


def p_create_graph_of_linear_function(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    (x * 3).sum().backward(create_graph=True)
    return [x.grad, x.grad.requires_grad, x.grad.grad_fn]


def p_accumulates_in_place(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * 2).sum().backward()
    first = x.grad
    (x * 3).sum().backward()
    return [x.grad is first, x.grad, first, first._version]


def p_accumulates_out_of_place_with_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    first = x.grad
    (x * x).sum().backward(create_graph=True)
    return [x.grad is first, x.grad, first, name(x.grad.grad_fn)]


def p_accumulates_on_differentiable_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward(create_graph=True)
    first = x.grad
    (x * 3).sum().backward()
    return [x.grad is first, x.grad, first, x.grad.requires_grad, name(x.grad.grad_fn)]


def p_accumulates_into_assigned(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    mine = torch.tensor([10.0, 20.0])
    x.grad = mine
    (x * 3).sum().backward()
    return [x.grad is mine, mine]


def p_accumulates_into_expanded(torch: Any) -> list[Any]:
    x = torch.ones(2, 3, requires_grad=True)
    x.sum().backward()
    return [x.grad, x.grad.is_contiguous(), x.grad.stride()]


def p_layout_follows_transposed_leaf(torch: Any) -> list[Any]:
    x = torch.ones(3, 2).t().requires_grad_()
    (x * 2).sum().backward()
    return [x.grad.stride(), x.stride(), x.grad]


def p_grad_dtype_follows_leaf(torch: Any) -> list[Any]:
    x = torch.ones(2, dtype=torch.float64, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    (x * w).sum().backward()
    return [x.grad, w.grad]


def p_half_leaf(torch: Any) -> list[Any]:
    x = torch.ones(2, dtype=torch.float16, requires_grad=True)
    w = torch.full((2,), 3.0, requires_grad=True)
    (x * w).sum().backward()
    return [x.grad, w.grad]


def p_real_leaf_in_complex_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    z = x * (1 + 2j)
    (z * z).real.sum().backward()
    return [z, x.grad]


def p_broadcast_operands(torch: Any) -> list[Any]:
    x = torch.ones(3, 1, requires_grad=True)
    y = torch.full((1, 4), 2.0, requires_grad=True)
    s = torch.tensor(3.0, requires_grad=True)
    (x * y + s).sum().backward()
    return [x.grad, y.grad, s.grad]


def p_one_operand_used_twice(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    (x * x + x).sum().backward()
    return [x.grad]


def p_diamond(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    a = x * 3
    b = a.exp()
    c = a.sin()
    (b * c + a).backward()
    return [x.grad]


def p_only_wanted_branches_get_grad(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    frozen = torch.ones(2)
    y = torch.ones(2, requires_grad=True)
    (x * frozen + y).sum().backward()
    return [x.grad, frozen.grad, y.grad]


def p_unused_leaf_keeps_none(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    unused = torch.ones(2, requires_grad=True)
    x.sum().backward()
    return [unused.grad]
