"""Products of columns with rows, many at once: what gradients of each sample by a weight are.

In: arrays (..., m, 1) and (..., 1, n).  Out: their matrix products (..., m, n).

Note [A column of zeros]
    NumPy hands a product of matrices to BLAS, but one over a single index it computes by itself,
    and slowly. With a column and a row of zeros more it goes to BLAS: 64 products 64 x 64 in
    float64 take 320 us as they are, 170 us as a product that broadcasts, 75 us with zeros; in
    float32 300, 93, 29. The numbers are the same bit for bit, -0 excepted, which no sum has.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["outer"]

Array = Any

_TINY = 256  # elements of a product


def outer(a: Array, b: Array) -> Array:
    """The products of columns (..., m, 1) with rows (..., 1, n)."""
    if a.shape[-2] * b.shape[-1] < _TINY:
        made: Array = a * b
        made += 0
        return made
    columns = np.zeros((*a.shape[:-1], 2), a.dtype)
    columns[..., :1] = a
    rows = np.zeros((*b.shape[:-2], 2, b.shape[-1]), b.dtype)
    rows[..., :1, :] = b
    return np.matmul(columns, rows)
