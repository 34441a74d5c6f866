"""More of PyTorch's CPU stream: exponential, Cauchy, log-normal, geometric, multinomial.

In: a `Generator`, a shape, a NumPy dtype, parameters (already checked).  Out: new raw arrays in
C order, bit for bit PyTorch's.  All of them draw float64 numbers, use the C library's functions and
round to the dtype at the end; the 16-bit types round through float32.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.random import Generator, Shape, scipy_module
from adjoint.array.random_normal import few_normals, serial_normals
from adjoint.array.random_rounding import fused_64

__all__ = ["cauchy", "exponential", "geometric", "log_normal", "multinomial"]

Array = Any
_BELOW_FLOAT32 = np.int64((1 << 29) - 1)
_MIDDLE = np.int64(1 << 28)


def exponential(generator: Generator, shape: Shape, dtype: Any, rate: float = 1.0) -> Array:
    """Numbers with density ``rate * exp(-rate * x)``."""
    fractions = generator.fractions(math.prod(shape))
    np.negative(fractions, out=fractions)
    if dtype == np.float64:
        made = _each(math.log1p, fractions)
        made *= -1.0 / rate
        return made.reshape(shape)
    made = np.log1p(fractions)
    made *= -1.0 / rate
    # NumPy's log1p is off by some last bits: this matters next to the middle of two float32's.
    beyond = made.view(np.int64) & _BELOW_FLOAT32
    beyond -= _MIDDLE - 16
    near = np.flatnonzero(beyond.view(np.uint64) < 32)
    if near.size:
        made[near] = _each(math.log1p, fractions[near]) * (-1.0 / rate)
    return _rounded(made, dtype).reshape(shape)


def cauchy(
    generator: Generator, shape: Shape, dtype: Any, median: float = 0.0, sigma: float = 1.0
) -> Array:
    """Numbers of the Cauchy distribution."""
    turns = generator.fractions(math.prod(shape))
    turns -= 0.5
    turns *= math.pi
    return _rounded(fused_64(_each(math.tan, turns), sigma, median), dtype).reshape(shape)


def log_normal(
    generator: Generator, shape: Shape, dtype: Any, mean: float = 1.0, std: float = 2.0
) -> Array:
    """``e ** z`` for normal numbers ``z``, which are drawn one after the other."""
    count = math.prod(shape)
    if count < 16:
        exponents = np.array(few_normals(generator, count, mean, std), np.float64)
    else:
        exponents = fused_64(serial_normals(generator, count), std, mean)
    return _rounded(_each(math.exp, exponents), dtype).reshape(shape)


def geometric(generator: Generator, shape: Shape, dtype: Any, p: float) -> Array:
    """How many trials of probability ``p`` it takes to succeed, at least 1; any dtype."""
    fractions = generator.fractions(math.prod(shape))
    if fractions.size < 4096:
        made = _each(math.log, fractions)
    else:
        made = scipy_module("special").xlogy(1.0, fractions)
    made /= math.log1p(-p)
    np.ceil(made, out=made)
    return _rounded(made, dtype).reshape(shape)


def multinomial(generator: Generator, weights: Array, count: int, replacement: bool) -> Array:
    """``count`` places of each row of ``weights`` (last axis), drawn in proportion to the weights.

    Without replacement, and for one place, these are the places with the largest quotients of
    weight and exponential number; otherwise each place is searched in the row's running sums.
    """
    if not replacement or count == 1:
        quotients = weights / exponential(generator, weights.shape, weights.dtype)
        if count == 1:
            return np.argmax(quotients, -1)[..., None]
        order = np.argsort(-quotients, -1, kind="stable")
        return np.ascontiguousarray(order[..., :count])
    rows = weights.reshape(-1, weights.shape[-1])
    if rows.dtype.itemsize == 2:
        rows = rows.astype(np.float32)
    sums = np.cumsum(rows, -1, dtype=rows.dtype)
    sums /= sums[:, -1:].copy()
    sums[:, -1] = 1
    wanted = generator.fractions(rows.shape[0] * count).reshape(-1, count)
    made = np.empty(wanted.shape, np.int64)
    for row, row_sums in enumerate(sums):
        made[row] = np.searchsorted(row_sums, wanted[row], side="left")
    return made.reshape(*weights.shape[:-1], count)


def _each(function: Callable[[float], float], values: Array) -> Array:
    """A function of the C library, element by element: NumPy's own differ in some last bits."""
    try:
        return np.fromiter(map(function, values.tolist()), np.float64, values.size)
    except (OverflowError, ValueError):  # infinite results
        return np.array([_limit(function, value) for value in values.tolist()], np.float64)


def _limit(function: Callable[[float], float], value: float) -> float:
    try:
        return function(value)
    except OverflowError:
        return math.inf
    except ValueError:  # the logarithm of 0
        return -math.inf


def _rounded(made: Array, dtype: Any) -> Array:
    if dtype.name in ("float16", "bfloat16"):
        made = made.astype(np.float32)
    return made.astype(dtype, copy=False)
