"""Programs on item assignment: every kind of index and value, into leaves, results and plain."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.torch_parity.harness import graph, name, raises, variants
from tests.torch_parity.programs_indexing import INDICES, cube


@variants(**INDICES)
def p_number(torch: Any, index: Any) -> list[Any]:
    x = cube(torch).clone()
    error = raises(lambda: x.__setitem__(index(torch), -1.0))
    return [error, None if error.kind else x, x._version if error.kind is None else None]


@variants(**INDICES)
def p_number_into_result(torch: Any, index: Any) -> list[Any]:
    leaf = cube(torch).clone().requires_grad_()
    x = leaf * 1
    error = raises(lambda: x.__setitem__(index(torch), -1.0))
    if error.kind is not None:
        return [error]
    observed = [error, x, name(x.grad_fn), graph(x.grad_fn), x._version]
    (x * x).sum().backward()
    return [*observed, leaf.grad]


@variants(**{k: v for k, v in INDICES.items() if "repeated" not in k and k != "tensor"})
def p_tracked_values(torch: Any, index: Any) -> list[Any]:
    x = cube(torch).clone()
    results: list[Any] = []
    error = raises(lambda: results.append(x[index(torch)]))
    if not results or isinstance(index(torch), bool):
        return [error]
    value = torch.arange(1.0, 1.0 + results[0].numel()).reshape(results[0].shape)
    value.requires_grad_()
    error = raises(lambda: x.__setitem__(index(torch), value * value))
    observed = [error, x, name(x.grad_fn), graph(x.grad_fn)]
    if x.requires_grad:
        (x * x).sum().backward()
    return [*observed, value.grad]


@variants(
    row=lambda t, x, v: x.__setitem__(0, v[0]),
    broadcast_row=lambda t, x, v: x.__setitem__(slice(None), v[0]),
    broadcast_column=lambda t, x, v: x.__setitem__(slice(None), v[:, :1]),
    broadcast_one=lambda t, x, v: x.__setitem__(slice(1, None), v[0, :1]),
    broadcast_0d=lambda t, x, v: x.__setitem__(slice(1, None), v[0, 0]),
    leading_ones=lambda t, x, v: x.__setitem__(0, v[0].view(1, 1, 3)),
    leading_ones_list=lambda t, x, v: x.__setitem__([0, 1], v.view(1, 2, 3)),
    element=lambda t, x, v: x.__setitem__((1, 2), v[0, 1]),
    element_from_one=lambda t, x, v: x.__setitem__((1, 2), v[0, :1]),
    element_from_one_2d=lambda t, x, v: x.__setitem__((1, 2), v[:1, :1]),
    list_row=lambda t, x, v: x.__setitem__([1], v[0]),
    list_0d=lambda t, x, v: x.__setitem__([0, 1], v[0, 0]),
    list_column=lambda t, x, v: x.__setitem__((slice(None), [0, 2]), v[:, :1]),
    list_repeated=lambda t, x, v: x.__setitem__([0, 0], v),
    mask=lambda t, x, v: x.__setitem__(t.tensor([False, True]), v[0]),
    mask_2d=lambda t, x, v: x.__setitem__(v.detach() > 3, v[0]),
    mask_2d_0d=lambda t, x, v: x.__setitem__(v.detach() > 3, v[0, 0]),
    mask_2d_one=lambda t, x, v: x.__setitem__(v.detach() > 3, v[0, :1]),
    mask_where=lambda t, x, v: x.__setitem__(x > 0, v[x > 0]),
    true=lambda t, x, v: x.__setitem__(True, v[0]),
    false=lambda t, x, v: x.__setitem__(False, v[0]),
    none=lambda t, x, v: x.__setitem__(None, v),
    ellipsis=lambda t, x, v: x.__setitem__(Ellipsis, v),
    empty_tuple=lambda t, x, v: x.__setitem__((), v),
    diagonal=lambda t, x, v: x.diagonal().__setitem__(slice(None), v[0, :2]),
    swapped=lambda t, x, v: x.__setitem__([0, 1], x[[1, 0]] + v),
    chained=lambda t, x, v: x[1].__setitem__(slice(1, None), v[0, :2]),
    chained_list=lambda t, x, v: x[[1]].__setitem__(slice(None), v[0]),
    own_row=lambda t, x, v: x.__setitem__(0, x[1] + v[0]),
    augmented=lambda t, x, v: x.__setitem__(0, x[0].__iadd__(v[0])),
    augmented_list=lambda t, x, v: x.__setitem__([0, 1], x[[0, 1]].__iadd__(v)),
)
def p_values_of_other_shape(torch: Any, write: Any) -> list[Any]:
    value = torch.arange(1.0, 7.0).reshape(2, 3).requires_grad_()
    observed: list[Any] = []
    for tracked in (False, True):
        leaf = (torch.arange(6.0).reshape(2, 3) - 2).requires_grad_(tracked)
        x = leaf * 1
        value.grad = None
        observed += [raises(lambda x=x: write(torch, x, value)), x, graph(x.grad_fn), x._version]
        if x.requires_grad:
            (x * x).sum().backward()
        observed += [value.grad, leaf.grad]
    return observed


@variants(
    int=lambda t: 3,
    float=lambda t: 2.5,
    bool=lambda t: True,
    complex=lambda t: 1j,
    numpy_float=lambda t: np.float64(2.5),
    numpy_int=lambda t: np.int32(2),
    array=lambda t: np.array([1.0, 2.0, 3.0]),
    list=lambda t: [1.0, 2.0, 3.0],
    tuple=lambda t: (1.0, 2.0, 3.0),
    none=lambda t: None,
    string=lambda t: "1",
    double=lambda t: t.tensor([1.5, 2.5, 3.5], dtype=t.float64),
    double_0d=lambda t: t.tensor(1.5, dtype=t.float64),
    int_tensor=lambda t: t.tensor([1, 2, 3]),
    bool_tensor=lambda t: t.tensor([True, False, True]),
    complex_tensor=lambda t: t.tensor([1j, 2.0, 3.0]),
    complex_0d=lambda t: t.tensor(1j),
    wrong_shape=lambda t: t.ones(2),
    wrong_shape_2d=lambda t: t.ones(3, 3),
    empty=lambda t: t.ones(0),
)
def p_kinds_of_value(torch: Any, make: Any) -> list[Any]:
    observed: list[Any] = []
    for dtype in (torch.float32, torch.int64, torch.bool, torch.complex64, torch.uint8):
        for index in (0, slice(0, 1), [0], torch.tensor([True, False]), (0, slice(None))):
            x = torch.zeros(2, 3, dtype=dtype)
            observed.append(raises(lambda x=x, index=index: x.__setitem__(index, make(torch))))
            observed.append(x)
    return observed


@variants(
    number=lambda t, x: x.__setitem__(0, 1.0),
    slice=lambda t, x: x.__setitem__(slice(1, None), 1.0),
    list=lambda t, x: x.__setitem__([0], 1.0),
    mask=lambda t, x: x.__setitem__(x > 0, 1.0),
    all=lambda t, x: x.__setitem__(slice(None), t.zeros(3)),
    ellipsis=lambda t, x: x.__setitem__(Ellipsis, t.zeros(3)),
    through_view=lambda t, x: x.view(3, 1).__setitem__(0, 1.0),
    false=lambda t, x: x.__setitem__(False, 1.0),
    empty=lambda t, x: x.__setitem__(slice(3, None), 1.0),
)
def p_into_leaf(torch: Any, write: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    error = raises(lambda: write(torch, x))
    with torch.no_grad():
        allowed = raises(lambda: write(torch, x))
    return [error, allowed, x, x._version, x.is_leaf]


def p_functions_into_plain(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = torch.zeros(3)
    y[0] = x[0] ** 2 + 2 * x[1] + x[2]
    y[1] = x[0] + x[1] ** 3 + x[2] ** 2
    y[2] = 2 * x[0] + x[1] ** 2 + x[2] ** 3
    y.backward(torch.ones(3))
    return [y, x.grad, graph(y.grad_fn, 9)]


def p_rows_written_in_a_loop(torch: Any) -> list[Any]:
    w = torch.tensor([[0.5, 0.1], [-0.2, 0.3]], requires_grad=True)
    states = torch.zeros(4, 2)
    states[0] = torch.tensor([1.0, 2.0])
    state = states[0].clone()
    for k in range(1, 4):
        state = torch.tanh(w @ state)
        states[k] = state
    states.sum().backward()
    return [states, w.grad]


def p_recurrence_in_one_buffer(torch: Any) -> list[Any]:
    a = torch.tensor(0.5, requires_grad=True)
    x = torch.zeros(5)
    x[0] = 1.0
    for k in range(1, 5):
        x[k] = a * x[k - 1].clone()
    observed = [x, name(x.grad_fn)]
    x.sum().backward()
    return [*observed, a.grad]


def p_recurrence_without_clone_fails(torch: Any) -> list[Any]:
    a = torch.tensor(0.5, requires_grad=True)
    x = torch.zeros(5)
    x[0] = 1.0
    for k in range(1, 5):
        x[k] = a * x[k - 1]
    return [raises(lambda: x.sum().backward()), a.grad]


def p_deletion_is_refused(torch: Any) -> list[Any]:
    x = torch.zeros(3)
    return [raises(lambda: x.__delitem__(0))]


def p_duplicate_assignment_keeps_one(torch: Any) -> list[Any]:
    x = torch.zeros(3)
    x[[1, 1, 1]] = torch.tensor([5.0, 6.0, 7.0])
    x.index_put_((torch.tensor([0, 0]),), torch.tensor([1.0, 2.0]), accumulate=True)
    return [x]


def p_augmented_assignment_by_list_does_not_accumulate(torch: Any) -> list[Any]:
    x = torch.zeros(3)
    x[[1, 1, 1]] += 1
    return [x, x._version]


def p_augmented_assignment_of_row(torch: Any) -> list[Any]:
    leaf = torch.arange(6.0).reshape(2, 3).requires_grad_()
    x = leaf * 1
    x[0] *= 3
    x[:, 1] += 10
    x[x.detach() > 12] = 0
    observed = [x, graph(x.grad_fn, 12), x._version]
    (x * x).sum().backward()
    return [*observed, leaf.grad]
