"""Rows of the operator table: views, rearrangements, joining, and writing in place."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.cases import OpCase, row, unary, values

V = values
A = V((2, 3, 4))


def _windows(a: Any, axis: int, size: int, step: int) -> Any:
    windows = np.lib.stride_tricks.sliding_window_view(a, size, axis)
    return windows[(slice(None),) * axis + (slice(None, None, step),)]


def _add_windows(a: Any, shape: Any, axis: int, size: int, step: int) -> Any:
    made = np.zeros(shape)
    for place, window in enumerate(a):
        made[place * step : place * step + size] += window
    return made


def _as_strided(a: Any, shape: Any, strides: Any, offset: int, layout: Any) -> Any:
    flat = a.ravel()
    made = np.empty(shape)
    for place in np.ndindex(*shape):
        made[place] = flat[offset + sum(p * s for p, s in zip(place, strides))]
    return made


ROWS: list[OpCase] = [
    row(
        "view",
        [(A, {"shape": (6, 4)}), (A, {"shape": (24,)}), (V(()), {"shape": (1, 1)})],
        lambda a, shape: a.reshape(shape),
    ),
    row("reshape_alias", [(A, {"shape": (6, 4)})], lambda a, shape: a.reshape(shape)),
    row("unsafe_view", [(A, {"shape": (3, 8)})], lambda a, shape: a.reshape(shape)),
    row("t", [(V((2, 3)),), (V((1, 4)),)], lambda a: a.T),
    row("alias_t", [(V((3,)),), (V(()),)], lambda a: a),
    row(
        "transpose",
        [(A, {"dim0": 0, "dim1": 2}), (A, {"dim0": 1, "dim1": 1})],
        lambda a, dim0, dim1: a.swapaxes(dim0, dim1),
    ),
    row(
        "permute",
        [(A, {"axes": (2, 0, 1)}), (A, {"axes": (0, 1, 2)}), (V(()), {"axes": ()})],
        lambda a, axes: a.transpose(axes),
    ),
    row(
        "unsqueeze",
        [(A, {"axis": 0}), (A, {"axis": 3}), (V(()), {"axis": 0})],
        lambda a, axis: np.expand_dims(a, axis),
    ),
    row(
        "squeeze_all",
        [(V((1, 3, 1)), {"axis": (0, 2)}), (A, {"axis": ()})],
        lambda a, axis: a.squeeze(axis),
    ),
    row(
        "squeeze_one",
        [(V((1, 3, 1)), {"axis": (2,)}), (A, {"axis": ()})],
        lambda a, axis: a.squeeze(axis),
    ),
    row("squeeze_several", [(V((1, 3, 1)), {"axis": (0, 2)})], lambda a, axis: a.squeeze(axis)),
    row("unsafe_squeeze", [(V((1, 3, 1)), {"axis": (0,)})], lambda a, axis: a.squeeze(axis)),
    row(
        "expand",
        [
            (V((3, 1)), {"shape": (2, 3, 4)}),
            (V((3,)), {"shape": (3,)}),
            (V(()), {"shape": (2, 2)}),
        ],
        lambda a, shape: np.broadcast_to(a, shape),
    ),
    row(
        "select",
        [(A, {"axis": 1, "index": 2}), (V((3,)), {"axis": 0, "index": 0})],
        lambda a, axis, index: a.take(index, axis),
    ),
    row(
        "slice",
        [
            (A, {"axis": 2, "index": slice(1, 3, 1)}),
            (A, {"axis": 0, "index": slice(0, 2, 2)}),
            (A, {"axis": 2, "index": slice(3, None, -1)}),
            (A, {"axis": 1, "index": slice(2, 2, 1)}),
        ],
        lambda a, axis, index: a[(slice(None),) * axis + (index,)],
    ),
    row(
        "diagonal",
        [
            (V((3, 4)), {"offset": 0, "axis1": 0, "axis2": 1}),
            (A, {"offset": 1, "axis1": 1, "axis2": 2}),
            (A, {"offset": -1, "axis1": 2, "axis2": 0}),
        ],
        lambda a, offset, axis1, axis2: np.diagonal(a, offset, axis1, axis2),
    ),
    unary("alias", lambda a: a),
    unary("fw_primal", lambda a: a),
    unary("clone", lambda a: a, also=("complex",)),
    row(
        "cat",
        [
            (V((2, 3), "real", "a"), V((1, 3), "real", "b"), V((2, 3), "real", "c"), {"axis": 0}),
            (V((2, 1), "real", "a"), V((2, 2), "real", "b"), {"axis": 1}),
            (V((2, 3)), {"axis": 1}),
        ],
        lambda *arrays, axis: np.concatenate(arrays, axis),
    ),
    row(
        "stack",
        [
            (V((2, 3), "real", "a"), V((2, 3), "real", "b"), {"axis": 0}),
            (V((2, 3), "real", "a"), V((2, 3), "real", "b"), {"axis": 2}),
            (V((), "real", "a"), V((), "real", "b"), {"axis": 0}),
        ],
        lambda *arrays, axis: np.stack(arrays, axis),
    ),
    row(
        "unbind",
        [(A, {"axis": 0}), (A, {"axis": 1})],
        lambda a, axis: tuple(np.moveaxis(a, axis, 0)),
    ),
    row(
        "split",
        [(A, {"sizes": (2, 1), "axis": 1})],
        lambda a, sizes, axis: tuple(np.split(a, np.cumsum(sizes)[:-1], axis)),
    ),
    row(
        "split_with_sizes",
        [(A, {"sizes": (1, 3), "axis": 2})],
        lambda a, sizes, axis: tuple(np.split(a, np.cumsum(sizes)[:-1], axis)),
    ),
    row("flip", [(A, {"axis": (0, 2)}), (A, {"axis": ()})], np.flip),
    row(
        "roll",
        [
            (A, {"shifts": (1, -2), "axis": (0, 2)}),
            (V((5,)), {"shifts": (2,), "axis": (0,)}),
            (V((2, 3)), {"shifts": (2,), "axis": ()}),
        ],
        lambda a, shifts, axis: np.roll(a, shifts, axis) if axis else np.roll(a, shifts),
    ),
    row(
        "rot90",
        [(V((2, 3)), {"k": k, "axes": (0, 1)}) for k in (1, 2, 3)],
        lambda a, k, axes: np.rot90(a, k, axes),
    ),
    row(
        "repeat",
        [(V((2, 3)), {"repeats": (2, 1)}), (V((2,)), {"repeats": (2, 1, 3)})],
        lambda a, repeats: np.tile(a, repeats),
    ),
    row(
        "tril",
        [(A, {"diagonal": 0}), (A, {"diagonal": -1})],
        lambda a, diagonal: np.tril(a, diagonal),
    ),
    row(
        "triu",
        [(A, {"diagonal": 0}), (A, {"diagonal": 1})],
        lambda a, diagonal: np.triu(a, diagonal),
    ),
    row("trace", [(V((3, 4)),), (V((2, 2)),)], np.trace),
    row("diagonal_copy", [(V((3, 4)), {"offset": 1})], lambda a, offset: np.diagonal(a, offset)),
    row(
        "diag_embed",
        [(V((2, 3)), {"shape": (2, 3, 3), "offset": 0, "axis1": 1, "axis2": 2})],
        lambda a, shape, offset, axis1, axis2: a[:, :, None] * np.eye(3),
    ),
    row(
        "copy",
        [(V((2, 3), "real", "a"), V((2, 3), "real", "b")), (V((2, 3), "real", "a"), V((3,)))],
        lambda a, b: np.broadcast_to(b, a.shape),
    ),
    row("clone_rows", [(V((2, 3)),), (V((2, 3)).T,)], lambda a: a),
    row(
        "view_dtype",
        [(V((2, 3)), {"dtype": np.dtype("int64")}), (V((2, 3)), {"dtype": np.dtype("float32")})],
        lambda a, dtype: a.view(dtype),
        skip={
            "vjp": "bytes have no derivative",
            "second_order": "bytes have no derivative",
            "versions": "nothing is ever saved",
        },
    ),
    row(
        "windows",
        [
            (V((7,)), {"axis": 0, "size": 3, "step": 2}),
            (A, {"axis": 1, "size": 2, "step": 1}),
            (A, {"axis": 2, "size": 2, "step": 2}),
        ],
        _windows,
    ),
    row(
        "add_windows",
        [(V((3, 3)), {"shape": (7,), "axis": 0, "size": 3, "step": 2})],
        _add_windows,
    ),
    row(
        "as_strided",
        [
            (V((6,)), {"shape": (3, 3), "strides": (1, 1), "offset": 1, "layout": (1,)}),
            (V((2, 3)), {"shape": (3,), "strides": (2,), "offset": 0, "layout": (3, 1)}),
        ],
        _as_strided,
    ),
    row("fill", [(V((2, 3)), {"value": 1.5})], lambda a, value: np.full_like(a, value)),
    row("zero", [(V((2, 3)),)], np.zeros_like),
]
