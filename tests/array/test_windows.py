"""Convolution, unfolding and padding of raw arrays, against loops over every element."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from adjoint.array import kernels
from adjoint.array.kernels import threads, windows
from adjoint.array.kernels.windows import Window, taps
from tests.array.loops import cut, values, visits

__all__ = ["cut"]  # a fixture

Array = Any
Shape = tuple[int, ...]


def conv_space(x: Shape, w: Shape, settings: dict[str, Any]) -> list[Window]:
    return [
        Window(n, kernels.output_size(n, k, s, p, d), k, s, p, d)
        for n, k, s, p, d in zip(
            x[2:], w[2:], settings["stride"], settings["padding"], settings["dilation"]
        )
    ]


def naive_conv(x: Array, w: Array, settings: dict[str, Any]) -> Array:
    groups = settings["groups"]
    space = conv_space(x.shape, w.shape, settings)
    y = np.zeros((len(x), len(w), *(a.output for a in space)), x.dtype)
    filters, channels = len(w) // groups, w.shape[1]
    for out, tap, inp in visits(space):
        for g in range(groups):
            f, c = slice(g * filters, (g + 1) * filters), slice(g * channels, (g + 1) * channels)
            y[(slice(None), f, *out)] += x[(slice(None), c, *inp)] @ w[(f, slice(None), *tap)].T
    return y


SHAPES: list[tuple[Shape, Shape, dict[str, Any]]] = [
    ((2, 3, 7), (4, 3, 3), {}),
    ((3, 2, 9), (2, 2, 4), {"stride": (3,), "padding": (2,)}),
    ((1, 1, 1), (1, 1, 1), {}),
    ((2, 4, 5, 6), (6, 4, 3, 3), {"padding": (1, 1)}),
    ((2, 4, 5, 6), (6, 2, 3, 2), {"groups": 2, "stride": (1, 2)}),
    ((2, 3, 8, 7), (3, 1, 3, 3), {"groups": 3, "padding": (2, 1)}),
    ((2, 3, 9, 9), (2, 3, 3, 3), {"dilation": (2, 3), "padding": (0, 2)}),
    ((2, 3, 9, 8), (2, 3, 2, 3), {"stride": (2, 3), "dilation": (3, 1), "padding": (2, 0)}),
    ((2, 3, 4, 4), (5, 3, 1, 1), {}),
    ((2, 3, 4, 4), (5, 3, 1, 1), {"stride": (2, 2), "padding": (1, 0)}),
    ((2, 3, 2, 2), (5, 3, 5, 5), {"padding": (4, 3)}),
    ((2, 3, 4, 4), (5, 3, 1, 3), {}),
    ((2, 3, 4, 4), (5, 3, 3, 1), {"padding": (1, 0)}),
    ((2, 2, 4, 5, 3), (3, 2, 2, 3, 2), {"padding": (1, 0, 1), "stride": (1, 2, 1)}),
    ((1, 2, 5, 4, 4), (4, 1, 3, 2, 1), {"groups": 2, "dilation": (2, 1, 1)}),
]


def settings_of(shape: Shape, given: dict[str, Any]) -> dict[str, Any]:
    dims = len(shape) - 2
    default = {"stride": (1,) * dims, "padding": (0,) * dims, "dilation": (1,) * dims, "groups": 1}
    return default | given


@pytest.mark.parametrize("dtype", [np.float64, np.complex128])
@pytest.mark.parametrize(("x_shape", "w_shape", "given"), SHAPES)
def test_conv_and_its_derivatives(
    x_shape: Shape, w_shape: Shape, given: dict[str, Any], dtype: Any, cut: str
) -> None:
    """The three faces of <g, conv(x, w)>; the form is the same number by each."""
    settings = settings_of(x_shape, given)
    x, w = values(*x_shape, dtype=dtype), values(*w_shape, dtype=dtype, seed=1)
    y = kernels.conv(x, w, **settings)
    np.testing.assert_allclose(y, naive_conv(x, w, settings), atol=1e-12)
    g = values(*y.shape, dtype=dtype, seed=2)
    form = np.sum(g * y)
    by_x = kernels.conv_input(g, w, x.shape, **settings)
    by_w = kernels.conv_weight(g, x, w.shape, **settings)
    assert by_x.shape == x.shape and by_w.shape == w.shape
    np.testing.assert_allclose(np.sum(by_x * x), form, atol=1e-10)
    np.testing.assert_allclose(np.sum(by_w * w), form, atol=1e-10)
    # Linear maps are equal if they agree on all of a basis: here on some of its elements.
    for place in range(0, x.size, max(1, x.size // 7)):
        e = np.zeros(x.size, dtype)
        e[place] = 1
        expected = np.sum(g * naive_conv(e.reshape(x.shape), w, settings))
        np.testing.assert_allclose(by_x.flat[place], expected, atol=1e-12)
    for place in range(0, w.size, max(1, w.size // 7)):
        e = np.zeros(w.size, dtype)
        e[place] = 1
        expected = np.sum(g * naive_conv(x, e.reshape(w.shape), settings))
        np.testing.assert_allclose(by_w.flat[place], expected, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.int64])
def test_conv_keeps_the_dtype(dtype: Any) -> None:
    x = np.round(values(2, 3, 5, 5, dtype=dtype) * 4)
    w = np.round(values(4, 3, 3, 3, dtype=dtype, seed=1) * 4)
    settings = settings_of(x.shape, {"padding": (1, 1)})
    y = kernels.conv(x, w, **settings)
    assert y.dtype == dtype
    expected = naive_conv(x.astype(float), w.astype(float), settings)
    np.testing.assert_allclose(y, expected.astype(dtype), rtol=1e-6)
    assert kernels.conv_input(y, w, x.shape, **settings).dtype == dtype
    assert kernels.conv_weight(y, x, w.shape, **settings).dtype == dtype


def test_conv_add_adds_a_number_per_filter(cut: str) -> None:
    x, w, b = values(3, 2, 6, 5), values(4, 2, 3, 3, seed=1), values(4)
    settings = settings_of(x.shape, {})
    expected = naive_conv(x, w, settings) + b[:, None, None]
    np.testing.assert_allclose(kernels.conv_add(x, w, b, **settings), expected, atol=1e-12)
    g = values(3, 4, 4, 3)
    c = values(2)
    made = kernels.conv_input_add(g, w, c, x.shape, **settings)
    expected = kernels.conv_input(g, w, x.shape, **settings) + c[:, None, None]
    np.testing.assert_array_equal(made, expected)


@pytest.mark.parametrize("x_shape", [(0, 3, 5, 5), (2, 0, 5, 5)])
def test_conv_of_nothing(x_shape: Shape) -> None:
    x, w, b = values(*x_shape), values(4, x_shape[1], 3, 3), values(4)
    settings = settings_of(x_shape, {})
    y = kernels.conv_add(x, w, b, **settings)
    assert y.shape == (x_shape[0], 4, 3, 3)
    np.testing.assert_array_equal(y, np.broadcast_to(b[:, None, None], y.shape))
    assert kernels.conv_input(y, w, x.shape, **settings).shape == x.shape
    by_w = kernels.conv_weight(y, x, w.shape, **settings)
    assert by_w.shape == w.shape and not by_w.any()


def test_conv_reads_any_layout() -> None:
    x, w = values(2, 6, 5, 4), values(3, 4, 3, 2, seed=1)
    turned = x.transpose(0, 3, 1, 2)
    settings = settings_of(turned.shape, {})
    expected = kernels.conv(np.ascontiguousarray(turned), w, **settings)
    np.testing.assert_array_equal(kernels.conv(turned, w, **settings), expected)
    g = np.broadcast_to(values(3, 1, 1), expected.shape)
    for back in (
        lambda g: kernels.conv_input(g, w, turned.shape, **settings),
        lambda g: kernels.conv_weight(g, turned, w.shape, **settings),
    ):
        np.testing.assert_array_equal(back(g), back(g.copy()))


def test_a_transposed_convolution_may_be_longer_than_needed() -> None:
    """With a stride, inputs of several sizes have an output of the same size."""
    g, w = values(1, 1, 3), values(1, 1, 2)
    settings = settings_of(g.shape, {"stride": (3,)})
    short = kernels.conv_input(g, w, (1, 1, 8), **settings)
    long = kernels.conv_input(g, w, (1, 1, 10), **settings)
    np.testing.assert_array_equal(long[..., :8], short)
    assert not long[..., 8:].any()


def test_results_are_the_same_bits_every_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "WORTH", 0)
    x, w = values(8, 5, 9, 9, dtype=np.float32), values(6, 5, 3, 3, dtype=np.float32)
    settings = settings_of(x.shape, {})
    g = kernels.conv(x, w, **settings)
    first = kernels.conv_weight(g, x, w.shape, **settings)
    for _ in range(20):
        np.testing.assert_array_equal(kernels.conv(x, w, **settings), g)
        np.testing.assert_array_equal(kernels.conv_weight(g, x, w.shape, **settings), first)


def test_padding_stays_zero_between_calls() -> None:
    """Plans are kept: columns of one call must not shine through in the next."""
    settings = settings_of((1, 1, 4, 4), {"padding": (1, 1)})
    w = np.ones((1, 1, 3, 3))
    for scale in (1.0, np.nan, 2.0):
        y = kernels.conv(np.full((1, 1, 4, 4), scale), w, **settings)
        np.testing.assert_array_equal(y[0, 0, 0], scale * np.array([4.0, 6, 6, 4]))
        kernels.conv_input(y, w, (1, 1, 4, 4), **settings)


# ---- unfolding


@pytest.mark.parametrize("space", [
    [Window(5, 3, 3)],
    [Window(4, 4, 3, 1, 1), Window(5, 2, 2, 3, 1)],
    [Window(6, 2, 3, 1, 0, 2), Window(3, 3, 1)],
    [Window(3, 2, 2), Window(3, 3, 3, 1, 1), Window(4, 2, 2, 2)],
])  # fmt: skip
def test_unfold_and_fold(space: list[Window]) -> None:
    x = values(2, 3, *(w.input for w in space))
    counts = [w.output for w in space]
    expected = np.zeros((2, 3, *(w.kernel for w in space), *counts))
    for out, tap, inp in visits(space):
        expected[(slice(None), slice(None), *tap, *out)] = x[(slice(None), slice(None), *inp)]
    made = kernels.unfold(x, space)
    np.testing.assert_array_equal(made, expected.reshape(made.shape))
    g = values(*made.shape, seed=1)
    back = kernels.fold(g, space)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(back * x), np.sum(g * made), atol=1e-10)


# ---- padding


@pytest.mark.parametrize(("mode", "name"), [
    ("reflect", "reflect"), ("replicate", "edge"), ("circular", "wrap"),
])  # fmt: skip
def test_pad_mirrored(mode: str, name: Any) -> None:
    x = values(2, 4, 5)
    widths = ((2, 1), (0, 3))
    made = kernels.pad_mirrored(x, widths, mode)
    np.testing.assert_array_equal(made, np.pad(x, ((0, 0), *widths), mode=name))
    g = values(*made.shape, seed=1)
    back = kernels.pad_mirrored_sum(g, widths, mode)
    np.testing.assert_allclose(np.sum(back * x), np.sum(g * made), atol=1e-10)


def test_pad_mirrored_may_cut_off() -> None:
    x = np.arange(6.0)
    widths = ((-2, 3),)
    np.testing.assert_array_equal(kernels.pad_mirrored(x, widths, "reflect"), [2, 3, 4, 5, 4, 3, 2])
    back = kernels.pad_mirrored_sum(np.ones(7), widths, "reflect")
    np.testing.assert_array_equal(back, [0, 0, 2, 2, 2, 1])


# ---- taps


@pytest.mark.parametrize("size", [1, 4, 7])
@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("stride", [1, 3])
@pytest.mark.parametrize("padding", [0, 2, 5])
@pytest.mark.parametrize("dilation", [1, 2])
def test_taps(size: int, kernel: int, stride: int, padding: int, dilation: int) -> None:
    count = windows.output_size(size, kernel, stride, padding, dilation)
    if count < 1:
        pytest.skip("no window fits")
    space = Window(size, count, kernel, stride, padding, dilation)
    x = np.arange(size)
    for k, tap in enumerate(taps(space)):
        met = {out[0]: inp[0] for out, t, inp in visits([space]) if t == (k,)}
        assert dict(zip(range(count)[tap.out], x[tap.inp].tolist(), strict=True)) == met
