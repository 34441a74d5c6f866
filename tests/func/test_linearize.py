"""`func.linearize`: the Jacobian as a function, without running the original again."""

from __future__ import annotations

from typing import Any

import pytest

import adjoint as torch
from adjoint.func import jvp, linearize, vmap


def f(x: Any) -> Any:
    y = torch.tanh(x * x.sum()) / (1.0 + x[0] ** 2)
    return torch.cat([y, (x * y).sum().reshape(1)])


POINT = torch.tensor([0.3, -0.7, 1.1], dtype=torch.float64)


def test_it_is_the_jacobian():
    y, push = linearize(f, POINT)
    assert torch.equal(y, f(POINT))
    for t in (torch.ones(3, dtype=torch.float64), POINT):
        assert torch.allclose(push(t), jvp(f, (POINT,), (t,))[1])


def test_the_function_runs_once():
    calls: list[int] = []

    def counted(x: Any) -> Any:
        calls.append(1)
        return f(x)

    _, push = linearize(counted, POINT)
    for _ in range(5):
        push(POINT)
    assert len(calls) == 1


def test_it_is_linear():
    _, push = linearize(f, POINT)
    a, b = POINT * 2, POINT.cos()
    assert torch.allclose(push(2 * a - 3 * b), 2 * push(a) - 3 * push(b))


def test_constants_and_integers_have_zero_tangents():
    _, push = linearize(lambda x: (x * 2, torch.ones(2), (x * 2).long(), "text"), POINT)
    moved, ones, integers, text = push(POINT)
    assert moved.tolist() == (POINT * 2).tolist()
    assert ones.tolist() == [0.0, 0.0]
    assert integers.dtype is torch.int64
    assert not integers.any()
    assert text == "text"


def test_it_may_be_mapped():
    _, push = linearize(f, POINT)
    columns = vmap(push)(torch.eye(3, dtype=torch.float64))
    assert torch.allclose(columns.t(), torch.func.jacrev(f)(POINT))


def test_results_depend_on_what_is_outside():
    w = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    _, push = linearize(lambda x: w * x**2, POINT)
    push(torch.ones(3, dtype=torch.float64)).sum().backward()
    assert float(w.grad) == pytest.approx(float(2 * POINT.sum()))


def test_a_result_written_in_place():
    def g(x: Any) -> Any:
        y = torch.zeros(3, dtype=torch.float64)
        y[0] = x[1] * x[2]
        y[1:].add_(x[:2])
        return y

    _, push = linearize(g, POINT)
    assert torch.allclose(push(POINT), jvp(g, (POINT,), (POINT,))[1])


@pytest.mark.parametrize(
    ("tangents", "error"),
    [
        ((), "argspec"),
        ((POINT, POINT), "argspec"),
        (([POINT],), "argspec"),
        ((POINT[:2],), "shape"),
        ((POINT.float(),), "dtype"),
    ],
)
def test_tangents_must_fit(tangents, error):
    _, push = linearize(f, POINT)
    with pytest.raises(RuntimeError, match=error):
        push(*tangents)
