"""Programs on ``backward``: ``inputs``, several roots, overwritten values, odd cases."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants, warned


def p_inputs(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = torch.ones(2, requires_grad=True)
    (x * y).sum().backward(inputs=[x])
    (x * y * 2).sum().backward(inputs=y)
    return [x.grad, y.grad]


def p_inputs_non_leaf(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    z.backward(inputs=[y])
    return [y.grad, x.grad]


def p_inputs_leaf_and_non_leaf(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = (y * y).sum()
    z.backward(inputs=[x, y])
    return [y.grad, x.grad]


def p_inputs_frees_only_what_ran(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x.exp()
    z = (y * y).sum()
    z.backward(inputs=[y])
    return [y.grad, raises(lambda: z.backward()), raises(lambda: y.sum().backward()), x.grad]


@variants(
    empty=lambda t, x: [],
    plain=lambda t, x: [t.ones(2)],
    unused=lambda t, x: [t.ones(2, requires_grad=True)],
    number=lambda t, x: [1.0],
    none=lambda t, x: [None],
    duplicate=lambda t, x: [x, x],
    generator=lambda t, x: (leaf for leaf in [x]),
    tuple=lambda t, x: (x,),
    text=lambda t, x: "x",
)
def p_inputs_of_other_kind(torch: Any, make: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    inputs = make(torch, x)
    return [raises(lambda: (x * 3).sum().backward(inputs=inputs)), x.grad]


def p_autograd_backward_of_several(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = x * 2
    b = (x * x).sum()
    torch.autograd.backward([a, b], [torch.tensor([1.0, 10.0]), None])
    return [x.grad]


def p_autograd_backward_of_output_and_its_input(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = x * 2
    b = a * a
    a.retain_grad()
    torch.autograd.backward((b, a), (torch.ones(2), torch.tensor([100.0, 100.0])))
    return [x.grad, a.grad]


def p_autograd_backward_same_tensor_twice(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = (x * x).sum()
    torch.autograd.backward([a, a])
    return [x.grad]


@variants(
    too_few=lambda t: ([t.ones(())], [t.ones(()), t.ones(())]),
    wrong_shape=lambda t: ([t.ones(2)], None),
    grad_for_plain=lambda t: ([t.ones(())], [t.ones(())]),
    number=lambda t: ([1.0], None),
    nothing=lambda t: ([], None),
    none=lambda t: (None, None),
)
def p_autograd_backward_errors(torch: Any, make: Any) -> list[Any]:
    tensors, gradients = make(torch)
    x = torch.ones((), requires_grad=True)
    if tensors:
        tensors = [x * item for item in tensors]
    return [raises(lambda: torch.autograd.backward(tensors, gradients))]


def p_autograd_backward_second_of_list_is_plain(torch: Any) -> list[Any]:
    x = torch.ones((), requires_grad=True)
    plain = torch.ones(())
    return [
        raises(lambda: torch.autograd.backward([x * 2, plain])),
        raises(lambda: torch.autograd.backward([plain, x * 2], [torch.ones(()), torch.ones(())])),
        x.grad,
    ]


def p_autograd_backward_keywords(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    torch.autograd.backward(
        tensors=y, grad_tensors=torch.ones(2), retain_graph=True, create_graph=False, inputs=[x]
    )
    torch.autograd.backward(y, (torch.ones(2),))
    return [x.grad]


def p_backward_in_no_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with torch.no_grad():
        y.backward()
    return [x.grad]


def p_backward_in_no_grad_with_create_graph(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = (x * x).sum()
    with torch.no_grad():
        y.backward(create_graph=True)
    return [x.grad, x.grad.requires_grad]


def p_modified_before_backward(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = x * 2
    b = a * a
    a.add_(1)
    return [raises(lambda: b.sum().backward()), x.grad]


def p_modified_output_before_backward(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = x.exp()
    a.mul_(2)
    return [raises(lambda: a.sum().backward()), x.grad]


def p_modified_where_not_needed(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    a = x + 2
    a.mul_(3)
    a.add_(1)
    a.sum().backward()
    return [x.grad, a]


def p_modified_leaf_under_no_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    with torch.no_grad():
        x.add_(1)
    return [raises(lambda: y.sum().backward()), x._version]


def p_modified_operand_not_saved(torch: Any) -> list[Any]:
    w = torch.tensor([3.0, 4.0])
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * w
    with torch.no_grad():
        x.add_(1)
    y.sum().backward()
    return [x.grad]


def p_modified_plain_operand(torch: Any) -> list[Any]:
    w = torch.tensor([3.0, 4.0])
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * w
    w.zero_()
    return [raises(lambda: y.sum().backward())]


def p_failed_backward_can_be_followed_by_good_one(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    return [
        raises(lambda: y.backward(torch.ones(3))),
        y.backward(torch.ones(2)),
        x.grad,
    ]


def p_backward_of_sum_of_ones_equals_gradient_ones(torch: Any) -> list[Any]:
    x = torch.tensor([2.0, 1.0], requires_grad=True)
    y = torch.tensor([1.0, 2.0], requires_grad=True)
    z = torch.tensor([3.0, 1.0], requires_grad=True)
    a = x + 2 * y
    b = a + z / 2
    a.retain_grad()
    error = raises(lambda: b.backward())
    b.backward(torch.ones(2))
    return [error, x.grad, y.grad, z.grad, a.grad, warned(lambda: b.grad)]


def p_grad_of_empty(torch: Any) -> list[Any]:
    x = torch.ones(0, 3, requires_grad=True)
    (x * 2).sum().backward()
    return [x.grad, x.grad.shape]


def p_backward_through_scalar_numbers(torch: Any) -> list[Any]:
    x = torch.tensor(3.0, requires_grad=True)
    (2 * x**2 - 1 / x + (5 - x) / 2 + 2**x).backward()
    return [x.grad]


def p_loop_with_growing_graph(torch: Any) -> list[Any]:
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(200):
        y = y * 1.01 + 0.001 * x
    y.backward()
    return [y, x.grad]


def p_two_outputs_of_one_node(torch: Any) -> list[Any]:
    x = torch.arange(6.0).requires_grad_()
    a, b = x.split(3)
    (a * 2).sum().backward(retain_graph=True)
    first = x.grad.clone()
    (b * 3).sum().backward()
    return [first, x.grad]


def p_gradient_none_by_position(torch: Any) -> list[Any]:
    x = torch.tensor(3.0, requires_grad=True)
    y = x * x
    y.backward(None, True)
    y.backward(None, False, False, [x])
    return [x.grad]


def p_set_to_none_between(torch: Any) -> list[Any]:
    x = torch.tensor(3.0, requires_grad=True)
    (x * x).backward()
    first = x.grad
    x.grad = None
    (x * 5).backward()
    return [first, x.grad, x.grad is first]


def p_leaf_changed_in_shape_by_data(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = (x + 1).sum()
    x.data = torch.ones(3)
    return [raises(lambda: y.backward()), x.grad]


def p_requires_grad_switched_off_for_operand(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    y = x * w
    w.requires_grad_(False)
    y.sum().backward()
    return [x.grad, w.grad]
