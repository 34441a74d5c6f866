"""Colours the columns, the rows, or both, of a Jacobian's pattern with few colours.

In: a pattern.  Out: a colour for each column and/or row (-1: takes part in no product). Two
columns of one colour have no row in common, so that one product ``J @ seed`` gives both (Curtis,
Powell & Reid 1974; Coleman & Moré 1983). Known structure is recognised first (closed_form.py); the
search is in greedy.py.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from adjoint.sparse.closed_form import formulas, structure_of
from adjoint.sparse.csr import Array, Csr, transpose
from adjoint.sparse.greedy import color_greedily, complete
from adjoint.sparse.recovery import all_distinct

__all__ = [
    "Coloring",
    "color_bidirectional",
    "color_columns",
    "color_jacobian",
    "color_rows",
    "count",
    "dense_lines",
]

_SMALL = 1 << 17


class Coloring(NamedTuple):
    """Colours of the columns (products ``J @ seed``) and of the rows (``seed @ J``); None: no such
    products.
    """

    columns: Array | None
    rows: Array | None

    @property
    def mode(self) -> str:
        """The kind of products: "jvp", "vjp" or "bidirectional"."""
        if self.rows is None:
            return "jvp"
        return "vjp" if self.columns is None else "bidirectional"

    def cost(self, jvp_cost: float = 1.0) -> float:
        """How many products there are, those with columns weighted."""
        return jvp_cost * count(self.columns) + count(self.rows)


def count(colors: Array | None) -> int:
    """The number of colours."""
    return 0 if colors is None else int(colors.max(initial=-1)) + 1


def color_columns(pattern: Csr, turned: Csr | None = None) -> Array:
    """Return a colour per column, -1 for empty ones; columns of one colour have no row in common.

    ``turned``: the transposed pattern, where it is known already.
    """
    structure = structure_of(pattern)
    most = structure.most
    if not most:
        return np.full(pattern.shape[1], -1, np.int32)
    # small patterns are worth a search whenever a formula is not perfect
    enough = most if pattern.nnz < _SMALL else most + max(1, most // 4)
    best: Array | None = None
    for proposed in formulas(pattern, structure):
        bad = ~all_distinct(pattern, proposed)
        if bad.any():
            if np.count_nonzero(bad) * 4 > len(bad):
                continue
            if turned is None:
                turned, _ = transpose(pattern)
            proposed = _repaired(pattern, turned, proposed, bad, most)
        if best is None or count(proposed) < count(best):
            best = proposed
        if count(best) <= enough:
            return _compact(pattern, best)
    if turned is None:
        turned, _ = transpose(pattern)
    searched = color_greedily(turned, most)
    if best is None or (searched is not None and count(searched) < count(best)):
        best = searched
    assert best is not None  # the last formula is always right
    return _compact(pattern, best)


def _repaired(pattern: Csr, turned: Csr, colors: Array, bad: Array, most: int) -> Array:
    """The colouring made right in its ``bad`` rows: their columns are coloured anew."""
    colors = colors.copy()
    colors[pattern.indices[np.repeat(bad, pattern.counts())]] = -1
    return complete(turned, colors, most)


def color_rows(pattern: Csr, turned: Csr | None = None) -> Array:
    """Return a colour per row, -1 for empty ones; rows of one colour have no column in common."""
    return color_columns(turned if turned is not None else transpose(pattern)[0], pattern)


def _compact(pattern: Csr, colors: Array) -> Array:
    """Take the colour off empty columns, and number the others' without gaps."""
    filled = np.zeros(pattern.shape[1], np.bool_)
    filled[pattern.indices] = True
    colors = np.where(filled, colors, -1).astype(np.int32)
    used = np.bincount(colors[filled], minlength=1) > 0
    if not used.all():
        numbers = np.append(np.cumsum(used) - 1, -1).astype(np.int32)
        colors = numbers[colors]
    return colors


# ---- both ways -----------------------------------------------------------------------------------


def dense_lines(counts: Array) -> tuple[int, int]:
    """Return how many of the fullest lines to treat on their own, and what is needed then: one
    colour for each of them, and as many as the next line has entries.
    """
    falling = np.sort(counts)[::-1]
    need = np.arange(len(falling) + 1) + np.append(falling, 0)
    k = int(np.argmin(need))
    return k, int(need[k])


def fullest(counts: Array, k: int) -> Array:
    """A mask of the ``k`` fullest lines."""
    chosen = np.zeros(len(counts), np.bool_)
    if k:
        chosen[np.argsort(-counts, kind="stable")[:k]] = True
    return chosen


def color_bidirectional(pattern: Csr, turned: Csr | None = None) -> Coloring:
    """Return colours of columns and rows such that each entry stands alone in one of the products.

    A few full rows are taken by products from the left; the others then need few colours of columns
    (or the other way round with full columns): a star bicolouring (Coleman & Verma 1998).
    """
    if turned is None:
        turned, _ = transpose(pattern)
    k_rows, by_rows = dense_lines(pattern.counts())
    k_columns, by_columns = dense_lines(turned.counts())
    if by_rows <= by_columns:
        columns, rows = _split(pattern, k_rows)
    else:
        rows, columns = _split(turned, k_columns)
    return Coloring(columns, rows)


def _split(pattern: Csr, k: int) -> tuple[Array, Array]:
    """Colours of the columns by the rows that are not full, and of the ``k`` full rows."""
    full = fullest(pattern.counts(), k)
    columns = color_columns(pattern.keep(~full))
    rows = color_rows(pattern.keep(full))
    return columns, rows


# ---- the choice ----------------------------------------------------------------------------------


def color_jacobian(pattern: Csr, mode: str | None = None, jvp_cost: float = 1.0) -> Coloring:
    """Return the colouring that needs the least work.

    ``mode``: "jvp" (colour the columns), "vjp" (the rows), "bidirectional"; None: whichever
    is cheapest, where a product with columns costs ``jvp_cost`` times one with rows.
    """
    if mode == "jvp":
        return Coloring(color_columns(pattern), None)
    turned, _ = transpose(pattern)
    if mode == "vjp":
        return Coloring(None, color_rows(pattern, turned))
    if mode == "bidirectional":
        return color_bidirectional(pattern, turned)
    row_counts, column_counts = pattern.counts(), turned.counts()
    least_columns = jvp_cost * int(row_counts.max(initial=0))
    least_rows = float(column_counts.max(initial=0))
    least_both = min(1.0, jvp_cost) * min(dense_lines(row_counts)[1], dense_lines(column_counts)[1])

    best: Coloring | None = None
    # what may turn out cheapest comes first; later ones only where they can still win
    tries = sorted([(least_columns, 0), (least_rows, 1), (least_both * 1.25, 2)])
    for least, kind in tries:
        if best is not None and best.cost(jvp_cost) <= least:
            continue
        if kind == 2 and least_both >= 0.75 * min(least_columns, least_rows):
            continue
        if kind == 0:
            found = Coloring(color_columns(pattern, turned), None)
        elif kind == 1:
            found = Coloring(None, color_rows(pattern, turned))
        else:
            found = color_bidirectional(pattern, turned)
        if best is None or found.cost(jvp_cost) < best.cost(jvp_cost):
            best = found
    assert best is not None
    return _one_way(best)


def _one_way(coloring: Coloring) -> Coloring:
    """Both ways with nothing in one of them is one way."""
    if coloring.columns is not None and coloring.rows is not None:
        if not count(coloring.rows):
            return Coloring(coloring.columns, None)
        if not count(coloring.columns):
            return Coloring(None, coloring.rows)
    return coloring
