"""More of PyTorch's CPU stream, by rejection: Poisson, binomial and gamma numbers.

In: a `Generator` and arrays of parameters.  Out: new raw arrays in C order, element after element
in the order in which PyTorch draws them (so these are loops in Python).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from adjoint.array.random import Generator
from adjoint.array.random_normal import few_normals

__all__ = ["binomial", "poisson", "standard_gamma"]

Array = Any


def poisson(generator: Generator, rates: Array) -> Array:
    """A Poisson number for each rate, in the dtype of ``rates``."""
    uniform = _uniforms(generator)
    drawn = (_poisson(uniform, float(rate)) for rate in rates.ravel())
    return _collected(drawn, rates)


def binomial(generator: Generator, counts: Array, probabilities: Array) -> Array:
    """For each pair, how many of ``counts`` trials succeed; in the dtype of ``counts``."""
    uniform = _uniforms(generator)
    pairs = zip(counts.ravel(), probabilities.ravel())
    return _collected((_binomial(uniform, float(n), float(p)) for n, p in pairs), counts)


def standard_gamma(generator: Generator, shapes: Array) -> Array:
    """A gamma number of rate 1 for each shape parameter (float32 or float64)."""
    uniform = _uniforms(generator)
    smallest = float(np.finfo(shapes.dtype).tiny)

    def drawn() -> Iterator[float]:
        for alpha in shapes.ravel():
            yield max(smallest, _gamma(generator, uniform, alpha))

    return _collected(drawn(), shapes)


def _uniforms(generator: Generator) -> Callable[[], float]:
    few = generator.few_fractions
    return lambda: few(1)[0]


def _collected(drawn: Iterator[float], like: Array) -> Array:
    made = np.fromiter(drawn, np.float64, like.size)
    if like.dtype.itemsize == 2:
        made = made.astype(np.float32)
    return made.astype(like.dtype).reshape(like.shape)


def _poisson(uniform: Callable[[], float], rate: float) -> float:
    """Transformed rejection (W. Hörmann, Insurance: Mathematics and Economics 12, 1993: PTRS)."""
    if rate == 0:
        return 0.0
    if rate < 10:
        limit, product, count = math.exp(-rate), 1.0, 0
        while True:
            product *= uniform()
            if product <= limit:
                return float(count)
            count += 1
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    log_rate, inverse_alpha, accept = (
        math.log(rate),
        1.1239 + 1.1328 / (b - 3.4),
        0.9277 - 3.6224 / (b - 2),
    )
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + rate + 0.43)
        if us >= 0.07 and v <= accept:
            return float(k)
        if k < 0 or (us < 0.013 and v > us):
            continue
        left = math.log(v) + math.log(inverse_alpha) - math.log(a / (us * us) + b)
        if left <= -rate + k * log_rate - math.lgamma(k + 1):
            return float(k)


def _binomial(uniform: Callable[[], float], n: float, p: float) -> float:
    if n <= 0 or p <= 0:
        return 0.0
    if p >= 1:
        return n
    if p > 0.5:
        return n - _binomial_half(uniform, n, 1 - p)
    return _binomial_half(uniform, n, p) if p == p else math.nan


def _binomial_half(uniform: Callable[[], float], n: float, p: float) -> float:
    """BTRS (W. Hörmann, J. Statist. Comput. Simul. 46, 1993), or waiting times for a small mean."""
    if n * p < 10:
        successes, waited = 0, 0.0
        while True:
            waited += math.ceil(math.log(uniform()) / math.log1p(-p))
            if waited > n:
                return float(successes)
            successes += 1
    deviation = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * deviation
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c, accept, odds = n * p + 0.5, 0.92 - 4.2 / b, p / (1 - p)
    alpha, mode = (2.83 + 5.1 / b) * deviation, math.floor((n + 1) * p)
    while True:
        u = uniform() - 0.5
        v = uniform()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= accept:
            return float(k)
        if k < 0 or k > n:
            continue
        bound = (
            (mode + 0.5) * math.log((mode + 1) / (odds * (n - mode + 1)))
            + (n + 1) * math.log((n - mode + 1) / (n - k + 1))
            + (k + 0.5) * math.log(odds * (n - k + 1) / (k + 1))
            + _stirling_tail(mode)
            + _stirling_tail(n - mode)
            - _stirling_tail(k)
            - _stirling_tail(n - k)
        )
        if math.log(v * alpha / (a / (us * us) + b)) <= bound:
            return float(k)


_TAILS = tuple(
    math.lgamma(k + 1) - ((k + 0.5) * math.log(k + 1) - (k + 1) + 0.5 * math.log(2 * math.pi))
    for k in range(10)
)


def _stirling_tail(k: float) -> float:
    """``log k!`` minus Stirling's approximation of it."""
    if k <= 9:
        return _TAILS[int(k)]
    square = (k + 1) * (k + 1)
    return (1 / 12 - (1 / 360 - 1 / 1260 / square) / square) / (k + 1)


def _gamma(generator: Generator, uniform: Callable[[], float], alpha: Any) -> float:
    """G. Marsaglia, W. Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 2000.

    The parameter is prepared in its own dtype, the rest is float64: this decides about last bits.
    """
    kind = type(alpha)
    scale = 1.0
    if alpha < 1:
        if alpha == 0:
            return 0.0
        scale *= (1 - uniform()) ** float(kind(1) / alpha)
        alpha = alpha + kind(1)
    d = float(alpha - kind(_THIRD))
    c = 1 / math.sqrt(9 * d)
    while True:
        y = 0.0
        while y <= 0:
            x = few_normals(generator, 1)[0]
            y = 1 + c * x
        v = y * y * y
        u = 1 - uniform()
        square = x * x
        if u < 1 - 0.0331 * square * square:
            return scale * d * v
        if math.log(u) < 0.5 * square + d * (1 - v + math.log(v)):
            return scale * d * v


_THIRD = np.float32(1) / np.float32(3)
