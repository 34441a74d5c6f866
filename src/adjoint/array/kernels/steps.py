"""Elementwise functions whose values at 0, at infinity and for nan are PyTorch's, not NumPy's.

In and out: `numpy.ndarray`s and NumPy scalars.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Array = Any


def sign(x: Array) -> Array:
    """The sign of each element, 0 of nan; of a complex one its direction ``x / abs(x)``."""
    if x.dtype.kind == "b":
        return x
    made = np.sign(x)
    if made.dtype.kind not in "fV":
        return made
    if made.ndim:
        made[made != made] = 0
        return made
    return made if made == made else made.dtype.type(0)


def remainder(x: Array, y: Any) -> Array:
    """The remainder with the sign of ``y``; of a multiple, a zero with the sign of ``x``."""
    made = np.remainder(x, y)
    if made.dtype.kind in "fV":
        return np.where(made == 0, np.copysign(made, x), made)[()]
    return made


def trunc_divide(x: Array, y: Any) -> Array:
    """``x / y`` without its fractional part."""
    return np.trunc(np.divide(x, y))


def power(x: Array, y: Any) -> Array:
    """``x ** y``; the usual Python numbers as exponents without the general power."""
    if type(y) is int or type(y) is float:
        if y == 2:
            return x * x
        if y == 1:
            return x.copy() if isinstance(x, np.ndarray) else x
        if y == 3:
            return x * x * x
        if y == 0.5 and x.dtype.char != "e":
            return np.sqrt(x)
        if y == -1:
            return 1 / x
        if y == -0.5 and x.dtype.char != "e":
            return 1 / np.sqrt(x)
        if y == -2:
            return 1 / (x * x)
        y = x.dtype.type(y) if x.dtype.kind == "V" else y  # bfloat16 would become float32
    return np.power(x, y)
