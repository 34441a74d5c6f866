"""Random index expressions against NumPy: reading, its gradient, writing; steps may be negative."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import adjoint

SHAPE = (4, 3, 5)


def _slices(size: int) -> Any:
    bound = st.none() | st.integers(-size - 2, size + 2)
    step = st.none() | st.sampled_from([-2, -1, 1, 2, 3])
    return st.builds(slice, bound, bound, step)


@st.composite
def basic(draw: Any) -> tuple[Any, ...]:
    """Return an expression of integers, slices, None and at most one ellipsis: a view."""
    count = draw(st.integers(0, len(SHAPE)))
    items: list[Any] = [draw(st.integers(-n, n - 1) | _slices(n)) for n in SHAPE[:count]]
    for _ in range(draw(st.integers(0, 2))):
        items.insert(draw(st.integers(0, len(items))), None)
    if draw(st.booleans()):
        items.append(Ellipsis)
    return tuple(items)


@st.composite
def advanced(draw: Any) -> tuple[Any, ...]:
    """Return an expression with lists of places of one length beside slices."""
    length = draw(st.integers(1, 4))
    items: list[Any] = []
    for n in SHAPE[: draw(st.integers(1, 3))]:
        places = st.lists(st.integers(-n, n - 1), min_size=length, max_size=length)
        items.append(draw(places.map(np.array) | _slices(n)))
    return tuple(items)


masks = st.lists(st.booleans(), min_size=4, max_size=4).map(lambda m: (np.array(m),))
expressions = basic() | advanced() | masks
values = np.arange(60, dtype=np.float64).reshape(SHAPE)


def _for_tensor(index: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(adjoint.from_numpy(i) if isinstance(i, np.ndarray) else i for i in index)


def _picks_like_numpy(index: tuple[Any, ...]) -> bool:
    """NumPy counts integers among the index arrays, PyTorch applies them first."""
    kinds = [isinstance(i, np.ndarray) for i in index]
    return not any(kinds) or not any(isinstance(i, int) for i in index)


@settings(max_examples=200, deadline=None)
@given(expressions)
def test_reading(index: tuple[Any, ...]) -> None:
    x = adjoint.from_numpy(values.copy())
    got = x[_for_tensor(index)]
    if _picks_like_numpy(index):
        np.testing.assert_array_equal(got.numpy(), values[index])


@settings(max_examples=200, deadline=None)
@given(expressions)
def test_gradient_adds_where_it_was_read(index: tuple[Any, ...]) -> None:
    x = adjoint.from_numpy(values.copy()).requires_grad_()
    y = x[_for_tensor(index)]
    weights = np.arange(1.0, 1.0 + y.numel()).reshape(tuple(y.shape))
    (gradient,) = adjoint.autograd.grad(y, x, adjoint.from_numpy(weights))
    expected = np.zeros(SHAPE)
    np.add.at(expected, index, weights)
    np.testing.assert_allclose(gradient.numpy(), expected)


@settings(max_examples=150, deadline=None)
@given(basic())
def test_views_share_memory_and_version(index: tuple[Any, ...]) -> None:
    x = adjoint.from_numpy(values.copy())
    view = x[_for_tensor(index)]
    view.fill_(-1.0)
    expected = values.copy()
    expected[index] = -1.0
    np.testing.assert_array_equal(x.numpy(), expected)
    assert x._version == view._version == 1
    assert view._base is x


@settings(max_examples=150, deadline=None)
@given(expressions, st.booleans())
def test_writing(index: tuple[Any, ...], tracked: bool) -> None:
    leaf = adjoint.from_numpy(values.copy()).requires_grad_(tracked)
    x = leaf * 1
    key = _for_tensor(index)
    value = adjoint.tensor(-7.0, dtype=adjoint.float64, requires_grad=True)
    x[key] = value
    expected = values.copy()
    expected[index] = -7.0
    np.testing.assert_array_equal(x.detach().numpy(), expected)
    hit = np.zeros(SHAPE)
    hit[index] = 1.0
    x.sum().backward()
    if tracked:
        np.testing.assert_array_equal(leaf.grad.numpy(), 1.0 - hit)
    places = np.zeros(SHAPE)[index].size  # what is named twice is written twice
    assert value.grad is not None
    assert value.grad.item() == float(places)


@settings(max_examples=100, deadline=None)
@given(basic(), basic())
def test_views_of_reversed_views(first: tuple[Any, ...], second: tuple[Any, ...]) -> None:
    """Negative strides, which PyTorch refuses, behave as any other view."""
    leaf = adjoint.from_numpy(values.copy()).requires_grad_()
    x = leaf * 1
    back = x[::-1, :, ::-1]
    part = back[_for_tensor(first)]
    part.mul_(2.0)
    expected = values.copy()
    expected[::-1, :, ::-1][first] *= 2.0
    np.testing.assert_array_equal(x.detach().numpy(), expected)
    other = x.flip(1)[_for_tensor(second)]
    np.testing.assert_array_equal(other.detach().numpy(), expected[:, ::-1][second])
    (gradient,) = adjoint.autograd.grad((x * x).sum(), leaf)
    factor = np.ones(SHAPE)
    factor[::-1, :, ::-1][first] = 2.0
    np.testing.assert_allclose(gradient.numpy(), 2 * expected * factor)
