"""Forward mode by hand: what is special to this library, and what the tape must not notice."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adjoint as torch
import adjoint.autograd.forward_ad as fwAD
from adjoint.core import duals


@pytest.fixture
def collector_off() -> Iterator[None]:
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def tangent(x: Any) -> Any:
    return fwAD.unpack_dual(x).tangent


# ---- the straight path ---------------------------------------------------------------------------


def test_a_dual_tensor_leaves_the_straight_path_and_returns_to_it():
    x = torch.ones(3)
    usual = x._desc
    with fwAD.dual_level():
        dual = fwAD.make_dual(x, x)
        out = dual * 2
        assert dual._desc.fast == out._desc.fast == 0
        assert x._desc is usual
        assert fwAD.unpack_dual(dual).primal._desc is usual
        assert dual.detach()._desc is usual
    assert dual._desc is out._desc is usual
    assert dual._side.tangents is None


@pytest.mark.parametrize("shape", [(), (2,), (2, 3), (0,)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.complex64])
def test_descriptors_of_dual_tensors_describe_them(shape, dtype):
    x = torch.ones(shape, dtype=dtype)
    with fwAD.dual_level():
        dual = fwAD.make_dual(x, torch.ones(shape, dtype=dtype))
        assert (dual.shape, dual.dtype, dual.device) == (x.shape, x.dtype, x.device)
        assert tangent(dual + dual).shape == shape
    assert dual._desc.fast == torch.ones(shape, dtype=dtype)._desc.fast


def test_a_plain_first_operand_meets_a_dual_second_one():
    with fwAD.dual_level():
        dual = fwAD.make_dual(torch.ones(2), torch.tensor([1.0, 2.0]))
        for other in (torch.ones(2), torch.ones(1), torch.ones(3, 1), torch.ones(())):
            assert tangent(other * dual) is not None
            assert tangent(torch.maximum(other, dual)) is not None
        assert tangent(torch.ones(1, 2) @ dual) is not None
        assert tangent(torch.cat([torch.ones(2), dual])).tolist() == [0, 0, 1, 2]


def test_nothing_is_left_open():
    with fwAD.dual_level():
        assert len(duals.open_levels) == 1
    assert not duals.open_levels
    with pytest.raises(KeyError), fwAD.dual_level():
        raise KeyError
    assert not duals.open_levels


# ---- life times ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("collector_off")
def test_dual_tensors_are_freed_without_the_collector():
    with fwAD.dual_level():
        x = fwAD.make_dual(torch.ones(3), torch.ones(3))
        y = (x.exp() * x).sum()
        alive = [weakref.ref(y), weakref.ref(tangent(y))]
        del y
        assert [ref() for ref in alive] == [None, None]


@pytest.mark.usefixtures("collector_off")
def test_recorded_dual_tensors_are_freed_with_the_level():
    p = torch.ones(3, requires_grad=True)
    with fwAD.dual_level():
        y = fwAD.make_dual(p, torch.ones(3)).exp().tanh()
        alive = [weakref.ref(y), weakref.ref(y.grad_fn), weakref.ref(tangent(y).grad_fn)]
        del y
    assert [ref() for ref in alive] == [None] * 3


def test_a_level_forgets_what_is_gone():
    with fwAD.dual_level():
        x = fwAD.make_dual(torch.ones(()), torch.ones(()))
        for _ in range(500):
            x * 2
        (level,) = duals.open_levels.values()
        assert len(level.duals) < 300


# ---- threads -------------------------------------------------------------------------------------


def test_threads_share_the_level_as_in_pytorch():
    found: list[Any] = []

    def work() -> None:
        found.append(fwAD._current_level)
        dual = fwAD.make_dual(torch.ones(2), torch.ones(2))
        found.append(tangent(dual * 3).tolist())

    with fwAD.dual_level():
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    assert found == [0, [3.0, 3.0]]


# ---- writing -------------------------------------------------------------------------------------


def test_self_products_in_place_follow_the_product_rule():
    with fwAD.dual_level():
        x = fwAD.make_dual(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 5.0]))
        x.mul_(x)
        assert tangent(x).tolist() == [4.0, 30.0]
        y = fwAD.make_dual(torch.tensor([2.0, 3.0]), torch.tensor([1.0, 5.0]))
        y.mul_(y.detach())
        assert tangent(y).tolist() == [2.0, 15.0]


def test_a_write_that_fails_changes_no_tangent():
    with fwAD.dual_level():
        x = fwAD.make_dual(torch.ones(2), torch.tensor([1.0, 2.0]))
        with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
            x.add_(fwAD.make_dual(torch.ones(3, 2), torch.ones(3, 2)))
        assert tangent(x).tolist() == [1.0, 2.0]
        assert x._version == 0


def test_drawing_in_place_draws_once():
    torch.manual_seed(3)
    plain = torch.zeros(4).uniform_()
    after = torch.rand(2)
    torch.manual_seed(3)
    with fwAD.dual_level():
        x = fwAD.make_dual(torch.zeros(4), torch.ones(4)).uniform_()
        assert tangent(x).tolist() == [0.0] * 4
    assert x.tolist() == plain.tolist()
    assert torch.rand(2).tolist() == after.tolist()


@pytest.mark.parametrize("seed", range(12))
def test_random_writes_agree_with_differences(seed):
    """A random program of views and writes: its tangent against central differences."""

    def program(p: Any) -> Any:
        rng = np.random.default_rng(seed)
        x = p.clone()
        tensors = [x]
        for _ in range(8):
            t = tensors[rng.integers(len(tensors))]
            u = tensors[rng.integers(len(tensors))]
            match rng.integers(7):
                case 0:
                    tensors.append(t[rng.integers(2) :])
                case 1:
                    tensors.append(t.t() if t.ndim == 2 and t.shape[0] == t.shape[1] else t[:1])
                case 2:
                    t.mul_(0.5 + rng.random())
                case 3:
                    t.add_(p.sum() * rng.random())
                case 4:
                    t.sin_()
                case 5:
                    t[0] = u.mean()
                case 6:
                    tensors.append(u * t.sum())
        return sum(((t * t).sum() for t in tensors), x.sum())

    rng = np.random.default_rng(seed + 100)
    at, along = rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    with fwAD.dual_level():
        out = program(fwAD.make_dual(torch.from_numpy(at), torch.from_numpy(along)))
        found = float(tangent(out))
    step = 1e-6
    above = float(program(torch.from_numpy(at + step * along)))
    below = float(program(torch.from_numpy(at - step * along)))
    assert found == pytest.approx((above - below) / (2 * step), rel=1e-5, abs=1e-6)


# ---- with the tape -------------------------------------------------------------------------------


def test_backward_of_plain_tensors_inside_a_level():
    x = torch.ones(3, requires_grad=True)
    with fwAD.dual_level():
        (x * x).sum().backward()
        (x.exp() * 2).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 + 2 * np.exp(np.ones(3)), rtol=1e-6)


def test_gradients_of_two_leaves_are_two_tensors():
    x, y = torch.ones(3, requires_grad=True), torch.ones(3, requires_grad=True)
    with fwAD.dual_level():
        (x + y).sum().backward()
        (x + y).sum().backward()
    x.grad.mul_(5)
    assert (x.grad.tolist(), y.grad.tolist()) == ([10.0] * 3, [2.0] * 3)


def test_a_hessian_by_forward_over_reverse():
    p = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64, requires_grad=True)

    def f(x: Any) -> Any:
        return (x.exp() * x.flip(0)).sum() + x.prod()

    hessian = torch.autograd.functional.hessian(f, p.detach())
    for k in range(3):
        unit = torch.zeros(3, dtype=torch.float64)
        unit[k] = 1
        with fwAD.dual_level():
            (g,) = torch.autograd.grad(f(fwAD.make_dual(p, unit)), p)
            np.testing.assert_allclose(tangent(g).numpy(), hessian[k].numpy(), rtol=1e-12)


def test_checkpoints_of_the_version_are_kept():
    """A tangent's graph that needs a value that was overwritten says so."""
    p = torch.ones(2, requires_grad=True)
    with fwAD.dual_level():
        x = fwAD.make_dual(p, torch.ones(2)).clone()
        y = x * x
        moved = tangent(y).sum()
        x.add_(1)
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            moved.backward()
