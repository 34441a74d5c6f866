"""Programs on ``retain_grad``, versions, printing, casts and writes into leaves."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import graph, name, raises, variants, warned


def p_retain_grad(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * 2
    y.retain_grad()
    (y * y).sum().backward()
    return [y.grad, y.retains_grad, x.grad, x.retains_grad]


def p_retain_grad_on_leaf_and_plain(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    plain = torch.ones(2)
    return [x.retain_grad(), x.retains_grad, raises(lambda: plain.retain_grad())]


def p_retain_grad_twice(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.retain_grad()
    y.sum().backward()
    return [y.grad]


def p_retain_grad_accumulates(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.sum().backward(retain_graph=True)
    first = y.grad
    y.sum().backward()
    return [y.grad, y.grad is first]


def p_versions_count_writes(torch: Any) -> list[Any]:
    x = torch.zeros(3)
    seen = [x._version]
    x.add_(1)
    seen.append(x._version)
    x[0] = 5
    seen.append(x._version)
    x += 1
    seen.append(x._version)
    x.zero_()
    x.fill_(2)
    x.copy_(torch.ones(3))
    seen.append(x._version)
    x[1:] = 4
    x[x > 1] = 0
    seen.append(x._version)
    x.mul_(2).sub_(1).div_(3).neg_()
    seen.append(x._version)
    return [seen]


def p_versions_of_requires_grad_and_detach(torch: Any) -> list[Any]:
    x = torch.zeros(3)
    x.requires_grad_()
    x.detach()
    x.view(3)
    return [x._version]


def p_versions_are_shared_by_views(torch: Any) -> list[Any]:
    x = torch.zeros(4)
    v = x.view(2, 2)
    w = v[0]
    w.add_(1)
    x.mul_(2)
    clone = x.clone()
    return [x._version, v._version, w._version, clone._version]


def p_version_cannot_be_set(torch: Any) -> list[Any]:
    x = torch.zeros(4)

    def assign() -> None:
        x._version = 3

    return [raises(assign).kind]


@variants(
    grad_fn=lambda x: setattr(x, "grad_fn", None),
    is_leaf=lambda x: setattr(x, "is_leaf", True),
    output_nr=lambda x: setattr(x, "output_nr", 1),
    retains_grad=lambda x: setattr(x, "retains_grad", True),
    shape=lambda x: setattr(x, "shape", (1,)),
    dtype=lambda x: setattr(x, "dtype", None),
    base=lambda x: setattr(x, "_base", None),
)
def p_read_only(torch: Any, write: Any) -> list[Any]:
    x = torch.zeros(4, requires_grad=True)
    return [raises(lambda: write(x)).kind]


def p_tensors_take_own_attributes(torch: Any) -> list[Any]:
    x = torch.zeros(4)
    x.note = "mine"
    return [x.note, hasattr(x.detach(), "note"), hasattr(x + 1, "note")]


def p_views_and_bases(torch: Any) -> list[Any]:
    x = torch.zeros(4)
    v = x.view(2, 2)
    w = v[0]
    return [v._base is x, w._base is x, x._is_view(), v._is_view(), (x + 1)._base is None]


def p_output_numbers(torch: Any) -> list[Any]:
    x = torch.arange(6.0).requires_grad_()
    a, b, c = x.split(2)
    values, _ = x.sort()
    return [a.output_nr, b.output_nr, c.output_nr, a.grad_fn is c.grad_fn, values.output_nr]


def p_grad_fn_of_leaf_view_and_clone(torch: Any) -> list[Any]:
    x = torch.ones(2, 3, requires_grad=True)
    return [name(y.grad_fn) for y in (x.view(3, 2), x.clone(), x[0], x.t(), x.T, x.reshape(6))]


def p_grad_fn_is_one_object(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    z = y + x
    return [
        y.grad_fn is y.grad_fn,
        z.grad_fn.next_functions[0][0] is y.grad_fn,
        y.grad_fn.next_functions[0][0] is z.grad_fn.next_functions[1][0],
        graph(z.grad_fn),
    ]


def p_grad_fn_outlives_tensor(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    node = (x * 3).grad_fn
    return [node.name(), node(torch.ones(2))]


def p_tensor_with_0_dims_prints(torch: Any) -> list[Any]:
    x = torch.tensor(2.0, requires_grad=True)
    return [repr(x), repr(x * 3), repr((x * 3).detach()), str(x.grad_fn)]


def p_print_of_grad_fn(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    return [repr((x + 1).grad_fn), str((x * x).sum().grad_fn), repr(x.exp().mean())]


def p_clone_and_new_tensors(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    return [
        x.clone().grad_fn,
        torch.zeros_like(x).requires_grad,
        torch.ones_like(x, requires_grad=True).requires_grad,
        x.new_zeros(2).requires_grad,
        torch.tensor(x.tolist()).requires_grad,
    ]


def p_tensor_of_tensor_detaches(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    made = torch.tensor(x)
    return [made.requires_grad, made.is_leaf, warned(lambda: torch.tensor(x))]


def p_as_tensor_keeps_the_object(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    cast = torch.as_tensor(x, dtype=torch.float64)
    return [torch.as_tensor(x) is x, cast.grad_fn]


def p_numpy_and_item_of_graph_tensors(torch: Any) -> list[Any]:
    x = torch.tensor([1.0], requires_grad=True)
    return [
        raises(lambda: x.numpy()),
        raises(lambda: (x * 2).numpy()),
        (x * 2).item(),
        x.tolist(),
        x.detach().numpy(),
        float(x),
        int(x),
        bool(x),
    ]


def p_casts_are_recorded(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x.double()
    i = x.long()
    same = x.float()
    y.sum().backward()
    return [y.grad_fn, x.grad, i.requires_grad, i.grad_fn, same is x, x.to(torch.float32) is x]


def p_comparison_results_do_not_require(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 3.0], requires_grad=True)
    return [(x > 2).requires_grad, x.argmax().requires_grad, (x == x).grad_fn, x.sign().grad_fn]


def p_set_grad_none_by_zero(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    (x * 3).sum().backward()
    x.grad.zero_()
    (x * 2).sum().backward()
    x.grad.data.zero_()
    after = x.grad.clone()
    (x * 5).sum().backward()
    return [after, x.grad, x.grad._version]


def p_in_place_on_leaf(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)

    def augmented() -> None:
        nonlocal x
        x += 1

    def item() -> None:
        x[0] = 3

    return [raises(lambda: x.add_(1)), raises(augmented), raises(item), x._version, x]


def p_in_place_on_view_of_leaf(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    return [raises(lambda: x[0].add_(1)), raises(lambda: x.view(2).zero_()), x]


def p_in_place_turns_plain_into_result(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    plain = torch.ones(2)
    plain.mul_(x)
    plain.sum().backward()
    return [plain.requires_grad, plain.is_leaf, plain.grad_fn, x.grad]


def p_item_assignment_into_plain(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = torch.zeros(3)
    y[0] = x[0] ** 2 + 2 * x[1] + x[2]
    y[1] = x[0] * x[1]
    y.backward(torch.ones(3))
    return [x.grad, y, name(y.grad_fn)]


def p_requires_grad_after_use(torch: Any) -> list[Any]:
    x = torch.ones(2)
    before = x * 2
    x.requires_grad_()
    after = x * 2
    return [before.requires_grad, after.requires_grad]


def p_requires_grad_switched_off_after_use(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 2
    x.requires_grad_(False)
    return [raises(lambda: y.sum().backward()), x.grad]


def p_set_requires_grad_of_view_of_plain(torch: Any) -> list[Any]:
    x = torch.ones(2)
    v = x[0]
    v.requires_grad_()
    return [v.requires_grad, x.requires_grad, v.is_leaf, v.grad_fn]


def p_new_attributes_of_results(torch: Any) -> list[Any]:
    x = torch.ones(2, 3, requires_grad=True)
    y = x.sum(0)
    return [y.is_leaf, y.ndim, y.numel(), y.names if hasattr(y, "names") else (None,), len(y)]


def p_hash_and_identity(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    table = {x: "x"}
    return [table[x], x in table, (x * 1) in table, len({x, x})]


def p_is_same_after_set_data_version(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        x.add_(1)
        x.mul_(2)
    seen = x._version
    x.data = torch.zeros(2)
    return [seen, x._version]


def p_data_set_on_result(torch: Any) -> list[Any]:
    x = torch.ones(2, requires_grad=True)
    y = x * 3
    y.data = torch.full((2,), 7.0)
    (y * y).sum().backward()
    return [y, x.grad, name(y.grad_fn)]
