"""Rows of the operator table: convolution, pooling, unfolding and padding.

The references are loops over windows: slow, and nothing like the kernels.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from adjoint.array.kernels import Bins, Window, output_size
from tests.ops.cases import Array, OpCase, row, values

V = values
PLAIN: dict[str, Any] = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
MIXED: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 2}


def windows(*axes: tuple[int, ...]) -> tuple[Window, ...]:
    """Return windows from (input, kernel, stride, padding, dilation), the last three optional."""
    made = []
    for size, kernel, *rest in axes:
        stride, padding, dilation = (*rest, *(1, 0, 1)[len(rest) :])
        count = output_size(size, kernel, stride, padding, dilation)
        made.append(Window(size, count, kernel, stride, padding, dilation))
    return tuple(made)


def meets(space: tuple[Any, ...]) -> Any:
    """Yield (output, tap, input) for all that meet."""
    per_axis = []
    for a in space:
        if isinstance(a, Bins):
            spans = zip(a.starts.tolist(), a.stops.tolist(), strict=True)
            per_axis.append([(o, i - s, i) for o, (s, e) in enumerate(spans) for i in range(s, e)])
        else:
            places = itertools.product(range(a.output), range(a.kernel))
            met = [(o, t, o * a.stride + t * a.dilation - a.padding) for o, t in places]
            per_axis.append([(o, t, i) for o, t, i in met if 0 <= i < a.input])
    for combination in itertools.product(*per_axis):
        yield tuple(zip(*combination, strict=True))


def conv_matrix(x: tuple[int, ...], w: Array, settings: dict[str, Any]) -> Array:
    """Return the convolution by ``w`` as an array (*y, *x) without the images."""
    keys = ("stride", "padding", "dilation")
    axes = zip(x[2:], w.shape[2:], *(settings[key] for key in keys), strict=True)
    space = windows(*axes)
    groups = settings["groups"]
    per = len(w) // groups
    made = np.zeros((len(w), *(a.output for a in space), *x[1:]), w.dtype)
    for out, tap, inp in meets(space):
        for f in range(len(w)):
            c = f // per * w.shape[1]
            made[(f, *out, slice(c, c + w.shape[1]), *inp)] += w[(f, slice(None), *tap)]
    return made


def conv(x: Array, w: Array, **settings: Any) -> Array:
    return np.tensordot(
        x, conv_matrix(x.shape, w, settings), (range(1, x.ndim), range(-x.ndim + 1, 0))
    )


def conv_input(g: Array, w: Array, shape: tuple[int, ...], **settings: Any) -> Array:
    return np.tensordot(g, conv_matrix(shape, w, settings), (range(1, g.ndim), range(g.ndim - 1)))


def conv_weight(g: Array, x: Array, shape: tuple[int, ...], **settings: Any) -> Array:
    made = np.zeros(shape, g.dtype)
    for place in np.ndindex(*shape):
        one = np.zeros(shape, g.dtype)
        one[place] = 1
        made[place] = np.sum(g * conv(x, one, **settings))
    return made


def convolution(x: Array, w: Array, b: Array | None, **settings: Any) -> Array:
    made = conv(x, w, **settings)
    return made if b is None else made + b[:, None, None]


def convolution_transposed(
    x: Array, w: Array, b: Array | None, shape: tuple[int, ...], **settings: Any
) -> Array:
    made = conv_input(x, w, shape, **settings)
    return made if b is None else made + b[:, None, None]


def unfold(x: Array, windows: tuple[Window, ...]) -> Array:
    kernel, counts = [a.kernel for a in windows], [a.output for a in windows]
    made = np.zeros((*x.shape[:2], *kernel, *counts), x.dtype)
    for out, tap, inp in meets(windows):
        made[(slice(None), slice(None), *tap, *out)] = x[(slice(None), slice(None), *inp)]
    return made.reshape(len(x), -1, int(np.prod(counts)))


def fold(g: Array, windows: tuple[Window, ...]) -> Array:
    kernel, counts = [a.kernel for a in windows], [a.output for a in windows]
    g = g.reshape(len(g), -1, *kernel, *counts)
    made = np.zeros((*g.shape[:2], *(a.input for a in windows)), g.dtype)
    for out, tap, inp in meets(windows):
        made[(slice(None), slice(None), *inp)] += g[(slice(None), slice(None), *tap, *out)]
    return made


def max_pool(x: Array, windows: tuple[Any, ...]) -> tuple[Array, Array]:
    lead = x.ndim - len(windows)
    best = np.full((*x.shape[:lead], *(a.output for a in windows)), -np.inf)
    found = np.zeros(best.shape, np.uint8)
    kernel = [a.kernel for a in windows]
    for out, tap, inp in meets(windows):
        value, target = x[(..., *inp)], (..., *out)
        larger = value > best[target]
        code = np.ravel_multi_index(tap, kernel)
        found[target] = np.where(larger, code, found[target])
        best[target] = np.where(larger, value, best[target])
    return best, found


def max_pool_put(g: Array, places: Array, windows: tuple[Any, ...]) -> Array:
    made = np.zeros((*g.shape[: g.ndim - len(windows)], *(a.input for a in windows)))
    kernel = [a.kernel for a in windows]
    for out, tap, inp in meets(windows):
        chosen = places[(..., *out)] == np.ravel_multi_index(tap, kernel)
        made[(..., *inp)] += np.where(chosen, g[(..., *out)], 0)
    return made


def max_pool_take(x: Array, places: Array, windows: tuple[Any, ...]) -> Array:
    made = np.zeros(places.shape)
    kernel = [a.kernel for a in windows]
    for out, tap, inp in meets(windows):
        chosen = places[(..., *out)] == np.ravel_multi_index(tap, kernel)
        made[(..., *out)] += np.where(chosen, x[(..., *inp)], 0)
    return made


def counts(windows: tuple[Any, ...], include: bool, divisor: int | None) -> Any:
    if divisor is not None:
        return divisor
    made: Any = 1.0
    for a in windows:
        if isinstance(a, Bins):
            sizes = a.stops - a.starts
        else:
            starts = np.arange(a.output) * a.stride - a.padding
            ends = np.minimum(starts + a.kernel, a.input + a.padding)
            if not include:
                starts, ends = np.maximum(starts, 0), np.minimum(ends, a.input)
            sizes = ends - starts
        made = np.multiply.outer(made, sizes)
    return made


def avg_pool(
    x: Array, windows: tuple[Any, ...], count_include_pad: bool = False, divisor: int | None = None
) -> Array:
    made = np.zeros((*x.shape[: x.ndim - len(windows)], *(a.output for a in windows)))
    for out, _, inp in meets(windows):
        made[(..., *out)] += x[(..., *inp)]
    return made / counts(windows, count_include_pad, divisor)


def avg_pool_input(
    g: Array, windows: tuple[Any, ...], count_include_pad: bool, divisor: int | None
) -> Array:
    made = np.zeros((*g.shape[: g.ndim - len(windows)], *(a.input for a in windows)))
    g = g / counts(windows, count_include_pad, divisor)
    for out, _, inp in meets(windows):
        made[(..., *inp)] += g[(..., *out)]
    return made


def constant_pad(x: Array, widths: Any, value: float) -> Array:
    shape = [n + a + b for n, (a, b) in zip(x.shape[-len(widths) :], widths, strict=True)]
    made = np.full((*x.shape[: x.ndim - len(widths)], *shape), float(value))
    for place in np.ndindex(*x.shape):
        lead = x.ndim - len(widths)
        moved = [i + a for i, (a, _) in zip(place[lead:], widths, strict=True)]
        if all(0 <= i < n for i, n in zip(moved, shape, strict=True)):
            made[(*place[:lead], *moved)] = x[place]
    return made


NAMES: dict[str, Any] = {"reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def mirrored(x: Array, widths: Any, mode: str) -> Array:
    return np.pad(x, ((0, 0),) * (x.ndim - len(widths)) + tuple(widths), mode=NAMES[mode])


def mirrored_sum(g: Array, widths: Any, mode: str) -> Array:
    lead = g.ndim - len(widths)
    shape = [n - a - b for n, (a, b) in zip(g.shape[lead:], widths, strict=True)]
    made = np.zeros((*g.shape[:lead], *shape))
    for place in np.ndindex(*made.shape):
        one = np.zeros(made.shape)
        one[place] = 1
        made[place] = np.sum(g * mirrored(one, widths, mode))
    return made


def mirrored_row(op: str, mode: str, widths: Any) -> OpCase:
    shape = (2, *(3, 4, 3)[-len(widths) :])
    return row(op, [(V(shape), {"widths": widths, "mode": mode})], mirrored)


X, W, B = V((2, 2, 4, 3)), V((2, 2, 2, 2), seed="w"), V((2,), seed="b")
GW = V((2, 1, 2, 2), seed="g")
SPACE = windows((5, 3, 2, 1), (4, 2, 2))
OVERLAP = windows((4, 2), (5, 3, 2))
VOLUME = windows((2, 2, 2), (3, 2), (4, 2, 2))
BINS = (Bins(5, 3), Bins(4, 2).regular())
POOLED = V((2, 1, 3, 2), seed="p")
TAPS = max_pool(V((2, 1, 5, 4)), SPACE)[1]
OVERLAP_TAPS = max_pool(V((1, 1, 4, 5)), OVERLAP)[1]
AVERAGE: dict[str, Any] = {"windows": SPACE, "count_include_pad": False, "divisor": None}


ROWS: list[OpCase] = [
    row("conv", [(X, W, PLAIN), (X, GW, MIXED)], conv),
    row(
        "conv_input",
        [
            (V((2, 2, 3, 2)), W, {"shape": (2, 2, 4, 3), **PLAIN}),
            (V((1, 2, 2, 1)), GW, {"shape": (1, 2, 3, 3), **MIXED}),
        ],
        conv_input,
    ),
    row(
        "conv_weight",
        [
            (V((2, 2, 3, 2)), X, {"shape": (2, 2, 2, 2), **PLAIN}),
            (V((2, 2, 3, 1)), X, {"shape": (2, 1, 2, 2), **MIXED}),
        ],
        conv_weight,
    ),
    row("convolution", [(X, W, B, PLAIN), (X, GW, B, MIXED), (X, W, None, PLAIN)], convolution),
    row(
        "convolution_transposed",
        [
            (V((2, 2, 3, 2)), W, B, {"shape": (2, 2, 4, 3), **PLAIN}),
            (V((1, 2, 2, 1)), GW, B, {"shape": (1, 2, 3, 3), **MIXED}),
            (V((2, 2, 3, 2)), W, None, {"shape": (2, 2, 4, 3), **PLAIN}),
        ],
        convolution_transposed,
    ),
    row("im2col", [(V((2, 2, 4, 5)), {"windows": OVERLAP})], unfold),
    row("col2im", [(V((2, 12, 6)), {"windows": OVERLAP})], fold),
    *[
        row(
            op,
            [(V((2, 1, 5, 4)), {"windows": SPACE}), (V((1, 4, 5)), {"windows": OVERLAP})],
            max_pool,
        )
        for op in ("max_pool2d", "adaptive_max_pool2d")
    ],
    *[
        row(op, [(V((1, 2, 3, 4)), {"windows": VOLUME})], max_pool)
        for op in ("max_pool3d", "adaptive_max_pool3d")
    ],
    row(
        "max_pool_values",
        [(V((2, 1, 5, 4)), {"windows": SPACE}), (V((2, 5, 4)), {"windows": BINS})],
        lambda x, windows: max_pool(x, windows)[0],
    ),
    row(
        "max_pool_put",
        [
            (POOLED, {"places": TAPS, "windows": SPACE}),
            (V(OVERLAP_TAPS.shape), {"places": OVERLAP_TAPS, "windows": OVERLAP}),
        ],
        max_pool_put,
    ),
    row(
        "max_pool_take",
        [
            (V((2, 1, 5, 4)), {"places": TAPS, "windows": SPACE}),
            (V((1, 1, 4, 5)), {"places": OVERLAP_TAPS, "windows": OVERLAP}),
        ],
        max_pool_take,
    ),
    row(
        "avg_pool2d",
        [
            (V((2, 1, 5, 4)), AVERAGE),
            (V((2, 1, 5, 4)), AVERAGE | {"count_include_pad": True}),
            (V((1, 4, 5)), {"windows": OVERLAP, "count_include_pad": True, "divisor": 5}),
        ],
        avg_pool,
    ),
    row("avg_pool3d", [(V((1, 2, 3, 4)), AVERAGE | {"windows": VOLUME})], avg_pool),
    row("adaptive_avg_pool2d", [(V((2, 5, 4)), {"windows": BINS})], avg_pool),
    row("adaptive_avg_pool3d", [(V((1, 2, 3, 4)), {"windows": VOLUME})], avg_pool),
    row(
        "avg_pool_input",
        [(POOLED, AVERAGE), (V((2, 3, 2)), AVERAGE | {"windows": BINS})],
        avg_pool_input,
    ),
    row(
        "constant_pad",
        [
            (V((2, 3)), {"widths": ((1, 2),), "value": 0}),
            (V((2, 3)), {"widths": ((-1, 1), (2, -1)), "value": 1.5}),
        ],
        constant_pad,
    ),
    mirrored_row("reflection_pad1d", "reflect", ((2, 1),)),
    mirrored_row("reflection_pad2d", "reflect", ((2, 1), (0, 2))),
    mirrored_row("reflection_pad3d", "reflect", ((2, 1), (0, 2), (1, 1))),
    mirrored_row("replication_pad1d", "replicate", ((2, 4),)),
    mirrored_row("replication_pad2d", "replicate", ((2, 1), (0, 5))),
    mirrored_row("replication_pad3d", "replicate", ((2, 1), (0, 2), (1, 4))),
    mirrored_row("pad_circular", "circular", ((2, 1), (0, 3))),
    row(
        "pad_mirrored_sum",
        [
            (V((2, 6)), {"widths": ((2, 1),), "mode": "reflect"}),
            (V((5, 7)), {"widths": ((1, 1), (0, 4)), "mode": "replicate"}),
            (V((6,)), {"widths": ((2, 1),), "mode": "circular"}),
        ],
        mirrored_sum,
    ),
]
