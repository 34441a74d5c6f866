"""`func.vmap`: levels and their order, results and memory, what is refused, threads."""

from __future__ import annotations

import copy
import gc
import pickle
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.array.batched.level import BatchedValueError, Level, stack
from adjoint.core.mode import get_mode
from adjoint.core.tensor_base import birthplace
from adjoint.func import vmap


def rows() -> Any:
    return adjoint.arange(6.0).view(3, 2)


def looped(f: Any, *inputs: Any) -> Any:
    """What a loop over dim 0 of all inputs gives."""
    return adjoint.stack([f(*one) for one in zip(*inputs)])


# ---- levels --------------------------------------------------------------------------------------


def test_levels_do_not_mix() -> None:
    x, y = rows(), adjoint.arange(4.0)
    found = vmap(lambda a: vmap(lambda b: a * b + a.sum())(y))(x)
    expected = x[:, None, :] * y[None, :, None] + x.sum(1)[:, None, None]
    assert adjoint.equal(found, expected)


def test_the_outer_level_alone_inside_of_the_inner_one() -> None:
    x = rows()
    found = vmap(lambda a: vmap(lambda b: a.sum())(adjoint.ones(4)))(x)
    assert adjoint.equal(found, x.sum(1)[:, None].expand(3, 4))


def test_three_levels_along_any_dims() -> None:
    x = adjoint.arange(24.0).view(2, 3, 4)
    found = vmap(vmap(vmap(lambda a: a * a), in_dims=0), in_dims=1, out_dims=2)(x.permute(2, 0, 1))
    inner = vmap(lambda m: vmap(vmap(lambda a: a * a))(m), in_dims=1, out_dims=2)
    assert adjoint.equal(found, inner(x.permute(2, 0, 1)))
    assert adjoint.equal(found.permute(0, 2, 1), (x * x).permute(2, 0, 1))


def test_a_matrix_product_by_dot_products() -> None:
    a, b = adjoint.randn(3, 4), adjoint.randn(4, 5)
    mv = vmap(adjoint.dot, (0, None))
    assert adjoint.allclose(vmap(mv, (None, 1), 1)(a, b), a @ b)


def test_keyword_arguments_are_the_same_for_all() -> None:
    x = rows()
    assert adjoint.equal(vmap(lambda a, b: a + b)(x, b=x[0]), x + x[0])


def test_a_function_may_call_vmap_over_what_is_the_same_for_all() -> None:
    x, w = rows(), adjoint.arange(4.0)
    found = vmap(lambda a: vmap(lambda c: c * 2)(w).sum() + a)(x)
    assert adjoint.equal(found, x + 12)


def test_no_samples() -> None:
    assert vmap(lambda a: a * 2 + adjoint.ones(2))(adjoint.ones(0, 2)).shape == (0, 2)
    assert vmap(vmap(lambda a: a.sum()))(adjoint.ones(2, 0, 3)).shape == (2, 0)


def test_one_sample() -> None:
    x = adjoint.arange(3.0)[None]
    assert adjoint.equal(vmap(lambda a: a @ a)(x), (x * x).sum(1))


# ---- memory --------------------------------------------------------------------------------------


def test_arguments_share_memory_with_what_was_given() -> None:
    x = rows()
    vmap(lambda a: a.mul_(2))(x)
    assert adjoint.equal(x, rows() * 2)
    assert x._version == 1


def test_views_of_a_tensor_made_inside_follow_it() -> None:
    def inside(a: Any) -> Any:
        z = adjoint.zeros(2, 3)
        row, turned, part = z[0], z.t(), z.detach()[:, 1:]
        row[:2] = a
        turned[2, 1] = a.sum()
        part[0] += 1
        return z, row, turned, part

    z, row, turned, part = vmap(inside)(rows())
    for i, a in enumerate(rows()):
        expected = np.zeros((2, 3), np.float32)
        expected[0, :2] = a
        expected[1, 2] = a.sum()
        expected[0, 1:] += 1
        np.testing.assert_array_equal(z[i].numpy(), expected)
        np.testing.assert_array_equal(row[i].numpy(), expected[0])
        np.testing.assert_array_equal(turned[i].numpy(), expected.T)
        np.testing.assert_array_equal(part[i].numpy(), expected[:, 1:])


def test_room_at_two_levels() -> None:
    def outer(a: Any) -> Any:
        z = adjoint.zeros(2)

        def inner(b: Any) -> Any:
            z.add_(a)  # one for each sample of the outer level
            y = adjoint.zeros(2)
            y += b
            y *= z
            return y

        return vmap(inner)(adjoint.ones(4))

    found = vmap(outer)(rows())
    assert adjoint.equal(found, rows()[:, None, :].expand(3, 4, 2))


def test_what_the_outer_level_made_has_no_room_for_the_inner_one() -> None:
    def outer(a: Any) -> Any:
        z = adjoint.zeros(())
        return vmap(lambda b: z.add_(b))(a)

    with pytest.raises(RuntimeError, match="doesn't match the broadcast shape"):
        vmap(outer)(rows())


@pytest.mark.parametrize(
    "alias", [lambda w: w, lambda w: w.detach(), lambda w: w.data, lambda w: w[:1].detach()]
)
def test_nothing_from_outside_is_written_for_one_sample(alias: Any) -> None:
    w = adjoint.ones(2)
    with pytest.raises(RuntimeError, match="was made outside of vmap"):
        vmap(lambda a: alias(w).mul_(a[:1]))(rows())
    assert adjoint.equal(w, adjoint.ones(2))
    assert w._version == 0


def test_samples_that_share_memory_are_not_written() -> None:
    wide = adjoint.ones(2).expand(3, 2)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        vmap(lambda a: a.add_(1))(wide)


def test_results_that_agree_share_memory() -> None:
    y = vmap(lambda a: adjoint.ones(2))(rows())
    assert y.stride() == (0, 1)
    with pytest.raises(RuntimeError, match="more than one element of the written-to tensor"):
        y.add_(1)


def test_one_sample_is_contiguous_or_not() -> None:
    x = adjoint.arange(24.0).view(2, 3, 4)
    seen: list[bool] = []
    vmap(lambda a: seen.append(a.is_contiguous()) or a)(x)
    vmap(lambda a: seen.append(a.t().is_contiguous()) or a)(x)
    vmap(lambda a: seen.append(a.is_contiguous()) or a, in_dims=2)(x)
    assert seen == [True, False, False]
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        vmap(lambda a: a.t().view(-1))(x)
    assert adjoint.equal(vmap(lambda a: a.t().contiguous().view(-1))(x), x.mT.reshape(2, 12))


def test_masks_of_each_sample() -> None:
    def inside(a: Any) -> Any:
        a = a.clone()
        a[a > 2] = -1.0
        a[a == a.min()] = a.sum()
        return a

    x = adjoint.tensor([[1.0, 3.0], [2.0, 0.0], [5.0, 4.0]])
    assert adjoint.equal(vmap(inside)(x), looped(inside, x))


def test_data_of_each_sample_needs_room() -> None:
    w = adjoint.ones(2)

    def inside(a: Any) -> Any:
        z = adjoint.zeros(2)
        z.data = a * 2
        return z

    assert adjoint.equal(vmap(inside)(rows()), rows() * 2)
    with pytest.raises(RuntimeError, match=r"mutating directly with `\.data`"):
        vmap(lambda a: setattr(w, "data", a) or a)(rows())
    assert adjoint.equal(w, adjoint.ones(2))


def test_copies() -> None:
    seen = []

    def inside(a: Any) -> Any:
        for dump in (pickle.dumps, copy.copy):
            with pytest.raises(NotImplementedError, match="Cannot access storage") as error:
                dump(a)
            seen.append(error.value)
        made = copy.deepcopy(a)
        made.add_(1)
        return made

    x = rows()
    assert adjoint.equal(vmap(inside)(x), x + 1)
    assert adjoint.equal(x, rows())
    assert len(seen) == 2


# ---- tensors that escaped ------------------------------------------------------------------------


@pytest.fixture
def escaped() -> Any:
    kept: list[Any] = []
    vmap(lambda a: kept.append(a * 2) or a)(rows())
    return kept[0]


@pytest.mark.parametrize(
    "use",
    [
        lambda t: t + 1,
        lambda t: adjoint.ones(2) * t,
        lambda t: t.numpy(),
        lambda t: t.tolist(),
        lambda t: t[0].item(),
        lambda t: np.asarray(t),
        lambda t: t.clone(),
        lambda t: t.sum().backward(),
        lambda t: adjoint.ones(2).add_(t),
        lambda t: t.add_(1),
        lambda t: adjoint.ones(3)[t.long()],
        lambda t: vmap(lambda a: a * t)(rows()),
        lambda t: vmap(lambda a: a)(t),
    ],
)
def test_escaped_tensors_say_so(escaped: Any, use: Any) -> None:
    with pytest.raises(RuntimeError, match="escaped from inside a function being vmapped"):
        use(escaped)


def test_escaped_tensors_can_be_looked_at(escaped: Any) -> None:
    assert escaped.shape == (2,)
    assert repr(escaped).startswith("BatchedTensor(lvl=1, bdim=0, value=\n    tensor([[ 0.,  2.],")


# ---- what is left behind -------------------------------------------------------------------------


def nothing_is_open() -> bool:
    return stack.get() == () and birthplace.get() == 0 and get_mode() == 1


@pytest.mark.filterwarnings("ignore:vmap. .* is run sample by sample")
@pytest.mark.parametrize("kind", [KeyError, RuntimeError, KeyboardInterrupt])
def test_errors_close_what_was_open(kind: Any) -> None:
    def bad(a: Any) -> Any:
        raise kind("from inside")

    for f in (vmap(bad), vmap(vmap(bad)), vmap(lambda a: vmap(bad)(a) if a.sum() else a)):
        with pytest.raises(kind):
            f(rows())
        assert nothing_is_open()


def test_errors_of_results_close_what_was_open() -> None:
    with pytest.raises(ValueError, match="must only return Tensors"):
        vmap(lambda a: 3)(rows())
    with pytest.raises(BatchedValueError):
        vmap(lambda a: a.mul_(2).sum().item())(rows())
    assert nothing_is_open()


def test_threads_do_not_see_each_other() -> None:
    def inside(a: Any) -> Any:
        z = adjoint.zeros(3)
        z += a
        z[0] = a.sum()
        return vmap(lambda b: b * z.sum())(z)

    failures: list[Any] = []

    def work(k: int) -> None:
        try:
            x = adjoint.arange(12.0).view(4, 3) + k
            expected = []
            for one in x.numpy():
                z = one.copy()
                z[0] = one.sum()
                expected.append(z * z.sum())
            for _ in range(20):
                np.testing.assert_allclose(vmap(inside)(x).numpy(), expected, rtol=1e-6)
            assert nothing_is_open()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_thread_started_inside_is_outside() -> None:
    seen: list[Any] = []

    def inside(a: Any) -> Any:
        thread = threading.Thread(
            target=lambda: seen.extend([stack.get(), adjoint.rand(2).shape, (a * 2).shape])
        )
        thread.start()
        thread.join()
        return a

    vmap(inside)(rows())
    assert seen == [(), (2,), (2,)]


@pytest.fixture
def without_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def written(a: Any) -> Any:
    h = a * 2
    z = adjoint.zeros(2)
    z.add_(h.sin())
    z.detach().mul_(2)
    return (z * h).sum()


def remembered(recorded: bool) -> list[Any]:
    """Weak references to tensors of two levels and a graph through them."""
    x = rows().requires_grad_(recorded)
    made: list[Any] = [weakref.ref(x)]

    def inside(a: Any) -> Any:
        out = written(a)
        made.append(weakref.ref(out))
        return vmap(lambda b: b * out)(a).sum()

    y = vmap(inside)(x)
    if recorded:
        (g,) = adjoint.autograd.grad(y.sum(), x, create_graph=True)
        adjoint.autograd.grad(g.sum(), x)
    return made


def levels() -> int:
    return sum(type(o) is Level for o in gc.get_objects())


@pytest.mark.parametrize("recorded", [False, True])
def test_no_reference_cycles(recorded: bool, without_collector: None) -> None:
    remembered(recorded)  # what is loaded on first use makes cycles of its own
    gc.collect()
    before = levels()
    assert all(reference() is None for reference in remembered(recorded))
    assert levels() == before
    assert gc.collect() == 0
