"""Calls of every name of the contract, for tests of libraries whose arrays carry more than values.

In: nothing.  Out: `CASES`, by name: positional arguments and keywords, with small arrays of
distinct values away from kinks. Arrays of floating-point and complex numbers are what a result may
depend on; integer and bool arrays are constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array.kernels.pooling import Bins
from adjoint.array.kernels.windows import Window
from adjoint.array.namespace import Namespace

__all__ = ["CASES", "CONTRACT", "EXACT", "array"]

Call = tuple[tuple[Any, ...], dict[str, Any]]

CONTRACT = sorted(
    name
    for group in Namespace.__mro__
    for name in vars(group)
    if group.__module__ == Namespace.__module__ and not name.startswith("_")
)


def array(*shape: int, low: float = 0.3, high: float = 0.9, seed: int = 0) -> Any:
    """Distinct values between ``low`` and ``high``, in no order."""
    count = int(np.prod(shape))
    steps = np.random.default_rng(seed + count).permutation(count) + 0.5 + seed / 20
    return (low + (high - low) * steps / max(count, 1)).reshape(shape)


def call(*arguments: Any, **keywords: Any) -> Call:
    return arguments, keywords


A, B, ROW, SCALAR = array(2, 3), array(2, 3, seed=1), array(3, seed=2), np.asarray(0.7)
SIGNED = A * np.array([[1, -1, 1], [-1, 1, -1]])
Z = A + 1j * B
MASK = np.array([[True, False, True], [False, False, True]])
BITS = np.array([[6, 3, 5], [1, 2, 4]])
ABOVE = A + 1.5
IMAGES, KERNEL = array(2, 4, 5), array(4, 2, 3, seed=3)
PLANES, FILTERS = array(1, 2, 4, 5), array(3, 2, 2, 3, seed=4)
SHARP = np.where(np.arange(9).reshape(1, 1, 3, 3) % 2, 0.5, 0.0)
BIAS = array(4, seed=5)
LAYOUT: dict[str, Any] = {"stride": (1,), "padding": (1,), "dilation": (1,), "groups": 2}
FLAT: dict[str, Any] = {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2), "groups": 1}
NARROW: dict[str, Any] = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1), "groups": 1}
OUT, OUT_FLAT = array(2, 4, 5, seed=6), array(1, 3, 3, 1, seed=7)
POOL = [Window(4, 2, 2, 2), Window(5, 3, 3, 2, 1)]
BINS = [Window(4, 2, 2, 2), Bins(5, 3)]
TAPS = np.array([[[0, 1, 0], [2, 3, 1]], [[3, 2, 4], [0, 1, 2]]]).astype(np.uint8)
UNFOLDED = [Window(4, 2, 3, 2, 1), Window(5, 4, 2, 1)]
INDEX = np.array([[2, 0, 1], [0, 0, 2]])
ROWS = np.array([1, 0, 1, 1])
SIZE = (2, 3)

UNARY = (
    "absolute arctan arcsin arccos arctanh arcsinh ceil conj cos cosh exp exp2 expm1 floor log "
    "log10 log1p log2 rint sin sinh sqrt tan tanh trunc sign abs2 erf erfc erfinv lgamma sigmoid "
    "isfinite isinf isnan logical_not angle real imag ones_like zeros_like copy copy_layout"
).split()
HOLOMORPHIC = "conj cos exp log sin sqrt tanh absolute abs2 sign angle real imag copy".split()
BINARY = (
    "arctan2 trunc_divide floor_divide fmod hypot logaddexp maximum minimum remainder power "
    "greater greater_equal less less_equal sigmoid_backward tanh_backward threshold_backward "
    "make_complex"
).split()
BITWISE = "bitwise_and bitwise_or bitwise_xor left_shift right_shift".split()
LOGICAL = "logical_and logical_or logical_xor".split()
REDUCED = "all any max mean min prod sum".split()

CASES: dict[str, list[Call]] = {
    **{name: [call(A), call(SCALAR), call(A.T)] for name in UNARY},
    **{
        name: [call(A, B), call(A, ROW), call(SCALAR, ROW), call(A, B.T.copy().T)]
        for name in BINARY
    },
    **{name: [call(BITS, BITS), call(A > 0.5, A)] for name in LOGICAL},
    **{name: [call(BITS, BITS)] for name in BITWISE},
    **{
        name: [call(A, None, False), call(A, (0,), True), call(array(2, 3, 2), (0, 2), False)]
        for name in REDUCED
    },
    "arccosh": [call(ABOVE)],
    "bitwise_not": [call(BITS)],
    "where": [call(MASK, A, B), call(MASK, A, 0.5), call(np.bool_(True), ROW, A), call(MASK, Z, A)],
    "clip": [call(A, 0.4, 0.8), call(A, None, ROW), call(A, B, None)],
    "nan_to_num": [call(A, nan=0.0, posinf=None, neginf=None)],
    "exponential": [call(2.5, A)],
    "polygamma": [call(n, A) for n in (0, 1)],
    "argmax": [call(A), call(A, 1, keepdims=True)],
    "argmin": [call(A), call(A, 0)],
    "cumprod": [call(array(2, 4), 1), call(A, 0)],
    "cumsum": [call(array(2, 7), 1), call(A, -2)],
    "logcumsumexp": [call(array(2, 7), 1), call(A, -2)],
    "running_extreme": [call(array(2, 4), 1, True), call(A, 0, False)],
    "sort": [call(array(2, 4), 1, False, True), call(A, 0, True, True)],
    "as_strided": [call(A, (3, 2), (1, 2), 1), call(array(6), (4, 3), (1, 1), 0)],
    "broadcast_to": [call(ROW, (2, 3)), call(SCALAR, (2, 2)), call(Z, (2, 2, 3))],
    "broadcast_view": [call(ROW, (2, 3)), call(SCALAR, (2, 2))],
    "concatenate": [call((A, B, A), 1), call((A, Z), 0)],
    "expand_dims": [call(A, (0, 2))],
    "flip": [call(A, (1,)), call(Z, (0, 1))],
    "permute_dims": [call(array(2, 3, 4), (2, 0, 1))],
    "reshape": [call(A, (3, 2)), call(A.T, (6,)), call(Z, (3, 2))],
    "roll": [call(A, (1,), (1,)), call(A, (1, -1), (0, 1))],
    "rot90": [call(A, 1, (0, 1)), call(A, 2, (0, 1))],
    "squeeze": [call(array(2, 1, 3), (1,))],
    "stack": [call((A, B), 1), call((ROW, ROW), 0)],
    "swapaxes": [call(array(2, 3, 2), 0, 1)],
    "tile": [call(A, (2, 1, 2))],
    "diagonal": [call(array(2, 3, 4), 1, 0, 2), call(A, 0, 0, 1)],
    "diagonal_embed": [call(array(3, 2), (2, 3, 4), 1, 0, 2), call(array(2), (2, 3), 0, 0, 1)],
    "slice": [call(A, (slice(None), 1)), call(A, (1, 2)), call(A, ...), call(Z, (0,))],
    "slice_into": [call(array(2), SIZE, (slice(None), 1)), call(SCALAR, SIZE, (1, 2))],
    "take": [call(A, (ROWS,)), call(A, (slice(None), INDEX)), call(A, (MASK,)), call(Z, (ROWS,))],
    "index_add": [
        call(array(4, 3), SIZE, (ROWS,)),
        call(array(2, 2, 3), SIZE, (slice(None), INDEX)),
        call(array(3), SIZE, (MASK,)),
    ],
    "put": [call(A, (ROWS,), 0.5), call(A, (slice(None), ROWS), array(2, 4, seed=3))],
    "take_along_axis": [call(A, INDEX, 1), call(A, INDEX[:1, :2], 1)],
    "scatter_add": [call(A, SIZE, INDEX, 1), call(A, SIZE, INDEX[:, :1], 1)],
    "sliding": [call(array(2, 6), 1, 3, 2), call(A, 0, 2, 1)],
    "sliding_add": [call(array(2, 2, 3), (2, 6), 1, 3, 2), call(array(2, 4, 3), (2, 6), 1, 3, 1)],
    "tril": [call(A, 0), call(array(2, 3, 3), -1)],
    "triu": [call(A, 1), call(Z, 0)],
    "matmul": [
        call(A, array(3, 4)),
        call(A, ROW),
        call(ROW, array(3, 2)),
        call(ROW, array(3)),
        call(np.triu(array(3, 3)), array(3, 2)),
        call(np.triu(array(2, 3, 3)), array(3, 2)),
        call(np.tril(array(3, 3)), array(2, 3, 2)),
        call(np.tril(array(2, 3, 3)), np.triu(array(2, 3, 3))),
    ],
    "matmul_add": [call(A, array(3, 2), array(2)), call(np.triu(A), array(3, 2), array(2, 2))],
    "matrix_t": [call(A)],
    "conv": [
        call(IMAGES, KERNEL, **LAYOUT),
        call(PLANES, FILTERS, **FLAT),
        call(array(1, 1, 4, 4), SHARP, **NARROW),
    ],
    "conv_add": [call(IMAGES, KERNEL, BIAS, **LAYOUT)],
    "conv_input": [
        call(OUT, KERNEL, (2, 4, 5), **LAYOUT),
        call(OUT_FLAT, FILTERS, (1, 2, 4, 5), **FLAT),
        call(array(1, 1, 4, 4), SHARP, (1, 1, 4, 4), **NARROW),
    ],
    "conv_input_add": [call(OUT, KERNEL, BIAS, (2, 4, 5), **LAYOUT)],
    "conv_weight": [
        call(OUT, IMAGES, (4, 2, 3), **LAYOUT),
        call(OUT_FLAT, PLANES, (3, 2, 2, 3), **FLAT),
    ],
    "unfold": [call(PLANES, UNFOLDED)],
    "fold": [call(array(1, 12, 8), UNFOLDED)],
    "max_pool": [call(array(2, 4, 5), POOL), call(array(2, 4, 5), BINS)],
    "max_pool_values": [call(array(2, 4, 5), POOL), call(array(2, 4, 5), BINS)],
    "max_pool_take": [call(array(2, 4, 5), TAPS[:, :, 1:], [POOL[0], Window(5, 2, 3, 2)])],
    "max_pool_put": [call(array(2, 2, 2), TAPS[:, :, 1:], [POOL[0], Window(5, 2, 3, 2)])],
    "avg_pool": [call(array(2, 4, 5), POOL, True, None), call(array(4, 5), BINS, True, 3)],
    "avg_pool_input": [
        call(array(2, 2, 3), POOL, False, None),
        call(array(2, 3), BINS, True, None),
        call(array(1, 3), [Window(1, 1, 1), Window(7, 3, 2, 3)], True, None),
    ],
    "pad": [call(A, ((1, 0), (0, 2)), 0.5), call(A, ((1, -1),), 0), call(Z, ((2, 1),), 0)],
    "pad_mirrored": [call(A, ((1, 2),), mode) for mode in ("reflect", "replicate", "circular")],
    "pad_mirrored_sum": [
        call(array(2, 6), ((1, 2),), mode) for mode in ("reflect", "replicate", "circular")
    ],
    "astype": [call(A, np.float32), call(A, np.int64), call(A, np.complex128), call(Z, np.float64)],
    "constant_eye": [call(3)],
    "full": [call(SIZE, 1.5, np.float64), call((), 1.5, np.float64)],
    "scalar_like": [call(2.5, A)],
    "size": [call(SIZE)],
    "zeros": [call(SIZE, np.float64)],
    "view_as_real": [call(Z)],
    "view_as_complex": [call(array(3, 2)), call(array(2, 3).T)],
}
CASES["power"] += [call(A, 0), call(A, 1), call(A, 2.5)]
CASES["absolute"] += [call(SIGNED)]
for _name in HOLOMORPHIC:
    CASES[_name] = [*CASES[_name], call(Z)]
for _name in ("sum", "mean", "prod"):
    CASES[_name] = [*CASES[_name], call(Z, (1,), False)]

# Names whose pattern is exactly where the derivative is not zero, for values as here.
EXACT = sorted(
    set(CASES)
    - set("maximum minimum max min clip sort running_extreme max_pool max_pool_values".split())
    - {"threshold_backward"}
    - {"sigmoid_backward", "where", "hypot", "absolute", "conj", "abs2", "sign", "angle", "fmod"}
    - {"remainder", "power"}
)
