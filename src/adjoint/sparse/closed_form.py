"""Colourings that are known without a search: bands, blocks, stencils on regular grids.

In: a pattern by rows.  Out: what structure it has, and colours of its columns by formulas of the
column's number.  Formulas are proposals: whoever uses one checks it (they may fail in a few rows,
where a grid is periodic, for example).

Note [Bands and blocks]
    Where the columns of each row lie among ``p`` neighbouring ones, ``j mod p`` is a colouring
    (Curtis, Powell & Reid 1974). This covers diagonal, banded and block-diagonal patterns, also
    with bands and blocks of varying width.

Note [Stencils]
    A difference scheme on a grid fills few diagonals ``j - i = d``. Each ``d`` is a step on the
    grid: a sum of few strides. A linear form of the grid's coordinates, modulo ``p``, is a
    colouring when it differs for any two steps: for the five-point scheme ``(x + 2 y) mod 5``.
    With several unknowns at each point of the grid, the points are coloured, and the unknowns of a
    point get neighbouring colours.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from adjoint.sparse.csr import Array, Csr

__all__ = ["Structure", "cyclic", "described", "formulas", "structure_of"]

_DIAGONALS = 192
_UNUSUAL = 0.01  # the part of the rows that may reach further than the others
_USUAL = 0.1  # the part of the rows that a diagonal of a stencil fills at least
_FORMS = 20_000
_UNKNOWNS = (1, 2, 3, 4, 5, 6)


class Structure(NamedTuple):
    """What is seen of a pattern at once: how far its rows reach, and how much they hold."""

    span: int  # the most neighbouring columns that a row lies among
    usual_span: int  # the same, for all but a few rows
    most: int  # the most entries in a row
    blocks: int  # how many pieces of the column axis no row crosses
    band: tuple[int, int]  # the lowest and the highest filled diagonal


def structure_of(pattern: Csr) -> Structure:
    """Return what a look at the first and the last entry of each row tells."""
    counts = pattern.counts()
    filled = np.flatnonzero(counts)
    if not len(filled):
        return Structure(0, 0, 0, 0, (1, 0))
    first = pattern.indices[pattern.indptr[filled]]
    last = pattern.indices[pattern.indptr[filled + 1] - 1]
    # +1 where a row begins, -1 where it ends: between two columns, how many rows cross
    n = pattern.shape[1]
    crossing = np.cumsum(np.bincount(first, minlength=n) - np.bincount(last, minlength=n))
    spans = last - first + 1
    usual = len(spans) - 1 - int(_UNUSUAL * len(spans))
    return Structure(
        span=int(spans.max()),
        usual_span=int(np.partition(spans, usual)[usual]),
        most=int(counts.max()),
        blocks=int(np.count_nonzero(crossing[:-1] == 0)) + 1,
        band=(int((first - filled).min()), int((last - filled).max())),
    )


def formulas(pattern: Csr, structure: Structure) -> Iterator[Array]:
    """Yield colours of the columns, the most promising first; the last is right for certain."""
    n = pattern.shape[1]
    span, usual, most = structure.span, structure.usual_span, structure.most
    if most >= n:
        yield np.arange(n, dtype=np.int32)
        return
    if usual < span and 4 * usual <= 5 * most:
        yield cyclic(n, usual)
    if span > most:
        yield from sorted(_stencils(pattern, most), key=lambda colors: int(colors.max()))
    yield cyclic(n, span)


def cyclic(n: int, p: int) -> Array:
    """``j mod p`` for ``n`` columns."""
    return np.resize(np.arange(p, dtype=np.int32), n)


# ---- stencils ------------------------------------------------------------------------------------


def _stencils(pattern: Csr, most: int) -> Iterator[Array]:
    steps = _diagonals(pattern)
    if steps is None or len(steps) < 2:
        return
    m, n = pattern.shape
    for unknowns in _UNKNOWNS:
        if most % unknowns or m % unknowns or n % unknowns:
            continue
        # steps between points: those between equal unknowns, so many points further
        inner = steps[steps % unknowns == 0] // unknowns
        if unknowns > 1 and len(inner) * unknowns != most:
            continue
        points = _points(inner, n // unknowns, most // unknowns)
        if points is not None:
            if unknowns == 1:
                yield points
            else:
                numbers = np.arange(unknowns, dtype=np.int32)
                yield (points[:, None] * unknowns + numbers).reshape(-1)


def _diagonals(pattern: Csr) -> Array | None:
    """The diagonals that are filled in more than a few rows; None if there are many."""
    m, n = pattern.shape
    few = min(m, _DIAGONALS)
    sample = pattern.indices[: pattern.indptr[few]]
    rows = np.repeat(np.arange(few), pattern.counts()[:few])
    if len(np.unique(sample - rows)) > 2 * _DIAGONALS:
        return None
    times = np.bincount(pattern.indices - pattern.rows() + m, minlength=m + n)
    steps = np.flatnonzero(times > _USUAL * m) - m
    return steps if len(steps) <= _DIAGONALS else None


def _points(steps: Array, n: int, most: int) -> Array | None:
    """Colours of ``n`` points with ``steps`` between neighbours: by number, or by coordinates."""
    gaps = np.unique(np.abs(steps[:, None] - steps))[1:]
    p = next((p for p in range(most, 2 * most + 4) if (gaps % p).all()), 0)
    if p == most:
        return cyclic(n, p)
    found = _on_grid(steps, n, most, p - 1 if p else 2 * most)
    if found is not None:
        return found
    return cyclic(n, p) if p else None


def _on_grid(steps: Array, n: int, least: int, largest: int) -> Array | None:
    """Colours by a linear form of coordinates, with ``least`` to ``largest`` of them."""
    strides = _strides(steps)
    if len(strides) < 2:
        return None
    places = _coordinates(steps, strides)
    moves = np.unique((places[:, None, :] - places[None, :, :]).reshape(-1, len(strides)), axis=0)
    moves = moves[moves.any(axis=1)]
    for p in range(least, min(largest, least + max(1, least // 4)) + 1):
        if p ** (len(strides) - 1) > _FORMS:
            return None
        forms = np.array(list(product((1,), *[range(p)] * (len(strides) - 1))))
        good = ((moves @ forms.T) % p).all(axis=0)
        if good.any():
            return _linear_form(n, strides, forms[np.argmax(good)], p)
    return None


def _linear_form(n: int, strides: list[int], form: Array, p: int) -> Array:
    """``form`` of the coordinates of each of ``n`` points, modulo ``p``."""
    total = np.zeros(n, np.int64)
    rest = np.arange(n)
    for stride, factor in zip(strides[::-1], form[::-1]):
        digit = rest // stride
        total += factor * digit
        rest = rest - digit * stride
    return (total % p).astype(np.int32)


def _strides(steps: Array) -> list[int]:
    """The strides of a grid on which all ``steps`` are short: the middles of groups of steps that
    lie further apart than the groups before reach.
    """
    far = np.unique(np.abs(steps[steps != 0])).tolist()
    strides: list[int] = []
    begin = reach = 0
    for end in range(1, len(far) + 1):
        if end < len(far) and far[end] - far[end - 1] <= max(2 * reach + 1, far[0]):
            continue
        strides.append((far[begin] + far[end - 1]) // 2 if strides else far[0])
        begin, reach = end, far[end - 1]
    return strides if len(strides) <= 4 else []


def _coordinates(steps: Array, strides: list[int]) -> Array:
    """Each step as a sum of strides, with the nearest multiple of the largest first."""
    rest = steps.astype(np.int64)
    places = []
    for stride in strides[::-1]:
        digit = (2 * rest + stride) // (2 * stride)
        places.append(digit)
        rest = rest - digit * stride
    return np.stack(places[::-1], axis=1)


# ---- words ---------------------------------------------------------------------------------------


def described(pattern: Csr) -> str:
    """Return a word or two for the structure of a pattern; empty if there is nothing to say."""
    structure = structure_of(pattern)
    m, n = pattern.shape
    low, high = structure.band
    if low > high:
        return "empty"
    if pattern.nnz == m * n:
        return "full"
    if low == high == 0:
        return "diagonal"
    if (low, high) == (-1, 1):
        return "tridiagonal"
    if structure.blocks > 1 and pattern.nnz == structure.blocks * structure.most**2:
        return f"block-diagonal, {structure.blocks} blocks of {structure.most}"
    width = high - low + 1
    steps = _diagonals(pattern)
    if steps is not None and 3 * len(steps) <= min(width, m, n):
        inside = np.isin(pattern.indices - pattern.rows(), steps)
        if inside.all():
            return f"{len(steps)} diagonals"
    if 8 * width <= min(m, n):
        return f"banded, {max(-low, 0)} below and {max(high, 0)} above the diagonal"
    if structure.blocks > 1:
        return f"block-diagonal, {structure.blocks} blocks"
    return ""
