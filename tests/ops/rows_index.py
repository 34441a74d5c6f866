"""Rows of the operator table: picking and placing by index tensors and masks, sorting."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.cases import OpCase, row, values

V = values
A, B = V((4, 3), "real", "a"), V((4, 3), "real", "b")
CUBE = V((2, 3, 4))
INDEX = np.array([2, 0, 2])
PAIR = np.array([[3, 0, 3], [1, 2, 1]])
MASK = np.array([True, False, True, False])
MASK_2D = V((4, 3), "bool")
ALONG = np.array([[0, 3, 1], [2, 2, 0]])
ROWS_ONCE = np.array([[0, 3, 1], [2, 2, 0]])


def _full(index: Any, axes: tuple[int, ...]) -> tuple[Any, ...]:
    full: list[Any] = [slice(None)] * (axes[-1] + 1)
    for place, axis in enumerate(axes):
        full[axis] = index[place] if len(axes) > 1 else index
    return tuple(full)


def _accumulated(a: Any, index: Any, shape: Any, axes: Any) -> Any:
    made = np.zeros(shape, a.dtype)
    np.add.at(made, _full(index, axes), a)
    return made


def _put(a: Any, value: Any, index: Any, axes: Any, accumulate: bool) -> Any:
    made = a.copy()
    if accumulate:
        np.add.at(made, _full(index, axes), value)
    else:
        made[_full(index, axes)] = value
    return made


def _along(a: Any, index: Any, axis: int) -> Any:
    made = np.empty(index.shape, a.dtype)
    for place in np.ndindex(index.shape):
        source = list(place)
        source[axis] = index[place]
        made[place] = a[tuple(source)]
    return made


def _scattered(a: Any, src: Any, index: Any, axis: int, add: bool) -> Any:
    made = a.copy()
    for place in np.ndindex(index.shape):
        target = list(place)
        target[axis] = index[place]
        value = src if np.ndim(src) == 0 else src[place]
        made[tuple(target)] = made[tuple(target)] + value if add else value
    return made


def _moved(a: Any, index: Any, axis: int, value: Any, add: bool = False) -> Any:
    made = np.moveaxis(a.copy(), axis, 0)
    source = value if np.ndim(value) == 0 else np.moveaxis(value, axis, 0)
    for place, target in enumerate(index):
        part = source if np.ndim(source) == 0 else source[place]
        made[target] = made[target] + part if add else part
    return np.moveaxis(made, 0, axis)


def _masked_scatter(a: Any, source: Any, mask: Any) -> Any:
    made = a.copy()
    wide = np.broadcast_to(mask, a.shape)
    made[wide] = source.ravel()[: wide.sum()]
    return made


def _slice_into(a: Any, shape: Any, index: Any) -> Any:
    made = np.zeros(shape, a.dtype)
    made[index] = a
    return made


ROWS: list[OpCase] = [
    row(
        "index",
        [
            (A, INDEX, {"axes": (0,)}),
            (CUBE, INDEX, {"axes": (1,)}),
            (A, PAIR, {"axes": (0, 1)}),
            (CUBE, np.array([[0, 1], [3, 2]]), {"axes": (0, 2)}),
            (A, MASK, {"axes": (0,)}),
            (A, MASK_2D, {"axes": (0,)}),
            (A, np.zeros(0, np.int64), {"axes": (1,)}),
            (A, np.array([-1, -4]), {"axes": (0,)}),
        ],
        lambda a, index, axes: a[_full(index, axes)],
    ),
    row(
        "index_accumulate",
        [
            (V((3, 3)), INDEX, {"shape": (4, 3), "axes": (0,)}),
            (V((3,)), PAIR, {"shape": (4, 3), "axes": (0, 1)}),
            (V((2, 3)), MASK, {"shape": (4, 3), "axes": (0,)}),
        ],
        _accumulated,
    ),
    row(
        "index_put",
        [
            (A, V((2, 3)), np.array([2, 0]), {"axes": (0,), "accumulate": False}),
            (A, V((3,)), np.array([2, 0]), {"axes": (0,), "accumulate": False}),
            (A, V(()), MASK, {"axes": (0,), "accumulate": False}),
            (A, V((3,)), PAIR, {"axes": (0, 1), "accumulate": True}),
            (A, V((3, 3)), INDEX, {"axes": (0,), "accumulate": True}),
        ],
        _put,
    ),
    row("fill_value", [(A, V(()))], lambda a, value: np.full_like(a, value)),
    row("slice_put", [(V((2, 3)), {"shape": (4, 3), "index": (slice(1, 3),)})], _slice_into),
    row("select_into", [(V((4,)), {"shape": (4, 3), "index": (slice(None), 1)})], _slice_into),
    row(
        "pick_along",
        [(A, ALONG, {"axis": 0}), (A, np.array([[2], [0], [0], [1]]), {"axis": 1})],
        _along,
    ),
    row(
        "add_along",
        [(V((2, 3)), ALONG, {"shape": (4, 3), "axis": 0})],
        lambda a, index, shape, axis: _scattered(np.zeros(shape), a, index, axis, True),
    ),
    row("take", [(A, np.array([[0, 11], [-1, 0]]))], lambda a, index: a.ravel()[index]),
    row(
        "index_select",
        [(A, INDEX, {"axis": 0}), (CUBE, INDEX, {"axis": 1})],
        lambda a, index, axis: a.take(index, axis),
    ),
    row(
        "masked_select",
        [
            (A, MASK_2D, {"shape": (4, 3)}),
            (A, np.array([True, False, True]), {"shape": (4, 3)}),
            (V((3,)), MASK_2D, {"shape": (4, 3)}),
        ],
        lambda a, mask, shape: np.broadcast_to(a, shape)[np.broadcast_to(mask, shape)],
    ),
    row(
        "scatter",
        [(A, V((2, 3)), ROWS_ONCE, {"axis": 0})],
        lambda a, src, index, axis: _scattered(a, src, index, axis, False),
    ),
    row(
        "scatter_number",
        [(A, ROWS_ONCE, {"axis": 0, "value": 2.5})],
        lambda a, index, axis, value: _scattered(a, value, index, axis, False),
    ),
    row(
        "scatter_add",
        [(A, V((2, 3)), ALONG, {"axis": 0})],
        lambda a, src, index, axis: _scattered(a, src, index, axis, True),
    ),
    row(
        "index_add",
        [
            (A, V((3, 3)), INDEX, {"axis": 0, "alpha": 1}),
            (A, V((4, 3)), INDEX, {"axis": 1, "alpha": -0.5}),
        ],
        lambda a, source, index, axis, alpha: _moved(a, index, axis, alpha * source, True),
    ),
    row(
        "index_copy",
        [(A, V((2, 3)), np.array([3, 1]), {"axis": 0})],
        lambda a, source, index, axis: _moved(a, index, axis, source),
    ),
    row(
        "index_fill",
        [(A, INDEX, {"axis": 1, "value": 2.5})],
        lambda a, index, axis, value: _moved(a, index, axis, value),
    ),
    row(
        "index_fill_tensor",
        [(A, V(()), np.array([2, 0]), {"axis": 1})],
        lambda a, value, index, axis: _moved(a, index, axis, value),
    ),
    row(
        "masked_fill",
        [(A, MASK_2D, {"value": 2.5}), (A, np.array([True, False, True]), {"value": -1.0})],
        lambda a, mask, value: np.where(mask, value, a),
    ),
    row(
        "masked_fill_tensor",
        [(A, V(()), MASK_2D)],
        lambda a, value, mask: np.where(mask, value, a),
    ),
    row(
        "masked_scatter",
        [(A, V((15,)), MASK_2D), (A, V((4, 3)), np.array([True, False, True]))],
        _masked_scatter,
    ),
    row(
        "select_scatter",
        [(A, V((3,)), {"full": (2,)})],
        lambda a, src, full: np.vstack([a[:2], src[None], a[3:]]),
    ),
    row(
        "slice_scatter",
        [(A, V((2, 3)), {"full": (slice(1, 3),)})],
        lambda a, src, full: np.vstack([a[:1], src, a[3:]]),
    ),
    row(
        "diagonal_scatter",
        [(V((3, 3)), V((3,)), {"offset": 0, "axis1": 0, "axis2": 1})],
        lambda a, src, offset, axis1, axis2: a - np.diag(np.diag(a)) + np.diag(src),
    ),
]
