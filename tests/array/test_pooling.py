"""Pooling of raw arrays, against loops over every element."""

from __future__ import annotations

import itertools
from math import prod
from typing import Any

import numpy as np
import pytest

from adjoint.array import kernels
from adjoint.array.kernels import pooling, pooling_taps
from adjoint.array.kernels.windows import Window
from tests.array.loops import cut, values, visits

__all__ = ["cut"]  # a fixture

Array = Any

POOLS = [
    [Window(6, 3, 2, 2)],
    [Window(8, 4, 2, 2), Window(6, 3, 2, 2)],
    [Window(5, 3, 3, 2, 1), Window(7, 4, 3, 2, 1)],
    [Window(5, 3, 2, 2), Window(4, 2, 3, 3, 1)],  # ceil_mode: the last window ends outside
    [Window(7, 3, 2, 1, 0, 4), Window(6, 4, 2, 1, 0, 2)],
    [Window(4, 2, 2, 2), Window(3, 3, 1), Window(6, 5, 2)],
    [Window(20, 1, 20, 20), Window(18, 1, 18, 18)],  # more taps than a byte can count
    [pooling.Bins(5, 3), pooling.Bins(7, 2)],
    [pooling.Bins(3, 5).regular(), pooling.Bins(6, 3).regular()],
]


def windows_of(axis: Any) -> list[list[int]]:
    """Return the input positions of each window along one axis."""
    if isinstance(axis, pooling.Bins):
        return [
            list(range(i * axis.input // axis.output, -(-(i + 1) * axis.input // axis.output)))
            for i in range(axis.output)
        ]
    found: list[list[int]] = [[] for _ in range(axis.output)]
    for (out,), _, (inp,) in visits([axis]):
        found[out].append(inp)
    return found


def naive_max(x: Array, space: list[Any]) -> tuple[Array, Array]:
    """Return largest elements and flat positions: the first of equals, the last nan."""
    lead = x.shape[: x.ndim - len(space)]
    per_axis = [windows_of(axis) for axis in space]
    shape = (*lead, *(len(a) for a in per_axis))
    found, where = np.empty(shape, x.dtype), np.empty(shape, np.int64)
    sizes = tuple(a.input for a in space)
    for plane in np.ndindex(*lead):
        for out in itertools.product(*(range(len(a)) for a in per_axis)):
            best, at = None, -1
            for place in itertools.product(*(a[o] for a, o in zip(per_axis, out))):
                value = x[(*plane, *place)]
                if best is None or value > best or value != value:
                    best, at = value, int(np.ravel_multi_index(place, sizes))
            found[(*plane, *out)], where[(*plane, *out)] = best, at
    return found, where


def pool_input(space: list[Any], kind: str) -> Array:
    shape = (2, 2, *(axis.input for axis in space))
    rng = np.random.default_rng(prod(shape))
    x = rng.integers(-2, 3, shape).astype(float)  # many ties
    if kind == "nan":
        x[rng.random(shape) < 0.2] = np.nan
    if kind == "-inf":
        x[rng.random(shape) < 0.7] = -np.inf
    return x.astype(np.int64) if kind == "int" else x


@pytest.mark.parametrize("kind", ["ties", "nan", "-inf", "int"])
@pytest.mark.parametrize("space", POOLS)
def test_max_pool(space: list[Any], kind: str, cut: str) -> None:
    x = pool_input(space, kind)
    expected, where = naive_max(x, space)
    made, places = kernels.max_pool(x, space)
    np.testing.assert_array_equal(made, expected)
    np.testing.assert_array_equal(kernels.max_pool_index(places, space), where)
    np.testing.assert_array_equal(kernels.max_pool_values(x, space), expected)
    np.testing.assert_array_equal(kernels.max_pool_take(x, places, space), expected)


@pytest.mark.parametrize("space", POOLS)
def test_max_pool_put(space: list[Any], cut: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x = pool_input(space, "ties")
    made, places = kernels.max_pool(x, space)
    g = values(*made.shape)
    expected = np.zeros((*x.shape[:2], prod(x.shape[2:])))
    index = kernels.max_pool_index(places, space).reshape(*x.shape[:2], -1)
    for plane in np.ndindex(*x.shape[:2]):
        np.add.at(expected[plane], index[plane], g[plane].ravel())
    put = kernels.max_pool_put(g, places, space)
    np.testing.assert_allclose(put, expected.reshape(x.shape), atol=1e-12)
    monkeypatch.setattr(pooling_taps, "FEW", 0)  # element by element
    np.testing.assert_allclose(kernels.max_pool_put(g, places, space), put, atol=1e-12)


def test_max_pool_put_keeps_infinity_in_its_place() -> None:
    space = [Window(4, 2, 2, 2)]
    places = kernels.max_pool(np.array([1.0, 2, 4, 3]), space)[1]
    put = kernels.max_pool_put(np.array([np.inf, np.nan]), places, space)
    np.testing.assert_array_equal(put, [0, np.inf, np.nan, 0])


@pytest.mark.parametrize("include", [True, False])
@pytest.mark.parametrize("divisor", [None, 3])
@pytest.mark.parametrize("space", [pool for pool in POOLS if not any(
    isinstance(w, Window) and w.dilation > 1 for w in pool
)])  # fmt: skip
def test_avg_pool(space: list[Any], divisor: int | None, include: bool, cut: str) -> None:
    x = values(2, 2, *(axis.input for axis in space))
    per_axis = [windows_of(axis) for axis in space]
    expected = np.empty((2, 2, *(len(a) for a in per_axis)))
    for out in itertools.product(*(range(len(a)) for a in per_axis)):
        picked = x[np.ix_((0, 1), (0, 1), *(a[o] for a, o in zip(per_axis, out)))]
        count = divisor or prod(
            _padded_size(axis, o) if include else len(a[o])
            for axis, a, o in zip(space, per_axis, out)
        )
        expected[(slice(None), slice(None), *out)] = picked.sum(tuple(range(2, x.ndim))) / count
    made = kernels.avg_pool(x, space, include, divisor)
    np.testing.assert_allclose(made, expected, atol=1e-12)
    g = values(*made.shape, seed=1)
    back = kernels.avg_pool_input(g, space, include, divisor)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(back * x), np.sum(g * made), atol=1e-10)


def _padded_size(axis: Any, o: int) -> int:
    if isinstance(axis, pooling.Bins):
        return len(windows_of(axis)[o])
    start = o * axis.stride - axis.padding
    return int(min(start + axis.kernel, axis.input + axis.padding) - start)


def test_pools_of_an_empty_batch() -> None:
    x = np.zeros((0, 3, 4, 4))
    space = [Window(4, 2, 2, 2)] * 2
    made, places = kernels.max_pool(x, space)
    assert made.shape == places.shape == (0, 3, 2, 2)
    assert kernels.max_pool_put(made, places, space).shape == x.shape
    assert kernels.max_pool_take(x, places, space).shape == made.shape
    assert kernels.avg_pool(x, space).shape == made.shape
    assert kernels.avg_pool_input(made, space).shape == x.shape


def test_the_mean_of_half_floats_is_rounded_once() -> None:
    x = np.full((1, 64, 64), 1 / 3, np.float16)
    made = kernels.avg_pool(x, [Window(64, 1, 64, 64)] * 2)
    np.testing.assert_array_equal(made, x[:1, :1, :1])


def test_integer_means_go_towards_zero() -> None:
    x = np.array([[-7, 0], [7, 0]])
    np.testing.assert_array_equal(kernels.avg_pool(x, [Window(2, 1, 2, 2)]), [[-3], [3]])
