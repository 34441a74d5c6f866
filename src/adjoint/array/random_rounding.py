"""Fused multiply-add over NumPy arrays: ``a * b + c`` with a single rounding.

In: an array and two numbers.  Out: the bits that a processor's fused instruction gives, which NumPy
does not offer and PyTorch's random numbers are made with.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

__all__ = ["fused_32", "fused_64"]

Array = Any
_TIE = np.int64(1 << 28)
_BELOW_FLOAT32 = np.int64((1 << 29) - 1)
_CHUNK = 1 << 14  # elements that stay in the processor's cache


def fused_32(a: Array, b: float, c: float, *, fractions: bool = False) -> Array:
    """``a * b + c`` in float32, rounded once; ``a`` is overwritten.

    ``fractions``: every element of ``a`` is ``k / 2**24`` with an integer k.
    """
    b, c = float(np.float32(b)), float(np.float32(c))
    # The product is exact in float64. So is the sum of fractions, unless c is far larger than b.
    exact = fractions and -28 <= math.frexp(c)[1] - math.frexp(b)[1] <= 4
    wide = np.empty(min(a.size, _CHUNK))
    for start in range(0, a.size, _CHUNK):
        part = a[start : start + _CHUNK]
        sum_ = wide[: part.size]
        np.multiply(part, b, out=sum_, dtype=np.float64)
        if exact:
            np.add(sum_, c, out=sum_)
        else:
            _add_for_float32(sum_, c)
        part[...] = sum_
    return a


def _add_for_float32(terms: Array, c: float) -> None:
    """Add ``c`` in place so that rounding to float32 gives the exact sum rounded once."""
    total = terms + c
    # Only in the middle between two float32 numbers it matters on which side the exact sum lies.
    middle = (total.view(np.int64) & _BELOW_FLOAT32) == _TIE
    if middle.any():
        total[middle] = _rounded_to_odd(*_two_sum(terms[middle], c))
    terms[...] = total


def fused_64(a: Array, b: float, c: Any) -> Array:
    """``a * b + c`` in float64, rounded once.

    S. Boldo, G. Melquiond, "Emulation of FMA and correctly rounded sums: proved algorithms using
    rounding to odd", IEEE Trans. Comp. 57, 2008.
    """
    if isinstance(c, float | int) and c == 0:
        return a * b + c
    high, low = _two_product(a, b)
    if b == 1:
        return high + c
    middle, least = _two_sum(low, c)
    top, middle = _two_sum(high, middle)
    return top + _rounded_to_odd(*_two_sum(middle, least))


def _two_sum(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded sum and its error (D. Knuth, The Art of Computer Programming 2, 4.2.2)."""
    total = a + b
    b_part = total - a
    return total, (a - (total - b_part)) + (b - b_part)


def _two_product(a: Any, b: Any) -> tuple[Any, Any]:
    """The rounded product and its error (T. Dekker, Numerische Mathematik 18, 1971)."""
    product = a * b
    a_high, a_low = _split(a)
    b_high, b_low = _split(b)
    error = ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low
    return product, error


def _split(a: Any) -> tuple[Any, Any]:
    scaled = a * 134217729.0  # 2**27 + 1
    high = scaled - (scaled - a)
    return high, a - high


def _rounded_to_odd(total: Array, error: Array) -> Array:
    """``total + error`` truncated, with the last bit set where something was cut off."""
    even = (total.view(np.int64) & 1) == 0
    toward = np.where((error > 0) == (total > 0), np.int64(1), np.int64(-1))
    step = np.where(even & (error != 0), toward, np.int64(0))
    return (total.view(np.int64) + step).view(np.float64)
