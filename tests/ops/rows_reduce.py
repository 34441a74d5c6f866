"""Rows of the operator table: reductions, running sums, sorting, products of matrices."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import special

from tests.ops.cases import OpCase, row, values
from tests.ops.rows_pointwise import NO_GRADIENT

V = values
A, CUBE, SCALAR = V((3, 4)), V((2, 3, 4)), V(())
POSITIVE = V((3, 4), "positive")


def along(array: Any = A, **params: Any) -> list[Any]:
    """Return samples over all and some axes, with and without keepdims."""
    everything = tuple(range(array.ndim))
    return [
        (array, {"axis": everything, "keepdims": False, **params}),
        (array, {"axis": (1,), "keepdims": False, **params}),
        (array, {"axis": (0,), "keepdims": True, **params}),
        (CUBE, {"axis": (0, 2), "keepdims": False, **params}),
    ]


def along_one(array: Any = A, **params: Any) -> list[Any]:
    """Return samples over one axis, with and without keepdims."""
    return [
        (array, {"axis": 1, "keepdims": False, **params}),
        (array, {"axis": 0, "keepdims": True, **params}),
        (CUBE, {"axis": 1, "keepdims": False, **params}),
    ]


def _with_zeros(*places: tuple[int, int]) -> Any:
    made = A.copy()
    for place in places:
        made[place] = 0.0
    return made


def _picked(a: Any, where: Any, axis: int, keepdims: bool) -> tuple[Any, Any]:
    index = np.expand_dims(where, axis)
    found = np.take_along_axis(a, index, axis)
    return (found, index) if keepdims else (found.squeeze(axis), where)


def _kth(a: Any, k: int, axis: int, keepdims: bool) -> tuple[Any, Any]:
    return _picked(a, np.argsort(a, axis, kind="stable").take(k - 1, axis), axis, keepdims)


def _median(a: Any, axis: int, keepdims: bool) -> tuple[Any, Any]:
    return _kth(a, (a.shape[axis] + 1) // 2, axis, keepdims)


def _sorted(a: Any, axis: int, descending: bool) -> tuple[Any, Any]:
    order = np.argsort(-a if descending else a, axis, kind="stable")
    return np.take_along_axis(a, order, axis), order


def _topk(a: Any, k: int, axis: int, largest: bool) -> tuple[Any, Any]:
    found, order = _sorted(a, axis, largest)
    return found.take(range(k), axis), order.take(range(k), axis)


def _running(a: Any, axis: int, sign: int = 1) -> tuple[Any, Any]:
    moved = np.moveaxis(sign * a, axis, 0)
    where = np.stack([np.argmax(moved[: k + 1], 0) for k in range(len(moved))])
    where = np.moveaxis(where, 0, axis)
    return np.take_along_axis(a, where, axis), where


def _mode(a: Any, axis: int, keepdims: bool) -> tuple[Any, Any]:
    def last(row: Any) -> Any:
        found, counts = np.unique(row, return_counts=True)
        return np.flatnonzero(row == found[counts.argmax()])[-1]

    return _picked(a, np.apply_along_axis(last, axis, a), axis, keepdims)


def _norm(a: Any, ord: float, axis: Any, keepdims: bool) -> Any:
    size = np.abs(a)
    if np.isinf(ord):
        return (np.max if ord > 0 else np.min)(size, axis=axis, keepdims=keepdims)
    if ord == 0:
        return (size != 0).sum(axis=axis, keepdims=keepdims).astype(float)
    return (size**ord).sum(axis=axis, keepdims=keepdims) ** (1 / ord)


def _moments(spread: Any) -> Any:
    def both(a: Any, axis: Any, correction: float, keepdims: bool) -> tuple[Any, Any]:
        found = spread(a, axis, ddof=correction, keepdims=keepdims)
        return found, np.mean(a, axis, keepdims=keepdims)

    return both


ROWS: list[OpCase] = [
    row("sum_all", [(A,), (SCALAR,), (V((0, 2)),), (V((3,), "complex"),)], np.sum),
    row("sum", [*along(), (V((3,), "complex"), {"axis": (0,), "keepdims": False})], np.sum),
    row("mean_all", [(A,), (SCALAR,)], np.mean),
    row("mean", along(), np.mean),
    row(
        "prod",
        [*along()[:1], *along(_with_zeros((1, 1)))[:1], *along(_with_zeros((1, 1), (2, 3)))[:1]],
        np.prod,
    ),
    row(
        "prod_dim",
        [
            *along()[1:3],
            *along(_with_zeros((1, 1)))[1:3],
            *along(_with_zeros((1, 1), (1, 3)))[1:3],
        ],
        np.prod,
    ),
    row("cumsum", [(A, {"axis": 0}), (A, {"axis": 1})], np.cumsum),
    row(
        "cumprod",
        [(A, {"axis": 0}), (_with_zeros((1, 1)), {"axis": 1}), (_with_zeros((0, 0)), {"axis": 0})],
        np.cumprod,
    ),
    row("logcumsumexp", [(A, {"axis": 0}), (CUBE, {"axis": 1})], np.logaddexp.accumulate),
    row("cummax", [(A, {"axis": 0}), (CUBE, {"axis": 1})], lambda a, axis: _running(a, axis)),
    row("cummin", [(A, {"axis": 0}), (CUBE, {"axis": 1})], lambda a, axis: _running(a, axis, -1)),
    row("mode", along_one(), _mode),
    row("max_all", along()[:1], np.max),
    row("min_all", along()[:1], np.min),
    row("amax", along(), np.max),
    row("amin", along(), np.min),
    row(
        "max_dim",
        along_one(),
        lambda a, axis, keepdims: _picked(a, a.argmax(axis), axis, keepdims),
    ),
    row(
        "min_dim",
        along_one(),
        lambda a, axis, keepdims: _picked(a, a.argmin(axis), axis, keepdims),
    ),
    row(
        "argextreme",
        [(A, {"axis": 1, "keepdims": False, "name": "argmax"})],
        lambda a, axis, keepdims, name: a.argmax(axis),
        skip=NO_GRADIENT,
    ),
    row("all", along(A > -1), np.all, skip=NO_GRADIENT),
    row("any", along(A > 1), np.any, skip=NO_GRADIENT),
    row(
        "var",
        along(correction=1.0),
        lambda a, axis, correction, keepdims: np.var(a, axis, ddof=correction, keepdims=keepdims),
    ),
    row(
        "std",
        along(correction=1.0),
        lambda a, axis, correction, keepdims: np.std(a, axis, ddof=correction, keepdims=keepdims),
    ),
    row("logsumexp", along(), lambda a, axis, keepdims: special.logsumexp(a, axis, None, keepdims)),
    row(
        "vector_norm",
        [sample for ord in (2.0, 1.0, 3.0, np.inf, -np.inf, 0.0) for sample in along(ord=ord)[:2]],
        _norm,
    ),
    row(
        "dist",
        [(A, V((3, 4), "real", "b"), {"p": p}) for p in (2.0, 1.0, 3.0)],
        lambda a, b, p: _norm(a - b, p, None, False),
    ),
    row("var_mean", along(correction=1.0), _moments(np.var)),
    row("std_mean", along(correction=1.0), _moments(np.std)),
    row(
        "aminmax",
        along(),
        lambda a, axis, keepdims: (
            np.min(a, axis, keepdims=keepdims),
            np.max(a, axis, keepdims=keepdims),
        ),
    ),
    row("whole_of", [(SCALAR,)], lambda a: (a, np.zeros((), np.int64))),
    row(
        "sort",
        [(A, {"axis": 1, "descending": False}), (CUBE, {"axis": 0, "descending": True})],
        _sorted,
    ),
    row(
        "topk",
        [
            (A, {"k": 2, "axis": 1, "largest": True}),
            (CUBE, {"k": 1, "axis": 0, "largest": False}),
        ],
        _topk,
    ),
    row("kthvalue", along_one(k=2), _kth),
    row("median_dim", along_one(), _median),
    row(
        "median_all",
        [(A, {"axis": (0, 1), "keepdims": False})],
        lambda a, axis, keepdims: np.sort(a.ravel())[(a.size - 1) // 2],
    ),
    row(
        "mm",
        [
            (V((2, 3)), V((3, 4)), {"transposed": False}),
            (V((2, 3)), V((3, 4)), {"transposed": True}),
            (V((2, 3), "complex"), V((3, 2), "complex"), {"transposed": False}),
        ],
        lambda a, b, transposed: a @ b,
    ),
    row("bmm", [(V((2, 2, 3)), V((2, 3, 4)))], np.matmul),
    row("mv", [(V((2, 3)), V((3,)))], np.matmul),
    row(
        "dot",
        [(V((3,)), V((3,), "real", "b")), (V((3,), "complex"), V((3,), "complex", "b"))],
        np.dot,
    ),
    row(
        "addmm",
        [
            (V((2, 4)), V((2, 3)), V((3, 4)), {"transposed": False}),
            (V((4,)), V((2, 3)), V((3, 4)), {"transposed": True}),
        ],
        lambda a, b, c, transposed: a + b @ c,
    ),
]
