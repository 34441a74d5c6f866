"""Hessian times vector: single calls, plans, many vectors at one point."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint as torch

F64 = torch.float64


def point(k: int = 0, n: int = 6) -> Any:
    torch.manual_seed(k)
    return torch.randn(n, dtype=F64)


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def by_hand(x: Any, v: Any) -> Any:
    """The product with the Hessian of `rosenbrock`, by formula."""
    x, v = x.numpy(), v.numpy()
    diagonal = np.zeros_like(x)
    diagonal[:-1] = 1200 * x[:-1] ** 2 - 400 * x[1:] + 2
    diagonal[1:] += 200
    beside = -400 * x[:-1]
    made = diagonal * v
    made[1:] += beside * v[:-1]
    made[:-1] += beside * v[1:]
    return made


@pytest.mark.parametrize("n", [2, 3, 1000])
def test_every_way_gives_the_product(n: int) -> None:
    plan = torch.prepare_hvp(rosenbrock, point(0, n))
    assert plan.mode == "program"
    for k in range(4):
        x, v = point(k, n), point(k + 10, n)
        expected = by_hand(x, v)
        before = x.numpy().tobytes(), v.numpy().tobytes()
        for found in (torch.hvp(rosenbrock, x, v), plan(x, v), plan.at(x)(v)):
            np.testing.assert_allclose(found.numpy(), expected, rtol=1e-11, atol=1e-11)
            assert not found.requires_grad
            found.zero_()  # nobody else's
        assert (x.numpy().tobytes(), v.numpy().tobytes()) == before


def test_the_same_question_has_the_same_bits() -> None:
    x, v = point(1, 40), point(2, 40)
    torch.prepare_hvp(rosenbrock, x)
    times = torch.prepare_hvp(rosenbrock, x).at(x)
    found = [torch.hvp(rosenbrock, x, v) for _ in range(3)] + [times(v) for _ in range(3)]
    assert len({f.numpy().tobytes() for f in found}) == 1


def test_at_a_point_the_function_runs_once() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return rosenbrock(x)

    plan = torch.prepare_hvp(f, point())
    times = plan.at(point(1))
    for k in range(3):
        np.testing.assert_allclose(
            times(point(k)).numpy(), by_hand(point(1), point(k)), rtol=1e-11, atol=1e-11
        )
    assert len(calls) == 2
    plan(point(1), point(2))
    assert len(calls) == 3


def test_what_has_no_program_walks_any_number_of_times() -> None:
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x**3

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return 3 * x * x * g

    plan = torch.prepare_hvp(lambda x: Cube.apply(x).sum(), point())
    assert plan.mode == "walk"
    times = plan.at(point(1))
    for k in range(3):
        assert torch.allclose(times(point(k)), 6 * point(1) * point(k))
        assert torch.allclose(plan(point(1), point(k)), 6 * point(1) * point(k))


def test_large_points_walk_any_number_of_times() -> None:
    x, v = point(0, 70_000), point(1, 70_000)
    times = torch.prepare_hvp(rosenbrock, x).at(x)
    for _ in range(2):
        np.testing.assert_allclose(times(v).numpy(), by_hand(x, v), rtol=1e-9, atol=1e-9)


def test_containers_scalars_and_constants() -> None:
    def f(p: Any) -> Any:
        return (p["a"] ** 2 * p["b"]).sum() + p["b"] ** 3

    x = {"a": point(1, 3), "b": torch.tensor(2.0, dtype=F64)}
    v = {"a": point(2, 3), "b": torch.tensor(-1.0, dtype=F64)}
    plan = torch.prepare_hvp(f, x)
    for _ in range(4):
        for found in (plan(x, v), plan.at(x)(v), torch.hvp(f, x, v)):
            assert torch.allclose(found["a"], 2 * x["b"] * v["a"] + 2 * x["a"] * v["b"])
            expected = (2 * x["a"] * v["a"]).sum() + 6 * x["b"] * v["b"]
            assert torch.allclose(found["b"], expected)
    constant = torch.prepare_hvp(lambda x: torch.ones((), dtype=F64), point())
    assert torch.equal(constant(point(), point()), torch.zeros(6, dtype=F64))
    assert torch.equal(constant.at(point())(point()), torch.zeros(6, dtype=F64))
    linear = torch.prepare_hvp(lambda x: x.sum(), point())
    assert torch.equal(linear.at(point())(point()), torch.zeros(6, dtype=F64))


def test_directions_of_another_dtype() -> None:
    times = torch.prepare_hvp(rosenbrock, point()).at(point(1))
    v = point(2).float()
    found = times(v)
    assert found.dtype is F64
    np.testing.assert_allclose(found.numpy(), by_hand(point(1), v.double()), rtol=1e-11)


def test_what_does_not_fit_is_refused() -> None:
    plan = torch.prepare_hvp(rosenbrock, point())
    with pytest.raises(ValueError, match="prepare another one"):
        plan(point(0, 5), point(0, 5))
    with pytest.raises(ValueError, match="prepare another one"):
        plan.at(point(0, 5))
    with pytest.raises(ValueError, match="arranged as x"):
        plan.at(point())(point(0, 5))
    with pytest.raises(RuntimeError, match="scalar outputs"):
        torch.prepare_hvp(lambda x: x * x, point())


def test_a_point_that_was_written_to_is_an_error() -> None:
    x = point()
    times = torch.prepare_hvp(rosenbrock, x).at(x)
    times(point(1))
    x.mul_(2)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        times(point(1))


def test_it_tells_what_it_does() -> None:
    plan = torch.prepare_hvp(rosenbrock, point())
    assert repr(plan) == "HvpPlan(6, program)"
    text = plan.explain()
    assert "6 variables, of rosenbrock" in text
    assert "program" in text


def test_control_flow_and_numbers_that_change() -> None:
    plan = torch.prepare_hvp(lambda x: rosenbrock(x), point())
    for k in range(8):
        power = 2 + k % 3

        def f(x: Any, power: int = power, k: int = k) -> Any:
            return (x**power).sum() if k % 2 else (x * x * x**power).sum()

        x, v = point(k), point(k + 1)
        p = power if k % 2 else power + 2
        expected = p * (p - 1) * x ** (p - 2) * v
        assert torch.allclose(torch.hvp(f, x, v), expected)
    assert plan.mode == "program"
