"""Values, first and second derivatives at 0, -0, the corners, infinity and nan, in both libraries.

Tables of functions, and what they are given. Infinities and nan must stand in the same places, and
zeros of results have the same sign where the table says so. PyTorch's kernels sometimes treat nan
otherwise in whole vectors of eight or sixteen than in what is left over; all points here come in
tensors of less than eight, which is the scalar kernel on every processor.
"""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.torch_parity.harness import libraries

pytest.importorskip("torch", reason="compares with PyTorch 2.13")

INF, NAN = math.inf, math.nan
RTOL = {"float32": 2e-5, "float64": 1e-9}
Function = Callable[..., Any]


def called(name: str, *args: Any, **named: Any) -> Function:
    """The function of that name with these further arguments; ``F.name`` is one for networks."""

    def function(t: Any, *tensors: Any) -> Any:
        home = t.nn.functional if name.startswith("F.") else t
        return getattr(home, name.removeprefix("F."))(*tensors, *args, **named)

    return function


# ---- the points, the pairs, the rows -------------------------------------------------------------

POINTS = (
    (0.0, -0.0, 1.0, -1.0, 0.5, -0.5, 2.0),
    (-2.0, 3.0, -3.0, 6.0, -4.5, 7.25, -7.25),
    (INF, -INF, NAN, 1e30, -1e30, 0.25),
)
_FEW = (0.0, -0.0, 1.0, -1.0, 2.0, -3.0, 0.5, -2.5, INF, -INF, NAN)
PAIRS = [tuple(itertools.islice(_FEW, k, k + 6)) for k in (0, 5)]
ROWS: tuple[tuple[float, ...], ...] = (
    (0.0, 0.0, 0.0, 0.0),
    (1.0, 1.0, 1.0, 1.0),
    (1.0, 2.0, 0.0, 3.0),
    (2.0, 0.0, 3.0, 0.0),
    (-1.0, -1.0, 2.0, 2.0),
    (-3.0, 2.0, -1.0, 0.5),
    (INF, 1.0, 2.0, 0.0),
    (-INF, 1.0, 2.0, 0.0),
    (1.0, 2.0, 0.0, -INF),
    (INF, INF, 1.0, 0.0),
    (INF, -INF, 1.0, 0.5),
    (-INF, -INF, -INF, -INF),
    (NAN, 1.0, 2.0, 0.0),
    (1.0, NAN, 0.0, NAN),
    (NAN, INF, 1.0, 2.0),
    (NAN, NAN, NAN, NAN),
)

# ---- functions of one tensor ---------------------------------------------------------------------

UNARY: dict[str, Function] = {
    name: called(name)
    for name in (
        "abs acos acosh asin asinh atan atanh ceil cos cosh erf erfc exp exp2 expm1 floor frac log "
        "log10 log1p log2 nan_to_num neg reciprocal relu round rsqrt sigmoid sign sin sinh sqrt "
        "square tan tanh trunc F.celu F.elu F.hardshrink F.hardswish F.hardtanh F.leaky_relu "
        "F.relu F.relu6 F.selu F.softplus F.softshrink F.softsign F.tanhshrink"
    ).split()
} | {
    "celu_of_2": called("F.celu", 2.0),
    "elu_of_2": called("F.elu", 2.0),
    "hardshrink_of_0": called("F.hardshrink", 0.0),
    "hardtanh_wide": called("F.hardtanh", -2.0, 3.0),
    "leaky_relu_0": called("F.leaky_relu", 0.0),
    "leaky_relu_2": called("F.leaky_relu", 2.0),
    "leaky_relu_negative": called("F.leaky_relu", -0.5),
    "softshrink_of_0": called("F.softshrink", 0.0),
    "threshold": called("F.threshold", 1.0, -7.0),
    "nan_to_num_of_three": called("nan_to_num", 7.0, 8.0, -9.0),
    "clamp": called("clamp", -1.0, 2.0),
    "clamp_reversed": called("clamp", 2.0, -1.0),
    "clamp_from_below": called("clamp", -1.0),
    "clamp_from_above": called("clamp", None, 2.0),
    "clamp_nan": called("clamp", NAN, 1.0),
    "clamp_min": called("clamp_min", 0.0),
    "clamp_max": called("clamp_max", 0.0),
    "where": lambda t, x: t.where(x > 0, t.sqrt(x), x * 0),
    "behind_relu": lambda t, x: t.where(x > 0, t.sqrt(t.relu(x)), x),
    **{
        f"power_{n}": (lambda t, x, n=n: x**n)
        for n in (0, 1, 2, 3, 5, -1, -2, -3, 0.0, 0.5, -0.5, 1.5, 2.0, 3.0, INF, -INF, NAN)
    },
    **{f"{n}_to_the": (lambda t, x, n=n: n**x) for n in (0, 1, 2, -1, -2, 0.5, INF, -INF, NAN)},
    **{
        f"{name}_by_{n}": called(name, n)
        for name in ("remainder", "fmod", "div")
        for n in (0.0, 1.0, -1.0, 2.5, -2.5, INF, -INF, NAN)
    },
}

# Without a second derivative in PyTorch, or without any.
FIRST_ONLY: dict[str, Function] = {
    "F.mish": called("F.mish"),
    "F.silu": called("F.silu"),
    "F.logsigmoid": called("F.logsigmoid"),
    "sgn": called("sgn"),
    **{
        f"floor_divide_by_{n}": lambda t, x, n=n: t.floor_divide(x.detach(), n)
        for n in (0.0, 1.0, -1.0, 2.5, -2.5, INF, -INF, NAN)
    },
    **{
        f"{n}_remainder": lambda t, x, n=n: n % x.detach()
        for n in (0.0, 1.0, -1.0, 2.5, -2.5, INF, -INF, NAN)
    },
}

# ---- functions of two ----------------------------------------------------------------------------

BINARY: dict[str, Function] = {
    name: called(name)
    for name in (
        "add atan2 div fmax fmin fmod hypot logaddexp max maximum min minimum mul pow remainder "
        "sub xlogy"
    ).split()
} | {
    "div_floor": called("div", rounding_mode="floor"),
    "div_trunc": called("div", rounding_mode="trunc"),
    "clamp": lambda t, a, b: t.clamp(a, b, b + 1),
    "clamp_from_below": lambda t, a, b: t.clamp(a, b),
    "clamp_from_above": lambda t, a, b: t.clamp(a, None, b),
    "clamp_min": called("clamp_min"),
    "clamp_max": called("clamp_max"),
    "clamp_min_in_place": lambda t, a, b: a.clone().clamp_min_(b),
    "clamp_max_in_place": lambda t, a, b: a.clone().clamp_max_(b),
    "clamp_in_place": lambda t, a, b: a.clone().clamp_(b),
    "lerp": called("lerp", 0.25),
    "lerp_beyond_half": called("lerp", 0.75),
    "lerp_of_tensor": lambda t, a, b: t.lerp(a, b, t.full_like(a, 0.75)),
    "where": lambda t, a, b: t.where(a > b, a, b),
}
BINARY_FIRST_ONLY: dict[str, Function] = {
    "floor_divide": lambda t, a, b: t.floor_divide(a.detach(), b.detach()),
    "prelu": lambda t, a, b: t.nn.functional.prelu(a.reshape(1, -1), b),
}

# ---- functions of rows ---------------------------------------------------------------------------

TARGET = (0.0, 1.0, 0.5, 1.0)


def loss(name: str) -> Function:
    """The losses of a row, one by one."""

    def function(t: Any, x: Any) -> Any:
        target = t.tensor(TARGET, dtype=x.dtype)
        return getattr(t.nn.functional, name)(x, target, reduction="none")

    return function


NORMS = (2, 3, 0.1, 0.5, 1.1, 1.5, 2.1, 2.5, 3.5, 4, -0.5, -1, -2)


def rows_of(t: Any, x: Any) -> Any:
    """A row among others, one of them of zeros."""
    return t.stack([x, x.flip((0,)), x * 0, x + 1])


def quiet(call: Callable[[], Any]) -> Any:
    """What a call returns that gives one warning: there are no degrees of freedom."""
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*degrees of freedom is <= 0")
        with pytest.raises(UserWarning):
            call()
        warnings.filterwarnings("ignore", message=".*degrees of freedom is <= 0")
        return call()


REDUCED: dict[str, Function] = (
    {name: called(name) for name in "amax amin max mean median min sum var".split()}
    | {
        **{
            f"{name}_along": called(name, 0)
            for name in (
                "amax amin argmax argmin argsort cummax cummin cumsum log_softmax "
                "logsumexp max mean median min softmax sort sum var"
            ).split()
        },
        **{f"norm_{p}": called("norm", p) for p in (1, INF, -INF)},
        **{f"norm_{p}_along": called("norm", p, 0) for p in (1, INF, -INF)},
        "norm_0": lambda t, x: t.norm(x, 0) + x.sum() * 0,  # alone it has no gradient in PyTorch
        "dist_1": lambda t, x: t.dist(x, t.tensor(TARGET, dtype=x.dtype), 1),
        "dist_inf": lambda t, x: t.dist(x, t.tensor(TARGET, dtype=x.dtype), INF),
        "kthvalue_last": called("kthvalue", 4),
        "sort_descending": lambda t, x: t.sort(x, descending=True, stable=True),
        "var_biased": called("var", unbiased=False),
        "var_of_one": lambda t, x: quiet(lambda: t.var(x[:1])),
        "var_of_one_biased": lambda t, x: t.var(x[:1], unbiased=False),
        "var_with_a_large_correction": lambda t, x: quiet(lambda: t.var(x, correction=9)),
        "var_along_one": lambda t, x: quiet(lambda: t.var(x.reshape(4, 1), 1)),
        **{
            f"{name}_{way}": called(name, 0.3, interpolation=way)
            for name in ("quantile", "nanquantile")
            for way in ("linear", "lower", "higher", "midpoint", "nearest")
        },
        "quantiles": lambda t, x: t.quantile(x, t.tensor([0.0, 0.4, 1.0], dtype=x.dtype), 0, True),
        "mse_loss": loss("mse_loss"),
        "l1_loss": loss("l1_loss"),
    }
)
MORE_REDUCED: dict[str, Function] = {
    "std": called("std"),
    "std_along": called("std", 0),
    "std_biased": called("std", unbiased=False),
    "std_of_one": lambda t, x: quiet(lambda: t.std(x[:1])),
    "std_of_one_biased": lambda t, x: t.std(x[:1], unbiased=False),
    **{f"norm_{p}": called("norm", p) for p in ("fro", *NORMS)},
    **{f"norm_{p}_along": called("norm", p, 0) for p in NORMS},
    **{f"norm_{p}_of_rows": lambda t, x, p=p: t.norm(rows_of(t, x), p, 1) for p in NORMS},
    **{f"dist_{p}": lambda t, x, p=p: t.dist(x, t.tensor(TARGET, dtype=x.dtype), p) for p in NORMS},
    "dist_from_itself": lambda t, x: t.dist(x, x.detach(), 3),
    "std_of_rows": lambda t, x: t.std(rows_of(t, x), 1),
    "std_and_mean": lambda t, x: t.std_mean(x)[0],
    "normalize": called("F.normalize", dim=0),
    "cosine_similarity": lambda t, x: t.nn.functional.cosine_similarity(
        x, t.tensor(TARGET, dtype=x.dtype), 0
    ),
}
REDUCED_FIRST_ONLY: dict[str, Function] = {
    "logcumsumexp": called("logcumsumexp", 0),
    "smooth_l1_loss": loss("smooth_l1_loss"),
    "huber_loss": loss("huber_loss"),
}
# Of rows without both zeros and what is not finite; for these see docs/differences.md.
PRODUCTS: dict[str, Function] = {
    "prod": called("prod"),
    "prod_along": called("prod", 0),
    "prod_of_rows": lambda t, x: t.prod(t.stack([x, x.flip((0,)), x * 2]), 1),
    "prod_of_columns": lambda t, x: t.prod(t.stack([x, x.flip((0,)), x * 2]), 0, True),
    "cumprod": called("cumprod", 0),
    "cumprod_of_rows": lambda t, x: t.cumprod(t.stack([x, x.flip((0,)), x * 2]), 1),
}
FINITE: dict[str, Function] = {
    "logcumsumexp": called("logcumsumexp", 0),
    "mode": called("mode"),
    "mode_of_rows": lambda t, x: t.mode(t.stack([x, x.flip((0,)), x * 0]), 0, True),
    "smooth_l1_loss": loss("smooth_l1_loss"),
    "huber_loss": loss("huber_loss"),
}

# ---- running and comparing -----------------------------------------------------------------------


def weights(t: Any, y: Any) -> Any:
    """A cotangent of both signs."""
    numbers = [(1.0, -0.5, 2.0)[k % 3] for k in range(y.numel())]
    return t.tensor(numbers, dtype=y.dtype).reshape(y.shape).requires_grad_(True)


def plain(tensor: Any) -> Any:
    """The numbers of a tensor; None is left."""
    return None if tensor is None else np.asarray(tensor.detach().clone().tolist())


def observed(t: Any, function: Function, given: Any, dtype: str, second: bool) -> dict[str, Any]:
    """Results, gradients, and the gradients of their sum by operands and cotangents."""
    kind = getattr(t, dtype)
    xs = [t.tensor(numbers, dtype=kind, requires_grad=True) for numbers in given]
    y = function(t, *xs)
    ys = y if isinstance(y, tuple) else (y,)
    found = {f"result {k}": plain(one) for k, one in enumerate(ys)}
    ys = [one for one in ys if one.requires_grad]
    if not ys:
        return found
    cotangents = [weights(t, one) for one in ys]
    grads = t.autograd.grad(ys, xs, cotangents, allow_unused=True, retain_graph=True)
    found |= {f"gradient {k}": plain(g) for k, g in enumerate(grads)}
    if not second:
        return found
    grads = t.autograd.grad(ys, xs, cotangents, allow_unused=True, create_graph=True)
    found |= {f"gradient {k} with a graph": plain(g) for k, g in enumerate(grads)}
    grads = [g for g in grads if g is not None and g.requires_grad]
    if not grads:
        return found
    ones = [t.ones_like(g) for g in grads]
    more = t.autograd.grad(grads, (*xs, *cotangents), ones, allow_unused=True)
    for k, (g, of) in enumerate(zip(more, (*xs, *cotangents))):
        found[f"second {k}"] = np.zeros(tuple(of.shape)) if g is None else plain(g)
    return found


def same(expected: Any, got: Any, dtype: str, name: str) -> bool:
    """Whether numbers agree, infinities and nan in the same places."""
    if expected is None or got is None:
        return expected is got
    if expected.shape != got.shape or expected.dtype != got.dtype:
        return False
    if expected.dtype.kind != "f":
        return bool(np.array_equal(expected, got))
    rtol = RTOL[dtype]
    close = np.isclose(got, expected, rtol=rtol, atol=rtol, equal_nan=True)
    if name.startswith("result"):
        close &= (expected != 0) | (got == 0)
    return bool(close.all())


def compare(
    function: Function, given: Any, dtype: str, second: bool, *, signs: bool = False
) -> list[str]:
    """What differs between the libraries, as lines of text."""
    oracle, ours = libraries()
    expected = observed(oracle, function, given, dtype, second)
    got = observed(ours, function, given, dtype, second)
    lines = [
        f"{name} of {given}: PyTorch {expected.get(name)}, adjoint {got.get(name)}"
        for name in expected.keys() | got.keys()
        if not same(expected.get(name), got.get(name), dtype, name)
    ]
    a, b = expected["result 0"], got["result 0"]
    if signs and not lines and ((np.signbit(a) != np.signbit(b)) & (a == 0)).any():
        lines.append(f"signs of zeros of {given}: PyTorch {a}, adjoint {b}")
    return lines


def table(*parts: tuple[dict[str, Function], bool]) -> list[Any]:
    """A parameter for each function: itself, and whether it is differentiated twice."""
    return [
        pytest.param(function, second, id=name)
        for functions, second in parts
        for name, function in functions.items()
    ]


DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])


@DTYPES
@pytest.mark.parametrize(("function", "second"), table((UNARY, True), (FIRST_ONLY, False)))
def test_one_tensor(function: Function, second: bool, dtype: str) -> None:
    """Functions of each element, at the special points."""
    wrong = [line for p in POINTS for line in compare(function, (p,), dtype, second)]
    assert not wrong, "\n".join(wrong)


@DTYPES
@pytest.mark.parametrize(("function", "second"), table((BINARY, True), (BINARY_FIRST_ONLY, False)))
def test_two_tensors(function: Function, second: bool, dtype: str) -> None:
    """Functions of two elements, at all pairs of special points."""
    wrong = []
    for row, point in itertools.product(PAIRS, _FEW):
        wrong += compare(function, (row, (point,) * len(row)), dtype, second)
    assert not wrong, "\n".join(wrong)


@DTYPES
@pytest.mark.parametrize(
    ("function", "second"),
    table((REDUCED, True), (MORE_REDUCED, True), (REDUCED_FIRST_ONLY, False)),
)
def test_rows(function: Function, second: bool, dtype: str) -> None:
    """What is computed of several elements."""
    wrong = [line for row in ROWS for line in compare(function, (row,), dtype, second)]
    assert not wrong, "\n".join(wrong)


@DTYPES
@pytest.mark.parametrize(("function", "second"), table((FINITE, True)))
def test_finite_rows(function: Function, second: bool, dtype: str) -> None:
    """Functions of which PyTorch has no second derivative where a row is not finite."""
    rows = [row for row in ROWS if np.isfinite(row).all()]
    wrong = [line for row in rows for line in compare(function, (row,), dtype, second)]
    assert not wrong, "\n".join(wrong)


@DTYPES
@pytest.mark.parametrize(("function", "second"), table((PRODUCTS, True)))
def test_products(function: Function, second: bool, dtype: str) -> None:
    """Products of rows with zeros, or with infinities and nan."""
    rows = [row for row in ROWS if np.isfinite(row).all() or 0 not in row]
    wrong = [line for row in rows for line in compare(function, (row,), dtype, second)]
    assert not wrong, "\n".join(wrong)


# Numbers without all their digits, and some whose products and squares are beyond all numbers.
FAR = {
    "float32": ((1e-40, -1e-40, 1e-42, 1e-37, -1e-20, 1e-44), (1e38, -1e38, 1e19, 88.0, 1e-4)),
    "float64": (
        (1e-310, -1e-310, 1e-320, 1e-300, -1e-160, 1e-319),
        (1e300, -8e307, 1e154, -1e200, 1e-8),
    ),
}


@DTYPES
@pytest.mark.parametrize(("function", "second"), table((UNARY, True), (FIRST_ONLY, False)))
def test_far_numbers(function: Function, second: bool, dtype: str) -> None:
    """Functions of each element, at denormal and at huge numbers."""
    wrong = [line for p in FAR[dtype] for line in compare(function, (p,), dtype, second)]
    assert not wrong, "\n".join(wrong)


@DTYPES
@pytest.mark.parametrize(("function", "second"), table((BINARY, True)))
def test_pairs_with_far_numbers(function: Function, second: bool, dtype: str) -> None:
    """Functions of two elements, one of them denormal or huge."""
    wrong = []
    for row, (tiny, huge) in itertools.product(PAIRS, zip(*FAR[dtype])):
        for point in (tiny, huge):
            wrong += compare(function, (row, (point,) * len(row)), dtype, second)
    assert not wrong, "\n".join(wrong)


TINY_ROWS = {
    "float32": ((1e-40, 1e-45, 0.0, 0.0), (1e-40, 1e-40, 2.0, 0.0), (-1e-40, 1.0, 2.0, 3.0)),
    "float64": ((1e-310, 1e-320, 0.0, 0.0), (1e-310, 1e-310, 2.0, 0.0), (-1e-310, 1.0, 2.0, 3.0)),
}


@DTYPES
@pytest.mark.parametrize(
    "function",
    [
        f
        for name, f in (REDUCED | MORE_REDUCED).items()
        if not name.startswith(("kth", "std", "var_with"))
    ],
)
def test_rows_of_tiny_numbers(function: Function, dtype: str) -> None:
    """What is computed of several elements, some denormal; variances vanish earlier here."""
    wrong = [line for row in TINY_ROWS[dtype] for line in compare(function, (row,), dtype, True)]
    assert not wrong, "\n".join(wrong)


def test_hardsigmoid() -> None:
    """In single precision: PyTorch multiplies by a sixth of that precision in any case."""
    function = called("F.hardsigmoid")
    wrong = [line for p in POINTS for line in compare(function, (p,), "float32", False)]
    assert not wrong, "\n".join(wrong)


SIGNED = [
    name for name in UNARY | FIRST_ONLY if name.startswith(("remainder", "fmod", "floor_divide"))
] + [
    "sign",
    "sgn",
    "F.elu",
    "F.selu",
    "F.celu",
    "F.leaky_relu",
    "F.hardtanh",
    "F.relu6",
    "clamp_min",
]


@DTYPES
@pytest.mark.parametrize("name", SIGNED)
def test_signs_of_zeros(name: str, dtype: str) -> None:
    """A zero has PyTorch's sign."""
    function = (UNARY | FIRST_ONLY)[name]
    wrong = [line for p in POINTS for line in compare(function, (p,), dtype, False, signs=True)]
    assert not wrong, "\n".join(wrong)


@DTYPES
@pytest.mark.parametrize("name", ["relu", "F.relu", "F.hardtanh", "F.threshold"])
def test_cotangents_that_are_not_finite_stop_where_the_slope_is_zero(name: str, dtype: str) -> None:
    """A choice, not a product with 0."""
    found = []
    for t in libraries():
        points = [-2.0, 0.0, 0.5, NAN, -0.0, 2.0, -INF]
        x = t.tensor(points, dtype=getattr(t, dtype), requires_grad=True)
        args = (0.0, 0.0) if name == "F.threshold" else ()
        y = called(name, *args)(t, x)
        g = t.tensor([NAN, INF, -INF, 1.0, -INF, NAN, NAN], dtype=y.dtype)
        found.append(plain(t.autograd.grad(y, x, g)[0]))
    assert np.array_equal(found[0], found[1], equal_nan=True), found
