"""Special functions of arrays, by SciPy, which is imported on the first call that needs it.

In and out: real `numpy.ndarray`s and NumPy scalars, in their dtype.

Note [erf in single precision]
    SciPy goes element by element. Below 1, ``erf(x) / x - 1`` is a polynomial in ``x * x``; from 1
    on, ``log(1 - erf(x))`` is one in ``x``, and its error counts for little beside 1. Both were
    fitted to SciPy's double precision by iterated weighted least squares, so that the largest error
    is smallest. The result is the sum of both sides, each stopped at 1: no choice, no branch.
"""

from __future__ import annotations

import functools
import importlib
from typing import Any

import numpy as np

from adjoint.array.kernels import ufuncs

Array = Any

_FEW = 4096  # elements up to which SciPy is faster
_PIECE = 1 << 14
_TINY = np.finfo(np.float64).tiny
_ONE, _LAST = np.float32(1), np.float32(4)  # from 4 on the nearest number is 1
_SIGN = np.uint32(1 << 31)
_BELOW = np.array(
    [0.12837917, -0.37612626, 0.11283599, -0.026854444, 0.005189535, -0.0008020841, 7.889119e-05],
    np.float32,
)
_BEYOND = np.array(
    [
        *(-0.00035370892, -1.12704, -0.6382256, -0.10303743, 0.021805352, -0.0029396156),
        0.0001855749,
    ],
    np.float32,
)


@functools.cache
def _scipy(name: str) -> Any:
    return importlib.import_module(f"scipy.{name}")


def erf(x: Array) -> Array:
    """The error function."""
    if type(x) is np.ndarray and x.dtype == np.float32 and x.size > _FEW:
        return _single_erf(x)
    return _scipy("special").erf(x).astype(x.dtype, copy=False)


def _single_erf(x: Array) -> Array:
    """See Note [erf in single precision]."""
    if ufuncs.compiled is not None:
        done = ufuncs.compiled.erf(x, _BELOW, _BEYOND, _rest(), ufuncs.quick(np.exp))
        if done is not None:
            return done
    made = np.empty(x.shape, np.float32)
    flat, result = x.reshape(-1), made.reshape(-1)
    memory = np.empty((3, min(_PIECE, flat.size)), np.float32)
    rest = _rest()
    for start in range(0, flat.size, _PIECE):
        part, below = flat[start : start + _PIECE], result[start : start + _PIECE]
        size, near, beyond = memory[:, : part.size]
        np.abs(part, size)
        np.minimum(size, _ONE, out=near)
        np.clip(size, _ONE, _LAST, out=size)
        _polynomial(_BEYOND, size, beyond)
        np.exp(beyond, beyond)
        np.subtract(rest, beyond, beyond)  # what erf grows by from 1 on
        np.multiply(near, near, size)
        _polynomial(_BELOW, size, below)
        np.multiply(below, near, below)
        np.add(below, near, below)
        np.add(below, beyond, below)
        sign = np.bitwise_and(part.view(np.uint32), _SIGN, size.view(np.uint32))
        np.bitwise_or(below.view(np.uint32), sign, below.view(np.uint32))
    return made


@functools.cache
def _rest() -> Any:
    """``1 - erf(1)`` as computed here: the two sides meet without a gap."""
    made = np.empty(64, np.float32)
    _polynomial(_BEYOND, np.ones(64, np.float32), made)
    return np.exp(made)[0]


def _polynomial(coefficients: Array, x: Array, out: Array) -> None:
    """Evaluate a polynomial, the constant first."""
    np.multiply(x, coefficients[-1], out)
    for c in coefficients[-2:0:-1]:
        np.add(out, c, out)
        np.multiply(out, x, out)
    np.add(out, coefficients[0], out)


def erfc(x: Array) -> Array:
    """``1 - erf(x)``, accurate for large ``x``."""
    return _scipy("special").erfc(x).astype(x.dtype, copy=False)


def erfinv(x: Array) -> Array:
    """The inverse of the error function."""
    return _scipy("special").erfinv(x).astype(x.dtype, copy=False)


def lgamma(x: Array) -> Array:
    """The logarithm of the absolute value of the gamma function."""
    made = _scipy("special").gammaln(x)
    size = np.abs(x)
    tiny = size < _TINY  # where 1 / x overflows, and the function is its logarithm
    if np.any(tiny):
        made = np.where(tiny, -np.log(size), made)
    return made.astype(x.dtype, copy=False)


def polygamma(n: int, x: Array) -> Array:
    """The n-th derivative of the digamma function (n = 0: digamma itself)."""
    special = _scipy("special")
    values = special.psi(x) if n == 0 else special.polygamma(n, x)
    return values.astype(x.dtype, copy=False)
