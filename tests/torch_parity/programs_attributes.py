"""Programs on what a tensor says of itself: flags, ``grad``, ``data``, ``detach``."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants, warned


def p_leaf_defaults(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    return [x.requires_grad, x.grad, x.grad_fn, x.is_leaf, x._version, x.output_nr, x._base]


def p_leaf_that_requires(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    return [x.requires_grad, x.grad, x.grad_fn, x.is_leaf, x.retains_grad, x.output_nr, x]


def p_result(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    return [y.requires_grad, y.is_leaf, y.grad_fn, y.retains_grad, y.output_nr, y._version, repr(y)]


def p_result_of_plain_is_leaf(torch: Any) -> list[Any]:
    y = torch.ones(2) * 2
    return [y.is_leaf, y.requires_grad, y.grad_fn]


def p_grad_of_non_leaf_warns(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2
    return [warned(lambda: y.grad), y.grad]


def p_grad_of_retained_does_not_warn(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2
    y.retain_grad()
    return [warned(lambda: y.grad), y.retains_grad]


@variants(
    int64=lambda t: t.tensor([1, 2]),
    int32=lambda t: t.ones(2, dtype=t.int32),
    bool=lambda t: t.tensor([True]),
    uint8=lambda t: t.zeros(1, dtype=t.uint8),
)
def p_requires_grad_of_integers(torch: Any, make: Any) -> list[Any]:
    x = make(torch)

    def assign() -> None:
        x.requires_grad = True

    return [
        raises(lambda: x.requires_grad_()),
        raises(assign),
        raises(lambda: x.requires_grad_(False)),
        x.requires_grad,
    ]


@variants(
    tensor=lambda t: t.tensor([1, 2], requires_grad=True),
    ones=lambda t: t.ones(2, dtype=t.int64, requires_grad=True),
    zeros_bool=lambda t: t.zeros(2, dtype=t.bool, requires_grad=True),
    arange=lambda t: t.arange(3, requires_grad=True),
    float64=lambda t: t.ones(2, dtype=t.float64, requires_grad=True),
    complex64=lambda t: t.ones(2, dtype=t.complex64, requires_grad=True),
    float16=lambda t: t.ones(2, dtype=t.float16, requires_grad=True),
)
def p_factory_requires_grad(torch: Any, make: Any) -> list[Any]:
    def attempt() -> bool:
        return bool(make(torch).requires_grad)

    error = raises(attempt)
    return [error, attempt() if error.kind is None else None]


def p_requires_grad_returns_self(torch: Any) -> list[Any]:
    x = torch.ones(2)
    return [x.requires_grad_() is x, x.requires_grad, x.requires_grad_(False) is x, x.requires_grad]


def p_requires_grad_off_on_non_leaf(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2

    def assign() -> None:
        y.requires_grad = False

    return [
        raises(lambda: y.requires_grad_(False)),
        raises(assign),
        y.requires_grad_(True) is y,
        y.requires_grad,
    ]


def p_requires_grad_set_to_wrong_type(torch: Any) -> list[Any]:
    x = torch.ones(2)

    def assign(value: Any) -> Any:
        def do() -> None:
            x.requires_grad = value

        return do

    return [raises(assign(1)).kind, raises(assign("yes")).kind, raises(assign(None)).kind]


def p_requires_grad_of_non_leaf_assigned(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2

    def assign() -> None:
        y.requires_grad = True

    return [raises(assign), y.requires_grad, y.grad_fn]


def p_grad_set_and_cleared(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    g = torch.tensor([3.0, 4.0])
    x.grad = g
    first = [x.grad, x.grad is g]
    x.grad = None
    return [*first, x.grad]


def p_grad_deleted(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    x.grad = torch.ones(2)
    del x.grad
    return [x.grad]


def p_grad_of_plain_tensor_may_be_set(torch: Any) -> list[Any]:
    x = torch.ones(2)
    x.grad = torch.tensor([3.0, 4.0])
    return [x.grad, x.requires_grad]


@variants(
    wrong_shape=lambda t, x: t.ones(3),
    wrong_dtype=lambda t, x: t.ones(2, dtype=t.float64),
    integer=lambda t, x: t.ones(2, dtype=t.int64),
    itself=lambda t, x: x,
    number=lambda t, x: 3.0,
    text=lambda t, x: "no",
    list=lambda t, x: [1.0, 2.0],
    scalar=lambda t, x: t.tensor(1.0),
    column=lambda t, x: t.ones(2, 1),
)
def p_grad_set_to_invalid(torch: Any, make: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    value = make(torch, x)

    def assign() -> None:
        x.grad = value

    return [raises(assign), x.grad]


def p_grad_assigned_tensor_is_kept_as_is(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    w = torch.ones(2, requires_grad=True)
    g = w * 2
    x.grad = g
    return [x.grad is g, x.grad.requires_grad, x.grad.grad_fn]


def p_grad_of_non_leaf_may_be_set(torch: Any) -> list[Any]:
    y = torch.ones(2, requires_grad=True) * 2
    y.grad = torch.ones(2)
    return [y.grad]


def p_data_shares_memory(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    d = x.data
    d[0] = 7.0
    return [x, d, d.requires_grad, d.is_leaf, x._version, d._version, d is x.data]


def p_data_of_result(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    d = (x * 2).data
    return [d, d.grad_fn, d.is_leaf]


def p_data_times_keeps_gradient(torch: Any) -> list[Any]:
    x = torch.ones(1, requires_grad=True)
    y = 2 * x
    x.data *= 100
    y.backward()
    return [x, x.grad]


def p_data_change_is_not_noticed(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    x.data.fill_(5.0)
    y.sum().backward()
    return [x.grad]


def p_data_set(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    new = torch.tensor([5.0, 6.0, 7.0])
    x.data = new
    new[0] = 9.0
    return [x, x.shape, x.requires_grad, x._version]


def p_data_set_then_backward(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    x.data = torch.tensor([5.0, 6.0])
    y.sum().backward()
    return [x.grad]


@variants(
    number=lambda t: 3.0,
    none=lambda t: None,
    list=lambda t: [1.0, 2.0],
    integer=lambda t: t.tensor([1, 2]),
    float64=lambda t: t.tensor([1.0, 2.0], dtype=t.float64),
)
def p_data_set_to_other(torch: Any, make: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    value = make(torch)

    def assign() -> None:
        x.data = value

    return [raises(assign), x]


def p_detach(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    d = y.detach()
    return [d.requires_grad, d.grad_fn, d.is_leaf, d, d is y, d._is_view()]


def p_detach_shares_memory_and_version(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    d = x.detach()
    d += 1
    return [x, x._version, d._version, d._base is None]


def p_detach_change_is_noticed(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    x.detach().add_(1)
    return [raises(lambda: y.sum().backward())]


def p_detach_in_place(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    z = y * 3
    same = y.detach_() is y
    z.sum().backward()
    return [same, y.requires_grad, y.grad_fn, y.is_leaf, x.grad]


def p_detach_in_place_on_leaf(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    x.detach_()
    return [x.requires_grad, x.is_leaf]


def p_detach_in_place_of_view(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x.view(2)
    return [raises(lambda: y.detach_()), y.requires_grad]


def p_detach_in_place_with_retained_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.detach_()
    return [y.retains_grad, y.requires_grad, y.is_leaf]
