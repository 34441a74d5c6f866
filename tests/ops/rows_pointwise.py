"""Rows of the operator table: elementwise functions, comparisons, casts, complex parts."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from tests.ops.cases import OpCase, binary, row, unary, values

NO_GRADIENT = {
    "vjp": "the result is not differentiable",
    "second_order": "the result is not differentiable",
    "versions": "nothing is saved",
}
R, V = "real", values


def _polygamma(x: Any, n: int) -> Any:
    return special.psi(x) if n == 0 else special.polygamma(n, x)


def _softplus(x: Any, beta: float, threshold: float) -> Any:
    return np.where(x * beta > threshold, x, np.log1p(np.exp(x * beta)) / beta)


def _clamp(x: Any, min: Any, max: Any) -> Any:
    return np.clip(x, min, max)


COMPLEX = ("complex",)

ROWS: list[OpCase] = [
    binary("add", lambda a, b: a + b, also=COMPLEX),
    binary("sub", lambda a, b: a - b, also=COMPLEX),
    binary("mul", lambda a, b: a * b, also=COMPLEX),
    binary("div", lambda a, b: a / b, also=COMPLEX),
    binary("add_scaled", lambda a, b, alpha: a + alpha * b, alpha=2.5),
    binary("sub_scaled", lambda a, b, alpha: a - alpha * b, alpha=2.5),
    binary("div_rounded", lambda a, b, rounding: np.floor(a / b), rounding="floor"),
    unary("rsub_number", lambda a, other: other - a, other=2.0),
    binary("rsub_general", lambda a, b: b - a),
    unary("neg", lambda a: -a, also=COMPLEX),
    unary("reciprocal", lambda a: 1 / a, also=COMPLEX),
    row(
        "pow_number",
        [
            *((V((2, 3), "positive"), {"exponent": e}) for e in (2, 3, -1, 0.5, 2.5, 0, 1)),
            (V((2, 3)), {"exponent": 3}),
            (V((), R), {"exponent": 2}),
            (V((3,), "complex"), {"exponent": 3}),
        ],
        lambda a, exponent: a**exponent,
    ),
    binary("pow", lambda a, b: a**b, "positive", "real"),
    row(
        "pow_base",
        [(V((2, 3)), {"base": 2.5}), (V((), R), {"base": 0.5})],
        lambda a, base: base**a,
    ),
    unary("exp", np.exp, also=COMPLEX),
    unary("exp2", np.exp2),
    unary("expm1", np.expm1),
    unary("log", np.log, "positive", also=COMPLEX),
    unary("log2", np.log2, "positive"),
    unary("log10", np.log10, "positive"),
    unary("log1p", np.log1p, "positive"),
    unary("sqrt", np.sqrt, "positive", also=COMPLEX),
    unary("rsqrt", lambda a: 1 / np.sqrt(a), "positive"),
    unary("sin", np.sin, also=COMPLEX),
    unary("cos", np.cos, also=COMPLEX),
    unary("tan", np.tan, "unit"),
    unary("asin", np.arcsin, "unit"),
    unary("acos", np.arccos, "unit"),
    unary("atan", np.arctan),
    binary("atan2", np.arctan2),
    unary("sinh", np.sinh),
    unary("cosh", np.cosh),
    unary("tanh", np.tanh, also=COMPLEX),
    unary("asinh", np.arcsinh),
    unary("acosh", np.arccosh, "above_one"),
    unary("atanh", np.arctanh, "unit"),
    unary("sigmoid", special.expit),
    binary("tanh_backward", lambda g, y: g * (1 - y * y), "real", "unit"),
    binary("sigmoid_backward", lambda g, y: g * (1 - y) * y, "real", "probability"),
    binary("threshold_backward", lambda g, y: np.where(y > 0, g, 0.0), "real", "positive"),
    unary("relu", lambda a: np.maximum(a, 0)),
    unary("erf", special.erf),
    unary("erfc", special.erfc),
    unary("erfinv", special.erfinv, "unit"),
    unary("lgamma", special.gammaln, "positive"),
    unary("digamma", special.psi, "positive"),
    row(
        "polygamma",
        [(V((2, 3), "positive"), {"n": n}) for n in (0, 1, 2)],
        _polygamma,
        tolerance=1e-5,
    ),
    unary("softplus", _softplus, beta=1.0, threshold=20.0),
    unary("abs", np.abs, also=COMPLEX),
    unary("sign", np.sign),
    unary("sgn", np.sign, also=("complex",)),
    unary("floor", np.floor, "fraction"),
    unary("ceil", np.ceil, "fraction"),
    unary("trunc", np.trunc, "fraction"),
    unary("round", np.round, "fraction"),
    unary("frac", lambda a: a - np.trunc(a), "fraction"),
    binary("maximum", np.maximum),
    binary("minimum", np.minimum),
    binary("fmax", np.fmax),
    binary("fmin", np.fmin),
    row(
        "clamp",
        [
            (V((2, 3)), {"min": -0.7, "max": 0.9}),
            (V((2, 3)), {"min": -0.7, "max": None}),
            (V((2, 3)), {"min": None, "max": 0.9}),
        ],
        _clamp,
    ),
    row("clamp_min", [(V((2, 3)), {"min": 0.5})], lambda a, min: np.maximum(a, min)),
    row("clamp_max", [(V((2, 3)), {"max": 0.5})], lambda a, max: np.minimum(a, max)),
    *[binary(name, np.maximum) for name in ("at_least", "clamp_min_tensor")],
    *[binary(name, np.minimum) for name in ("at_most", "clamp_max_tensor")],
    row(
        "clamp_tensors",
        [(V((2, 3)), V((3,), "unit") - 1.0, V((2, 1), "unit") + 1.0)],
        lambda a, low, high: np.clip(a, low, high),
    ),
    row(
        "where",
        [
            (V((2, 3), "bool"), V((2, 3), R, "a"), V((2, 3), R, "b")),
            (V((3,), "bool"), V((2, 1), R, "a"), V((), R, "b")),
        ],
        np.where,
    ),
    row(
        "remainder_number",
        [(V((2, 3), "fraction"), {"divisor": 1.5}), (V((), "fraction"), {"divisor": -2.5})],
        lambda a, divisor: np.remainder(a, divisor),
    ),
    binary("remainder", np.remainder, "fraction", "above_one"),
    row(
        "fmod_number",
        [(V((2, 3), "fraction"), {"divisor": 1.5})],
        lambda a, divisor: np.fmod(a, divisor),
    ),
    binary("fmod", np.fmod, "fraction", "above_one"),
    binary("floor_divide", np.floor_divide, "fraction", "above_one"),
    row(
        "nan_to_num",
        [
            (np.array([1.0, np.nan, np.inf, -np.inf]), {"nan": 2.0, "posinf": 3.0, "neginf": -4.0}),
            (V((2, 3)), {"nan": 0.0, "posinf": 1e9, "neginf": -1e9}),
        ],
        lambda a, nan, posinf, neginf: np.nan_to_num(a, nan=nan, posinf=posinf, neginf=neginf),
    ),
    binary("lerp_number", lambda a, b, weight: a + weight * (b - a), weight=0.3),
    row(
        "lerp",
        [
            (V((2, 3), R, "a"), V((2, 3), R, "b"), V((2, 3), "probability")),
            (V((2, 1), R, "a"), V((3,), R, "b"), V((), "probability")),
        ],
        lambda a, b, w: a + w * (b - a),
    ),
    row(
        "addcmul",
        [
            (V((2, 3), R, "a"), V((2, 3), R, "b"), V((2, 3), R, "c"), {"value": 0.5}),
            (V((3,), R, "a"), V((2, 1), R, "b"), V((), R, "c"), {"value": 1}),
        ],
        lambda a, b, c, value: a + value * b * c,
    ),
    row(
        "addcdiv",
        [(V((2, 3), R, "a"), V((2, 3), R, "b"), V((2, 3), R, "c"), {"value": 0.5})],
        lambda a, b, c, value: a + value * b / c,
    ),
    binary("hypot", np.hypot),
    binary("logaddexp", np.logaddexp),
    binary("xlogy", special.xlogy, "real", "positive"),
    unary("logit", special.logit, "probability"),
    unary("conj", np.conj, also=COMPLEX),
    unary("angle", np.angle, "complex", tolerance=1e-5),
    binary("complex", lambda a, b: a + 1j * b),
    row(
        "view_as_real",
        [(V((2, 3), "complex"),)],
        lambda a: np.stack([a.real, a.imag], -1),
    ),
    row("view_as_complex", [(V((3, 2)),)], lambda a: a[..., 0] + 1j * a[..., 1]),
    row(
        "to_copy",
        [(V((2, 3)), {"dtype": np.dtype("float64")}), (V((), R), {"dtype": np.dtype("float64")})],
        lambda a, dtype: a.astype(dtype),
    ),
]

for _name, _function in {
    "eq": np.equal,
    "ne": np.not_equal,
    "lt": np.less,
    "le": np.less_equal,
    "gt": np.greater,
    "ge": np.greater_equal,
    "logical_and": np.logical_and,
    "logical_or": np.logical_or,
    "logical_xor": np.logical_xor,
}.items():
    ROWS.append(binary(_name, _function, skip=NO_GRADIENT))
for _name, _function in {
    "isnan": np.isnan,
    "isinf": np.isinf,
    "isfinite": np.isfinite,
    "logical_not": np.logical_not,
}.items():
    ROWS.append(unary(_name, _function, skip=NO_GRADIENT))
for _name, _function in {
    "bitwise_and": np.bitwise_and,
    "bitwise_or": np.bitwise_or,
    "bitwise_xor": np.bitwise_xor,
}.items():
    ROWS.append(binary(_name, _function, "integer", skip=NO_GRADIENT))
for _name, _function in {
    "bitwise_left_shift": np.left_shift,
    "bitwise_right_shift": np.right_shift,
}.items():
    samples = [
        (np.array([1, 5, -8]), np.array([0, 2, 1])),
        (np.array([[3], [9]]), np.array([1, 4])),
    ]
    ROWS.append(row(_name, samples, _function, skip=NO_GRADIENT))
ROWS += [
    unary("bitwise_not", np.bitwise_not, "integer", skip=NO_GRADIENT),
    row(
        "isclose",
        [(V((4,)), V((4,)) * (1 + 1e-6), {"rtol": 1e-5, "atol": 1e-8, "equal_nan": False})],
        lambda a, b, rtol, atol, equal_nan: np.isclose(a, b, rtol, atol, equal_nan),
        skip=NO_GRADIENT,
    ),
]
