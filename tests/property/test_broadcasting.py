"""Broadcasting of any shapes against NumPy: values, and gradients summed back to each operand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import adjoint

OPERATIONS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / (b * b + 1),
}

sizes = st.lists(st.integers(0, 3), max_size=4)


@st.composite
def pairs(draw: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return two shapes that broadcast: axes of the result kept, made 1, or left out in front."""
    result = draw(sizes)
    shapes = []
    for _ in range(2):
        shape = [n if draw(st.booleans()) else 1 for n in result]
        shapes.append(tuple(shape[draw(st.integers(0, len(shape))) :]))
    return shapes[0], shapes[1]


def _values(shape: tuple[int, ...], start: float) -> Any:
    count = int(np.prod(shape))
    return (np.linspace(start, start + 1.0, count) if count else np.zeros(0)).reshape(shape)


def _summed_to(g: Any, shape: tuple[int, ...]) -> Any:
    g = g.sum(axis=tuple(range(g.ndim - len(shape))))
    axes = tuple(k for k, n in enumerate(shape) if n == 1)
    return g.sum(axis=axes, keepdims=True) if axes else g


@pytest.mark.parametrize("name", sorted(OPERATIONS))
@settings(max_examples=60, deadline=None)
@given(shapes=pairs())
def test_values_and_gradients(name: str, shapes: tuple[Any, Any]) -> None:
    operation = OPERATIONS[name]
    left, right = _values(shapes[0], 0.5), _values(shapes[1], -1.0)
    a = adjoint.from_numpy(left).requires_grad_()
    b = adjoint.from_numpy(right).requires_grad_()
    out = operation(a, b)
    expected = np.asarray(operation(left, right))
    assert tuple(out.shape) == expected.shape
    np.testing.assert_allclose(out.detach().numpy(), expected)
    weights = _values(expected.shape, 2.0)
    got = adjoint.autograd.grad(out, (a, b), adjoint.from_numpy(weights), create_graph=True)
    bottom = right * right + 1
    slopes = {
        "add": (1.0, 1.0),
        "sub": (1.0, -1.0),
        "mul": (right, left),
        "div": (1 / bottom, -left * 2 * right / bottom**2),
    }[name]
    for gradient, slope, shape in zip(got, slopes, shapes):
        assert tuple(gradient.shape) == shape
        wanted = _summed_to(np.broadcast_to(weights * slope, expected.shape), shape)
        np.testing.assert_allclose(gradient.detach().numpy(), wanted, rtol=1e-12, atol=1e-12)


@settings(max_examples=100, deadline=None)
@given(sizes, sizes)
def test_what_does_not_broadcast_is_refused(first: list[int], second: list[int]) -> None:
    a, b = adjoint.ones(*first) if first else adjoint.ones(()), adjoint.ones(tuple(second))
    try:
        shape = np.broadcast_shapes(tuple(first), tuple(second))
    except ValueError:
        with pytest.raises(RuntimeError, match=r"The size of tensor a \(\d+\) must match"):
            a + b
        return
    assert tuple((a + b).shape) == shape


@settings(max_examples=60, deadline=None)
@given(pairs(), st.sampled_from(["float16", "float32", "float64"]), st.sampled_from(["float32"]))
def test_gradients_come_in_the_dtype_of_their_operand(
    shapes: tuple[Any, Any], first: str, second: str
) -> None:
    a = adjoint.ones(shapes[0], dtype=getattr(adjoint, first), requires_grad=True)
    b = adjoint.ones(shapes[1], dtype=getattr(adjoint, second), requires_grad=True)
    (a * b).sum().backward()
    assert a.grad is not None and b.grad is not None
    assert (a.grad.dtype, a.grad.shape) == (a.dtype, a.shape)
    assert (b.grad.dtype, b.grad.shape) == (b.dtype, b.shape)
