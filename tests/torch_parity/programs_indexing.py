"""Programs on reading by index: every kind of index, its result, its history and its gradient."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.torch_parity.harness import graph, name, raises, variants, warned
from tests.torch_parity.programs_views import strides


def cube(torch: Any) -> Any:
    """Return a tensor (4, 3, 5) with distinct values."""
    return torch.arange(60.0).reshape(4, 3, 5)


# Each entry makes an index of a tensor (4, 3, 5).
INDICES = {
    "int": lambda t: 1,
    "negative": lambda t: -1,
    "ints": lambda t: (1, 2),
    "all_ints": lambda t: (1, 2, 3),
    "numpy_int": lambda t: np.int64(2),
    "bool_true": lambda t: True,
    "bool_false": lambda t: False,
    "numpy_bool": lambda t: np.True_,
    "true_and_int": lambda t: (True, 1),
    "slice_all": lambda t: slice(None),
    "slice": lambda t: slice(1, 3),
    "slice_negative": lambda t: slice(-2, None),
    "slice_past_end": lambda t: slice(2, 100),
    "slice_before_start": lambda t: slice(-100, 2),
    "slice_empty": lambda t: slice(3, 1),
    "slice_step": lambda t: slice(None, None, 2),
    "slice_step_big": lambda t: slice(1, None, 10),
    "slice_of_tensors": lambda t: slice(t.tensor(1), t.tensor(3)),
    "slices": lambda t: (slice(1, 3), slice(None), slice(1, 4, 2)),
    "slice_int": lambda t: (slice(1, 3), 1),
    "int_slice": lambda t: (1, slice(1, 3)),
    "int_slice_int": lambda t: (1, slice(1, 3), -1),
    "none": lambda t: None,
    "none_int": lambda t: (None, 1),
    "int_none": lambda t: (1, None),
    "nones": lambda t: (None, slice(None), None, 1, None),
    "ellipsis": lambda t: Ellipsis,
    "ellipsis_int": lambda t: (Ellipsis, 1),
    "int_ellipsis": lambda t: (1, Ellipsis),
    "int_ellipsis_int": lambda t: (1, Ellipsis, 2),
    "int_ellipsis_int_int": lambda t: (1, Ellipsis, 2, 3),
    "ellipsis_none": lambda t: (Ellipsis, None),
    "ellipsis_slice": lambda t: (Ellipsis, slice(1, 3)),
    "two_ellipses": lambda t: (Ellipsis, 1, Ellipsis),
    "empty_tuple": lambda t: (),
    "list": lambda t: [0, 2],
    "list_negative": lambda t: [-1, 0],
    "list_repeated": lambda t: [1, 1, 0, 1],
    "list_empty": lambda t: [],
    "list_of_lists": lambda t: [[0, 1], [2, 3]],
    "list_one": lambda t: [1],
    "list_of_bools": lambda t: [True, False, True, False],
    "list_of_slices": lambda t: [slice(1, 2), slice(None)],
    "list_with_none": lambda t: [None, 1],
    "list_of_tensors": lambda t: [t.tensor([0, 1]), t.tensor([1, 2])],
    "list_mixed": lambda t: [t.tensor([0, 1]), 1],
    "tuple_of_lists": lambda t: ([0, 1], [1, 2]),
    "tensor": lambda t: t.tensor([0, 2, 2]),
    "tensor_2d": lambda t: t.tensor([[0, 1], [3, 2]]),
    "tensor_0d": lambda t: t.tensor(2),
    "tensor_0d_negative": lambda t: t.tensor(-1),
    "tensor_0d_in_tuple": lambda t: (slice(None), t.tensor(1)),
    "tensor_0d_pair": lambda t: (t.tensor(1), t.tensor(2)),
    "tensor_0d_uint8": lambda t: t.tensor(1, dtype=t.uint8),
    "tensor_0d_bool": lambda t: t.tensor(True),
    "tensor_0d_bool_false": lambda t: t.tensor(False),
    "tensor_0d_float": lambda t: t.tensor(1.0),
    "tensor_int32": lambda t: t.tensor([0, 2], dtype=t.int32),
    "tensor_int16": lambda t: t.tensor([0, 2], dtype=t.int16),
    "tensor_int8": lambda t: t.tensor([0, 2], dtype=t.int8),
    "tensor_float": lambda t: t.tensor([0.0, 2.0]),
    "tensor_empty": lambda t: t.tensor([], dtype=t.int64),
    "tensor_empty_float": lambda t: t.tensor([]),
    "array": lambda t: np.array([0, 2]),
    "array_0d": lambda t: np.array(2),
    "array_bool": lambda t: np.array([True, False, False, True]),
    "range": lambda t: range(2),
    "range_in_tuple": lambda t: (slice(None), range(2)),
    "mask": lambda t: t.tensor([True, False, False, True]),
    "mask_none": lambda t: t.zeros(4, dtype=t.bool),
    "mask_2d": lambda t: t.arange(12).reshape(4, 3) % 5 == 0,
    "mask_3d": lambda t: t.arange(60).reshape(4, 3, 5) % 7 == 0,
    "mask_second": lambda t: (slice(None), t.tensor([True, False, True])),
    "mask_last_two": lambda t: (1, t.arange(15).reshape(3, 5) > 9),
    "mask_uint8": lambda t: t.tensor([1, 0, 0, 1], dtype=t.uint8),
    "mask_uint8_2d": lambda t: (t.arange(12).reshape(4, 3) % 5 == 0).to(t.uint8),
    "mask_and_list": lambda t: (t.tensor([True, False, True, False]), [0, 1]),
    "mask_and_int": lambda t: (t.tensor([True, False, True, False]), 1),
    "pair": lambda t: (t.tensor([0, 1, 3]), t.tensor([2, 0, 1])),
    "pair_broadcast": lambda t: (t.tensor([[0], [3]]), t.tensor([2, 0, 1])),
    "triple": lambda t: (t.tensor([0, 3]), t.tensor([2, 0]), t.tensor([4, 1])),
    "list_slice": lambda t: ([0, 2], slice(1, 3)),
    "slice_list": lambda t: (slice(1, 3), [0, 2]),
    "list_slice_list": lambda t: ([0, 3], slice(None), [4, 1]),
    "slice_list_list": lambda t: (slice(None), [0, 2], [4, 1]),
    "list_int": lambda t: ([0, 2], 1),
    "int_list": lambda t: (1, [0, 2]),
    "int_slice_list": lambda t: (1, slice(None), [0, 2]),
    "list_slice_int": lambda t: ([0, 2], slice(None), 1),
    "slice_int_list": lambda t: (slice(None), 1, [0, 2]),
    "list_none": lambda t: ([0, 2], None),
    "none_list": lambda t: (None, [0, 2]),
    "list_none_list": lambda t: ([0, 2], None, [1, 2]),
    "list_ellipsis": lambda t: ([0, 2], Ellipsis),
    "ellipsis_list": lambda t: (Ellipsis, [0, 2]),
    "ellipsis_list_list": lambda t: (Ellipsis, [0, 2], [1, 3]),
    "list_ellipsis_list": lambda t: ([0, 2], Ellipsis, [1, 3]),
    "list_bool": lambda t: ([0, 2], True),
}


@variants(**INDICES)
def p_read(torch: Any, index: Any) -> list[Any]:
    leaf = cube(torch).clone().requires_grad_()
    x = leaf * 1
    results: list[Any] = []
    error = raises(lambda: results.append(x[index(torch)]))
    if not results:
        return [error]
    y = results[0]
    observed = [y, name(y.grad_fn), graph(y.grad_fn), y._is_view(), strides(y), y.is_contiguous()]
    weights = torch.arange(1.0, 1.0 + y.numel()).reshape(y.shape)
    (y * weights).sum().backward()
    return [*observed, leaf.grad]


@variants(**{k: v for k, v in INDICES.items() if not k.startswith("bool_false")})
def p_second_order(torch: Any, index: Any) -> list[Any]:
    leaf = (cube(torch) / 10).requires_grad_()
    results: list[Any] = []
    error = raises(lambda: results.append(leaf[index(torch)]))
    if not results:
        return [error]
    (g,) = torch.autograd.grad((results[0] ** 3).sum(), leaf, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum(), leaf)
    return [g, h]


@variants(**INDICES)
def p_read_integers(torch: Any, index: Any) -> list[Any]:
    x = torch.arange(60).reshape(4, 3, 5)
    results: list[Any] = []
    error = raises(lambda: results.append(x[index(torch)]))
    return [error, *results]


ERRORS = {
    "int": lambda t: 4,
    "int_negative": lambda t: -5,
    "int_second": lambda t: (0, 3),
    "too_many": lambda t: (0, 0, 0, 0),
    "too_many_slices": lambda t: (slice(None),) * 4,
    "too_many_with_ellipsis": lambda t: (0, 0, Ellipsis, 0, 0),
    "list": lambda t: [0, 4],
    "list_negative": lambda t: [-5],
    "list_second": lambda t: (slice(None), [0, 3]),
    "tensor": lambda t: t.tensor([0, 7]),
    "tensor_0d": lambda t: t.tensor(4),
    "not_broadcastable": lambda t: (t.tensor([0, 1]), t.tensor([0, 1, 2])),
    "mask_length": lambda t: t.tensor([True, False]),
    "mask_second": lambda t: (slice(None), t.tensor([True, False])),
    "mask_2d": lambda t: t.ones(4, 2, dtype=t.bool),
    "mask_4d": lambda t: t.ones(4, 3, 5, 1, dtype=t.bool),
    "mask_list_length": lambda t: [True, False],
    "mask_pair": lambda t: (t.ones(4, dtype=t.bool), t.ones(3, dtype=t.bool)),
    "float": lambda t: 1.0,
    "float_in_tuple": lambda t: (1.0, 2),
    "float_list": lambda t: [1.0, 2.0],
    "float_tensor": lambda t: t.tensor([1.0]),
    "complex": lambda t: 1j,
    "string": lambda t: "a",
    "string_in_tuple": lambda t: (0, "a"),
    "dict": lambda t: {},
    "zero_step": lambda t: slice(None, None, 0),
    "slice_float": lambda t: slice(0.5, 2),
    "slice_string": lambda t: slice("a", None),
    "ragged_list": lambda t: [[0, 1], [2]],
    "list_of_strings": lambda t: ["a"],
}


@variants(**ERRORS)
def p_error(torch: Any, index: Any) -> list[Any]:
    x = cube(torch)
    error = raises(lambda: x[index(torch)])
    y = x.clone()
    return [error, raises(lambda: y.__setitem__(index(torch), 0.0))]


@variants(
    int=lambda x: x[0],
    slice=lambda x: x[1:],
    slices=lambda x: x[:, :],
    ellipsis=lambda x: x[...],
    none=lambda x: x[None],
    list=lambda x: x[[0]],
    mask=lambda x: x[x > 0],
    true=lambda x: x[True],
    empty=lambda x: x[()],
    ellipsis_none=lambda x: x[..., None],
    item_assignment=lambda x: x.__setitem__(0, 1.0),
    all_assignment=lambda x: x.__setitem__(Ellipsis, 1.0),
    slice_assignment=lambda x: x.__setitem__(slice(None), 1.0),
)
def p_of_scalar_and_vector(torch: Any, read: Any) -> list[Any]:
    observed: list[Any] = []
    for shape in ((), (2,), (0,), (2, 0)):
        x = torch.ones(shape)
        results: list[Any] = []
        observed.append(raises(lambda x=x: results.append(read(x))))  # noqa: B023
        observed += results
    return observed


def p_uint8_mask_warns(torch: Any) -> list[Any]:
    x = torch.arange(4.0)
    mask = torch.tensor([1, 0, 0, 1], dtype=torch.uint8)
    return [warned(lambda: x[mask]), x[mask], raises(lambda: x.__setitem__(mask, 1.0))]


def p_names_of_chains(torch: Any) -> list[Any]:
    x = cube(torch).requires_grad_()
    reads = [
        x[0, 1, 2],
        x[0, 1:],
        x[:, None],
        x[None, ..., 0],
        x[1:, [0]],
        x[[0], 1:],
        x[0, [0]],
        x[True, 0],
        x[...],
        x[:],
        x[:, :],
        x[()],
        x[::2, ::2],
        x[x.detach() > 3],
        x[torch.tensor(1)],
        x[torch.tensor(1), torch.tensor(2)],
    ]
    return [graph(y.grad_fn) for y in reads]


FUNCTIONS = {
    "index_select": lambda t, x: t.index_select(x, 1, t.tensor([2, 0, 0])),
    "index_select_method": lambda t, x: x.index_select(-1, t.tensor([4])),
    "index_select_0d": lambda t, x: x.index_select(0, t.tensor(1)),
    "index_select_int32": lambda t, x: x.index_select(0, t.tensor([1], dtype=t.int32)),
    "gather": lambda t, x: t.gather(x, 2, t.tensor([[[4, 0, 0]]]).expand(4, 3, 3)),
    "gather_smaller": lambda t, x: x.gather(0, t.tensor([[[3, 0]], [[1, 1]]])),
    "gather_empty": lambda t, x: x.gather(0, t.zeros(0, 3, 5, dtype=t.int64)),
    "take": lambda t, x: t.take(x, t.tensor([[0, 59], [-1, 7]])),
    "take_repeated": lambda t, x: x.take(t.tensor([3, 3, 3])),
    "take_along_dim": lambda t, x: t.take_along_dim(x, x.detach().argsort(1), 1),
    "take_along_dim_flat": lambda t, x: t.take_along_dim(x, t.tensor([1, 5])),
    "take_along_dim_broadcast": lambda t, x: x.take_along_dim(t.tensor([[[1]]]), 1),
    "masked_select": lambda t, x: t.masked_select(x, x.detach() % 7 == 0),
    "masked_select_broadcast": lambda t, x: x.masked_select(t.tensor([True, False] * 2 + [True])),
    "masked_fill": lambda t, x: x.masked_fill(x.detach() % 7 == 0, -1.0),
    "masked_fill_broadcast": lambda t, x: x.masked_fill(t.tensor([[True], [False], [True]]), -1),
    "masked_fill_tensor": lambda t, x: x.masked_fill(x.detach() > 3, x.sum()),
    "masked_scatter": lambda t, x: x.masked_scatter(x.detach() % 7 == 0, x.flatten()[10:30]),
    "scatter": lambda t, x: x.scatter(0, t.tensor([[[3, 0]], [[1, 1]]]), x[:2, :1, :2] * 2),
    "scatter_number": lambda t, x: x.scatter(0, t.tensor([[[3, 0]], [[1, 1]]]), 5.0),
    "scatter_add": lambda t, x: x.scatter_add(1, t.zeros(4, 3, 5, dtype=t.int64), x * 2),
    "scatter_reduce_add": lambda t, x: x.detach().scatter(
        1, t.zeros(4, 3, 5, dtype=t.int64), x.detach() * 2, reduce="add"
    ),
    "index_add": lambda t, x: x.index_add(0, t.tensor([1, 1, 3]), x[:3]),
    "index_add_alpha": lambda t, x: t.index_add(x, 1, t.tensor([1]), x[:, :1], alpha=-2),
    "index_copy": lambda t, x: x.index_copy(0, t.tensor([1, 3]), x[:2] * 3),
    "index_fill": lambda t, x: x.index_fill(1, t.tensor([0, 2]), 9.0),
    "index_put": lambda t, x: x.index_put((t.tensor([0, 1]), t.tensor([2, 2])), x[0, 0]),
    "index_put_accumulate": lambda t, x: x.index_put((t.tensor([1, 1]),), x[:2], accumulate=True),
    "select": lambda t, x: t.select(x, 1, -1),
    "narrow": lambda t, x: t.narrow(x, 2, 1, 3),
    "narrow_tensor": lambda t, x: x.narrow(2, t.tensor(1), 3),
    "select_scatter": lambda t, x: t.select_scatter(x, x[:, 0] * 2, 1, 2),
    "slice_scatter": lambda t, x: t.slice_scatter(x, x[:2] * 2, 0, 1, 3),
    "diagonal_scatter": lambda t, x: x.diagonal_scatter(x[0].t() * 2, 0, 0, 1),
    "where": lambda t, x: t.where(x.detach() > 30, x, -x),
    "argwhere": lambda t, x: t.argwhere(x.detach() > 55),
    "nonzero": lambda t, x: t.nonzero(x.detach() % 20),
    "nonzero_tuple": lambda t, x: (x.detach() > 55).nonzero(as_tuple=True),
    "count_nonzero": lambda t, x: t.count_nonzero(x.detach() > 55),
    "where_one": lambda t, x: t.where(x.detach() > 55),
    "roll": lambda t, x: x.roll(1, 0),
    "flip": lambda t, x: x.flip(0, 2),
    "tril": lambda t, x: x.tril(),
    "cat_of_rows": lambda t, x: t.cat([x[0], x[2], x[0]]),
}


@variants(**FUNCTIONS)
def p_function(torch: Any, call: Any) -> list[Any]:
    leaf = cube(torch).clone().requires_grad_()
    y = call(torch, leaf)
    if not isinstance(y, torch.Tensor) or not y.requires_grad:
        return [y]
    (g,) = torch.autograd.grad((y**3).sum(), leaf, create_graph=True)
    (h,) = torch.autograd.grad((g * g).sum() * 1e-6, leaf, allow_unused=True)
    return [y, name(y.grad_fn), y._is_view(), g, h]


FUNCTION_ERRORS = {
    "index_select_range": lambda t, x: x.index_select(0, t.tensor([4])),
    "index_select_dim": lambda t, x: x.index_select(3, t.tensor([0])),
    "index_select_float": lambda t, x: x.index_select(0, t.tensor([0.0])),
    "index_select_2d": lambda t, x: x.index_select(0, t.tensor([[0]])),
    "index_select_list": lambda t, x: x.index_select(0, [0]),
    "gather_range": lambda t, x: x.gather(0, t.full((1, 1, 1), 4)),
    "gather_dims": lambda t, x: x.gather(0, t.tensor([0])),
    "gather_size": lambda t, x: x.gather(0, t.zeros(1, 4, 1, dtype=t.int64)),
    "gather_int32": lambda t, x: x.gather(0, t.zeros(1, 1, 1, dtype=t.int32)),
    "gather_float": lambda t, x: x.gather(0, t.zeros(1, 1, 1)),
    "take_range": lambda t, x: x.take(t.tensor([60])),
    "take_float": lambda t, x: x.take(t.tensor([0.0])),
    "masked_select_int": lambda t, x: x.masked_select(t.ones(5, dtype=t.int64)),
    "masked_select_shape": lambda t, x: x.masked_select(t.ones(4, dtype=t.bool)),
    "masked_fill_int": lambda t, x: x.masked_fill(t.ones(5, dtype=t.int64), 0),
    "masked_fill_vector": lambda t, x: x.masked_fill(t.ones(5, dtype=t.bool), t.ones(1)),
    "scatter_range": lambda t, x: x.scatter(0, t.full((1, 1, 1), 4), 0.0),
    "scatter_dtype": lambda t, x: x.scatter(
        0, t.zeros(1, 1, 1, dtype=t.int64), t.ones(1, 1, 1).double()
    ),
    "scatter_size": lambda t, x: x.scatter(0, t.zeros(2, 1, 1, dtype=t.int64), t.ones(1, 1, 1)),
    "index_add_length": lambda t, x: x.index_add(0, t.tensor([0, 1]), x[:1]),
    "index_add_range": lambda t, x: x.index_add(0, t.tensor([9]), x[:1]),
    "index_add_range_1d": lambda t, x: x[0, 0].index_add(0, t.tensor([9]), x[0, 0, :1]),
    "index_add_negative": lambda t, x: x.index_add(0, t.tensor([-1]), x[:1]),
    "index_copy_range": lambda t, x: x.index_copy(0, t.tensor([9]), x[:1]),
    "index_fill_range": lambda t, x: x.index_fill(0, t.tensor([9]), 1.0),
    "index_fill_negative": lambda t, x: x.index_fill(0, t.tensor([-1]), 1.0),
    "index_add_dtype": lambda t, x: x.index_add(0, t.tensor([0]), x[:1].double()),
    "index_add_shape": lambda t, x: x.index_add(0, t.tensor([0]), x[:1, :2]),
    "where_shapes": lambda t, x: t.where(x > 0, t.ones(2), x),
    "where_condition": lambda t, x: t.where(x, x, x),
    "nonzero_of_0d": lambda t, x: t.nonzero(x[0, 0, 0]),
}


@variants(**FUNCTION_ERRORS)
def p_function_error(torch: Any, call: Any) -> list[Any]:
    return [raises(lambda: call(torch, cube(torch)))]


def p_duplicates_accumulate_in_order(torch: Any) -> list[Any]:
    leaf = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    index = torch.tensor([0, 2, 0, 0, 2])
    (leaf[index] * torch.tensor([1e8, 1.0, 1.0, -1e8, 1.0])).sum().backward()
    return [leaf.grad.shape, leaf.grad[2], bool(leaf.grad[1] == 0)]


def p_embedding_of_tokens(torch: Any) -> list[Any]:
    table = torch.arange(12.0).reshape(4, 3).requires_grad_()
    tokens = torch.tensor([[0, 1, 1], [3, 3, 3]])
    y = table[tokens]
    (y * y).sum().backward()
    return [y, table.grad]


def p_pick_labels(torch: Any) -> list[Any]:
    logits = torch.arange(12.0).reshape(4, 3).requires_grad_()
    labels = torch.tensor([0, 2, 1, 2])
    loss = -logits.log_softmax(1)[range(4), labels].mean()
    loss.backward()
    return [loss, name(logits.log_softmax(1)[torch.arange(4), labels].grad_fn), logits.grad]


def p_index_of_0d_tensor_as_int(torch: Any) -> list[Any]:
    rows = ["a", "b", "c"]
    return [
        rows[torch.tensor(1)],
        list(range(torch.tensor(3))),
        raises(lambda: rows[torch.tensor(1.0)]),
    ]
