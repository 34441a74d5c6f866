"""`func.jvp`: derivatives in a direction, nested in each other and in reverse mode."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint.core import duals
from adjoint.func import jvp
from adjoint.nn import functional as F

Function = Callable[[Any], Any]


def d(f: Function) -> Function:
    """Return the derivative of a function of one number, in forward mode."""
    return lambda x: jvp(f, (x,), (torch.ones_like(x),))[1]


def r(f: Function) -> Function:
    """Return the derivative of a function of one number, in reverse mode."""

    def derivative(x: Any) -> Any:
        y = x.view_as(x)
        y = y if y.requires_grad else y.requires_grad_()
        return torch.autograd.grad(f(y), y, create_graph=True, materialize_grads=True)[0]

    return derivative


def number(x: float) -> Any:
    return torch.tensor(x, dtype=torch.float64)


# ---- perturbations are kept apart ----------------------------------------------------------------


@pytest.mark.parametrize("outer", [d, r])
@pytest.mark.parametrize("inner", [d, r])
def test_the_classical_example_of_confusion(outer, inner):
    """d/dx (x * d/dy (x + y)) at 1 is 1, not 2 (Siskind and Pearlmutter)."""
    one = number(1.0)
    assert float(outer(lambda x: x * inner(lambda y: x + y)(one))(one)) == 1.0


@pytest.mark.parametrize("outer", [d, r])
@pytest.mark.parametrize("inner", [d, r])
def test_inner_derivatives_depend_on_outer_variables(outer, inner):
    """d/dx (x * d/dy (x y^2)) = d/dx (2 x^2 y) = 4 x y."""
    x, y = number(3.0), number(5.0)
    found = outer(lambda x: x * inner(lambda y: x * y * y)(y))(x)
    assert float(found) == pytest.approx(60.0)


@pytest.mark.parametrize("outer", [d, r])
@pytest.mark.parametrize("inner", [d, r])
def test_the_inner_point_may_depend_on_the_outer_variable(outer, inner):
    """f(x) = g'(2 x) with g = sin: f'(x) = -2 sin(2 x)."""
    found = outer(lambda x: inner(torch.sin)(2 * x))(number(0.7))
    assert float(found) == pytest.approx(-2 * math.sin(1.4))


@pytest.mark.parametrize("first", [d, r])
@pytest.mark.parametrize("second", [d, r])
@pytest.mark.parametrize("third", [d, r])
def test_third_order_in_every_order_of_modes(first, second, third):
    f = lambda x: (x * x).sin() * x.exp() + x**5  # noqa: E731
    x = 0.8
    found = float(first(second(third(f)))(number(x)))
    step = 1e-4
    g = lambda v: float(d(d(f))(number(v)))  # noqa: E731
    assert found == pytest.approx((g(x + step) - g(x - step)) / (2 * step), rel=1e-6)


def test_fourth_derivative():
    assert float(d(d(d(d(lambda x: x**5))))(number(2.0))) == pytest.approx(240.0)


@pytest.mark.parametrize(
    ("f", "expected"),
    [
        (lambda x: x.exp(), math.exp(0.6)),
        (lambda x: x.tanh(), None),
        (lambda x: torch.sqrt(x), None),
        (lambda x: torch.stack([x, x * x]).softmax(0)[0], None),
        (lambda x: torch.stack([x, x * x]).logsumexp(0), None),
        (lambda x: torch.stack([x, x * x]).norm(), None),
        (lambda x: torch.stack([x, x * x, x.sin()]).prod(), None),
        (lambda x: torch.stack([x, x * x, x.sin()]).cumprod(0).sum(), None),
        (lambda x: torch.stack([x, x * x]).sigmoid().std(), None),
        (lambda x: x.clone().mul_(x).exp_(), None),
        (lambda x: _written(x), None),
        (lambda x: F.softplus(x) * torch.where(x > 0, x * x, x), None),
    ],
)
def test_second_order_in_every_order_of_modes(f, expected):
    """What nodes save of their results must carry tangents, too."""
    x, step = 0.6, 1e-5
    first = lambda v: float(d(f)(number(v)))  # noqa: E731
    wanted = (first(x + step) - first(x - step)) / (2 * step) if expected is None else expected
    for outer in (d, r):
        for inner in (d, r):
            assert float(outer(inner(f))(number(x))) == pytest.approx(wanted, rel=1e-6)


def _written(x: Any) -> Any:
    made = torch.zeros(3, dtype=x.dtype)
    made[0] = x.exp()
    made[1:] = x * made[0].clone()
    made[:2].mul_(x)
    return (made * made).sum()


# ---- operators outside the table -----------------------------------------------------------------

CASES: dict[str, tuple[Callable[..., Any], tuple[tuple[int, ...], ...]]] = {
    "conv2d": (
        lambda x, w, b: F.conv2d(x, w, b, stride=2, padding=1),
        ((2, 3, 6, 5), (4, 3, 3, 2), (4,)),
    ),
    "conv1d_groups": (lambda x, w: F.conv1d(x, w, groups=2, dilation=2), ((2, 4, 9), (6, 2, 3))),
    "conv_transpose2d": (
        lambda x, w, b: F.conv_transpose2d(x, w, b, stride=2, output_padding=1),
        ((2, 3, 4, 4), (3, 2, 3, 3), (2,)),
    ),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2, 1), ((2, 3, 5, 5),)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2, 1, 1), ((2, 3, 5, 5),)),
    "linear": (lambda x, w, b: F.linear(x, w, b), ((4, 3), (2, 3), (2,))),
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (5,), w, b), ((3, 5), (5,), (5,))),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, training=True),
        ((4, 3, 2), (3,), (3,)),
    ),
    "mse": (lambda x, y: F.mse_loss(x, y), ((3, 2), (3, 2))),
    "smooth_l1": (lambda x, y: F.smooth_l1_loss(x, y, reduction="none"), ((3, 2), (3, 2))),
    "bce": (lambda x, y: F.binary_cross_entropy(x.sigmoid(), y.sigmoid()), ((3, 2), (3, 2))),
    "logits": (lambda x, y: F.binary_cross_entropy_with_logits(x, y), ((3, 2), (3, 2))),
    "cross_entropy": (
        lambda x: F.cross_entropy(x, torch.tensor([0, 2, 1])),
        ((3, 4),),
    ),
    "gelu": (lambda x: F.gelu(x) + F.silu(x) + F.mish(x) + F.elu(x), ((3, 4),)),
    "glu": (lambda x: F.glu(x), ((3, 4),)),
    "embedding": (lambda w: F.embedding(torch.tensor([1, 1, 0]), w), ((3, 4),)),
    "addmm": (torch.addmm, ((3,), (2, 4), (4, 3))),
    "var_mean": (lambda x: torch.var_mean(x, 1)[0] + torch.std_mean(x, 1)[1], ((3, 4),)),
    "dist": (lambda x, y: torch.dist(x, y, 3), ((4,), (4,))),
    "pad": (lambda x: F.pad(x, (1, 2), value=3.0), ((2, 3),)),
    "bmm": (torch.bmm, ((2, 3, 4), (2, 4, 5))),
    "batched_matmul": (torch.matmul, ((2, 1, 3, 4), (5, 4, 2))),
}


@pytest.mark.parametrize("name", CASES)
def test_is_the_transpose_of_reverse_mode(name):
    function, shapes = CASES[name]
    rng = np.random.default_rng(len(name))
    points = [torch.from_numpy(rng.normal(size=s)).requires_grad_() for s in shapes]
    directions = [torch.from_numpy(rng.normal(size=s)) for s in shapes]
    out, moved = jvp(function, tuple(points), tuple(directions))
    weight = torch.from_numpy(rng.normal(size=out.shape))
    gradients = torch.autograd.grad(function(*points), points, weight, materialize_grads=True)
    left = float((weight * moved).sum())
    right = sum(float((g * t).sum()) for g, t in zip(gradients, directions))
    assert left == pytest.approx(right, rel=1e-10)


@pytest.mark.parametrize("name", CASES)
def test_hessian_products_agree_in_both_orders(name):
    """Forward over reverse gives the derivative of reverse over forward."""
    function, shapes = CASES[name]
    rng = np.random.default_rng(len(name))
    points = tuple(torch.from_numpy(rng.normal(size=s)) for s in shapes)
    directions = tuple(torch.from_numpy(rng.normal(size=s)) for s in shapes)
    probe = torch.from_numpy(rng.normal(size=function(*points).shape))

    def loss(*xs: Any) -> Any:
        return (function(*xs) * probe).sum() + (function(*xs) ** 2).sum()

    def gradient(*xs: Any) -> Any:
        ys = [x.view_as(x).requires_grad_() for x in xs]
        return tuple(torch.autograd.grad(loss(*ys), ys, create_graph=True, materialize_grads=True))

    _, forward_over_reverse = jvp(gradient, points, directions)
    leaves = tuple(p.detach().requires_grad_() for p in points)
    along = jvp(loss, leaves, directions)[1]
    reverse_over_forward = torch.autograd.grad(along, leaves, materialize_grads=True)
    for a, b in zip(forward_over_reverse, reverse_over_forward):
        np.testing.assert_allclose(a.detach().numpy(), b.numpy(), rtol=1e-8, atol=1e-9)


# ---- the function itself -------------------------------------------------------------------------


def test_structures_are_kept():
    point = {"w": torch.ones(2), "b": [torch.zeros(2)]}
    along = {"w": torch.tensor([1.0, 2.0]), "b": [torch.ones(2)]}
    out, moved = jvp(lambda p: {"y": (p["w"] * 3 + p["b"][0],)}, (point,), (along,))
    assert out["y"][0].tolist() == [3.0, 3.0]
    assert moved["y"][0].tolist() == [4.0, 7.0]


def test_results_are_plain_tensors_afterwards():
    kept: list[Any] = []

    def f(x: Any) -> Any:
        kept.append(x * 2)
        return x.exp(), x

    out, moved = jvp(f, (torch.ones(2),), (torch.ones(2),))
    assert all(t._desc.fast for t in (*out, *moved, *kept))
    assert not duals.open_levels


def test_an_error_closes_the_level():
    def fails(x: Any) -> Any:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        jvp(fails, (torch.ones(2),), (torch.ones(2),))
    assert not duals.open_levels


def test_it_works_inside_a_level_opened_by_hand():
    fwAD = torch.autograd.forward_ad
    with fwAD.dual_level():
        x = fwAD.make_dual(number(2.0), number(1.0))
        second = fwAD.unpack_dual(d(lambda v: v**3)(x)).tangent
    assert float(second) == 12.0


def test_it_works_inside_a_function():
    class Derivative(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return d(torch.sin)(x)

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return t * 10

    out, moved = jvp(Derivative.apply, (number(0.3),), (number(1.0),))
    assert float(out) == pytest.approx(math.cos(0.3))
    assert float(moved) == 10.0


@pytest.mark.parametrize("outer", [d, r])
@pytest.mark.parametrize("inner", [d, r])
def test_functions_nest(outer, inner):
    """A Function whose jvp is made of operators has second derivatives in every order."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_forward(x)
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * x * t

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    assert float(outer(inner(Cube.apply))(number(2.0))) == pytest.approx(12.0)
    mixed = outer(lambda x: x * inner(lambda y: Cube.apply(x * y))(number(1.0)))
    assert float(mixed(number(2.0))) == pytest.approx(96.0)


def test_threads_have_levels_of_their_own():
    results: dict[int, float] = {}

    def work(k: int) -> None:
        results[k] = float(d(d(lambda x: x ** (k + 2)))(number(2.0)))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {k: (k + 2) * (k + 1) * 2.0**k for k in range(6)}


def test_without_recording():
    x = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        out, moved = jvp(torch.exp, (x,), (torch.ones(2),))
    assert not out.requires_grad
    assert not moved.requires_grad
    assert moved.tolist() == out.tolist()


def test_recorded_tangents_are_differentiable():
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    t = torch.tensor([3.0, 4.0], requires_grad=True)
    _, moved = jvp(lambda x: (x**3).sum(), (x,), (t,))
    by_point, by_direction = torch.autograd.grad(moved, (x, t))
    assert by_point.tolist() == [18.0, 48.0]
    assert by_direction.tolist() == [3.0, 12.0]
