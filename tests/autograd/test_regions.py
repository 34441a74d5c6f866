"""Backward over large arrays, tile after tile: the bits, graphs and errors of node after node.

Every program is run twice, with regions (core/tiled.py) and without; where one was to be expected,
the test asserts that it was there.
"""

import weakref

import numpy as np
import pytest

import adjoint as torch
from adjoint.array.kernels.tiles import LARGE
from adjoint.core import engine, straight, tiled

COUNT = LARGE + 12_345  # so that the last tile is longer than the others


@pytest.fixture
def regions(monkeypatch):
    """The number of nodes of each region that is run."""
    sizes = []
    compute = tiled._compute

    def counting(region, g, before, out):
        done = compute(region, g, before, out)
        if done:
            sizes.append(len(region.nodes))
            waited.append(len(before))
        return done

    monkeypatch.setattr(tiled, "_compute", counting)
    # tests that ran before may have put hooks on leaves, which keeps walks off the straight path
    monkeypatch.setattr(engine, "watched_leaves", [False])
    waited.clear()
    return sizes


waited = []  # at how many of each region's ends a cotangent waited before


def both_ways(program, monkeypatch):
    """What ``program`` returns with regions, checked against what it returns without."""
    found = program()
    with monkeypatch.context() as patch:
        patch.setattr(straight.tiled, "run_region", lambda *arguments: None)
        expected = program()
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert (a is None) == (b is None)
        if a is not None:
            assert a.dtype == b.dtype and a.shape == b.shape
            np.testing.assert_array_equal(a.numpy(), b.numpy())
    return found


def numbers(*shape, seed=0, dtype=torch.float32, requires_grad=True):
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(*shape, generator=generator).to(dtype)
    return made.requires_grad_(requires_grad)


def gelu(x):
    return 0.5 * x * (1 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3)))


def test_a_formula(regions, monkeypatch):
    def program():
        x = numbers(COUNT)
        gelu(x).sum().backward()
        return [x.grad]

    both_ways(program, monkeypatch)
    assert regions == [8]


def test_the_gradient_belongs_to_the_leaf_alone(regions, monkeypatch):
    x = numbers(COUNT)
    gelu(x).sum().backward()
    first = x.grad
    assert first._array.base is None and first._array.flags.c_contiguous
    kept = first.numpy().copy()
    gelu(x).sum().backward()
    assert x.grad is first
    np.testing.assert_array_equal(first.numpy(), 2 * kept)
    assert len(regions) == 2


def test_two_dimensions_and_float64(regions, monkeypatch):
    def program():
        x = numbers(1500, 1500, dtype=torch.float64)
        y = numbers(1500, 1500, seed=1, dtype=torch.float64)
        g = numbers(1500, 1500, seed=2, dtype=torch.float64, requires_grad=False)
        (torch.sigmoid(x) * y.exp() / (1 + x * x)).backward(g)
        return [x.grad, y.grad]

    both_ways(program, monkeypatch)
    assert regions == [6]


def test_several_cotangents_at_one_leaf_are_added_in_the_walks_order(regions, monkeypatch):
    def program():
        x = numbers(COUNT)
        a = x.sin()
        b = x * a
        z = (a * 3 + b) * x - b / 7 + x
        z.sum().backward()
        return [x.grad]

    both_ways(program, monkeypatch)
    assert regions == [8]


def test_what_waits_at_a_leaf_or_node_already_comes_first(regions, monkeypatch):
    def program():
        x, y = numbers(COUNT), numbers(COUNT, seed=1)
        middle = y.cumsum(0)
        early = x.cos() * x * (middle + x) * middle
        late = (x.roll(7) * 2).sum() + middle.roll(7).sum()
        (early.sum() + late).backward()
        return [x.grad, y.grad]

    both_ways(program, monkeypatch)
    assert regions == [5]
    assert waited == [2]


def test_operands_that_are_broadcast_get_their_sums(regions, monkeypatch):
    def program():
        x = numbers(1500, 1500)
        scale = numbers(1500, 1, seed=1)
        shift = numbers(1500, seed=2)
        one = numbers(1, seed=3)
        y = (x * 2).tanh() + shift
        (y * 0.5 + one + scale).sin().sum().backward()
        return [x.grad, scale.grad, shift.grad, one.grad]

    both_ways(program, monkeypatch)
    assert regions == [7]


def test_operands_of_other_dtypes(regions, monkeypatch):
    def program():
        x = numbers(COUNT, dtype=torch.float64)
        y = numbers(COUNT, seed=1)
        ((x * 2).exp() + (y * 3).sin() * 2).sum().backward()
        return [x.grad, y.grad]

    both_ways(program, monkeypatch)


def test_a_region_ends_where_something_else_begins(regions, monkeypatch):
    def program():
        w = numbers(1500, 1500)
        v = numbers(1500, 1500, seed=1)
        h = (w @ v).tanh() * 2
        k = h.t().exp() * 0.5
        ((k + h) ** 2).mean().backward()
        return [w.grad, v.grad]

    both_ways(program, monkeypatch)
    assert regions


def test_nodes_with_several_outputs(regions, monkeypatch):
    def program():
        x = numbers(2, COUNT)
        a, b = (x * 2).unbind()
        ((a.exp() * b).sin() + a).sum().backward()
        return [x.grad]

    both_ways(program, monkeypatch)
    assert regions == [4]


def test_twice_through_a_kept_graph(regions, monkeypatch):
    def program():
        x = numbers(COUNT)
        y = gelu(x)
        y.sum().backward(retain_graph=True)
        y.sum().backward()
        return [x.grad]

    both_ways(program, monkeypatch)
    assert regions == [8, 8]


def test_only_some_leaves(regions, monkeypatch):
    def program():
        x, y = numbers(COUNT), numbers(COUNT, seed=1)
        z = (x * y).tanh() * x.exp() + y
        return [*torch.autograd.grad(z.sum(), [y])]

    both_ways(program, monkeypatch)
    assert regions


def test_masks_and_choices(regions, monkeypatch):
    def program():
        x, y = numbers(COUNT), numbers(COUNT, seed=1)
        z = torch.where(x > 0, x * y, y.relu()).clamp(-1, 1) * torch.maximum(x, y)
        z.abs().sqrt().sum().backward()
        return [x.grad, y.grad]

    both_ways(program, monkeypatch)
    assert regions


def test_special_values(regions, monkeypatch):
    def program():
        x = numbers(COUNT)
        with torch.no_grad():
            x[:6] = torch.tensor([0.0, -0.0, float("inf"), -float("inf"), float("nan"), 1e-42])
        (x.log() * x.sqrt() / x).sum().backward()
        return [x.grad]

    both_ways(program, monkeypatch)
    assert regions == [4]


def test_cotangents_in_another_order_in_memory(monkeypatch):
    def program():
        x = numbers(1500, 1500)
        g = numbers(1500, 1500, seed=1, requires_grad=False).t()
        (x.exp() * x).sin().backward(g)
        return [x.grad]

    both_ways(program, monkeypatch)


def test_hooks_run_with_what_they_would_see_otherwise(monkeypatch):
    def program():
        seen = []
        x = numbers(COUNT)
        middle = (x * 2).exp()
        middle.register_hook(lambda g: seen.append(g.clone()))
        (middle.sin() * middle).sum().backward()
        return [x.grad, *seen]

    assert len(both_ways(program, monkeypatch)) == 2


def test_a_graph_that_was_freed():
    x = numbers(COUNT)
    y = gelu(x)
    y.sum().backward()
    with pytest.raises(RuntimeError, match="Trying to backward through the graph a second time"):
        y.sum().backward()


def test_a_tensor_that_was_written_to(regions):
    x = numbers(COUNT)
    a = x.sin()
    b = a * x
    y = b.exp() * b
    with torch.no_grad():
        a.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()
    assert x.grad is None


def test_what_was_saved_is_freed(regions):
    x = numbers(COUNT)
    middle = x.exp()
    y = (middle * x).sin().sum()
    reference = weakref.ref(middle)
    del middle
    assert reference() is not None
    y.backward()
    assert regions == [3]
    assert reference() is None


def test_packed_tensors_are_unpacked_one_at_a_time(regions, monkeypatch):
    def program():
        x = numbers(COUNT)
        with torch.autograd.graph.saved_tensors_hooks(lambda t: t.detach(), lambda t: t):
            y = (x.exp() * x).sin()
        ((y * 2).tanh() + y).sum().backward()
        return [x.grad]

    both_ways(program, monkeypatch)
    assert regions == [3]


def test_the_same_bits_on_any_number_of_threads(monkeypatch):
    found = []
    for threads in (1, 2, 3):
        monkeypatch.setattr("adjoint.array.kernels.threads.threads_for", lambda _, n=threads: n)
        x = numbers(COUNT)
        gelu(x).sum().backward()
        found.append(x.grad.numpy())
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])
