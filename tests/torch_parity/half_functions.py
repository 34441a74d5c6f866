"""The functions that tests/torch_parity/test_half.py runs in half precision, with their operands.

In: nothing.  Out: `TABLE`, for each name a function of the library and the shapes of its operands.
Numbers are drawn between `LOW` and `HIGH` unless the function needs them elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Function = Callable[..., Any]

SQUARE = (6, 6)
ROWS = (4, 6)
IMAGE = (2, 3, 6, 6)


@dataclass(frozen=True)
class Case:
    """A function of tensors of these shapes, with elements between ``low`` and ``high``."""

    function: Function
    shapes: tuple[tuple[int, ...], ...] = (ROWS,)
    low: float = -3.0
    high: float = 3.0
    ulps: float = 0.0  # of the largest element, beside one of the element itself


def called(name: str, *args: Any, **named: Any) -> Function:
    """The function of that name with these further arguments; ``F.name`` is one for networks."""

    def function(t: Any, *tensors: Any) -> Any:
        home = t.nn.functional if name.startswith("F.") else t
        return getattr(home, name.removeprefix("F."))(*tensors, *args, **named)

    return function


def _one(names: str, **options: Any) -> dict[str, Case]:
    return {name: Case(called(name), **options) for name in names.split()}


ELEMENTWISE = (
    _one(
        "abs asinh atan ceil cos cosh erf erfc exp exp2 expm1 floor frac nan_to_num neg positive "
        "round sgn sigmoid sign sin sinh square tan tanh trunc relu F.celu F.elu F.gelu "
        "F.hardshrink F.hardsigmoid F.hardswish F.hardtanh F.leaky_relu F.logsigmoid "
        "F.relu6 F.selu F.silu F.softplus F.softshrink F.softsign F.tanhshrink"
    )
    | _one("acos asin atanh erfinv", low=-0.9, high=0.9)
    | _one("acosh digamma lgamma log log10 log1p log2 reciprocal sqrt", low=1.1, high=4.0)
    | {
        # where PyTorch rounds between steps
        "logit": Case(called("logit"), low=0.1, high=0.9, ulps=0.5),
        "logit_eps": Case(called("logit", 0.3), low=0.1, high=0.9, ulps=0.5),
        "mish": Case(called("F.mish"), ulps=1.5),
        "rsqrt": Case(called("rsqrt"), low=1.1, ulps=1),
        "gelu_tanh": Case(called("F.gelu", approximate="tanh"), ulps=1),
        "celu_of_2": Case(called("F.celu", 2.0)),
        "elu_of_2": Case(called("F.elu", 2.0)),
        "hardtanh_wide": Case(called("F.hardtanh", -0.7, 1.3)),
        "leaky_relu_2": Case(called("F.leaky_relu", 2.0)),
        "softplus_sharp": Case(called("F.softplus", 2.5, 3.0)),
        "threshold": Case(called("F.threshold", 0.3, -7.1)),
        "clamp": Case(called("clamp", -0.7, 1.3)),
        "clamp_min": Case(called("clamp_min", 0.3)),
        "clamp_max": Case(called("clamp_max", 0.3)),
        "polygamma": Case(lambda t, x: t.polygamma(1, x), low=1.1),
        "prelu": Case(called("F.prelu"), (ROWS, (6,))),
        "glu": Case(called("F.glu", 1)),
        **{
            f"power_{n}": Case(lambda t, x, n=n: x**n, low=0.5)
            for n in (0, 1, 2, 3, 5, -1, -2, -3, 0.5, -0.5, 1.7, 2.0)
        },
        **{f"{n}_to_the": Case(lambda t, x, n=n: n**x) for n in (2, 2.0, 0.3, 1.0)},
        **{
            f"{name}_{n}": Case(called(name, n))
            for name in ("add", "sub", "mul", "div", "remainder", "fmod", "rsub")
            for n in (2, 0.7)
        },
        "add_alpha": Case(called("add", alpha=0.3), (ROWS, ROWS), ulps=0.5),
        "sub_alpha": Case(called("sub", alpha=0.3), (ROWS, ROWS), ulps=0.5),
        "over": Case(lambda t, x: 0.7 / x, low=0.5),
        "remainder_of": Case(lambda t, x: 2.5 % x.detach(), low=0.5),
        "floor_divide_by": Case(lambda t, x: x.detach() // 0.7),
        "masked_fill": Case(lambda t, x: x.masked_fill(x > 0, 0.3)),
        "where_number": Case(lambda t, x: t.where(x > 0, x, 0.3)),
    }
)

PAIRS = (
    _one(
        "add atan2 div hypot logaddexp maximum minimum mul sub fmod fmax fmin remainder",
        shapes=(ROWS, ROWS),
        low=0.5,
    )
    | _one("pow xlogy", shapes=(ROWS, ROWS), low=0.5)
    | {
        "add_row": Case(called("add"), ((300, 4), (4,)), ulps=2),
        "mul_row": Case(called("mul"), ((300, 4), (4,)), ulps=2),
        "div_row": Case(called("div"), ((30, 4), (4,)), low=0.5, ulps=2),
        "div_floor": Case(called("div", rounding_mode="floor"), (ROWS, ROWS), low=0.5),
        "div_trunc": Case(called("div", rounding_mode="trunc"), (ROWS, ROWS), low=0.5),
        "floor_divide": Case(lambda t, a, b: a.detach() // b.detach(), (ROWS, ROWS), low=0.5),
        "clamp_tensors": Case(lambda t, a, b: t.clamp(a, b, b + 1), (ROWS, ROWS)),
        "clamp_from_below": Case(called("clamp"), (ROWS, ROWS)),
        "lerp": Case(called("lerp", 0.3), (ROWS, ROWS)),
        "lerp_far": Case(called("lerp", 0.8), (ROWS, ROWS)),
        "lerp_tensor": Case(called("lerp"), (ROWS, ROWS, ROWS)),
        "addcmul": Case(called("addcmul", value=0.3), (ROWS, ROWS, ROWS)),
        "addcdiv": Case(called("addcdiv", value=0.3), (ROWS, ROWS, ROWS), low=0.5),
        "where": Case(lambda t, a, b: t.where(a > b, a, b), (ROWS, ROWS)),
    }
)


def _losses() -> dict[str, Case]:
    table = {}
    for reduction in ("none", "mean", "sum"):
        for name in "mse_loss l1_loss smooth_l1_loss huber_loss".split():
            case = Case(called(f"F.{name}", reduction=reduction), (ROWS, ROWS), ulps=0.1)
            table[f"{name}_{reduction}"] = case
        for name in "smooth_l1_loss", "huber_loss":
            options = {"beta" if name == "smooth_l1_loss" else "delta": 0.7}
            case = Case(called(f"F.{name}", reduction=reduction, **options), (ROWS, ROWS))
            table[f"{name}_{reduction}_short"] = case
        for name in "binary_cross_entropy", "binary_cross_entropy_with_logits":
            case = Case(called(f"F.{name}", reduction=reduction), (ROWS, ROWS), 0.1, 0.9)
            table[f"{name}_{reduction}"] = case
        case = Case(called("F.kl_div", reduction=reduction), (ROWS, ROWS), 0.1, 0.9)
        table[f"kl_div_{reduction}"] = case

        def nll(t: Any, x: Any, reduction: str = reduction) -> Any:
            return t.nn.functional.nll_loss(x, t.tensor([0, 3, 5, 3]), reduction=reduction)

        def entropy(t: Any, x: Any, reduction: str = reduction) -> Any:
            return t.nn.functional.cross_entropy(x, t.tensor([0, 3, 5, 3]), reduction=reduction)

        table[f"nll_loss_{reduction}"] = Case(nll, ulps=1)
        table[f"cross_entropy_{reduction}"] = Case(entropy)
    table["cross_entropy_smooth"] = Case(
        lambda t, x: t.nn.functional.cross_entropy(x, t.tensor([0, 3, 5, 3]), label_smoothing=0.2)
    )
    return table


LOSSES = _losses()

REDUCTIONS = (
    _one("sum mean amax amin max min std var median nansum norm")
    | {
        f"{name}_along": Case(called(name, 1))
        for name in (
            "sum mean amax amin argmax argmin std var max min median softmax log_softmax "
            "cumsum cummax cummin sort mode"
        ).split()
    }
    | {
        "sum_long": Case(called("sum"), ((3000,),), 0.5),
        "sum_long_along": Case(called("sum", 0), ((3000, 2),), 0.5),
        "mean_long": Case(called("mean"), ((3000,),), 0.5),
        "mean_long_along": Case(called("mean", 0), ((3000, 2),), 0.5),
        "norm_long": Case(called("norm"), ((3000,),), 0.5),
        "std_long": Case(called("std"), ((3000,),), 0.5),
        "cumsum_long": Case(called("cumsum", 0), ((600,),), 0.5, ulps=2),
        "logsumexp": Case(called("logsumexp", 1), ulps=0.5),
        "prod": Case(called("prod"), ((6,),), 0.5, ulps=0.5),
        "prod_along": Case(called("prod", 1), low=0.5, ulps=0.5),
        "cumprod": Case(called("cumprod", 1), low=0.5, ulps=2),
        "norm_1": Case(called("norm", 1)),
        "norm_3": Case(called("norm", 3, 1)),
        "norm_inf": Case(called("norm", float("inf"), 1)),
        "dist": Case(called("dist"), (ROWS, ROWS)),
        "cosine_similarity": Case(called("F.cosine_similarity"), (ROWS, ROWS), ulps=2),
        "pairwise_distance": Case(called("F.pairwise_distance"), (ROWS, ROWS), ulps=2),
        "normalize": Case(called("F.normalize"), ulps=2),
        "var_mean": Case(called("var_mean", 1)),
        "std_mean": Case(called("std_mean", 1)),
        "softmin": Case(called("F.softmin", 1), ulps=0.5),
        "trace": Case(called("trace"), (SQUARE,)),
        "aminmax": Case(lambda t, x: tuple(t.aminmax(x, dim=1))),
        "logcumsumexp": Case(called("logcumsumexp", 1), ulps=1),
        "kthvalue": Case(called("kthvalue", 2)),
        "topk": Case(called("topk", 2)),
    }
)

PRODUCTS = {
    "mm": Case(called("mm"), (SQUARE, SQUARE), ulps=1),
    "mm_long": Case(called("mm"), ((3, 900), (900, 2)), 0.5, ulps=1),
    "matmul_vector": Case(called("matmul"), (SQUARE, (6,)), ulps=1),
    "mv": Case(called("mv"), (SQUARE, (6,)), ulps=1),
    "dot": Case(called("dot"), ((6,), (6,)), ulps=1),
    "bmm": Case(called("bmm"), ((2, 3, 4), (2, 4, 5)), ulps=1),
    "addmm": Case(called("addmm", beta=0.3, alpha=0.7), (SQUARE, SQUARE, SQUARE), ulps=1),
    "outer": Case(called("outer"), ((6,), (6,))),
    "linear": Case(called("F.linear"), (ROWS, (5, 6), (5,)), ulps=1),
    "bilinear": Case(called("F.bilinear"), (ROWS, ROWS, (2, 6, 6), (2,)), ulps=2),
    "einsum": Case(lambda t, a, b: t.einsum("ij,kj->ik", a, b), (ROWS, ROWS), ulps=1),
} | {
    "conv1d": Case(called("F.conv1d"), ((2, 3, 8), (4, 3, 3), (4,)), ulps=2),
    "conv2d": Case(called("F.conv2d", padding=1), (IMAGE, (4, 3, 3, 3), (4,)), ulps=2),
    "conv_transpose2d": Case(called("F.conv_transpose2d"), (IMAGE, (3, 4, 2, 2)), ulps=2),
    "max_pool2d": Case(called("F.max_pool2d", 2), (IMAGE,)),
    "avg_pool2d": Case(called("F.avg_pool2d", 2), (IMAGE,)),
    "adaptive_avg_pool2d": Case(called("F.adaptive_avg_pool2d", 2), (IMAGE,)),
    "unfold": Case(called("F.unfold", 2), (IMAGE,), ulps=1),
    "layer_norm": Case(
        lambda t, x, w, b: t.nn.functional.layer_norm(x, (6,), w, b),
        (ROWS, (6,), (6,)),
        ulps=2,
    ),
    "group_norm": Case(called("F.group_norm", 1), (IMAGE,), ulps=2),
    "batch_norm": Case(
        lambda t, x: t.nn.functional.batch_norm(x, None, None, training=True),
        (IMAGE,),
        ulps=2,
    ),
    "pad": Case(called("F.pad", (1, 2), value=0.3)),
    "pad_reflect": Case(called("F.pad", (1, 2), mode="reflect"), ((2, 3, 6),)),
    "embedding": Case(
        lambda t, w: t.nn.functional.embedding(t.tensor([[0, 3], [3, 3]]), w), ulps=1
    ),
}

MOVED = {
    "cat": Case(lambda t, a, b: t.cat([a, b], 1), (ROWS, ROWS)),
    "stack": Case(lambda t, a, b: t.stack([a, b]), (ROWS, ROWS)),
    "flip": Case(called("flip", (0,))),
    "roll": Case(called("roll", 1, 0)),
    "tril": Case(called("tril")),
    "clone": Case(called("clone")),
    "gather": Case(lambda t, x: t.gather(x, 1, t.tensor([[0], [2], [2], [5]]))),
    "index": Case(lambda t, x: x[t.tensor([0, 2, 2])]),
    "index_select": Case(lambda t, x: t.index_select(x, 1, t.tensor([0, 2, 2]))),
    "index_add": Case(
        lambda t, x, y: t.index_add(x, 0, t.tensor([0, 2, 2, 1]), y), (ROWS, ROWS), ulps=1
    ),
    "index_add_alpha": Case(
        lambda t, x, y: t.index_add(x, 0, t.tensor([0, 2, 2, 1]), y, alpha=0.3),
        (ROWS, ROWS),
        ulps=1,
    ),
    "scatter_add": Case(
        lambda t, x, y: t.scatter_add(x, 1, t.tensor([[0, 2, 2, 5, 1, 1]] * 4), y),
        (ROWS, ROWS),
        ulps=1,
    ),
    "expand": Case(lambda t, x: x.expand(300, 4), ((4,),), ulps=2),
    "repeat": Case(lambda t, x: x.repeat(3, 2), ulps=1),
    "unfold_method": Case(lambda t, x: x.unfold(1, 3, 1), ulps=1),
    "to_float": Case(lambda t, x: x.float()),
    "to_double": Case(lambda t, x: x.double() * 0.3),
    "diagonal": Case(called("diagonal"), (SQUARE,)),
    "in_place": Case(lambda t, x: x.clone().mul_(0.3).add_(0.7).sigmoid_()),
    "exponent_in_place": Case(lambda t, x: x.clone().pow_(2.5), low=0.5),
    "mean_of_numbers": Case(lambda t, x: (x * 0.3 + 0.7).mean()),
}

TABLE = ELEMENTWISE | PAIRS | LOSSES | REDUCTIONS | PRODUCTS | MOVED
