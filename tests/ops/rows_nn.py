"""Rows of the operator table: activations, softmax, losses, normalisation, embedding."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from tests.ops.cases import Array, OpCase, binary, row, unary, values

V = values

# ---- references ----------------------------------------------------------------------------------


def _sigmoid(x: Array) -> Array:
    return special.expit(x)


def _gelu(x: Array, approximate: str) -> Array:
    if approximate == "none":
        return x * special.ndtr(x)
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def _softplus(x: Array) -> Array:
    return np.log1p(np.exp(x))


def _bent(x: Array, low: Array) -> Array:
    return np.where(x > 0, x, low)


def _glu(x: Array, axis: int) -> Array:
    first, second = np.split(x, 2, axis)
    return first * _sigmoid(second)


def _reduced(losses: Array, reduction: str) -> Array:
    return {"none": np.asarray, "mean": np.mean, "sum": np.sum}[reduction](losses)


def _smooth_l1(a: Array, b: Array, reduction: str, beta: float) -> Array:
    z = np.abs(a - b)
    return _reduced(np.where(z < beta, 0.5 * z**2 / beta, z - beta / 2), reduction)


def _huber(a: Array, b: Array, reduction: str, delta: float) -> Array:
    z = np.abs(a - b)
    return _reduced(np.where(z < delta, 0.5 * z**2, delta * (z - delta / 2)), reduction)


def _bce(x: Array, t: Array, weight: Array, reduction: str) -> Array:
    losses = -(t * np.log(x) + (1 - t) * np.log(1 - x))
    return _reduced(losses if weight is None else losses * weight, reduction)


def _bce_logits(x: Array, t: Array, weight: Array, positive: Array, reduction: str) -> Array:
    positive = 1 if positive is None else positive
    losses = -(positive * t * np.log(_sigmoid(x)) + (1 - t) * np.log(_sigmoid(-x)))
    return _reduced(losses if weight is None else losses * weight, reduction)


def _nll(
    x: Array, target: Array, weight: Array, reduction: str, ignore_index: int, dense: bool
) -> Array:
    classes = np.moveaxis(x, 1, -1) if x.ndim > 1 else x
    weights = np.ones(x.shape[min(1, x.ndim - 1)]) if weight is None else weight
    losses, total = np.zeros(target.shape), 0.0
    for place in np.ndindex(target.shape):
        label = int(target[place])
        if label != ignore_index:
            losses[place] = -weights[label] * classes[(*place, label)]
            total += weights[label]
    if reduction == "none":
        return losses
    return losses.sum() / (total if reduction == "mean" else 1)


def _normalised(x: Array, axis: tuple[int, ...], eps: float) -> tuple[Array, Array, Array]:
    mean, var = x.mean(axis, keepdims=True), x.var(axis, keepdims=True)
    return (x - mean) / np.sqrt(var + eps), mean, var


def _layer_norm(
    x: Array, weight: Array, bias: Array, axis: tuple[int, ...], eps: float
) -> tuple[Array, ...]:
    found, mean, var = _normalised(x, axis, eps)
    found = found if weight is None else found * weight
    return (found if bias is None else found + bias), mean, var


def _group_norm(x: Array, weight: Array, bias: Array, groups: int, eps: float) -> tuple[Array, ...]:
    found, mean, var = _normalised(x.reshape(len(x), groups, -1), (2,), eps)
    found = found.reshape(x.shape)
    spread = (1, -1, *(1 for _ in x.shape[2:]))
    found = found if weight is None else found * weight.reshape(spread)
    return (found if bias is None else found + bias.reshape(spread)), mean, var


def _batch_norm(
    x: Array, weight: Array, bias: Array, mean: Array, var: Array, axis: tuple[int, ...], eps: float
) -> tuple[Array, ...]:
    spread = tuple(1 if a in axis else n for a, n in enumerate(x.shape))
    if mean is None:
        found, mean, var = _normalised(x, axis, eps)
    else:
        mean, var = mean.reshape(spread), var.reshape(spread)
        found = (x - mean) / np.sqrt(var + eps)
    found = found if weight is None else found * weight.reshape(spread)
    return (found if bias is None else found + bias.reshape(spread)), mean, var


# ---- samples -------------------------------------------------------------------------------------

LABELS = np.array([0, 4, 2])
SOME = np.array([0, -100, 2])
GRID = np.array([[[1, 0], [2, 2]], [[0, 0], [1, 2]]])


def options(reduction: str, dense: bool = True, ignore_index: int = -100) -> dict[str, Any]:
    """Return the parameters of the negative log-likelihood."""
    return {"reduction": reduction, "ignore_index": ignore_index, "dense": dense}


def pairs(*operands: Array, **params: Any) -> list[tuple[Any, ...]]:
    """Return samples of a loss with every reduction."""
    return [(*operands, {"reduction": r, **params}) for r in ("none", "mean", "sum")]


A, B = V((3, 4), seed="a"), V((3, 4), seed="b")
P, Q = V((3, 4), "probability", "p"), V((3, 4), "probability", "q")
W, X = V((3, 4), "positive", "w"), V((4,), "positive", "x")
LAYER = {"axis": (1,), "eps": 1e-5}
BATCH = {"mean": None, "var": None, "axis": (0, 2), "eps": 1e-5}
FIXED = {"mean": V((3,), seed="m"), "var": V((3,), "positive"), "axis": (0, 2), "eps": 1e-3}
IMAGE, CHANNEL = V((2, 3, 4), seed="i"), V((3,), seed="c")
TWO = {"padding_idx": -1, "scale_grad_by_freq": False}

ROWS: list[OpCase] = [
    unary("gelu", _gelu, approximate="none"),
    unary("silu", lambda x: x * _sigmoid(x)),
    unary("mish", lambda x: x * np.tanh(_softplus(x))),
    unary("logsigmoid", lambda x: -_softplus(-x)),
    unary("leaky_relu", lambda x, negative_slope: _bent(x, negative_slope * x), negative_slope=0.3),
    unary(
        "elu",
        lambda x, alpha, scale, input_scale: (
            scale * _bent(x, alpha * (np.exp(np.minimum(x, 0) * input_scale) - 1))
        ),
        alpha=1.5,
        scale=1.2,
        input_scale=0.7,
    ),
    unary(
        "celu",
        lambda x, alpha: _bent(x, alpha * (np.exp(np.minimum(x, 0) / alpha) - 1)),
        alpha=1.5,
    ),
    binary("prelu", lambda x, w: _bent(x, w * x), "real", "positive"),
    unary("hardtanh", lambda x, min_val, max_val: np.clip(x, -1, 1), min_val=-1.0, max_val=1.0),
    unary("hardsigmoid", lambda x: np.clip(x / 6 + 0.5, 0, 1)),
    unary("hardswish", lambda x: x * np.clip(x / 6 + 0.5, 0, 1)),
    unary("softshrink", lambda x, lambd: np.sign(x) * np.maximum(np.abs(x) - lambd, 0), lambd=0.5),
    unary("hardshrink", lambda x, lambd: np.where(np.abs(x) > lambd, x, 0), lambd=0.5),
    unary(
        "threshold",
        lambda x, threshold, value: np.where(x > threshold, x, value),
        threshold=0.5,
        value=7.0,
    ),
    row("glu", [(V((2, 4)), {"axis": 1}), (V((4, 3)), {"axis": 0})], _glu),
    row(
        "softmax",
        [(V((3, 4)), {"axis": 1}), (V((3, 4)), {"axis": 0}), (V((2, 3, 2)), {"axis": 1})],
        lambda x, axis: special.softmax(x, axis),
    ),
    row(
        "log_softmax",
        [(V((3, 4)), {"axis": 1}), (V((3, 4)), {"axis": 0}), (V((2, 3, 2)), {"axis": 1})],
        lambda x, axis: special.log_softmax(x, axis),
    ),
    row("mse_loss", pairs(A, B), lambda a, b, reduction: _reduced((a - b) ** 2, reduction)),
    row("smooth_l1_loss", [*pairs(A, B, beta=0.7), *pairs(A, B, beta=1.9)], _smooth_l1),
    row("huber_loss", [*pairs(A, B, delta=0.7), *pairs(A, B, delta=1.9)], _huber),
    row("binary_cross_entropy", [*pairs(P, Q, None), *pairs(P, Q, W)], _bce),
    row(
        "binary_cross_entropy_with_logits",
        [
            *pairs(A, Q, None, None),
            *pairs(A, Q, W, None),
            *pairs(A, Q, None, X),
            *pairs(A, Q, W, X),
        ],
        _bce_logits,
    ),
    row(
        "nll_loss",
        [
            *((V((3, 5)), LABELS, None, options(r)) for r in ("none", "mean", "sum")),
            *((V((3, 5)), LABELS, V((5,), "positive"), options(r)) for r in ("none", "mean")),
            *((V((3, 5)), SOME, None, options(r, False)) for r in ("none", "mean", "sum")),
            (V((3, 5)), LABELS, V((5,), "positive"), options("mean", False, 4)),
            (V((5,)), np.array(3), None, options("mean")),
        ],
        _nll,
        skip={"recorded": "the targets are values that a compiled function would fix"},
    ),
    row(
        "nll_loss2d",
        [
            *((V((2, 3, 2, 2)), GRID, None, options(r)) for r in ("none", "mean", "sum")),
            (V((2, 3, 2, 2)), GRID, V((3,), "positive"), options("mean", False, 2)),
        ],
        _nll,
        skip={"recorded": "the targets are values that a compiled function would fix"},
    ),
    unary("times_number", lambda x, number: x * number, number=2.5),
    unary("over_number", lambda x, number: x / number, number=2.5),
    row(
        "layer_norm",
        [
            (V((3, 4)), None, None, LAYER),
            (V((3, 4)), V((4,), seed="w"), None, LAYER),
            (V((3, 4)), V((4,), seed="w"), V((4,), seed="b"), LAYER),
            (V((2, 3, 2)), V((3, 2), seed="w"), V((3, 2), seed="b"), {"axis": (1, 2), "eps": 0.1}),
        ],
        _layer_norm,
    ),
    row(
        "group_norm",
        [
            (V((2, 4, 3)), None, None, {"groups": 2, "eps": 1e-5}),
            (V((2, 4, 3)), V((4,), seed="w"), V((4,), seed="b"), {"groups": 2, "eps": 1e-5}),
            (V((3, 6)), V((6,), seed="w"), None, {"groups": 3, "eps": 0.1}),
        ],
        _group_norm,
    ),
    row(
        "batch_norm",
        [
            (IMAGE, None, None, BATCH),
            (IMAGE, CHANNEL, None, BATCH),
            (IMAGE, CHANNEL, V((3,), seed="d"), BATCH),
            (IMAGE, CHANNEL, V((3,), seed="d"), FIXED),
            (V((4, 3)), CHANNEL, V((3,), seed="d"), {**BATCH, "axis": (0,)}),
        ],
        _batch_norm,
    ),
    row(
        "embedding",
        [
            (V((4, 3)), np.array([[1, 2], [1, 0]]), TWO),
            (V((4, 3)), np.array([3]), TWO),
        ],
        lambda weight, indices, **_: weight[indices],
    ),
]
