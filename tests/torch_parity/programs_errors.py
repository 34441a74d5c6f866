"""Programs on the errors of operators: class and first sentence, and that nothing was changed."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import raises, variants

OPERATORS: dict[str, Any] = {
    "add_shapes": lambda t: t.ones(2, 3) + t.ones(2, 4),
    "mul_shapes": lambda t: t.ones(2, 3) * t.ones(3, 2),
    "sub_shapes_1d": lambda t: t.ones(3) - t.ones(4),
    "div_shapes": lambda t: t.ones(5, 2, 3) / t.ones(4, 1, 3),
    "pow_shapes": lambda t: t.ones(3) ** t.ones(4),
    "maximum_shapes": lambda t: t.maximum(t.ones(3), t.ones(4)),
    "compare_shapes": lambda t: t.ones(3) > t.ones(4),
    "where_shapes": lambda t: t.where(t.ones(3) > 0, t.ones(3), t.ones(4)),
    "matmul_shapes": lambda t: t.ones(2, 3) @ t.ones(2, 3),
    "matmul_vector": lambda t: t.ones(2, 3) @ t.ones(2),
    "matmul_vectors": lambda t: t.ones(2) @ t.ones(3),
    "matmul_scalar": lambda t: t.ones(()) @ t.ones(3),
    "matmul_batched": lambda t: t.ones(2, 3, 4) @ t.ones(3, 4, 5),
    "matmul_dtypes": lambda t: t.ones(2, 2) @ t.ones(2, 2, dtype=t.float64),
    "mm_dims": lambda t: t.ones(2, 3).mm(t.ones(3)),
    "mm_shapes": lambda t: t.ones(2, 3).mm(t.ones(2, 3)),
    "mv_shapes": lambda t: t.ones(2, 3).mv(t.ones(2)),
    "dot_dims": lambda t: t.ones(2, 3).dot(t.ones(3)),
    "dot_sizes": lambda t: t.ones(2).dot(t.ones(3)),
    "bmm_dims": lambda t: t.bmm(t.ones(2, 3), t.ones(3, 2)),
    "bmm_shapes": lambda t: t.bmm(t.ones(2, 3, 4), t.ones(2, 3, 4)),
    "addmm_shapes": lambda t: t.addmm(t.ones(2), t.ones(2, 3), t.ones(2, 3)),
    "sum_dim": lambda t: t.ones(2, 3).sum(2),
    "sum_negative_dim": lambda t: t.ones(2, 3).sum(-3),
    "sum_dim_twice": lambda t: t.ones(2, 3).sum((0, 0)),
    "mean_of_integers": lambda t: t.ones(2, dtype=t.int64).mean(),
    "mean_dim": lambda t: t.ones(2).mean(1),
    "max_dim": lambda t: t.ones(2).max(1),
    "max_of_empty": lambda t: t.ones(0).max(),
    "argmax_of_empty": lambda t: t.ones(0).argmax(),
    "min_dim_of_empty": lambda t: t.ones(0, 3).min(0),
    "view_size": lambda t: t.ones(2, 3).view(4),
    "view_two_unknown": lambda t: t.ones(2, 3).view(-1, -1),
    "view_not_divisible": lambda t: t.ones(2, 3).view(-1, 4),
    "view_of_transposed": lambda t: t.ones(2, 3).t().view(6),
    "reshape_size": lambda t: t.ones(2, 3).reshape(4),
    "reshape_negative": lambda t: t.ones(2, 3).reshape(-2, 3),
    "expand_size": lambda t: t.ones(2, 3).expand(2, 4),
    "expand_fewer": lambda t: t.ones(2, 3).expand(3),
    "expand_negative": lambda t: t.ones(3).expand(-1, 3),
    "t_of_3d": lambda t: t.ones(2, 3, 4).t(),
    "transpose_dim": lambda t: t.ones(2, 3).transpose(0, 2),
    "permute_number": lambda t: t.ones(2, 3).permute(0),
    "permute_twice": lambda t: t.ones(2, 3).permute(0, 0),
    "squeeze_dim": lambda t: t.ones(2, 3).squeeze(2),
    "unsqueeze_dim": lambda t: t.ones(2, 3).unsqueeze(4),
    "index_range": lambda t: t.ones(2, 3)[2],
    "index_negative_range": lambda t: t.ones(2, 3)[-3],
    "index_too_many": lambda t: t.ones(2, 3)[0, 0, 0],
    "index_scalar": lambda t: t.ones(())[0],
    "index_list_range": lambda t: t.ones(2, 3)[[0, 2]],
    "index_float": lambda t: t.ones(2, 3)[1.0],
    "index_text": lambda t: t.ones(2, 3)["a"],
    "index_mask_shape": lambda t: t.ones(2, 3)[t.ones(3, dtype=t.bool)],
    "index_float_tensor": lambda t: t.ones(2, 3)[t.ones(1)],
    "index_step": lambda t: t.ones(4)[::0],
    "select_range": lambda t: t.ones(2, 3).select(0, 2),
    "narrow_range": lambda t: t.ones(3).narrow(0, 2, 2),
    "index_select_range": lambda t: t.ones(3).index_select(0, t.tensor([3])),
    "gather_range": lambda t: t.ones(3).gather(0, t.tensor([3])),
    "gather_dims": lambda t: t.ones(3).gather(0, t.tensor([[0]])),
    "gather_dtype": lambda t: t.ones(3).gather(0, t.tensor([0.0])),
    "cat_shapes": lambda t: t.cat([t.ones(2, 3), t.ones(2, 4)]),
    "cat_dims": lambda t: t.cat([t.ones(2, 3), t.ones(2)]),
    "cat_empty_list": lambda t: t.cat([]),
    "cat_scalars": lambda t: t.cat([t.ones(()), t.ones(())]),
    "stack_shapes": lambda t: t.stack([t.ones(2), t.ones(3)]),
    "stack_empty_list": lambda t: t.stack([]),
    "split_sizes": lambda t: t.ones(4).split([1, 2]),
    "split_negative": lambda t: t.ones(4).split(-1),
    "chunk_zero": lambda t: t.ones(4).chunk(0),
    "unbind_scalar": lambda t: t.ones(()).unbind(),
    "iterate_scalar": lambda t: list(t.ones(())),
    "len_scalar": lambda t: len(t.ones(())),
    "item_of_many": lambda t: t.ones(2).item(),
    "bool_of_many": lambda t: bool(t.ones(2)),
    "bool_of_empty": lambda t: bool(t.ones(0)),
    "float_of_many": lambda t: float(t.ones(2)),
    "int_of_many": lambda t: int(t.ones(2)),
    "index_of_float": lambda t: [1, 2][t.ones(())],
    "tensor_of_text": lambda t: t.tensor("a"),
    "tensor_ragged": lambda t: t.tensor([[1, 2], [3]]),
    "tensor_mixed": lambda t: t.tensor([1, "a"]),
    "tensor_none": lambda t: t.tensor(None),
    "tensor_deeper": lambda t: t.tensor([[1.0], 2.0]),
    "ones_negative": lambda t: t.ones(-1),
    "ones_text": lambda t: t.ones("a"),
    "eye_negative": lambda t: t.eye(-1),
    "arange_sign": lambda t: t.arange(1, 0),
    "arange_zero_step": lambda t: t.arange(0, 1, 0),
    "linspace_negative": lambda t: t.linspace(0, 1, -1),
    "from_numpy_text": lambda t: t.from_numpy("a"),
    "neg_of_bool": lambda t: -t.tensor([True]),
    "sub_of_bools": lambda t: t.tensor([True]) - t.tensor([False]),
    "sub_of_bool_and_number": lambda t: t.tensor([True]) - True,
    "bitwise_of_float": lambda t: t.ones(2) & t.ones(2),
    "invert_of_float": lambda t: ~t.ones(2),
    "shift_of_float": lambda t: t.ones(2) << 1,
    "integer_power": lambda t: t.tensor([2]) ** -1,
    "compare_complex": lambda t: t.tensor([1j]) > t.tensor([1j]),
    "softmax_of_integers": lambda t: t.ones(2, dtype=t.int64).softmax(0),
    "log_softmax_dim": lambda t: t.ones(2).log_softmax(1),
    "clamp_none": lambda t: t.ones(2).clamp(),
    "add_text": lambda t: t.ones(2) + "a",
    "add_none": lambda t: t.ones(2) + None,
    "add_list": lambda t: t.ones(2) + [1, 2],  # noqa: RUF005
    "mul_of_none": lambda t: t.mul(t.ones(2), None),
    "contains_text": lambda t: "a" in t.ones(2),
    "setitem_shape": lambda t: t.ones(2).__setitem__(0, t.ones(2)),
    "setitem_range": lambda t: t.ones(2).__setitem__(2, 1.0),
    "setitem_text": lambda t: t.ones(2).__setitem__(0, "a"),
    "in_place_shape": lambda t: t.ones(2).add_(t.ones(3)),
    "in_place_broadcast": lambda t: t.ones(2).add_(t.ones(2, 2)),
    "in_place_dtype": lambda t: t.ones(2, dtype=t.int64).add_(1.5),
    "in_place_float_into_integer": lambda t: t.ones(2, dtype=t.int64).mul_(t.ones(2)),
    "in_place_division_of_integers": lambda t: t.ones(2, dtype=t.int64).div_(2),
    "in_place_bool": lambda t: t.tensor([True]).add_(1),
    "exp_in_place_of_integers": lambda t: t.ones(2, dtype=t.int64).exp_(),
    "copy_shape": lambda t: t.ones(2).copy_(t.ones(3)),
    "fill_with_vector": lambda t: t.ones(2).fill_(t.ones(2)),
    "masked_fill_dtype": lambda t: t.ones(2).masked_fill(t.ones(2), 0.0),
    "masked_fill_shape": lambda t: t.ones(2).masked_fill(t.ones(3, dtype=t.bool), 0.0),
    "repeat_fewer": lambda t: t.ones(2, 3).repeat(2),
    "flip_dim": lambda t: t.ones(2).flip(1),
    "roll_number": lambda t: t.ones(2, 3).roll((1, 2), (0,)),
    "topk_k": lambda t: t.ones(2).topk(3),
    "kthvalue_k": lambda t: t.ones(2).kthvalue(3),
    "cumsum_dim": lambda t: t.ones(2).cumsum(1),
    "diag_of_3d": lambda t: t.ones(1, 2, 3).diag(),
    "tril_of_vector": lambda t: t.ones(3).tril(),
    "outer_of_matrix": lambda t: t.outer(t.ones(2, 2), t.ones(2)),
    "einsum_dims": lambda t: t.einsum("ij,jk->ik", t.ones(2), t.ones(2, 2)),
    "einsum_sizes": lambda t: t.einsum("ij,jk->ik", t.ones(2, 3), t.ones(2, 3)),
    "einsum_output": lambda t: t.einsum("i->j", t.ones(2)),
    "flatten_order": lambda t: t.ones(2, 3, 4).flatten(2, 1),
    "unfold_size": lambda t: t.ones(3).unfold(0, 4, 1),
    "to_dtype_text": lambda t: t.ones(2).to("nothing"),
    "method_missing": lambda t: t.ones(2).no_such_method(),
    "norm_of_integers": lambda t: t.ones(2, dtype=t.int64).norm(),
    "var_mean_dim": lambda t: t.var_mean(t.ones(2), 1),
    "logsumexp_dim": lambda t: t.ones(2).logsumexp(1),
    "real_of_list": lambda t: t.real([1.0]),
    "full_like_text": lambda t: t.full_like(t.ones(2), "a"),
    "randint_order": lambda t: t.randint(3, 2, (2,)),
    "numpy_of_required": lambda t: t.ones(2, requires_grad=True).numpy(),
    "complex_to_float_item": lambda t: float(t.tensor(1j)),
    "format_of_many": lambda t: f"{t.ones(2):.2f}",
}


@variants(**OPERATORS)
def p_operator(torch: Any, operate: Any) -> list[Any]:
    return [raises(lambda: operate(torch))]


@variants(
    shape=lambda t, x: x.add_(t.ones(3)),
    dtype=lambda t, x: x.copy_("a"),
    item=lambda t, x: x.__setitem__(5, 1.0),
    scatter=lambda t, x: x.index_add_(0, t.tensor([5]), t.ones(1)),
    mask=lambda t, x: x.masked_fill_(t.ones(3, dtype=t.bool), 0.0),
    fill=lambda t, x: x.fill_(t.ones(2)),
    grad=lambda t, x: x.requires_grad_("a"),
)
def p_failure_changes_nothing(torch: Any, write: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    error = raises(lambda: write(torch, x))
    return [error.kind, x, x._version, x.requires_grad]


ARGUMENTS = {
    **{
        f"{name}_of_two": lambda x, y, name=name: getattr(type(x), f"{name}_")(x, y)
        for name in (
            "abs acos asin atan ceil cos cosh erf exp exp2 expm1 floor frac log log10 log1p log2 "
            "logical_not neg reciprocal relu rsqrt sigmoid sign sin sinh sqrt square tan tanh "
            "trunc zero"
        ).split()
    },
    "a_number_too_many": lambda x, y: x.neg_(1),
    "two_too_many": lambda x, y: x.abs_(y, y),
    "a_name": lambda x, y: x.sqrt_(out=y),
    "product_of_three": lambda x, y: x.mul_(y, y),
    "product_of_one": lambda x, y: x.mul_(),
    "product_with_a_name": lambda x, y: x.mul_(y, alpha=2),
    "product_of_another_name": lambda x, y: x.mul_(factor=y),
    "angle_of_three": lambda x, y: x.atan2_(y, y),
    "angle_of_a_number": lambda x, y: x.atan2_(1),
    "angle_of_one": lambda x, y: x.atan2_(),
    "and_of_a_number": lambda x, y: x.logical_and_(1),
    "or_of_three": lambda x, y: x.logical_or_(y, y),
}


@variants(**ARGUMENTS)
def p_arguments_of_writes(torch: Any, call: Any) -> list[Any]:
    """They are refused, and nothing is written."""
    x, y = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 3.0])
    return [raises(lambda: call(x, y)), x, y]


FUNCTIONS = (
    "abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfc erfinv exp exp2 expm1 "
    "floor frac isfinite isinf isnan lgamma log log10 log1p log2 logical_not neg reciprocal relu "
    "rsqrt sigmoid sign sin sinh sqrt square tan tanh trunc"
).split()


@variants(**{name: name for name in FUNCTIONS})
def p_functions_of_one_given_two(torch: Any, name: str) -> list[Any]:
    x, y = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 3.0])
    function = getattr(torch, name)
    return [raises(lambda: function(x, y)), raises(lambda: function(x, 1)), x, y]


def p_operands_of_writes_by_name(torch: Any) -> list[Any]:
    x, y = torch.tensor([1.0, 4.0]), torch.tensor([2.0, 3.0])
    x.mul_(other=y).atan2_(other=y)
    return [x, torch.tensor([1.234, 5.678]).round_(decimals=1)]
