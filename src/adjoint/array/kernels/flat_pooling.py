"""The largest element of each window where no window meets padding.

In: a raw array (..., *space) in C order, and a plan for the windows.  Out: arrays (..., *space')
with the largest elements and their taps.

Note [Shifts of the flat array]
    Strides and short rows cost more than comparisons. Where all windows lie in the input, what
    they meet through a tap along an axis is the flat array, shifted by some steps of that axis: all
    comparisons are of contiguous memory. They are made for every element, not only where a window
    starts, also across the ends of rows; at the end the elements at the starts are picked.
"""

from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

from adjoint.array.kernels.windows import Window, taps

__all__ = ["Plan", "flat_plan", "largest"]

Array = Any

WASTE = 16  # elements for each window up to which it pays to compare all of them


class Plan(NamedTuple):
    """How `largest` goes about windows of some sizes."""

    axes: list[tuple[int, list[Any]]]  # step in the flat array, numbers of the taps but the first
    starts: Any  # index of where windows start


@lru_cache(1024)
def flat_plan(windows: tuple[Any, ...]) -> Plan | None:
    """Return the plan for `largest`, None where it does not apply."""
    if not all(isinstance(a, Window) for a in windows):
        return None
    if max(prod(a.stride for a in windows), prod(a.kernel for a in windows)) > WASTE:
        return None
    if any(tap.out != slice(0, a.output) for a in windows for tap in taps(a)):
        return None
    axes, unit, step = [], 1, 1
    for window in reversed(windows):  # as ties demand: see `pooling`
        if window.kernel > 1:
            numbers = [np.array(k * unit, np.uint8) for k in range(1, window.kernel)]
            axes.append((step * window.dilation, numbers))
        unit *= window.kernel
        step *= window.input
    starts = [slice(0, (a.output - 1) * a.stride + 1, a.stride) for a in windows]
    return Plan(axes, (..., *starts))


def largest(x: Array, plan: Plan, wanted: bool) -> tuple[Array, Any]:
    """Return the largest elements and, where they are ``wanted``, their taps, as views.

    Of equal elements the first counts; where the largest is nan, the tap is none.
    """
    size = x.size
    values: Any = x.reshape(-1)
    places: Any = None
    length = size
    for step, numbers in plan.axes:
        before, inside = values, places
        length -= step * len(numbers)
        values = np.empty(size, x.dtype)  # the end stays empty: no window starts there
        best, target = before[:length], values[:length]
        found = None if inside is None else inside[:length]
        start = 0
        for number in numbers:
            start += step
            value = before[start : start + length]
            if wanted:
                taken = np.empty(size, np.uint8)
                tap = taken[:length]
                np.greater(value, best, out=tap.view(bool))
                if inside is not None:
                    tap *= inside[start : start + length] + number
                elif found is not None:
                    tap *= number  # 1 at the first
                # Numbers grow: where this tap wins, its number is larger than any before.
                found = tap if found is None else np.maximum(found, tap, out=tap)
                places = taken
            best = np.maximum(best, value, out=target)
    if places is not None:
        places = places.reshape(x.shape)[plan.starts]
    return values.reshape(x.shape)[plan.starts], places
