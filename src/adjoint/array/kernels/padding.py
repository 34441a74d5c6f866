"""Padding: elements put before and after the axes of an array, or cut off.

In: raw arrays and, for the last axes, how many elements come before and after each (negative: are
cut off). Out: new arrays. `pad_mirrored` fills from the array itself; `pad_mirrored_sum` is its
transpose.
"""

from typing import Any

import numpy as np

__all__ = ["pad", "pad_mirrored", "pad_mirrored_sum"]

Array = Any
Widths = tuple[tuple[int, int], ...]


def pad(x: Array, widths: Widths, value: Any = 0) -> Array:
    """Return ``x`` with elements ``value`` before and after its last axes.

    Example:
        >>> pad(np.arange(4), ((1, -2),), 7)
        array([7, 0, 1])
    """
    last = len(widths)
    shape = [n + before + after for n, (before, after) in zip(x.shape[x.ndim - last :], widths)]
    made: Array = np.full((*x.shape[: x.ndim - last], *shape), value, x.dtype)
    target = tuple(_inside(before, after) for before, after in widths)
    source = tuple(_inside(-before, -after) for before, after in widths)
    made[(..., *target)] = x[(..., *source)]
    return made


def _inside(before: int, after: int) -> slice:
    return slice(max(before, 0), -after if after > 0 else None)


def _positions(size: int, before: int, after: int, mode: str) -> Array:
    """Return which element of the axis stands at each place of the padded axis."""
    places = np.arange(-before, size + after)
    if mode == "replicate":
        return places.clip(0, size - 1)
    if mode == "circular":
        first, last = max(-before, 0), size - max(-after, 0)  # what is cut off does not come back
        return first + (places - first) % max(last - first, 1)
    return size - 1 - abs(size - 1 - abs(places))  # reflect


def pad_mirrored(x: Array, widths: Widths, mode: str) -> Array:
    """Return ``x`` with its own elements around: those of ``mode`` reflect, replicate or circular.

    Example:
        >>> pad_mirrored(np.arange(4), ((2, 1),), "reflect")
        array([2, 1, 0, 1, 2, 3, 2])
    """
    for axis, (before, after) in zip(range(-len(widths), 0), widths):
        if before or after:
            x = np.take(x, _positions(x.shape[axis], before, after, mode), axis)
    return x


def pad_mirrored_sum(g: Array, widths: Widths, mode: str) -> Array:
    """Return the sum of all elements of ``g`` that `pad_mirrored` fills from the same place."""
    for axis, (before, after) in zip(range(-len(widths), 0), widths):
        if before or after:
            g = _sum_back(g, axis, before, after, mode)
    return g


def _sum_back(g: Array, axis: int, before: int, after: int, mode: str) -> Array:
    behind = (slice(None),) * (-1 - axis)
    padded = g.shape[axis]
    size = padded - before - after
    made = pad(g, ((-before, -after), *((0, 0),) * (-1 - axis)))
    positions = _positions(size, before, after, mode)
    for place in (*range(before), *range(max(before, padded - after), padded)):
        made[(..., positions[place], *behind)] += g[(..., place, *behind)]
    return made
