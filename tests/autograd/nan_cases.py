"""Programs whose gradient is nan because of entries that were not selected, and the right one.

Each is what somebody reported (the number is that of the thread) or the same in another dress:
``function(torch, x)`` on ``point``, in PyTorch and here; ``gradient`` is what the mode gives.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

INF = float("inf")
NAN = float("nan")


@dataclass(frozen=True)
class Case:
    """One program."""

    function: Callable[[Any, Any], Any]
    point: Any
    gradient: Any


def safe_norm(t: Any, x: Any) -> Any:
    """The length of each row, 0 for rows of zeros."""
    length = (x * x).sum(1).sqrt()
    return t.where((x != 0).any(1), length, 0.0)


def masked_attention(t: Any, x: Any) -> Any:
    """Softmax of scores of which whole rows are masked; these rows are replaced by zeros."""
    mask = t.tensor([[True, True], [False, False]])
    weights = (x + t.where(mask, 0.0, -INF)).softmax(1)
    return t.where(mask.any(1, keepdim=True), weights, 0.0)[:, 0]


def written(t: Any, x: Any) -> Any:
    """Bad values overwritten in place."""
    y = (x.exp() + 1).log()
    y[1] = 0.0
    return y


def filled(t: Any, x: Any) -> Any:
    """Bad values overwritten where they are not finite."""
    y = x * t.tensor([INF, 1.0])
    y[~t.isfinite(y)] = 0.0
    return y


def nested(t: Any, x: Any) -> Any:
    """Three pieces, each with a trouble of its own."""
    inner = t.where(x > 1, (x - 1).sqrt(), (-x).log())
    return t.where(x == 0, x, inner)


def entropy(t: Any, p: Any) -> Any:
    """``p log p``, 0 at 0."""
    return -t.where(p > 0, p * p.log(), 0.0)


def padded_rows(t: Any, x: Any) -> Any:
    """A layer on rows of which one holds nan, its result masked; the gradient of the weight."""
    rows = t.tensor([[1.0, 2.0], [NAN, NAN]])
    return t.where(t.tensor([[True], [False]]), rows @ x, 0.0)


def padded_linear(t: Any, x: Any) -> Any:
    """The same with a bias."""
    rows = t.tensor([[1.0, 2.0], [NAN, INF]])
    bias = t.tensor([0.5, 0.5])
    return t.where(t.tensor([[True], [False]]), t.nn.functional.linear(rows, x.t(), bias), 0.0)


def layer_norm_rows(t: Any, x: Any) -> Any:
    """Layer norm of rows of which one was divided by zero."""
    rows = x / t.tensor([[1.0], [0.0]])
    return t.nn.functional.layer_norm(rows, (2,), eps=1.0)[:1, 0]


CASES: dict[str, Case] = {
    # pytorch#4132, pytorch#187297: where and sqrt
    "where_sqrt_at_0": Case(lambda t, x: t.where(x > 0, x.sqrt(), 0.0), [0.0, 4.0], [0.0, 0.25]),
    "where_sqrt_below_0": Case(lambda t, x: t.where(x > 0, x.sqrt(), x), [-1.0, -4.0], [1.0, 1.0]),
    "where_log": Case(lambda t, x: t.where(x > 0, x.log(), 0.0), [0.0, 2.0], [0.0, 0.5]),
    "where_division": Case(lambda t, x: t.where(x != 0, 1 / x, 0.0), [0.0, 2.0], [0.0, -0.25]),
    "where_division_by": Case(
        lambda t, x: t.where(x != 0, t.sin(x) / x, 1.0), [0.0, 1e-200], [0.0, 0.0]
    ),
    "where_0_over_0": Case(lambda t, x: t.where(x != 0, (x * x) / x, 0.0), [0.0, 2.0], [0.0, 1.0]),
    # pytorch#68425, pytorch#156212: overflow in the branch that was not taken
    "where_exp": Case(lambda t, x: t.where(x <= 0, x.exp(), 1 + x), [1000.0, 0.0], [1.0, 1.0]),
    "where_exp_of_nan": Case(
        lambda t, x: t.where(x <= 10, x.exp(), 1.0), [0.0, NAN, 1e10], [1.0, 0.0, 0.0]
    ),
    "where_expm1": Case(lambda t, x: t.where(x > 0, x, x.expm1()), [1000.0, 0.0], [1.0, 1.0]),
    # pytorch#18287: a function of infinity
    "where_cos_of_inf": Case(lambda t, x: t.where(x < 1, x.cos(), 0.0), [0.0, INF], [0.0, 0.0]),
    "where_nested": Case(nested, [-1.0, 0.0, 2.0], [-1.0, 1.0, 0.5]),
    "where_chain": Case(
        lambda t, x: t.where(x > 0, (1 / x.sqrt()).log().tanh() * x, 0.0),
        [0.0, 1.0],
        [0.0, -0.5],
    ),
    "where_entropy": Case(entropy, [0.0, 1.0], [0.0, -1.0]),
    # indexing, pytorch#15506
    "index_last": Case(lambda t, x: x.log()[-1], [0.0, 4.0], [0.0, 0.25]),
    "index_mask": Case(lambda t, x: x.sqrt()[x > 0], [0.0, 4.0], [0.0, 0.25]),
    "index_slice": Case(lambda t, x: x.sqrt()[1:], [0.0, 4.0], [0.0, 0.25]),
    "index_list": Case(lambda t, x: x.sqrt()[[1, 1]], [0.0, 4.0], [0.0, 0.5]),
    "index_select": Case(
        lambda t, x: x.log().index_select(0, t.tensor([1])), [0.0, 4.0], [0.0, 0.25]
    ),
    "gather": Case(lambda t, x: x.log().gather(0, t.tensor([1])), [0.0, 4.0], [0.0, 0.25]),
    "masked_select": Case(lambda t, x: x.log().masked_select(x > 0), [0.0, 4.0], [0.0, 0.25]),
    "masked_fill": Case(lambda t, x: x.log().masked_fill(x == 0, 0.0), [0.0, 4.0], [0.0, 0.25]),
    "unbind": Case(lambda t, x: x.log().unbind()[1], [0.0, 4.0], [0.0, 0.25]),
    "triangle": Case(
        lambda t, x: x.sqrt().tril(), [[4.0, 0.0], [1.0, 4.0]], [[0.25, 0.0], [0.5, 0.25]]
    ),
    "write_in_place": Case(written, [0.0, 1000.0], [0.5, 0.0]),  # pytorch#17455
    "write_where_not_finite": Case(filled, [2.0, 3.0], [0.0, 1.0]),  # pytorch#23156
    # limits and extremes
    "clamp_of_log": Case(lambda t, x: x.log().clamp(min=-10), [0.0, 2.0], [0.0, 0.5]),
    "clamp_of_sqrt": Case(lambda t, x: x.sqrt().clamp(0.1, 5), [0.0, 4.0], [0.0, 0.25]),
    "clamp_of_reciprocal": Case(
        lambda t, x: x.reciprocal().clamp(max=10), [0.0, 2.0], [0.0, -0.25]
    ),
    "maximum": Case(
        lambda t, x: t.maximum(x.log(), t.tensor([-5.0, -5.0])), [0.0, 2.0], [0.0, 0.5]
    ),
    "minimum": Case(lambda t, x: t.minimum(1 / x, t.tensor([5.0, 5.0])), [0.0, 2.0], [0.0, -0.25]),
    "relu": Case(lambda t, x: x.log().relu(), [0.0, 2.0], [0.0, 0.5]),
    "hardtanh": Case(lambda t, x: t.nn.functional.hardtanh(x.log()), [0.0, 2.0], [0.0, 0.5]),
    "max_of_all": Case(lambda t, x: x.log().max(), [0.0, 2.0], [0.0, 0.5]),
    "max_along": Case(lambda t, x: x.log().max(0).values, [0.0, 2.0], [0.0, 0.5]),
    "amax": Case(lambda t, x: x.sqrt().amax(0), [0.0, 4.0], [0.0, 0.25]),
    "topk": Case(lambda t, x: x.sqrt().topk(1).values, [0.0, 4.0], [0.0, 0.25]),
    "sort": Case(lambda t, x: x.sqrt().sort().values[1], [0.0, 4.0], [0.0, 0.25]),
    "max_pool": Case(
        lambda t, x: t.nn.functional.max_pool1d(x.sqrt()[None], 2), [0.0, 4.0], [0.0, 0.25]
    ),
    "nan_to_num": Case(lambda t, x: (x / x).nan_to_num(1.0) + x, [0.0, 2.0], [1.0, 1.0]),
    "nansum": Case(lambda t, x: x.sqrt().nansum(), [-1.0, 4.0], [0.0, 0.25]),
    # powers
    "pow_half": Case(lambda t, x: t.where(x > 0, x**0.5, 0.0), [0.0, 4.0], [0.0, 0.25]),
    "pow_negative": Case(lambda t, x: t.where(x > 0, x**-2, 0.0), [0.0, 1.0], [0.0, -2.0]),
    "pow_of_tensor": Case(
        lambda t, x: t.where(x > 0, x ** t.tensor([0.5, 0.5]), 0.0), [0.0, 4.0], [0.0, 0.25]
    ),
    "exponent": Case(
        lambda t, x: t.where(x > 0, t.tensor([-1.0, 1.0]) ** x, 0.0), [-1.0, 2.0], [0.0, 0.0]
    ),
    "rsqrt": Case(lambda t, x: t.where(x > 0, x.rsqrt(), 0.0), [0.0, 4.0], [0.0, -0.0625]),
    # angles
    "acos": Case(lambda t, x: t.where(x < 1, x.acos(), 0.0), [1.0, 0.0], [0.0, -1.0]),
    "asin": Case(lambda t, x: t.where(x.abs() < 1, x.asin(), 0.0), [-1.0, 0.0], [0.0, 1.0]),
    "atanh": Case(lambda t, x: t.where(x < 1, x.atanh(), 0.0), [1.0, 0.0], [0.0, 1.0]),
    "acosh": Case(lambda t, x: t.where(x > 1, x.acosh(), 0.0), [1.0, 0.5], [0.0, 0.0]),
    "atan2": Case(
        lambda t, x: t.where(x != 0, t.atan2(x.sqrt(), x), 0.0), [0.0, 1.0], [0.0, -0.25]
    ),
    "hypot": Case(lambda t, x: t.where(x > 0, t.hypot(x, 0 * x), 0.0), [0.0, 3.0], [0.0, 1.0]),
    "logit": Case(lambda t, x: t.where(x > 0, x.logit(), 0.0), [0.0, 0.5], [0.0, 4.0]),
    "xlogy": Case(lambda t, x: t.where(x > 0, t.xlogy(x, x), 0.0), [0.0, 1.0], [0.0, 1.0]),
    # reductions, softmax, norms
    "norm_by_hand": Case(safe_norm, [[0.0, 0.0], [3.0, 4.0]], [[0.0, 0.0], [0.6, 0.8]]),
    "norm_of_half": Case(
        lambda t, x: t.where((x != 0).all(1), x.sqrt().sum(1) ** 2, 0.0),
        [[0.0, 1.0], [1.0, 1.0]],
        [[0.0, 0.0], [2.0, 2.0]],
    ),
    "softmax_of_masked_rows": Case(
        masked_attention, [[0.0, 0.0], [1.0, 2.0]], [[0.25, -0.25], [0.0, 0.0]]
    ),
    "softmax_replaced": Case(
        lambda t, x: (x * t.tensor([[1.0], [-INF]])).softmax(1).nan_to_num(0.0)[:, 0],
        [[0.0, 0.0], [1.0, 2.0]],
        [[0.25, -0.25], [0.0, 0.0]],
    ),
    "log_softmax_of_masked_rows": Case(
        lambda t, x: t.where(
            t.tensor([[True], [False]]),
            (x + t.tensor([[0.0], [-INF]])).log_softmax(1),
            0.0,
        )[:, 0],
        [[0.0, 0.0], [1.0, 2.0]],
        [[0.5, -0.5], [0.0, 0.0]],
    ),
    "logsumexp_of_nothing": Case(
        lambda t, x: (x.log()).logsumexp(1).clamp(min=-3),
        [[0.0, 0.0], [1.0, 1.0]],
        [[0.0, 0.0], [0.5, 0.5]],
    ),
    "std_of_overflow": Case(
        lambda t, x: (x.exp()).std(1)[1:],
        [[1000.0, 0.0], [0.0, 0.0]],
        [[0.0, 0.0], [0.0, 0.0]],
    ),
    "prod_of_infinities": Case(
        lambda t, x: (1 / x).prod(1)[1:], [[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [-1.0, -1.0]]
    ),
    "cumprod": Case(
        lambda t, x: (1 / x).cumprod(1)[1, 1:], [[0.0, 0.0], [1.0, 1.0]], [[0.0, 0.0], [-1.0, -1.0]]
    ),
    "var_of_nan": Case(
        lambda t, x: x.log().var(1)[1:], [[-1.0, -2.0], [1.0, 1.0]], [[0.0, 0.0], [0.0, 0.0]]
    ),
    # products
    "mask_by_product": Case(lambda t, x: x.sqrt() * t.tensor([0.0, 1.0]), [0.0, 4.0], [0.0, 0.25]),
    "matmul_of_padded_rows": Case(padded_rows, [[1.0], [1.0]], [[1.0], [2.0]]),
    "linear_of_padded_rows": Case(
        padded_linear, [[1.0, 1.0], [1.0, 1.0]], [[1.0, 1.0], [2.0, 2.0]]
    ),
    "layer_norm_of_bad_rows": Case(
        layer_norm_rows, [[1.0, 1.0], [1.0, 1.0]], [[0.5, -0.5], [0.0, 0.0]]
    ),
    "conv_of_bad_samples": Case(
        lambda t, x: t.nn.functional.conv1d(
            t.tensor([[[1.0, 2.0]], [[NAN, 1.0]]]), x.reshape(1, 1, 2)
        )[:1],
        [1.0, 1.0],
        [1.0, 2.0],
    ),
    "scalar": Case(lambda t, x: t.where(x > 0, x.sqrt(), 0.0), 0.0, 0.0),
}
