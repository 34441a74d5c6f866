"""Sparsity patterns as two index arrays: what every other module of this package computes with.

In: a `scipy.sparse` matrix, a dense mask, or index arrays.  Out: `Csr`, the places of the non-
zeros row by row (sorted, without repetitions), its transpose, and slices of it; nothing here looks
at values.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Array",
    "Csr",
    "canonical",
    "index_type",
    "pattern_of",
    "ragged",
    "transpose",
    "union_with_transpose",
    "with_diagonal",
]

Array = np.ndarray[Any, np.dtype[Any]]


class Csr(NamedTuple):
    """The places of the non-zeros: row ``i`` has columns ``indices[indptr[i]:indptr[i + 1]]``."""

    indptr: Array
    indices: Array
    shape: tuple[int, int]

    @property
    def nnz(self) -> int:
        """The number of places."""
        return len(self.indices)

    def counts(self) -> Array:
        """How many places each row has."""
        return np.diff(self.indptr)

    def rows(self) -> Array:
        """The row of each place."""
        numbers = np.arange(self.shape[0], dtype=self.indices.dtype)
        return np.repeat(numbers, self.counts())

    def keep(self, chosen: Array) -> Csr:
        """The pattern with only the rows of the mask ``chosen`` filled; the shape stays."""
        counts = np.where(chosen, self.counts(), 0)
        indptr = np.zeros(len(counts) + 1, self.indptr.dtype)
        np.cumsum(counts, out=indptr[1:])
        return Csr(indptr, self.indices[np.repeat(chosen, self.counts())], self.shape)


def canonical(matrix: Any) -> Csr:
    """Return the pattern of a `scipy.sparse` matrix or of a dense array (its non-zeros).

    Entries that are stored count, also where their value is zero.
    Raises: ValueError if there are not two dimensions.
    """
    import scipy.sparse  # noqa: PLC0415 - on first use

    if not scipy.sparse.issparse(matrix):
        matrix = np.asarray(matrix)
    if matrix.ndim != 2:
        raise ValueError(f"a pattern has two dimensions; this array has {matrix.ndim}")
    if isinstance(matrix, np.ndarray):
        matrix = scipy.sparse.coo_array(matrix != 0)
    if matrix.format != "csr" or not matrix.has_canonical_format:
        # sorting happens in a copy: the caller's matrix stays as it is
        matrix = scipy.sparse.csr_array(matrix.astype(bool, copy=True))
        matrix.sum_duplicates()
    m, n = matrix.shape
    kind = index_type(m, n, matrix.nnz)
    return Csr(matrix.indptr.astype(kind), matrix.indices.astype(kind), (int(m), int(n)))


def index_type(m: int, n: int, nnz: int) -> Any:
    """The smaller of int32 and int64 that can count everything in a pattern."""
    return np.int32 if max(m, n, nnz) < np.iinfo(np.int32).max else np.int64


def transpose(pattern: Csr) -> tuple[Csr, Array]:
    """Return the transposed pattern, and for each of its places the number of the place it was."""
    import scipy.sparse  # noqa: PLC0415 - on first use

    m, n = pattern.shape
    numbers = np.arange(pattern.nnz, dtype=pattern.indices.dtype)
    matrix = scipy.sparse.csr_array((numbers, pattern.indices, pattern.indptr), shape=(m, n))
    turned = matrix.tocsc()
    kind = pattern.indices.dtype
    return Csr(turned.indptr.astype(kind), turned.indices.astype(kind), (n, m)), turned.data


def union_with_transpose(pattern: Csr) -> Csr:
    """Return the smallest symmetric pattern that has all places of a square one."""
    turned, _ = transpose(pattern)
    if np.array_equal(turned.indptr, pattern.indptr) and np.array_equal(
        turned.indices, pattern.indices
    ):
        return pattern
    return _union(pattern, pattern.indices, pattern.rows())


def pattern_of(pattern: Csr, chosen: Array) -> Csr:
    """The pattern with only the places of the mask ``chosen``."""
    running = np.concatenate(([0], np.cumsum(chosen))).astype(pattern.indptr.dtype)
    return Csr(running[pattern.indptr], pattern.indices[chosen], pattern.shape)


def with_diagonal(pattern: Csr) -> Csr:
    """The square pattern with all places of the diagonal."""
    rows = pattern.rows()
    if np.count_nonzero(rows == pattern.indices) == pattern.shape[0]:
        return pattern
    return _union(pattern, np.arange(pattern.shape[0]), np.arange(pattern.shape[0]))


def _union(pattern: Csr, rows: Array, columns: Array) -> Csr:
    import scipy.sparse  # noqa: PLC0415 - on first use

    i = np.concatenate((pattern.rows(), rows))
    j = np.concatenate((pattern.indices, columns))
    return canonical(scipy.sparse.coo_array((np.ones(len(i), np.bool_), (i, j)), pattern.shape))


def ragged(indptr: Array, which: Array) -> tuple[Array, Array, Array]:
    """Return the positions of the entries of the rows ``which``, where each row starts among them,
    and how many it has.
    """
    starts = indptr[which]
    counts = indptr[which + 1] - starts
    ends = np.cumsum(counts, dtype=np.intp)
    begin = ends - counts
    total = int(ends[-1]) if len(ends) else 0
    return np.arange(total) + np.repeat(starts - begin, counts), begin, counts
