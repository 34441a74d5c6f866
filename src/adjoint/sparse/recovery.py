"""From compressed products back to the non-zeros: index maps, worked out once.

In: a pattern and a colouring.  Out: for each non-zero the place in the compressed matrix where it
stands alone (direct recovery), or the order of substitutions that isolates it; and the proof that
it does: a colouring that is not one is refused.

Compressed products are stacked row by row: ``B[c] = J @ seed[c]`` for columns, ``C[c] = seed[c] @
J`` for rows (Coleman & Moré 1983, 1984; Coleman & Verma 1998; Gebremedhin, Manne & Pothen 2005).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adjoint.sparse.csr import Array, Csr, pattern_of, ragged, transpose

__all__ = [
    "Substitution",
    "all_distinct",
    "alone",
    "direct_map",
    "plan_substitution",
    "symmetric_map",
]

_WORDS = 8


def all_distinct(pattern: Csr, colors: Array) -> Array:
    """For each row: whether its coloured columns have different colours."""
    counts = pattern.counts()
    good = np.ones(len(counts), np.bool_)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return good
    mine = colors[pattern.indices]
    begin = pattern.indptr[filled]
    used = int(colors.max()) + 1
    if used > 64 * _WORDS:
        return _all_distinct_by_sorting(pattern, mine, used)
    found = np.zeros(len(filled), np.intp)
    for low in range(0, used, 64):
        # a machine word per row holds 64 colours; colours outside leave no bit
        inside = (mine >= low) & (mine < low + 64)
        bits = np.left_shift(np.uint64(1), (mine - low).astype(np.uint64) & np.uint64(63))
        found += np.bitwise_count(np.bitwise_or.reduceat(bits * inside, begin))
    colored = counts[filled] if (mine >= 0).all() else np.add.reduceat(mine >= 0, begin, dtype=int)
    good[filled] = found == colored
    return good


def _all_distinct_by_sorting(pattern: Csr, mine: Array, used: int) -> Array:
    key = np.sort(pattern.rows().astype(np.int64) * (used + 1) + mine + 1)
    same = key[1:][(key[1:] == key[:-1]) & (key[1:] % (used + 1) > 0)]
    good = np.ones(pattern.shape[0], np.bool_)
    good[same // (used + 1)] = False
    return good


def alone(pattern: Csr, colors: Array) -> Array:
    """For each place: whether its column has a colour that no other column of its row has."""
    mine = colors[pattern.indices]
    found = mine >= 0
    crowded = np.flatnonzero(~all_distinct(pattern, colors))
    if len(crowded):
        positions, _, counts = ragged(pattern.indptr, crowded)
        row = np.repeat(np.arange(len(crowded), dtype=np.int64), counts)
        key = row * (int(colors.max()) + 2) + mine[positions] + 1
        _, inverse, times = np.unique(key, return_inverse=True, return_counts=True)
        found[positions] &= times[inverse] == 1
    return found


def direct_map(
    pattern: Csr, column_colors: Array | None, row_colors: Array | None
) -> tuple[Array, int]:
    """Return the index of each place in the compressed products, flattened and joined: those of the
    columns, then those of the rows; and how many numbers the products of the columns are.

    Raises: ValueError if a place stands alone in no product.
    """
    m, n = pattern.shape
    rows = pattern.rows().astype(np.int64)
    split = 0 if column_colors is None else (int(column_colors.max(initial=-1)) + 1) * m
    found = np.zeros(pattern.nnz, np.bool_)
    places = np.zeros(pattern.nnz, np.int64)
    if column_colors is not None:
        found = alone(pattern, column_colors)
        places = column_colors[pattern.indices].astype(np.int64) * m + rows
    if row_colors is not None and not found.all():
        turned, was = transpose(pattern)
        by_row = np.zeros(pattern.nnz, np.bool_)
        by_row[was] = alone(turned, row_colors)
        other = split + row_colors[rows].astype(np.int64) * n + pattern.indices
        places = np.where(found, places, other)
        found = found | by_row
    _require(pattern, rows, found)
    return places, split


def symmetric_map(pattern: Csr, colors: Array) -> Array:
    """Return the index of each place of a symmetric matrix in its flattened compressed product,
    read at the place itself or at its mirror image (Coleman & Moré 1984).

    Raises: ValueError if a place stands alone at neither.
    """
    n = pattern.shape[0]
    rows = pattern.rows().astype(np.int64)
    found = alone(pattern, colors)
    places = colors[pattern.indices].astype(np.int64) * n + rows
    if not found.all():
        _, mirror = transpose(pattern)
        places = np.where(found, places, places[mirror])
        found = found | found[mirror]
    _require(pattern, rows, found)
    return places


def _require(pattern: Csr, rows: Array, found: Array) -> None:
    if not found.all():
        k = int(np.argmin(found))
        raise ValueError(
            f"not a colouring of this pattern: the entry ({rows[k]}, {pattern.indices[k]}) shares "
            "each of its products with another entry"
        )


# ---- substitution --------------------------------------------------------------------------------


class Substitution(NamedTuple):
    """How a symmetric matrix comes out of products that mix its entries.

    Unknown ``k`` (one per pair of mirror images) is product ``places[k]`` minus the unknowns that
    depend on it: ``parent[e]`` is the unknown that ``e`` is to be taken from, -1 for none.
    ``unknown`` gives the unknown of each place of the pattern.
    """

    places: Array
    parent: Array
    unknown: Array

    def recover(self, compressed: Array) -> Array:
        """Return the values of all places.

        Each unknown is an alternating sum over the tree below it. Sums are gathered by doubling the
        distance: twenty steps for a chain of a million.
        """
        values = compressed.reshape(-1)[self.places]
        if not (self.parent >= 0).any():
            return values[self.unknown]
        total = values.astype(np.result_type(values.dtype, np.float64))
        parent = self.parent
        sign = -1.0
        while True:
            from_ = np.flatnonzero(parent >= 0)
            if not len(from_):
                break
            to = parent[from_]
            total = total + sign * _summed(to, total[from_], len(total))
            # parent of parent; -1 stays
            parent = parent.copy()
            parent[from_] = parent[to]
            sign = 1.0
        return total.astype(values.dtype)[self.unknown]


def _summed(to: Array, values: Array, size: int) -> Array:
    if values.dtype.kind == "c":
        real = np.bincount(to, weights=values.real, minlength=size)
        return real + 1j * np.bincount(to, weights=values.imag, minlength=size)
    return np.bincount(to, weights=values, minlength=size)


def plan_substitution(pattern: Csr, colors: Array, order: Array) -> Substitution:
    """Plan the recovery from a triangular colouring: in each row, the columns that do not come
    later in ``order`` (the position of each column) have different colours (Powell & Toint 1979;
    Coleman & Moré 1984).

    Raises: ValueError if the colouring is not one.
    """
    n = pattern.shape[0]
    rows = pattern.rows().astype(np.int64)
    columns = pattern.indices
    _, mirror = transpose(pattern)
    lower = order[columns] <= order[rows]
    earlier = pattern_of(pattern, lower)
    _require(pattern, rows, np.where(lower, alone_where(earlier, colors, lower), True))

    # unknowns: the places not above the diagonal of the reordered matrix
    number = np.cumsum(lower) - 1
    unknown = np.where(lower, number, number[mirror])
    places = colors[columns].astype(np.int64) * n + rows
    used = int(colors.max(initial=-1)) + 1

    # the product of row i with colour c holds a[i, j], j earlier, and every a[i, k], k later: find
    # the a[i, j] that each a[i, k] = a[k, i] disturbs
    key = rows * (used + 1) + colors[columns] + 1  # 0: takes part in no product
    low_key, low_number = key[lower], number[lower]
    by_key = np.argsort(low_key, kind="stable")
    low_key = low_key[by_key]
    upper_key = key[~lower]
    at = np.searchsorted(low_key, upper_key)
    at_safe = np.minimum(at, max(len(low_key) - 1, 0))
    hit = (at < len(low_key)) & (low_key[at_safe] == upper_key) if len(low_key) else at < 0
    parent = np.full(len(low_number), -1, np.int64)
    parent[unknown[~lower][hit]] = low_number[by_key[at_safe[hit]]]
    return Substitution(places[lower], parent, unknown)


def alone_where(part: Csr, colors: Array, chosen: Array) -> Array:
    """`alone` of a part of a pattern, at the places of the whole."""
    found = np.zeros(len(chosen), np.bool_)
    found[chosen] = alone(part, colors)
    return found
