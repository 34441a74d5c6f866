"""Matrix products are the same numbers whatever the number of threads, to the last bit."""

import numpy as np
import pytest

from adjoint.array import numpy_
from adjoint.array.kernels import products, threads

SHAPES = [(256, 784, 512), (512, 256, 784), (395, 1664, 353), (1021, 599, 173), (48, 1000, 1000)]


def _operands(rng, shape, dtype, transposed):
    m, k, n = shape
    a, b = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    return np.asfortranarray(a) if transposed else a, np.asfortranarray(b) if transposed else b


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("transposed", [False, True])
def test_bits_do_not_depend_on_threads(monkeypatch, shape, dtype, transposed):
    a, b = _operands(np.random.default_rng(0), shape, dtype, transposed)
    whole = threads.alone(a.dot, b)
    monkeypatch.setattr(threads, "WORTH", 0.0)
    for count in (1, 2, 3, 4):
        monkeypatch.setattr(threads, "threads_for", lambda seconds, count=count: count)
        made = numpy_.matmul(a, b)
        assert made.flags.c_contiguous
        assert np.array_equal(made, whole)
        assert np.array_equal(numpy_.matmul_add(a, b, a[0, :1]), whole + a[0, :1])


def test_bits_of_stacks(monkeypatch):
    rng = np.random.default_rng(1)
    a = rng.standard_normal((5, 100, 170))
    b = rng.standard_normal((5, 61, 170)).swapaxes(1, 2)
    whole = threads.alone(np.matmul, a, b)
    monkeypatch.setattr(threads, "WORTH", 0.0)
    for count in (1, 2, 3):
        monkeypatch.setattr(threads, "threads_for", lambda seconds, count=count: count)
        assert np.array_equal(numpy_.matmul(a, b), whole)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.ones((200, 300), np.int64), np.ones((300, 5), np.int64)),
        (np.ones((200, 300)), np.ones(300)),
        (np.broadcast_to(np.float32(2), (600, 600)), np.ones((600, 600), np.float32)),
        (np.ones((600, 1200), np.float32)[:, ::2], np.ones((600, 600), np.float32)),
        (np.ones((600, 0), np.float32), np.ones((0, 9000), np.float32)),
        (np.ones((600, 600), np.float32), np.ones((600, 600))),
    ],
)
def test_operands_that_are_not_plain(a, b):
    assert np.array_equal(numpy_.matmul(a, b), np.matmul(a, b))


def test_a_matrix_with_its_transpose():
    a = np.random.default_rng(2).standard_normal((640, 300))
    assert np.array_equal(numpy_.matmul(a, a.T), threads.alone(a.dot, a.T))


def test_sizes_that_do_not_fit():
    with pytest.raises(ValueError, match="not aligned"):
        products.matmul(np.ones((100, 300)), np.ones((100, 300)))
    with pytest.raises(ValueError, match="mismatch"):
        products.matmul(np.ones((3, 100, 300)), np.ones((3, 100, 300)))
