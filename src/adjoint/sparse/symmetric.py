"""Colours the variables of a Hessian, so that symmetry halves the work.

In: a structurally symmetric pattern.  Out: a colour per variable such that every entry can be read
off the products ``H @ seed``: directly (star colouring: every path on four vertices has three
colours; Coleman & Moré 1984; Gebremedhin, Tarafdar, Manne & Pothen 2007), or with substitution,
which needs fewer products (an acyclic colouring by a triangular one: Powell & Toint 1979; Coleman
& Moré 1984).

Note [Hubs]
    A vertex with a colour of its own is alone with it in every row, and so is every edge at it. The
    fullest vertices (the dense rows of an arrow) get colours of their own and are taken out.

Note [Star colouring by classes]
    The rest starts from a distance-2 colouring, which is a star colouring already. Members of one
    of its classes are three or more edges apart, so a whole class can be coloured anew in one
    step: two members can get in each other's way only as the ends of a path v - w - x - v', when v
    takes the colour of x and v' that of w. Then one of them waits.

Note [Sets]
    Three sets of colours per vertex u suffice. ``near``: the colours of its neighbours. ``twice``:
    those that two neighbours have. ``closed``: the colours of neighbours x that have another
    neighbour of u's own colour, so that no further neighbour of u may take them.
"""

from __future__ import annotations

import numpy as np

from adjoint.sparse.closed_form import structure_of
from adjoint.sparse.coloring import color_columns, count, dense_lines, fullest
from adjoint.sparse.csr import Array, Csr, pattern_of, ragged, with_diagonal
from adjoint.sparse.greedy import ColorSets, bit, lowest_free

__all__ = ["color_star", "color_triangular"]

_SEARCH_WORTH = 1 << 26  # how many paths of two edges the search for a star colouring may look at
_PEELINGS = 60


def color_star(pattern: Csr) -> Array:
    """Return a star colouring of a symmetric pattern; -1 for variables without entries."""
    degrees = pattern.counts()
    hubs_wanted, _ = dense_lines(degrees)
    hubs = fullest(degrees, hubs_wanted)
    rest = pattern
    if hubs_wanted:
        rest = pattern_of(pattern, ~(hubs[pattern.rows()] | hubs[pattern.indices]))
    colors = color_columns(rest, rest)
    if _worth_a_search(rest, colors):
        # without the diagonal, neighbours may have one colour: that is no start for the search
        whole = with_diagonal(rest)
        start = colors if whole is rest else color_columns(whole, whole)
        found = _star_by_classes(whole, start)
        if count(found) < count(colors):
            colors = found
    lonely = (colors < 0) & (degrees > 0) & ~hubs
    if lonely.any():
        # joined to hubs only: any colour will do
        colors = np.where(lonely, 0, colors)
    return _with_hubs(colors, hubs)


def _with_hubs(colors: Array, hubs: Array) -> Array:
    first = count(colors)
    colors = colors.copy()
    colors[hubs] = first + np.arange(np.count_nonzero(hubs), dtype=np.int32)
    return colors


def _worth_a_search(pattern: Csr, colors: Array) -> bool:
    """Whether a star colouring may need fewer colours, and can be found in reasonable time."""
    structure = structure_of(pattern)
    if count(colors) <= 2 or structure.span == structure.most:
        return False  # bands: 2 b + 1 colours are needed (Coleman & Moré 1984)
    degrees = pattern.counts().astype(np.float64)
    if pattern.nnz > 1 << 20 and count(colors) == structure.most:
        return False
    return float(np.sum(degrees * degrees)) < _SEARCH_WORTH


# ---- star colouring ------------------------------------------------------------------------------


def _star_by_classes(pattern: Csr, start: Array) -> Array:
    state = _Star(pattern, count(start))
    members = np.argsort(start, kind="stable")
    sizes = np.bincount(start[start >= 0], minlength=count(start))
    ends = np.cumsum(sizes) + np.count_nonzero(start < 0)
    for c in np.argsort(-sizes, kind="stable"):
        pending = members[ends[c] - sizes[c] : ends[c]]
        while len(pending):
            pending = state.color(pending)
    return state.colors


class _Star:
    """A star colouring in the making (see Note [Sets])."""

    def __init__(self, pattern: Csr, colors: int) -> None:
        n = pattern.shape[0]
        rows = pattern.rows()
        # the graph: without the diagonal
        self.graph = pattern_of(pattern, pattern.indices != rows)
        self.colors = np.full(n, -1, np.int32)
        self.near, self.twice, self.closed = (ColorSets(n, colors + 1) for _ in range(3))
        self.took = np.full(n, -1, np.int32)  # colour that a neighbour takes in this step

    def color(self, members: Array) -> Array:
        """Give colours to members of a class; return those that have to wait."""
        positions, _, counts = ragged(self.graph.indptr, members)
        v = np.repeat(np.arange(len(members)), counts)
        w = self.graph.indices[positions]
        colored = self.colors[w] >= 0
        v, w = v[colored], w[colored]
        chosen = self._choose(members, v, w)
        wait = self._conflicts(members, chosen, v, w)
        go = ~wait
        self._enter(members[go], chosen[go])
        return members[wait]

    def _choose(self, members: Array, v: Array, w: Array) -> Array:
        words = self.near.words
        forbidden = np.zeros((len(members), words), np.uint64)
        if len(v):
            of_w = self.colors[w]
            # v has two neighbours of w's colour: it must not look like any other neighbour of w
            double = has(self.twice, members[v], of_w)
            sets = np.where(double[:, None], self.near.bits[w], self.closed.bits[w])
            sets[np.arange(len(w)), of_w >> 6] |= bit(of_w & 63)
            begin = np.flatnonzero(np.append(True, v[1:] != v[:-1]))
            forbidden[v[begin]] = np.bitwise_or.reduceat(sets, begin, axis=0)
        return lowest_free(forbidden)

    def _conflicts(self, members: Array, chosen: Array, v: Array, w: Array) -> Array:
        """Who has to wait: the later end of a path that two members would close."""
        wait = np.zeros(len(members), np.bool_)
        joins = has(self.near, w, chosen[v])  # w would become the middle of a star
        v, w = v[joins], w[joins]
        if not len(v):
            return wait
        who = np.full(len(self.colors), -1, np.int64)
        who[w] = v
        positions, _, counts = ragged(self.graph.indptr, w)
        x = self.graph.indices[positions]
        w, v = np.repeat(w, counts), np.repeat(v, counts)
        other = who[x]
        meets = (other >= 0) & (self.colors[x] == chosen[v])
        meets &= chosen[other] == self.colors[w]
        wait[np.maximum(v[meets], other[meets])] = True
        return wait

    def _enter(self, members: Array, chosen: Array) -> None:
        positions, _, counts = ragged(self.graph.indptr, members)
        x = self.graph.indices[positions]
        v, a = np.repeat(members, counts), np.repeat(chosen, counts)
        self.colors[members] = chosen
        top = int(chosen.max(initial=0)) + 2
        for sets in (self.near, self.twice, self.closed):
            sets.grow(top)
        second = has(self.near, x, a)
        third = has(self.twice, x, a)
        colored = self.colors[x] >= 0

        # v is the further neighbour of v's neighbours: closes v's colour where v has two of theirs
        own = colored & has(self.twice, v, self.colors[x])
        unite(self.closed, x[own], a[own])
        # x has two neighbours of colour a: no further neighbour of those may take x's colour
        again = colored & second
        unite(self.closed, v[again], self.colors[x[again]])
        fresh = colored & second & ~third
        self._close_first(x[fresh], a[fresh])

        unite(self.twice, x[second], a[second])
        unite(self.near, x[~second], a[~second])

    def _close_first(self, x: Array, a: Array) -> None:
        """Close the colour of ``x`` at its first neighbour of colour ``a``."""
        positions, _, counts = ragged(self.graph.indptr, x)
        y = self.graph.indices[positions]
        x, a = np.repeat(x, counts), np.repeat(a, counts)
        same = self.colors[y] == a
        unite(self.closed, y[same], self.colors[x[same]])


def has(sets: ColorSets, rows: Array, colors: Array) -> Array:
    """Whether ``colors[k]`` is in the set of ``rows[k]``; no set has the colour -1."""
    inside = (colors >= 0) & (colors < sets.words * 64)
    safe = np.where(inside, colors, 0)
    words = sets.bits[rows, safe >> 6]
    return inside & ((words & bit(safe & 63)) != 0)


def unite(sets: ColorSets, rows: Array, colors: Array) -> None:
    """Put ``colors[k]`` into the set of ``rows[k]``, which may have it already."""
    if len(rows):
        flat = sets.bits.reshape(-1)
        np.bitwise_or.at(flat, rows.astype(np.intp) * sets.words + (colors >> 6), bit(colors & 63))


# ---- triangular colouring ------------------------------------------------------------------------


def color_triangular(pattern: Csr) -> tuple[Array, Array]:
    """Return colours for recovery with substitution, and the position of each variable in the order
    in which no row has two columns of one colour at or before itself.
    """
    best: tuple[Array, Array] | None = None
    n = pattern.shape[0]
    orders = [np.arange(n)]
    if _width(pattern, orders[0]) > -(-(pattern.nnz + n) // (2 * max(n, 1))):
        orders.append(_peeled(pattern))  # the order as it is has fuller rows than the average
    for width, order in sorted(((_width(pattern, o), o) for o in orders), key=lambda pair: pair[0]):
        if best is not None and count(best[0]) <= width:
            break
        lower = order[pattern.indices] <= order[pattern.rows()]
        colors = color_columns(pattern_of(pattern, lower))
        if best is None or count(colors) < count(best[0]):
            best = colors, order
    assert best is not None
    return best


def _width(pattern: Csr, order: Array) -> int:
    """The most entries of a row at or before the diagonal, in that order."""
    lower = order[pattern.indices] <= order[pattern.rows()]
    return int(np.bincount(pattern.rows()[lower], minlength=1).max(initial=0))


def _peeled(pattern: Csr) -> Array:
    """Positions by smallest-last order: who has fewest neighbours left is taken off and comes last
    (Matula & Beck 1983); all of them at once, and more freely once that takes too long.
    """
    n = pattern.shape[0]
    left = pattern.counts().astype(np.int64)
    position = np.full(n, -1, np.int64)
    alive = np.arange(n)
    bound = turn = 0
    while len(alive):
        bound = max(bound, int(left[alive].min()))
        if turn >= _PEELINGS:
            bound = max(bound, int(1.5 * left[alive].mean()))
        leaves = left[alive] <= bound
        off = alive[leaves]
        position[off] = np.arange(len(alive) - len(off), len(alive))
        alive = alive[~leaves]
        positions, _, _ = ragged(pattern.indptr, off)
        left -= np.bincount(pattern.indices[positions], minlength=n)
        turn += 1
    return position
