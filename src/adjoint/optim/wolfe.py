"""A line search: a step size that satisfies the strong Wolfe conditions.

In: the loss and its gradient as functions of the step size.  Out: a step size at which the loss has
fallen enough and its slope is flat enough (Nocedal and Wright 2006, algorithms 3.5 and 3.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

__all__ = ["strong_wolfe"]

Array = Any
Objective = Callable[[float], tuple[float, Array]]


class _Point(NamedTuple):
    """A step size with the loss, the gradient and the slope there."""

    t: float
    loss: float
    grad: Array
    slope: float


def _cubic_minimum(a: _Point, b: _Point, bounds: tuple[float, float] | None = None) -> float:
    """Where the cubic through two losses with their slopes is least, within bounds (eq. 3.59)."""
    low, high = bounds if bounds is not None else (min(a.t, b.t), max(a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = math.sqrt(square)
    if a.t <= b.t:
        found = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        found = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(found, low), high)


def strong_wolfe(
    objective: Objective,
    t: float,
    direction: Array,
    loss: float,
    grad: Array,
    slope: Any,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
    max_iterations: int = 25,
) -> tuple[float, Array, float, int]:
    """Return the loss, the gradient, the step size, and how often ``objective`` was called.

    Args: ``t``: the first step size to try; ``loss``, ``grad``, ``slope``: those at 0.
    """
    longest = float(abs(direction).max())
    start = _Point(0.0, loss, grad, float(slope))
    calls = 0

    def look(step: float) -> _Point:
        nonlocal calls
        calls += 1
        there, gradient = objective(step)
        return _Point(step, there, gradient, float(gradient.dot(direction)))

    def too_high(p: _Point) -> bool:
        return p.loss > start.loss + c1 * p.t * start.slope

    def flat(p: _Point) -> bool:
        return abs(p.slope) <= -c2 * start.slope

    # ---- a bracket that holds a good step --------------------------------------------------------
    previous, point = start, look(t)
    bracket: list[_Point] | None = None
    done = False
    steps = 0
    while steps < max_iterations:
        if too_high(point) or (steps > 1 and point.loss >= previous.loss):
            bracket = [previous, point]
            break
        if flat(point):
            bracket, done = [point], True
            break
        if point.slope >= 0:
            bracket = [previous, point]
            break
        nearest = point.t + 0.01 * (point.t - previous.t)
        following = _cubic_minimum(previous, point, (nearest, point.t * 10))
        previous, point = point, look(following)
        steps += 1
    if bracket is None:
        bracket = [start, point]

    # ---- zoom into it ----------------------------------------------------------------------------
    stuck = False
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    while not done and steps < max_iterations:
        width = max(p.t for p in bracket) - min(p.t for p in bracket)
        if width * longest < tolerance_change:
            break
        found = _cubic_minimum(bracket[0], bracket[1])
        # Where the minimum of the cubic is too near to an end, a tenth away from it makes progress.
        edge = 0.1 * width
        top, bottom = max(p.t for p in bracket), min(p.t for p in bracket)
        if min(top - found, found - bottom) < edge:
            if stuck or found >= top or found <= bottom:
                found = top - edge if abs(found - top) < abs(found - bottom) else bottom + edge
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = look(found)
        steps += 1
        if too_high(point) or point.loss >= bracket[low].loss:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if flat(point):
                done = True
            elif point.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = point
    best = bracket[low] if len(bracket) > 1 else bracket[0]
    return best.loss, best.grad, best.t, calls
