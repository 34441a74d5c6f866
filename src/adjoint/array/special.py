"""Special functions of arrays, by SciPy, which is imported on the first call that needs it.

In and out: real `numpy.ndarray`s and NumPy scalars, in their dtype.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

Array = Any


@functools.cache
def _scipy(name: str) -> Any:
    return importlib.import_module(f"scipy.{name}")


def erf(x: Array) -> Array:
    """The error function."""
    return _scipy("special").erf(x).astype(x.dtype, copy=False)


def erfc(x: Array) -> Array:
    """``1 - erf(x)``, accurate for large ``x``."""
    return _scipy("special").erfc(x).astype(x.dtype, copy=False)


def erfinv(x: Array) -> Array:
    """The inverse of the error function."""
    return _scipy("special").erfinv(x).astype(x.dtype, copy=False)


def lgamma(x: Array) -> Array:
    """The logarithm of the absolute value of the gamma function."""
    return _scipy("special").gammaln(x).astype(x.dtype, copy=False)


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of the digamma function (n = 0: digamma itself)."""
    special = _scipy("special")
    values = special.psi(x) if n == 0 else special.polygamma(n, x)
    return values.astype(x.dtype, copy=False)
