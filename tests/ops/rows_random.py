"""Rows for operators that draw: the numbers come from a given function, nothing flows back."""

from __future__ import annotations

from typing import Any

import numpy as np

from tests.ops.cases import OpCase, row, values


def _one(input: Any, other: Any = 0.0) -> Any:
    """What is drawn here: half the sum of the shapes' sizes everywhere."""
    shape = np.broadcast_shapes(np.shape(input), np.shape(other))
    return np.full(shape, 0.5 * (1 + len(shape)))


def _reference(*operands: Any, draw: Any) -> Any:
    return draw(*operands)


def _reference_with(input: Any, *, p: Any, draw: Any) -> Any:
    return draw(input, p)


FILLING = (
    *("bernoulli_number", "cauchy", "exponential", "geometric", "log_normal", "normal"),
    *("random", "random_between", "random_to", "uniform"),
)
SAMPLING = ("bernoulli", "normal_mean", "normal_std", "poisson")

ROWS: list[OpCase] = [
    *(
        row(
            name,
            [(values((2, 3)), {"draw": _one}), (values((4, 2)).T, {"draw": _one})],
            _reference,
        )
        for name in (*FILLING, *SAMPLING)
    ),
    row(
        "bernoulli_tensor",
        [(values((2, 3)), {"p": values((2, 3), "positive"), "draw": _one})],
        _reference_with,
    ),
    row(
        "normal_both",
        [
            (values((2, 3)), values((2, 3), "positive"), {"draw": _one}),
            (values((2, 1)), values((3,), "positive"), {"draw": _one}),
        ],
        _reference,
    ),
]
