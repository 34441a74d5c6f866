"""Large arrays in tiles: the same numbers as in one go; sums in place where nobody looks."""

import numpy as np
import pytest

import adjoint as torch
from adjoint.array.kernels import tiles

COUNT = tiles.LARGE + 5


@pytest.fixture(scope="module")
def numbers():
    return np.random.default_rng(0).standard_normal(COUNT).astype(np.float32)


def test_a_ufunc_and_a_function_give_the_same_numbers_as_in_one_go(numbers):
    def function(a, b):
        return a * b + a

    other = numbers[::-1].copy()
    assert np.array_equal(tiles.elementwise(function, (numbers, other)), function(numbers, other))
    assert np.array_equal(tiles.elementwise(np.add, (numbers, other)), numbers + other)


def test_an_array_that_repeats_one_number_counts_as_that_number(numbers):
    repeated = np.broadcast_to(np.float32(3), numbers.shape)
    made = tiles.elementwise(np.multiply, (repeated, numbers))
    assert np.array_equal(made, numbers * 3)
    assert made.dtype == np.float32
    both = tiles.elementwise(np.multiply, (repeated, repeated))
    assert both.shape == numbers.shape
    assert (both == 9).all()


def test_results_own_their_memory(numbers):
    assert tiles.elementwise(np.negative, (numbers.reshape(1, -1),)).base is None


def test_add_to_adds_in_place_or_says_that_it_did_not(numbers):
    target = numbers.copy()
    assert tiles.add_to(target, numbers)
    assert np.array_equal(target, numbers + numbers)
    wide = np.ones((4, 3), np.float32)
    assert tiles.add_to(wide, np.ones((3, 4), np.float32).T)
    assert (wide == 2).all()
    assert not tiles.add_to(wide, np.ones(3, np.float32))
    assert not tiles.add_to(wide[:2], wide[:2])
    assert not tiles.add_to(wide, np.ones((4, 3)))
    assert (wide == 2).all()


def test_gradients_that_meet_are_not_added_into_what_somebody_holds(numbers):
    x = torch.from_numpy(numbers).requires_grad_()
    weight = torch.ones(COUNT)
    y = x + 0
    (y + y * 2 + y).backward(weight)
    assert (weight == 1).all()
    assert (x.grad == 4).all()
    kept = []
    z = x * 1
    z.register_hook(kept.append)
    x.grad = None
    (z + x + x * 2).backward(weight)
    assert (kept[0] == 1).all()
    assert (x.grad == 4).all()


def test_gradients_of_a_large_sum_can_be_written_to(numbers):
    x = torch.from_numpy(numbers).requires_grad_()
    (g,) = torch.autograd.grad(x.sum(), x)
    g.add_(1)
    assert (g == 2).all()
    y = x * 1
    y.register_hook(lambda grad: grad.mul_(3))
    y.retain_grad()
    y.mean().backward()
    assert np.allclose(x.grad.numpy() * COUNT, 3)
    assert np.allclose(y.grad.numpy() * COUNT, 3)
    (g,) = torch.autograd.grad((x * x).sum(), x, create_graph=True)
    x.grad = None
    g.sum().backward()
    assert (x.grad == 2).all()
