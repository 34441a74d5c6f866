"""What a program may write into: arrays that are its own and that nobody needs any more."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adjoint.array.traced import Trace
from adjoint.derivatives.steps import needed, overwritten, together


def over(trace: Trace, results: list[Any]) -> dict[int, int]:
    return overwritten(together(needed(trace.steps, results), results), results)


@pytest.fixture
def trace() -> Trace:
    return Trace()


def test_an_array_of_its_own_is_overwritten_when_it_is_used_last(trace: Trace) -> None:
    x = trace.input(np.arange(4.0))
    new = np.exp(x)
    total = x - new
    assert over(trace, [total]) == {total.number: 1}


def test_inputs_and_results_are_not(trace: Trace) -> None:
    x = trace.input(np.arange(4.0))
    new = np.exp(x)
    assert over(trace, [x + new, new]) == {}
    assert over(trace, [new]) == {}


def test_what_a_view_still_shows_is_not(trace: Trace) -> None:
    x = trace.input(np.arange(4.0))
    new = np.exp(x)
    part = new[1:]
    total = new * x
    assert over(trace, [total, part]) == {}
    later = np.sin(part)
    assert total.number not in over(trace, [total, later])


def test_another_shape_dtype_or_layout_is_not(trace: Trace) -> None:
    x = trace.input(np.arange(4.0))
    row, square = np.exp(x), trace.input(np.ones((4, 4)))
    assert over(trace, [row + square]) == {}
    assert over(trace, [np.exp(x) > x]) == {}
    turned = trace.input(np.ones((4, 4)).T.copy(order="F"))
    made = np.exp(turned)
    mixed = square - made
    assert over(trace, [mixed]) in ({}, {mixed.number: 1})  # as NumPy would lay it out


def test_one_product_for_a_number_and_its_negative(trace: Trace) -> None:
    x, y = trace.input(np.arange(4.0)), trace.input(np.ones(4))
    first = x * 200.0
    found = y + x * -200.0
    steps = needed(trace.steps, [first, found])
    assert [s.function for s in steps] == [np.multiply, np.subtract]
    np.testing.assert_array_equal(found.value, 1 - 200 * np.arange(4.0))


def test_numbers_beside_arrays_are_one_constant(trace: Trace) -> None:
    x = trace.input(np.arange(4.0))
    found = {(x * c).number for c in (3, 3.0, np.float64(3), np.array(3.0), np.full(4, 3.0))}
    found |= {(c * x).number for c in (3, 3.0)}
    assert len(found) == 1
    assert (x * np.float32(3)).number not in found
    assert (x * np.array([3.0, 3.0, 3.0, 4.0])).number not in found
    assert (x + 0.0).number != (x + -0.0).number


def test_powers_of_two_join(trace: Trace) -> None:
    x = trace.input(np.array([0.1, 0.2]))
    found = (x * 2.0) * 100.0
    (step,) = needed(trace.steps, [found])
    assert float(step.args[1]) == 200.0
    huge = (x * 2.0) * 1e307
    assert len(needed(trace.steps, [huge])) == 2
