"""Sets of inputs by number: the table in which every set that occurs is a row.

In: numbers of sets, in arrays.  Out: numbers of their unions. Numbers 0 and 1 are empty, 2 ... are
the inputs, each alone; all others are rows of a table in CSR form, made when a union is not one of
its parts. So an array of sets is an array of integers, and moving, viewing or overwriting sets is
moving, viewing or overwriting integers.

Note [Empty sets]
    EMPTY is the set of a constant. DECIDED is that of an element whose derivative is zero, but
    which another input may make another one: the result of a comparison, a rounded number, an
    index. What is joined with it depends on what it depends on; it matters where a constant has a
    say, as a condition, as an index, or as a zero that couples nothing.

Note [Equal numbers]
    Equal numbers mean equal sets, so most unions need no look at the table; the converse does not
    hold. A union that is no larger than one of its parts gets the part's number: sets that stay
    the same through a computation keep their number.

Note [Widening]
    Unions that would fill memory (a million sets of a million inputs) are replaced by one set, the
    union of all of them. That is always right, and hardly ever less exact: where it happens the
    pattern is all but full.

Note [Collecting]
    Nobody says when a set is needed no more. When the table has doubled, the numbers in all living
    arrays are marked, the other rows dropped and the arrays renumbered in place. That happens only
    between two operators of the tape: then all numbers that matter are in living arrays.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

__all__ = ["DECIDED", "EMPTY", "NUMBER", "Sets"]

Array = np.ndarray[Any, np.dtype[Any]]

EMPTY, DECIDED = 0, 1
NUMBER: Any = np.int32

_LARGE = 1 << 27  # entries of the table that one union may add
_LARGEST = (1 << 31) - (1 << 27)  # entries that the table may have
_FIRST_COLLECTION = 1 << 23
_FEW = 4  # unions that are made one by one
_PIECE = 1 << 23  # entries that are worked on at a time
_MUCH = 16  # times larger than another set: worth a look whether it contains that
_REPEATED = 8  # inputs per set from which on a group is searched for repetitions
_WIDE = 24  # sets of more inputs than this are compared before they are joined


class Sets:
    """All sets of inputs that occur in one run of a program with ``size`` inputs."""

    def __init__(self, size: int) -> None:
        self.size = size
        self.living: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        self._first = size + 2  # the number of the first set that is no input
        self._start = np.empty(self._first + 1024, NUMBER)
        self._start[:2] = 0
        self._start[2 : size + 3] = np.arange(size + 1)
        self._inputs = np.empty(size + 1024, NUMBER)
        self._inputs[:size] = np.arange(size)
        self._true = np.ones(0, np.bool_)
        self._count = self._first  # sets
        self._used = size  # entries
        self._collect_at = max(_FIRST_COLLECTION, 2 * size)

    # ---- reading -----------------------------------------------------------------------------

    def singles(self, first: int, shape: tuple[int, ...]) -> Array:
        """The numbers of ``shape`` inputs from the ``first`` on, each alone."""
        count = int(np.prod(shape, dtype=np.int64))
        return np.arange(first + 2, first + 2 + count, dtype=NUMBER).reshape(shape)

    def lengths(self, numbers: Array) -> Array:
        """How many inputs each set has."""
        return self._start[numbers + 1] - self._start[numbers]

    def rows(self, numbers: Array) -> Any:
        """The sets as rows of a boolean `scipy.sparse.csr_array`, inputs in rising order."""
        total = int(self.lengths(numbers).sum(dtype=np.int64))
        if total > _LARGEST:
            raise MemoryError(
                f"the pattern has {total} entries ({len(numbers)} rows of {self.size} columns): "
                "all but full"
            )
        found = self._table()[numbers]
        found.has_canonical_format = True
        return found

    def _table(self) -> Any:
        import scipy.sparse  # noqa: PLC0415 - on first use

        if len(self._true) < self._used:
            self._true = np.ones(len(self._inputs), np.bool_)
        table = scipy.sparse.csr_array(
            (self._true[: self._used], self._inputs[: self._used], self._start[: self._count + 1]),
            shape=(self._count, self.size),
        )
        table.has_canonical_format = True
        return table

    # ---- unions ------------------------------------------------------------------------------

    def join(self, a: Array, b: Array) -> Array:
        """The unions of two arrays of sets, element by element; they broadcast."""
        if a.shape != b.shape:
            a, b = np.broadcast_arrays(a, b)
        made = np.maximum(a, b)  # right where they are equal or one is empty (or decided)
        flat_a, flat_b = a.reshape(-1), b.reshape(-1)
        apart = np.flatnonzero((flat_a != flat_b) & (np.minimum(flat_a, flat_b) > DECIDED))
        if len(apart):
            flat = made.reshape(-1) if made.flags.c_contiguous else made.flatten()
            if len(apart) == len(flat):
                flat[:] = self._join_pairs(flat_a, flat_b)
            else:
                flat[apart] = self._join_pairs(flat_a[apart], flat_b[apart])
            made = flat.reshape(made.shape)
        return made

    def unite(self, numbers: Array) -> Array:
        """The union of the sets along the last axis."""
        shape = numbers.shape[:-1]
        width = numbers.shape[-1]
        if not width or not numbers.size:
            return np.zeros(shape, NUMBER)
        grouped = numbers.reshape(-1, width)
        top = grouped.max(axis=1)
        if width == 1:
            return top.reshape(shape)
        mixed = np.flatnonzero(((grouped != top[:, None]) & (grouped > DECIDED)).any(axis=1))
        if len(mixed):
            chosen = grouped[mixed] if len(mixed) < len(grouped) else grouped
            start = np.arange(0, chosen.size + 1, width)
            top[mixed] = self._unite_groups(start, chosen.reshape(-1))
        return top.reshape(shape)

    def unite_groups(self, start: Array, numbers: Array) -> Array:
        """The union of each group: group ``k`` is ``numbers[start[k]:start[k + 1]]``."""
        made = np.zeros(len(start) - 1, NUMBER)
        filled = np.flatnonzero(start[1:] > start[:-1])
        if not len(filled):
            return made
        begin = start[filled]
        top = np.maximum.reduceat(numbers, begin)
        counts = (start[1:] - start[:-1])[filled]
        differs = (numbers != np.repeat(top, counts)) & (numbers > DECIDED)
        mixed = np.flatnonzero(np.logical_or.reduceat(differs, begin))
        if len(mixed):
            kept = np.zeros(len(filled), np.bool_)
            kept[mixed] = True
            chosen = numbers[np.repeat(kept, counts)]
            offsets = np.concatenate(([0], np.cumsum(counts[mixed])))
            top[mixed] = self._unite_groups(offsets, chosen)
        made[filled] = top
        return made

    # ---- the work ----------------------------------------------------------------------------

    def _join_pairs(self, a: Array, b: Array) -> Array:
        """The unions of pairs of different sets that are not empty."""
        if len(a) <= _FEW:
            return np.array([self._join_one(i, j) for i, j in zip(a, b)], NUMBER)
        wide = np.maximum(self.lengths(a), self.lengths(b)) > _WIDE
        if not wide.any():
            return self._join_rows(a, b)
        if wide.all():
            return self._join_wide(a, b)
        made = np.empty(len(a), NUMBER)
        made[wide] = self._join_wide(a[wide], b[wide])
        made[~wide] = self._join_rows(a[~wide], b[~wide])
        return made

    def _join_rows(self, a: Array, b: Array) -> Array:
        made = np.empty(len(a), NUMBER)
        for part in _pieces(self.lengths(a) + self.lengths(b)):
            i, j = a[part], b[part]
            table = self._table()
            joined = table[i] + table[j]
            counts = np.diff(joined.indptr)
            known = np.where(
                counts == self.lengths(i), i, np.where(counts == self.lengths(j), j, 0)
            )
            made[part] = self._enter(known, joined.indptr, joined.indices)
        return made

    def _join_wide(self, a: Array, b: Array) -> Array:
        """Pairs of large sets: each pair once, and a look whether one is part of the other."""
        pairs, which = _distinct(np.minimum(a, b), np.maximum(a, b))
        a, b = pairs
        smaller = self.lengths(a) <= self.lengths(b)
        small, large = np.where(smaller, a, b), np.where(smaller, b, a)
        made = np.zeros(len(a), NUMBER)
        # where sets are of like size, joining them takes no longer than looking
        apart = np.flatnonzero(_MUCH * self.lengths(small).astype(np.int64) < self.lengths(large))
        made[apart] = np.where(self._contained(small[apart], large[apart]), large[apart], 0)
        rest = np.flatnonzero(made == 0)
        if len(rest):
            small, large = small[rest], large[rest]
            entries = self.lengths(small) + self.lengths(large).astype(np.int64)
            if not self.fits(np.minimum(entries, self.size).sum()):
                made[rest] = self._union_of_all(np.concatenate((small, large)))
            else:
                made[rest] = self._join_rows(small, large)
        return made[which]

    def fits(self, entries: Any) -> bool:
        """Whether the table may grow by so many entries at once; see Note [Widening]."""
        return int(entries) <= _LARGE

    def _contained(self, small: Array, large: Array) -> Array:
        """Whether each small set is part of the large one."""
        found = np.zeros(len(small), np.bool_)
        for part in _pieces(self.lengths(small)):
            found[part] = self._look_up(small[part], large[part])
        return found

    def _look_up(self, small: Array, large: Array) -> Array:
        """`_contained` by bisection in the sorted rows."""
        counts = self.lengths(small)
        ends = np.cumsum(counts, dtype=np.int64)
        places = np.arange(ends[-1]) + np.repeat(self._start[small] - (ends - counts), counts)
        wanted = self._inputs[places]
        low = np.repeat(self._start[large], counts).astype(np.int64)
        stop = np.repeat(self._start[large + 1], counts).astype(np.int64)
        high = stop.copy()
        for _ in range(int(self.lengths(large).max()).bit_length()):
            middle = (low + high) >> 1
            below = self._inputs[np.minimum(middle, stop - 1)] < wanted
            open_ = low < high
            low = np.where(below & open_, middle + 1, low)
            high = np.where(below | ~open_, high, middle)
        there = (low < stop) & (self._inputs[np.minimum(low, stop - 1)] == wanted)
        return np.logical_and.reduceat(there, ends - counts)

    def _unite_groups(self, start: Array, numbers: Array) -> Array:
        """The unions of groups that are not empty."""
        if self.lengths(numbers).sum(dtype=np.int64) > _REPEATED * len(numbers):
            group = np.repeat(np.arange(len(start) - 1), np.diff(start))
            (group, numbers), _ = _distinct(group, numbers)
            start = np.searchsorted(group, np.arange(len(start)))
        entries = np.add.reduceat(self.lengths(numbers), start[:-1], dtype=np.int64)
        made = np.empty(len(entries), NUMBER)
        if not self.fits(np.minimum(entries, self.size).sum()):
            made[:] = self._union_of_all(numbers)
            return made
        for part in _pieces(entries):
            first, last = start[part.start], start[part.stop]
            chosen = start[part.start : part.stop + 1] - first
            made[part] = self._unite_piece(chosen, numbers[first:last])
        return made

    def _unite_piece(self, start: Array, numbers: Array) -> Array:
        import scipy.sparse  # noqa: PLC0415 - on first use

        lengths = self.lengths(numbers)
        groups = scipy.sparse.csr_array(
            (np.ones(len(numbers), np.bool_), numbers, start.astype(NUMBER)),
            shape=(len(start) - 1, self._count),
        )
        united = groups @ self._table()
        united.sort_indices()
        found = np.diff(united.indptr)
        # a part that has it all gives its number
        whole = np.where(lengths == np.repeat(found, np.diff(start)), numbers, 0)
        known = np.maximum.reduceat(whole, start[:-1])
        return self._enter(known, united.indptr, united.indices)

    def _union_of_all(self, numbers: Array) -> int:
        """The number of one set with all inputs of the given sets."""
        chosen = np.zeros(self._count, np.bool_)
        chosen[numbers] = True
        present = np.zeros(self.size, np.bool_)
        inputs = self._inputs[: self._used]
        present[inputs[np.repeat(chosen, np.diff(self._start[: self._count + 1]))]] = True
        return self._enter_one(np.flatnonzero(present).astype(NUMBER))

    def _join_one(self, i: Any, j: Any) -> int:
        start, inputs = self._start, self._inputs
        first = inputs[start[i] : start[i + 1]]
        second = inputs[start[j] : start[j + 1]]
        joined = np.union1d(first, second)
        if len(joined) == len(first):
            return int(i)
        if len(joined) == len(second):
            return int(j)
        return self._enter_one(joined)

    # ---- the table ---------------------------------------------------------------------------

    def _enter(self, made: Array, indptr: Array, indices: Array) -> Array:
        """Enter the rows whose number is still 0, and return all numbers."""
        new = made == 0
        counts = np.diff(indptr)
        if not new.all():
            indices = indices[np.repeat(new, counts)]
            counts = counts[new]
        self._reserve(len(counts), len(indices))
        self._inputs[self._used : self._used + len(indices)] = indices
        ends = self._used + np.cumsum(counts, dtype=np.int64)
        self._start[self._count + 1 : self._count + 1 + len(counts)] = ends
        made = made.astype(NUMBER)
        made[new] = np.arange(self._count, self._count + len(counts), dtype=NUMBER)
        self._count += len(counts)
        self._used += len(indices)
        return made

    def _enter_one(self, inputs: Array) -> int:
        self._reserve(1, len(inputs))
        number = self._count
        self._inputs[self._used : self._used + len(inputs)] = inputs
        self._used += len(inputs)
        self._count += 1
        self._start[self._count] = self._used
        return number

    def _reserve(self, sets: int, entries: int) -> None:
        if self._used + entries > _LARGEST:
            raise MemoryError(
                f"the sets of inputs take more than {_LARGEST} entries: the pattern of this "
                "function is all but full"
            )
        self._start = _grown(self._start, self._count + 1, sets)
        self._inputs = _grown(self._inputs, self._used, entries)

    # ---- collecting --------------------------------------------------------------------------

    def collect_when_due(self) -> None:
        """Drop the sets that no living array has, if that seems worth while."""
        if self._used + self._count < self._collect_at:
            return
        roots = self._roots()
        if roots is not None:
            self._keep_only(roots)
        self._collect_at = max(_FIRST_COLLECTION, 2 * (self._used + self._count))

    def _roots(self) -> list[Array] | None:
        """The memory of the numbers of all living arrays; None where that cannot be told."""
        found: dict[int, Array] = {}
        for array in list(self.living.values()):
            root = array.sets
            while isinstance(root.base, np.ndarray):
                root = root.base
            if root.base is not None:
                return None
            found[id(root)] = root
        parts: list[Array] = []
        for root in found.values():
            parts += [root] if root.dtype.names is None else [root[n] for n in root.dtype.names]
        return parts

    def _keep_only(self, roots: list[Array]) -> None:
        first = self._first
        marked = np.zeros(self._count, np.bool_)
        marked[:first] = True
        for root in roots:
            marked[root] = True
        kept = np.flatnonzero(marked[first:]) + first
        rows = self.rows(kept)
        renumbered = np.cumsum(marked, dtype=NUMBER) - NUMBER(1)
        for root in roots:
            root[...] = renumbered[root]
        self._count = first + len(kept)
        self._used = self.size + rows.nnz
        self._start = self._start[: self._count + 1].copy()
        self._start[first:] = self.size + rows.indptr
        self._inputs = np.concatenate((self._inputs[: self.size], rows.indices))


def _grown(array: Array, used: int, more: int) -> Array:
    """The array with room for ``more`` elements behind those used."""
    if used + more <= len(array):
        return array
    made = np.empty(max(used + more, used + used // 2), array.dtype)
    made[:used] = array[:used]
    return made


def _pieces(entries: Array) -> Iterator[slice]:
    """Slices that cover all rows, each with about as many entries as are worked on at a time."""
    if len(entries):
        ends = np.cumsum(entries, dtype=np.int64)
        marks = np.searchsorted(ends, np.arange(_PIECE, ends[-1], _PIECE))
        cuts = np.unique(np.concatenate(([0], marks + 1, [len(entries)])))
        for first, last in pairwise(cuts[cuts <= len(entries)].tolist()):
            yield slice(first, last)


def _distinct(a: Array, b: Array) -> tuple[tuple[Array, Array], Array]:
    """The different pairs of numbers, in order, and which of them each pair is."""
    key = a.astype(np.int64) * (1 << 31) + b
    pairs = np.sort(key)
    pairs = pairs[np.append(True, pairs[1:] != pairs[:-1])]
    split = (pairs >> 31).astype(NUMBER), (pairs & ((1 << 31) - 1)).astype(NUMBER)
    return split, np.searchsorted(pairs, key)
