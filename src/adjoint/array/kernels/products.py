"""Matrix products; of large ones the rows of the result are split over threads.

In: two matrices, vectors, or stacks of matrices; columns and rows. Out: their product; of large
ones the same bits whatever the number of threads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later

if TYPE_CHECKING:
    from adjoint.array.kernels import compiled, threads
else:
    compiled = Later("adjoint.array.kernels.compiled")
    threads = Later("adjoint.array.kernels.threads")

__all__ = ["matmul", "matmul_add", "outer"]

Array = Any

# Note [Rows]
#     OpenBLAS shares a product among threads of its own, who wait for each other by spinning: when
#     another program takes a core away, all wait (1024^3 in float32 on two busy cores: 30 ms
#     instead of 20). The parts into which it cuts the result depend on the number of threads, and
#     the edges of parts may round differently: of products of odd sizes in float64, every other one
#     is another number on two threads. Here the result is cut into ranges of rows that are whole
#     blocks of its kernels (of 4 to 24 rows): each range is the same bits as in the whole product
#     on one thread, as tests/array/test_products.py checks. A range of fewer rows than `_ROWS`
#     would lose time, since each packs the second matrix anew.

#
#     The compiled kernel (array/native/products.c) adds up in the order of OpenBLAS's for AVX-512,
#     which does not depend on the cut.

# Note [A column of zeros]
#     NumPy hands a product of matrices to BLAS, but one over a single index it computes by itself,
#     and slowly. With a column and a row of zeros more it goes to BLAS: 64 products 64 x 64 in
#     float64 take 320 us as they are, 170 us as a product that broadcasts, 75 us with zeros; in
#     float32 300, 93, 29. The numbers are the same bit for bit, -0 excepted, which no sum has.

_SMALL = 1 << 12  # elements up to which no look at the sizes pays
_OPERATIONS = 1 << 20  # multiplications up to which a call of `threads` (4 us) does not pay
_BLOCK = 24
_ROWS = 512
_TINY = 256  # elements of an outer product
_COLUMNS = 10  # from so many the compiled kernel is faster than BLAS ...
_BROAD = 160  # ... and from so many where the rows of the first matrix have to be gathered
_SINGLE = np.dtype(np.float32)
_COSTS = {"f": 1.6e-11, "d": 3.2e-11}  # seconds per multiplication and addition, roughly


def matmul(a: Array, b: Array) -> Array:
    """The matrix product; stacks of matrices broadcast. Vectors count as PyTorch's do."""
    if a.ndim <= 2 and b.ndim <= 2:
        if (a.size > _SMALL or b.size > _SMALL) and a.ndim == b.ndim == 2:
            return _matrices(a, b)
        return a.dot(b)  # half the overhead of np.matmul
    if a.shape[-1] == 1 and a.ndim > 1 and b.ndim > 1 and a.dtype.kind in "fc":
        return outer(a, b)
    if a.size > _SMALL and a.ndim == b.ndim == 3 and len(a) == len(b):
        return _stacks(a, b)
    return np.matmul(a, b)


def matmul_add(a: Array, b: Array, c: Array) -> Array:
    """``a @ b + c`` for matrices, the sum in place."""
    small = a.size <= _SMALL and b.size <= _SMALL
    if small or not a.ndim == b.ndim == 2:
        product = a.dot(b)
    else:
        if c.ndim == 1 and (made := _compiled(a, b, c)) is not None:
            return made
        product = _matrices(a, b)
    if product.dtype is c.dtype and c.ndim <= 2:
        np.add(product, c, product)
        return product
    return product + c


def _compiled(a: Array, b: Array, row: Array | None) -> Array | None:
    """The product of two matrices, plus a row, by the compiled kernel; None: BLAS has to do it."""
    if a.dtype is not _SINGLE or b.dtype is not _SINGLE:
        return None
    (rows, inner), columns = a.shape, b.shape[1]
    operations = rows * inner * columns
    if operations <= _OPERATIONS or rows < 2 or columns < _COLUMNS:
        return None
    if columns < _BROAD and a.strides[0] == 4:
        return None
    multiply = compiled.product()
    if multiply is None or np.may_share_memory(a, b):
        return None
    return multiply(a, b, row, threads.threads_for(operations * _COSTS["f"]))


def _matrices(a: Array, b: Array) -> Array:
    made = _compiled(a, b, None)
    if made is not None:
        return made
    (rows, inner), columns = a.shape, b.shape[1]
    operations = rows * inner * columns
    cost = _COSTS.get(a.dtype.char)
    if operations <= _OPERATIONS or not cost or a.dtype != b.dtype or len(b) != inner:
        return a.dot(b)
    blocks = rows // _BLOCK
    seconds = operations * cost
    if blocks < 2 or seconds < threads.WORTH or np.may_share_memory(a, b):
        return threads.alone(a.dot, b)  # of a matrix and its transpose BLAS computes only one half
    if not a.flags.forc:
        a = np.ascontiguousarray(a)
    if not b.flags.forc:
        b = np.ascontiguousarray(b)
    made = np.empty((rows, columns), a.dtype)

    def work(first: int, last: int) -> None:
        first, last = first * _BLOCK, rows if last == blocks else last * _BLOCK
        np.matmul(a[first:last], b, out=made[first:last])

    threads.split(work, blocks, seconds, rows // _ROWS)
    return made


def _stacks(a: Array, b: Array) -> Array:
    count, rows, columns = len(a), a.shape[1], b.shape[2]
    operations = a.size * columns
    cost = _COSTS.get(a.dtype.char)
    if operations <= _OPERATIONS or not cost or a.dtype != b.dtype or a.shape[2] != b.shape[1]:
        return np.matmul(a, b)
    made = np.empty((count, rows, columns), a.dtype)

    def work(first: int, last: int) -> None:
        np.matmul(a[first:last], b[first:last], out=made[first:last])

    threads.split(work, count, operations * cost)
    return made


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
