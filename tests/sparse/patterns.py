"""Patterns that the tests of colouring share: random small ones, and those that occur in practice.

In: sizes.  Out: `scipy.sparse` arrays (or, for hypothesis, strategies of dense masks).
"""

import numpy as np
import scipy.sparse as sp
from hypothesis import strategies as st


@st.composite
def masks(draw, square=False, largest=14):
    """Dense 0/1 masks of random size and density."""
    m = draw(st.integers(1, largest))
    n = m if square else draw(st.integers(1, largest))
    density = draw(st.sampled_from([0.05, 0.15, 0.3, 0.6, 0.95]))
    seed = draw(st.integers(0, 2**32 - 1))
    return np.random.default_rng(seed).random((m, n)) < density


def band(n, below, above):
    offsets = list(range(-below, above + 1))
    return sp.csr_array(
        sp.diags_array([np.ones(n - abs(k)) for k in offsets], offsets=offsets, shape=(n, n))
    )


def cycle(n):
    """The second difference on a ring."""
    i = np.arange(n)
    j = np.concatenate([i, (i + 1) % n, (i - 1) % n])
    return sp.csr_array(sp.coo_array((np.ones(3 * n), (np.tile(i, 3), j)), shape=(n, n)))


def grid(*sizes, line=lambda n: band(n, 1, 1), full=False):
    """Difference schemes: with neighbours along each axis, or (``full``) all around."""
    matrix = None
    for size in sizes:
        step = line(size)
        if matrix is None:
            matrix = step
        elif full:
            matrix = sp.kron(step, matrix)
        else:
            eye = sp.eye_array
            matrix = sp.kron(eye(size), matrix) + sp.kron(step, eye(matrix.shape[0]))
    matrix = sp.csr_array(matrix)
    matrix.eliminate_zeros()
    return matrix


def arrow(n, width=1, first=True):
    """A diagonal with ``width`` full rows and columns, at the beginning or at the end."""
    i = np.arange(n)
    full = np.repeat(np.arange(width), n)
    rows = np.concatenate([i, full, np.tile(i, width)])
    columns = np.concatenate([i, np.tile(i, width), full])
    if not first:
        rows, columns = n - 1 - rows, n - 1 - columns
    return sp.csr_array(sp.coo_array((np.ones(len(rows)), (rows, columns)), shape=(n, n)))


def scattered(m, n, per_row, seed=0):
    rng = np.random.default_rng(seed)
    return sp.csr_array(sp.random_array((m, n), density=per_row / n, rng=rng))


def symmetric(matrix):
    return sp.csr_array(matrix + matrix.T + sp.eye_array(matrix.shape[0]))


def with_values(matrix, seed=0):
    """The same pattern with random values; symmetric if the pattern is."""
    matrix = sp.csr_array(matrix, dtype=float)
    matrix.sum_duplicates()
    rng = np.random.default_rng(seed)
    matrix.data = rng.integers(1, 1000, matrix.nnz) * 1.0
    return matrix


def with_symmetric_values(matrix, seed=0):
    matrix = with_values(matrix, seed)
    return sp.csr_array(matrix + matrix.T)
