"""The compiled kernels, where they do what NumPy and BLAS do here, to the last bit.

In: the module that `array/native` loads.  Out: `product`, `updates`: functions in C, or None.

Note [Trust]
    The order in which a product adds up is BLAS's own choice: it differs from one of its kernels to
    the next, and may differ in its next release. So before the first use some small products are
    computed both ways and compared, bit for bit: 2 ms in the life of a process. Their sizes are
    such that any other cut of the inner index, any other order within a block, and any sum that is
    not a fused multiply-add give other numbers. The steps of optimizers are compared in the same
    way with what NumPy and SciPy's BLAS do.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.kernels import threads
from adjoint.array.native import kernels

__all__ = ["product", "threads_of_step", "updates"]

Array = Any

# rows, inner, columns, first operand transposed, second transposed. BLAS cuts the inner index into
# blocks of 448 at most; products of fewer than a million multiplications it may do another way.
_SHAPES = (
    (51, 1003, 50, False, True),
    (50, 449, 99, True, False),
    (83, 447, 65, False, False),
    (33, 896, 70, True, True),
)

_LARGE = 1 << 16  # elements of a parameter from which several threads pay


@functools.cache
def product() -> Callable[..., Array | None] | None:
    """``product(a, b, row, threads)``, the product of two float32 matrices, plus ``row``.

    It returns None for operands that are not its business. None where there is none, or where its
    bits are not those of NumPy's BLAS.
    """
    module = kernels()
    if module is None or not module.can_multiply() or not _agrees(module.product):
        return None
    return module.product


def _agrees(multiply: Callable[..., Array | None]) -> bool:
    for rows, inner, columns, first, second in _SHAPES:
        numbers = np.sin(np.arange(inner * (rows + columns))).astype(np.float32)
        a, b = numbers[: inner * rows], numbers[inner * rows :]
        a = a.reshape(inner, rows).T if first else a.reshape(rows, inner)
        b = b.reshape(columns, inner).T if second else b.reshape(inner, columns)
        made = multiply(a, b, None, 1)
        if made is None or made.tobytes() != threads.alone(np.matmul, a, b).tobytes():
            return False
    return True


@functools.cache
def updates() -> Any:
    """The module with ``adam`` and ``momentum``, or None where they are not to be had.

    Their ``y += a x`` is one rounding: None, too, where BLAS's is not.
    """
    module = kernels()
    if module is None or not module.can_update():
        return None
    blas = importlib.import_module("scipy.linalg.blas")
    for dtype, axpy in ((np.float32, blas.saxpy), (np.float64, blas.daxpy)):
        for count in (1, 7, 300):
            x, y = np.sin(np.arange(2 * count)).astype(dtype).reshape(2, -1)
            param, buffer = y.copy(), np.zeros_like(x)
            axpy(x, y, count, 0.1)
            if not module.momentum(x, param, buffer, 0.5, 0.1, 1) or (param != y).any():
                return None
    return module


def threads_of_step(count: int) -> int:
    """How many threads take part in the step of an optimizer over so many elements."""
    return 1 if count < _LARGE else threads.threads_for(threads.WORTH)
