"""`func.grad`, `grad_and_value`, `vjp`: places of their own, and what stays on the tape."""

from __future__ import annotations

import gc
import math
import weakref
from typing import Any

import pytest

import adjoint as torch
from adjoint.autograd.graph import saved_tensors_hooks
from adjoint.core import engine
from adjoint.func import grad, grad_and_value, jvp, linearize, vjp


def number(x: float) -> Any:
    return torch.tensor(x, dtype=torch.float64)


def vector(*numbers: float) -> Any:
    return torch.tensor(numbers, dtype=torch.float64)


def forward(f: Any) -> Any:
    """The derivative of a function of one number, in forward mode."""
    return lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]


def pulled(f: Any) -> Any:
    """The same by `vjp`."""

    def derivative(x: Any) -> Any:
        y, pull = vjp(f, x)
        return pull(torch.ones_like(y))[0]

    return derivative


def pushed(f: Any) -> Any:
    """The same by `linearize`."""
    return lambda x: linearize(f, x)[1](torch.ones_like(x))


DERIVATIVES = [grad, pulled, forward, pushed]


# ---- perturbations are kept apart ----------------------------------------------------------------


@pytest.mark.parametrize("outer", DERIVATIVES)
@pytest.mark.parametrize("inner", DERIVATIVES)
def test_the_classical_example_of_confusion(outer, inner):
    """d/dx (x * d/dy (x + y)) at 1 is 1, not 2 (Siskind and Pearlmutter)."""
    one = number(1.0)
    assert float(outer(lambda x: x * inner(lambda y: x + y)(one))(one)) == 1.0
    assert float(outer(lambda x: x * inner(lambda y: x + y)(x))(one)) == 1.0


@pytest.mark.parametrize("outer", DERIVATIVES)
@pytest.mark.parametrize("inner", DERIVATIVES)
def test_inner_derivatives_depend_on_outer_variables(outer, inner):
    """d/dx (x * d/dy (x y^2) at y = 5) = 4 x y, and d/dx (d/dy (x y^2) at y = x) = 4 x."""
    x, y = number(3.0), number(5.0)
    assert float(outer(lambda x: x * inner(lambda z: x * z * z)(y))(x)) == pytest.approx(60.0)
    assert float(outer(lambda x: inner(lambda z: x * z * z)(x))(x)) == pytest.approx(12.0)


@pytest.mark.parametrize("depth", range(1, 7))
def test_derivatives_of_any_order(depth):
    f: Any = torch.sin
    for k in range(depth):
        f = DERIVATIVES[k % len(DERIVATIVES)](f)
    assert float(f(number(0.5))) == pytest.approx(math.sin(0.5 + depth * math.pi / 2))


@pytest.mark.parametrize("outer", DERIVATIVES)
def test_a_function_that_returns_an_outer_variable(outer):
    assert float(outer(lambda x: grad(lambda y: x)(x))(number(2.0))) == 0.0


# ---- what stays on the tape ----------------------------------------------------------------------


def test_nothing_outside_means_nothing_recorded():
    g, value = grad_and_value(lambda x: (x**3).sum())(vector(1.0, 2.0))
    assert not g.requires_grad
    assert not value.requires_grad


def test_what_was_used_outside_stays_differentiable():
    w = number(3.0).requires_grad_()
    x = vector(1.0, 2.0)
    grad(lambda x: (w * x**3).sum())(x).sum().backward()
    assert float(w.grad) == 15.0
    assert x.grad is None


def test_an_argument_that_requires_grad_stays_differentiable():
    x = vector(1.0, 2.0).requires_grad_()
    grad(lambda x: (x**3).sum())(x).sum().backward()
    assert x.grad.tolist() == [6.0, 12.0]


def test_an_argument_in_the_middle_of_a_graph():
    x = vector(1.0, 2.0).requires_grad_()
    y = x * 2
    g = grad(lambda y: (y**3).sum())(y)
    (found,) = torch.autograd.grad(g.sum(), x)
    assert found.tolist() == [24.0, 48.0]


def test_the_walk_leaves_grad_alone():
    w = number(3.0).requires_grad_()
    grad(lambda x: w * x)(number(2.0))
    _, pull = vjp(lambda x: w * x, number(2.0))
    pull(number(1.0))
    assert w.grad is None


def test_results_that_lead_nowhere_are_cut_off_one_by_one():
    w = number(3.0).requires_grad_()
    value, _ = vjp(lambda x: {"a": x * w, "b": x * x}, number(2.0))
    assert value["a"].requires_grad
    assert not value["b"].requires_grad


def test_what_a_function_writes_outside_has_no_history_there():
    average = torch.zeros(2, dtype=torch.float64)

    def loss(x: Any) -> Any:
        average.mul_(0.5).add_(x * 0.5)
        return (x * x).sum()

    for _ in range(3):
        assert grad(loss)(vector(1.0, 2.0)).tolist() == [2.0, 4.0]
    assert not average.requires_grad
    assert average.tolist() == [0.875, 1.75]


def test_what_a_function_writes_into_an_argument_has_no_history_there():
    buffer = torch.zeros(2, dtype=torch.float64)
    view = buffer[:1]
    grad(lambda x, b: b.copy_(x * 2).sum())(vector(1.0, 2.0), buffer)
    assert not buffer.requires_grad
    assert not view.requires_grad
    assert buffer.tolist() == [2.0, 4.0]


def test_a_result_made_in_place_keeps_its_gradient():
    def f(x: Any) -> Any:
        y = torch.zeros(2, dtype=torch.float64)
        y[0] = x[1] ** 2
        return y

    y, pull = vjp(f, vector(1.0, 3.0))
    assert not y.requires_grad
    assert pull(vector(1.0, 1.0))[0].tolist() == [0.0, 6.0]


def test_a_value_overwritten_before_it_is_pulled_is_noticed():
    x = vector(1.0, 2.0)
    _, pull = vjp(lambda x: x * x, x)
    x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        pull(vector(1.0, 1.0))


def test_no_cycle_and_nothing_kept_alive():
    gc.collect()
    gc.disable()
    try:
        x = vector(1.0, 2.0)
        gone: list[weakref.ref[Any]] = []

        def f(x: Any) -> Any:
            y = x.exp()
            gone.append(weakref.ref(y))
            return (y * x).sum()

        grad(f)(x)
        grad_and_value(grad_of_square)(number(2.0))
        _, pull = vjp(f, x)
        pull(number(1.0))
        assert gone[0]() is None
        del pull
        assert gone[1]() is None
    finally:
        gc.enable()


def grad_of_square(x: Any) -> Any:
    return grad(lambda y: y * y)(x)


# ---- one walk ------------------------------------------------------------------------------------


def test_the_pull_may_be_used_again_and_again():
    y, pull = vjp(lambda x, k: x.exp() * k, vector(0.0, 1.0), vector(2.0, 3.0))
    for scale in (1.0, 2.0):
        by_x, by_k = pull(torch.ones_like(y) * scale)
        assert by_x.tolist() == pytest.approx([2.0 * scale, 3.0 * math.e * scale])
        assert by_k.tolist() == pytest.approx([scale, math.e * scale])


def test_a_pull_in_another_transform():
    _, pull = vjp(lambda x: x**3, number(2.0))
    assert float(grad(lambda v: pull(v)[0] ** 2)(number(1.0))) == 288.0
    assert float(jvp(lambda v: pull(v)[0], (number(1.0),), (number(2.0),))[1]) == 24.0


def test_hooks_inside_are_called_in_order():
    seen: list[str] = []

    def f(x: Any) -> Any:
        y = x * 2
        y.register_hook(lambda g: seen.append("y"))
        x.register_hook(lambda g: seen.append("x"))
        return y * y

    assert float(grad(f)(number(1.0))) == 8.0
    assert seen == ["y", "x"]


def test_saved_tensors_hooks_inside():
    packed: list[Any] = []
    with saved_tensors_hooks(lambda t: packed.append(t) or t, lambda t: t):
        found = grad(lambda x: (x.exp() * x).sum())(vector(0.0, 1.0))
    assert found.tolist() == pytest.approx([1.0, 2 * math.e])
    assert packed


@pytest.mark.filterwarnings("ignore:Anomaly Detection", "ignore:Error detected in")
def test_anomaly_mode_inside():
    with torch.autograd.detect_anomaly(), pytest.raises(RuntimeError, match="nan values"):
        grad(lambda x: (x.sqrt() * 0).sum())(vector(0.0))


def test_a_function_that_fails_leaves_no_trace():
    mode = torch.is_grad_enabled()

    def fails(x: Any) -> Any:
        with torch.no_grad():
            raise KeyError("no")

    with pytest.raises(KeyError):
        grad(fails)(number(1.0))
    assert torch.is_grad_enabled() is mode
    assert engine.running.get() is None
    assert float(grad(torch.sin)(number(0.0))) == 1.0


def test_a_long_chain_is_walked_without_recursion():
    def f(x: Any) -> Any:
        for _ in range(20_000):
            x = x * 1.0001
        return x

    assert float(grad(f)(number(1.0))) == pytest.approx(1.0001**20_000)


def test_large_arguments_in_containers():
    params = [{"w": vector(float(i), 1.0), "b": (number(float(i)),)} for i in range(50)]
    found = grad(lambda ps, x: sum(((p["w"] @ x) * p["b"][0] for p in ps), number(0.0)))(
        params, vector(2.0, 3.0)
    )
    assert found[7]["w"].tolist() == [14.0, 21.0]
    assert float(found[7]["b"][0]) == 17.0
