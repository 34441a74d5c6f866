"""The structure of a matrix, in words: diagonal, banded, block-diagonal, sparse or dense.

In: a `ColoredPattern`.  Out: what people call it, with its figures.
"""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["described", "places"]


def places(pattern: Any) -> tuple[Any, Any]:
    """The rows and columns of the entries that may be non-zero."""
    counts = np.diff(pattern.indptr)
    return np.repeat(np.arange(len(counts)), counts), np.asarray(pattern.indices)


def described(pattern: Any) -> str:
    """What kind of pattern it is.

    >>> import numpy as np, scipy.sparse
    >>> from adjoint.sparse import ColoredPattern
    >>> described(ColoredPattern.from_scipy(scipy.sparse.eye_array(4)))
    'diagonal'
    """
    rows, columns = places(pattern)
    if not len(rows):
        return "zero"
    offsets = columns - rows
    low, high = int(-offsets.min()), int(offsets.max())
    m, n = pattern.shape
    if low == high == 0:
        return "diagonal"
    if max(low, 0) + max(high, 0) + 1 <= max(3, min(m, n) // 8):
        return f"banded ({max(low, 0)} below the diagonal, {max(high, 0)} above)"
    blocks = _blocks(rows, columns, m, n)
    if blocks > 1:
        return f"block-diagonal up to the order of rows and columns ({blocks} blocks)"
    if len(rows) <= m * n // 4:
        return f"sparse ({len(rows)} entries, {100 * len(rows) / (m * n):.2g} % of all)"
    return "dense"


def _blocks(rows: Any, columns: Any, m: int, n: int) -> int:
    """How many parts of the matrix share neither rows nor columns."""
    import scipy.sparse  # noqa: PLC0415 - on first use

    ones = np.ones(len(rows), bool)
    graph = scipy.sparse.coo_array((ones, (rows, columns + m)), shape=(m + n, m + n))
    count, labels = scipy.sparse.csgraph.connected_components(graph, directed=False)
    used = np.unique(labels[rows])
    return len(used) if count else 0
