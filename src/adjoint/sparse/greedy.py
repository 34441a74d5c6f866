"""Greedy column colouring of any pattern, whole blocks of columns at a time.

In: a pattern by columns (the rows of each column).  Out: a colour per column such that columns of
one colour share no row (distance-2 colouring of the bipartite graph; Coleman & Moré 1983;
Gebremedhin, Manne & Pothen 2005, "What color is your Jacobian?", section 3).

Note [Speculation]
    Columns choose colours all at once; where two in one row chose the same, the later one in the
    order keeps it and the other chooses again (the speculative iterations of Çatalyürek et al.
    2012, with whole arrays in the place of threads). Each row keeps the set of its colours as bits
    of machine words, so that the colours a column may not have are the OR over its rows.

Note [Recolouring]
    Columns of one colour share no row, so a whole class can be coloured anew, first fit, in one
    step. Going through the classes in another order never needs more colours and often fewer
    (iterated greedy; Culberson 1992).
"""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from adjoint.sparse.csr import Array, Csr, ragged

__all__ = ["ColorSets", "bit", "color_greedily", "complete", "lowest_free", "scrambled"]

_WORD = 64
_BLOCK_WORDS = 1 << 22  # how many words of colour sets are looked at in one step
_PASSES = 6
_SEQUENTIAL = 1 << 20  # up to so many entries, plain first fit is tried too
_MOST_WORDS = 1 << 32  # beyond: too many colours for sets of them to pay


class ColorSets:
    """For each of ``size`` rows, a set of colours, as bits."""

    def __init__(self, size: int, colors: int) -> None:
        self.words = max(1, -(-colors // _WORD))
        self.bits = np.zeros((size, self.words), np.uint64)

    def grow(self, colors: int) -> None:
        """Make room for colours below ``colors``."""
        missing = -(-colors // _WORD) - self.words
        if missing > 0:
            more = np.zeros((len(self.bits), missing), np.uint64)
            self.bits = np.concatenate((self.bits, more), axis=1)
            self.words += missing

    def add(self, rows: Array, colors: Array) -> None:
        """Put ``colors[k]`` into the set of ``rows[k]``, which does not have it yet."""
        if self.words == 1:
            np.add.at(self.bits[:, 0], rows, bit(colors))
        else:
            flat = self.bits.reshape(-1)
            np.add.at(flat, rows.astype(np.intp) * self.words + (colors >> 6), bit(colors & 63))

    def union(self, rows: Array, begin: Array) -> Array:
        """The unions of the sets of ``rows[begin[k]:begin[k + 1]]``."""
        if self.words == 1:
            return np.bitwise_or.reduceat(self.bits[:, 0][rows], begin)[:, None]
        return np.bitwise_or.reduceat(self.bits[rows], begin, axis=0)


def bit(colors: Array) -> Array:
    """``1 << colors`` in machine words."""
    return np.left_shift(np.uint64(1), colors.astype(np.uint64))


def lowest_free(sets: Array) -> Array:
    """The smallest colour outside each of ``sets``; 64 times their width if there is none."""
    free = ~sets
    if free.shape[1] == 1:
        word, chosen = 0, free[:, 0]
        base: Array | int = 0
    else:
        word = np.argmax(free != 0, axis=1)
        chosen = free[np.arange(len(free)), word]
        base = word * _WORD
    low = np.bitwise_count((chosen & -chosen) - np.uint64(1)).astype(np.int32) + base
    full = chosen == 0
    if full.any():
        low[full] = free.shape[1] * _WORD
    return low.astype(np.int32)


def scrambled(numbers: Array) -> Array:
    """The same pseudo-random 32-bit numbers for the same ``numbers`` on every machine."""
    x = numbers.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (x ^ (x >> np.uint64(31))) >> np.uint64(32)


def color_greedily(columns: Csr, lower: int) -> Array | None:
    """Return a colour per column (-1 for columns without entries); None where it would not pay.

    ``columns``: the rows of each column; ``lower``: the most entries that a row has, which no
    colouring can do with less than.
    """
    if columns.nnz * -(-lower // _WORD) > _MOST_WORDS:
        return None
    colors = complete(columns, np.full(columns.shape[0], -1, np.int32), lower)
    best = int(colors.max(initial=-1)) + 1
    if best > lower and columns.nnz <= _SEQUENTIAL:
        other = _in_order(columns)
        if other.max() < best:
            colors, best = other, int(other.max()) + 1
    for number in range(_PASSES):
        if best <= lower:
            break
        colors = _recolor(columns, colors, number)
        best = int(colors.max(initial=-1)) + 1
    return colors


def _in_order(columns: Csr) -> Array:
    """First fit, column after column: good where neighbours have neighbouring numbers (meshes)."""
    indptr, indices = columns.indptr.tolist(), columns.indices.tolist()
    sets = [0] * columns.shape[1]
    chosen = []
    for begin, end in pairwise(indptr):
        rows = indices[begin:end]
        taken = 0
        for i in rows:
            taken |= sets[i]
        free = ~taken & (taken + 1)
        for i in rows:
            sets[i] |= free
        chosen.append(free.bit_length() - 1 if rows else -1)
    return np.array(chosen, np.int32)


# ---- the first colouring -------------------------------------------------------------------------


def complete(columns: Csr, colors: Array, lower: int) -> Array:
    """Return the colouring with a colour for the columns that are not yet coloured (-1)."""
    counts = columns.counts()
    sets = ColorSets(columns.shape[1], max(lower, int(colors.max(initial=-1)) + 1))
    done = np.flatnonzero(colors >= 0)
    if len(done):
        positions, _, times = ragged(columns.indptr, done)
        sets.add(columns.indices[positions], np.repeat(colors[done], times))
    colors = colors.copy()
    order = np.flatnonzero((colors < 0) & (counts > 0))
    key = (counts[order].astype(np.uint64) << np.uint64(32)) | scrambled(order)
    order = order[np.argsort(key)]
    end = len(order)
    reach = np.cumsum(counts[order], dtype=np.int64)
    while end > 0:
        # from the columns with most entries down, in blocks that fit the cache
        limit = max(1, _BLOCK_WORDS // sets.words)
        begin = int(np.searchsorted(reach, reach[end - 1] - limit, side="right"))
        begin = min(begin, end - 1)
        _speculate_block(columns, order[begin:end], colors, sets, lower)
        end = begin
    return colors


def _speculate_block(
    columns: Csr, pending: Array, colors: Array, sets: ColorSets, lower: int
) -> None:
    positions, begin, counts = ragged(columns.indptr, pending)
    rows = columns.indices[positions]
    mask = np.uint64((1 << (2 * max(len(rows), 64)).bit_length()) - 1)
    table = np.zeros(int(mask) + 1, np.int32)
    turn = 0
    while len(pending):
        chosen = _choose(sets.union(rows, begin), pending, turn, lower)
        sets.grow(int(chosen.max()) + 1)
        # one slot per (row, colour), shared by chance at times; the last writer wins it
        number = np.repeat(np.arange(len(pending), dtype=np.int32), counts)
        slot = _slots(rows, np.repeat(chosen, counts), mask)
        table[slot] = number
        won = np.logical_and.reduceat(table[slot] == number, begin)
        colors[pending[won]] = chosen[won]
        entries = np.repeat(won, counts)
        sets.add(rows[entries], np.repeat(chosen[won], counts[won]))
        rows = rows[~entries]
        pending, counts = pending[~won], counts[~won]
        begin = np.cumsum(counts, dtype=np.intp) - counts
        turn += 1


def _slots(rows: Array, colors: Array, mask: np.uint64) -> Array:
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed += colors.astype(np.uint64) * np.uint64(0xC2B2AE3D27D4EB4F)
    return ((mixed >> np.uint64(20)) & mask).astype(np.intp)


def _choose(taken: Array, pending: Array, turn: int, lower: int) -> Array:
    """For each column one of the ``lower`` colours that any colouring has, at random if one is
    free; else the smallest free one.
    """
    start = (scrambled(pending + turn * 0x10001) % np.uint64(lower)).astype(np.int64)
    below = taken.copy()
    word = start >> 6
    lanes = np.arange(taken.shape[1])
    below[lanes < word[:, None]] = ~np.uint64(0)
    below[np.arange(len(taken)), word] |= bit(start & 63) - np.uint64(1)
    chosen = lowest_free(below)
    late = chosen >= lower
    if late.any():
        chosen[late] = lowest_free(taken[late])
    return chosen


# ---- recolouring ---------------------------------------------------------------------------------


def _recolor(columns: Csr, colors: Array, number: int) -> Array:
    """One pass over the classes: in reverse order, by size, or in a scrambled order, by turns."""
    used = int(colors.max()) + 1
    sizes = np.bincount(colors[colors >= 0], minlength=used)
    by_turn = (-np.arange(used), -sizes, scrambled(np.arange(used) + number * 7919))
    classes = np.argsort(by_turn[number % 3], kind="stable")
    members = np.argsort(colors, kind="stable")
    ends = np.cumsum(sizes) + np.count_nonzero(colors < 0)
    sets = ColorSets(columns.shape[1], used)
    fresh = np.full_like(colors, -1)
    for c in classes:
        which = members[ends[c] - sizes[c] : ends[c]]
        for part in _parts(columns, which, sets.words):
            positions, begin, counts = ragged(columns.indptr, part)
            rows = columns.indices[positions]
            chosen = lowest_free(sets.union(rows, begin))
            fresh[part] = chosen
            sets.add(rows, np.repeat(chosen, counts))
    return fresh


def _parts(columns: Csr, which: Array, words: int) -> list[Array]:
    reach = np.cumsum(columns.indptr[which + 1] - columns.indptr[which], dtype=np.int64) * words
    pieces = int(reach[-1]) // _BLOCK_WORDS if len(reach) else 0
    if not pieces:
        return [which]
    cuts = np.searchsorted(reach, np.arange(1, pieces + 1) * _BLOCK_WORDS)
    return [part for part in np.split(which, np.unique(cuts)) if len(part)]
