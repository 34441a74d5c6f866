"""Random programs over the names of the contract: what moves by differences is in the pattern."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from adjoint.array import numpy_
from adjoint.array.kernels.windows import Window
from adjoint.array.patterns import PatternLibrary

SHAPE = (2, 3)
BANDED = np.array([[1.5, 0.0, 0.7], [0.0, -1.1, 0.0], [0.4, 0.0, 0.0]])
MASK = np.array([[True, False, True], [False, True, True]])
PLACES = np.array([[2, 0, 0], [1, 1, 2]])
POOL = [Window(3, 3, 2, 1, 1, 2)]

Step = Callable[[Any, Any, Any], Any]


def _in_place(xp: Any, x: Any, y: Any) -> Any:
    made = xp.copy(x)
    part = xp.slice(made, (slice(None), slice(1, None)))
    part[...] = xp.slice(y, (slice(None), slice(None, 2)))
    made[MASK] = 0.25
    xp.permute_dims(made, (1, 0))[0] = xp.sum(y, (1,))
    return made


STEPS: list[Step] = [
    lambda xp, x, y: x + y,
    lambda xp, x, y: x * y - 0.3,
    lambda xp, x, y: xp.sin(x) / (2 + y * y),
    lambda xp, x, y: xp.maximum(x, y),
    lambda xp, x, y: xp.where(MASK, x, y),
    lambda xp, x, y: xp.where(x > y, x, 2 * y),
    lambda xp, x, y: x + 0 * xp.floor(y),
    lambda xp, x, y: x - xp.mean(y, (1,), True),
    lambda xp, x, y: xp.broadcast_to(xp.prod(x, (0,), True), SHAPE) + y,
    lambda xp, x, y: xp.cumsum(x, 1) + xp.cumprod(y, 0),
    lambda xp, x, y: xp.roll(x, (1,), (1,)) - xp.flip(y, (0, 1)),
    lambda xp, x, y: xp.reshape(xp.permute_dims(x, (1, 0)), SHAPE) + y,
    lambda xp, x, y: xp.matmul(x, BANDED),
    lambda xp, x, y: xp.matmul(xp.matmul(x, xp.matrix_t(y)), y),
    lambda xp, x, y: xp.take(x, (slice(None), np.array([2, 2, 0]))) * y,
    lambda xp, x, y: xp.scatter_add(x, SHAPE, PLACES, 1) + y,
    lambda xp, x, y: xp.take_along_axis(x, PLACES, 1),
    lambda xp, x, y: xp.index_add(x, SHAPE, (np.array([1, 1]),)),
    lambda xp, x, y: xp.put(x, (np.array([0]),), y[1:]),
    lambda xp, x, y: xp.slice_into(xp.slice(x, (0,)), SHAPE, (1,)) + 0.5 * y,
    lambda xp, x, y: xp.sort(x, 1, False, True)[0],
    lambda xp, x, y: xp.take_along_axis(y, xp.sort(x, 1, True, True)[1], 1),
    lambda xp, x, y: xp.concatenate((xp.slice(x, (slice(1),)), xp.slice(y, (slice(1),))), 0),
    lambda xp, x, y: xp.pad(xp.slice(x, (slice(None), slice(1, 3))), ((1, 0),), 0.5),
    lambda xp, x, y: xp.pad_mirrored(xp.slice(x, (slice(None), slice(2))), ((0, 1),), "reflect"),
    lambda xp, x, y: xp.max_pool_values(x, POOL) + xp.avg_pool(y, POOL, True, None),
    lambda xp, x, y: xp.tril(x, 0) + xp.triu(y, 1),
    lambda xp, x, y: xp.real(xp.make_complex(x, y) * (1 + 2j)) + xp.sigmoid(y),
    lambda xp, x, y: xp.clip(x, -1.0, 1.0) + xp.astype(y > 0, np.float64),
    _in_place,
]

PROGRAMS = st.lists(
    st.tuples(st.integers(0, len(STEPS) - 1), st.integers(0, 9), st.integers(0, 9)),
    min_size=1,
    max_size=8,
)


def run(xp: Any, program: list[tuple[int, int, int]], x: Any) -> Any:
    values = [x, xp.flip(x, (1,)) * 0.5]
    for step, a, b in program:
        values.append(STEPS[step](xp, values[-1 - a % len(values)], values[-1 - b % len(values)]))
    return values[-1]


@settings(max_examples=300, deadline=None)
@given(PROGRAMS, st.booleans())
def test_what_moves_is_in_the_pattern(program: list[tuple[int, int, int]], local: bool) -> None:
    point = np.array([[0.31, -0.72, 1.13], [0.87, 0.44, -0.58]])
    xp = PatternLibrary(6, local=local)
    result = run(xp, program, xp.inputs(point))
    expected = run(numpy_, program, point)
    np.testing.assert_array_equal(result.value, expected)
    pattern = xp.pattern(result).toarray()
    assert not (_moves(program, point) & ~pattern).any()
    if not local:  # and it holds at other points
        assert not (_moves(program, np.random.default_rng(0).normal(size=SHAPE)) & ~pattern).any()


def _moves(program: list[tuple[int, int, int]], point: Any) -> Any:
    expected = run(numpy_, program, point)
    columns = []
    for k in range(6):
        moved = point.copy()
        moved.flat[k] += 1e-7
        difference = np.abs(run(numpy_, program, moved) - expected).reshape(-1)
        # far beyond rounding, and continuous: a jump is no derivative
        columns.append((difference > 1e-9) & (difference < 1e-3))
    return np.array(columns).T
