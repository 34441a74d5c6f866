"""`jacrev`, `jacfwd`, `hessian`: one run of the function, all rows or columns together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint.func import grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from adjoint.nn import functional as F

JACOBIANS = [jacrev, jacfwd]


def vector(*numbers: float) -> Any:
    return torch.tensor(numbers, dtype=torch.float64)


def differences(f: Any, x: Any, step: float = 1e-6) -> np.ndarray[Any, Any]:
    """The Jacobian by central differences."""
    columns = []
    for k in range(x.numel()):
        unit = torch.zeros(x.numel(), dtype=x.dtype)
        unit[k] = step
        unit = unit.reshape(x.shape)
        columns.append(((f(x + unit) - f(x - unit)) / (2 * step)).detach().numpy())
    return np.stack(columns, -1).reshape(*columns[0].shape, *x.shape)


def written(x: Any) -> Any:
    y = x * 2
    y[0] = x[1] * x[2]
    y[1:].mul_(x[:2])
    return y


def convolved(x: Any) -> Any:
    weight = torch.arange(6.0, dtype=x.dtype).reshape(3, 1, 2)
    return F.conv1d(x.view(1, 1, 3), weight).tanh().flatten()


FUNCTIONS = {
    "elementwise": lambda x: (x.sin() * x).exp(),
    "matrix": lambda x: torch.tanh(torch.outer(x, x) @ x),
    "reduction": lambda x: torch.stack([x.prod(), x.norm(), x.var(), x.logsumexp(0)]),
    "picking": lambda x: torch.stack([x.max(), x.sort().values[1], x[[2, 0]].prod()]),
    "movement": lambda x: x.repeat(2).view(2, 3).t().flip(0).cumsum(1).square(),
    "softmax": lambda x: torch.log_softmax(x * 2, 0) * torch.softmax(x, 0),
    "written": written,
    "convolved": convolved,
    "scalar": lambda x: (x**3).sum(),
    "where": lambda x: torch.where(x > 0, x.exp(), x**3),
}


@pytest.mark.parametrize("jacobian", JACOBIANS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_against_differences(jacobian, name):
    f, x = FUNCTIONS[name], vector(0.4, -0.7, 1.2)
    np.testing.assert_allclose(jacobian(f)(x).numpy(), differences(f, x), atol=1e-8)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_hessians_in_every_order(name):
    f, x = FUNCTIONS[name], vector(0.4, -0.7, 1.2)
    expected = differences(jacrev(f), x)
    for second in (
        hessian(f),
        jacrev(jacrev(f)),
        jacfwd(jacrev(f)),
        jacrev(jacfwd(f)),
        jacfwd(jacfwd(f)),
    ):
        np.testing.assert_allclose(second(x).numpy(), expected, atol=1e-7)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("chunk", [1, 2, 5])
def test_chunks_change_nothing(name, chunk):
    f, x = FUNCTIONS[name], vector(0.4, -0.7, 1.2)
    assert torch.allclose(jacrev(f, chunk_size=chunk)(x), jacrev(f)(x), rtol=1e-13)


@pytest.mark.parametrize("transform", [jacrev, jacfwd, hessian])
def test_the_function_runs_once(transform):
    calls: list[int] = []

    def f(x: Any) -> Any:
        calls.append(1)
        return (x**3).sum()

    transform(f)(vector(1.0, 2.0, 3.0))
    assert len(calls) == 1


def test_the_product_with_vectors_is_the_same():
    f, x = FUNCTIONS["matrix"], vector(0.4, -0.7, 1.2)
    u, v = vector(1.0, 2.0, -1.0), vector(0.3, 0.2, 0.1)
    matrix = jacrev(f)(x)
    assert torch.allclose(matrix @ v, jvp(f, (x,), (v,))[1])
    assert torch.allclose(u @ matrix, vjp(f, x)[1](u)[0])


def test_holomorphic_functions_push_and_pull_with_one_derivative():
    """PyTorch's convention: a pull multiplies by the conjugate of what a push multiplies by."""
    z = torch.tensor([0.3 + 0.4j, -1.0 + 0.2j], dtype=torch.complex128)
    t = torch.tensor([1.0 - 2.0j, 0.5 + 0.5j], dtype=torch.complex128)
    for f, derivative in [
        (lambda z: z**3, lambda z: 3 * z**2),
        (torch.exp, torch.exp),
        (lambda z: 1 / z, lambda z: -1 / z**2),
        (torch.sin, torch.cos),
    ]:
        assert torch.allclose(jvp(f, (z,), (t,))[1], derivative(z) * t)
        assert torch.allclose(vjp(f, z)[1](t)[0], derivative(z).conj() * t)


def test_real_and_imaginary_parts_by_both():
    def f(x: Any) -> Any:
        z = torch.complex(x[:2], x[1:])
        return torch.view_as_real((z * z).exp()).flatten()

    x = vector(0.4, -0.7, 1.2)
    assert torch.allclose(jacrev(f)(x), jacfwd(f)(x))
    np.testing.assert_allclose(jacrev(f)(x).numpy(), differences(f, x), atol=1e-8)


def test_containers_on_both_sides():
    def f(params: Any, x: Any) -> Any:
        y = params["w"] @ x + params["b"][0]
        return {"y": y, "loss": ((y * y).sum(), y[0])}

    params = {"w": torch.ones(2, 3, dtype=torch.float64), "b": [vector(0.0, 1.0)]}
    x = vector(1.0, 2.0, 3.0)
    for jacobian in JACOBIANS:
        found = jacobian(f, argnums=(0, 1))(params, x)
        assert found["y"][0]["w"].shape == (2, 2, 3)
        assert found["y"][0]["b"][0].tolist() == [[1.0, 0.0], [0.0, 1.0]]
        assert found["loss"][0][1].shape == (3,)
        assert found["loss"][1][0]["w"].tolist() == [[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]


def test_many_small_results_and_a_large_one():
    def f(x: Any) -> Any:
        return [x.sum() * k for k in range(40)], torch.outer(x, x).repeat(4, 4)

    x = vector(1.0, 2.0, 3.0)
    small, large = jacrev(f)(x)
    assert [row.tolist() for row in small] == [[float(k)] * 3 for k in range(40)]
    assert torch.equal(large, jacfwd(f)(x)[1])


def test_inside_of_each_other_and_of_vmap():
    x = torch.tensor([[0.4, -0.7], [1.2, 0.3], [0.1, 0.2]], dtype=torch.float64)

    def f(v: Any) -> Any:
        return (v.sin() * v.sum()).exp()

    for jacobian in JACOBIANS:
        together = vmap(jacobian(f))(x)
        for row, matrix in zip(x, together):
            assert torch.allclose(matrix, jacobian(f)(row))
    traces = vmap(lambda v: hessian(lambda u: f(u).sum())(v).trace())(x)
    assert torch.allclose(grad(lambda x: traces_of(f, x).sum())(x[0]), trace_gradient(f, x[0]))
    assert torch.allclose(traces[0], traces_of(f, x[0]))


def traces_of(f: Any, x: Any) -> Any:
    return hessian(lambda u: f(u).sum())(x).trace()


def trace_gradient(f: Any, x: Any) -> Any:
    third = jacrev(hessian(lambda u: f(u).sum()))(x)
    return third[0, 0] + third[1, 1]


def test_a_jacobian_of_nothing():
    x = vector(1.0, 2.0)
    for jacobian in JACOBIANS:
        assert jacobian(lambda x: x[:0])(x).shape == (0, 2)
        assert jacobian(lambda x: x * 2)(x[:0]).shape == (0, 0)


def test_gradients_flow_through_the_result():
    w = vector(2.0, 3.0).requires_grad_()
    x = vector(1.0, 2.0)
    for transform in (jacrev, jacfwd):
        w.grad = None
        transform(lambda x: w * x**2)(x).sum().backward()
        assert w.grad.tolist() == [2.0, 4.0]
    w.grad = None
    hessian(lambda x: (w * x**3).sum())(x).sum().backward()
    assert w.grad.tolist() == [6.0, 12.0]


def test_random_numbers_are_drawn_once():
    def f(x: Any) -> Any:
        return x * torch.rand(2, dtype=torch.float64)

    torch.manual_seed(0)
    expected = torch.rand(2, dtype=torch.float64)
    after = torch.rand(1)
    torch.manual_seed(0)
    assert torch.equal(jacfwd(f, randomness="same")(vector(1.0, 2.0)).diagonal(), expected)
    assert torch.equal(torch.rand(1), after)


def test_where_recording_is_off_tangents_go_on():
    def f(x: Any) -> Any:
        with torch.no_grad():
            c = x**2
        return x * c

    x = vector(2.0)
    assert jacrev(f)(x).item() == 4.0
    assert jacfwd(f)(x).item() == 12.0


def test_a_second_derivative_at_an_infinite_slope():
    """Where rows are not finite, columns decide, as they do in PyTorch."""

    def f(x: Any) -> Any:
        return torch.where(x > 0, x**1.5, x * 0).sum()

    found = hessian(f)(vector(0.0, 4.0))
    assert found[1, 1].item() == pytest.approx(0.375)
    assert torch.equal(found.isnan(), jacfwd(jacrev(f))(vector(0.0, 4.0)).isnan())


class Asking(torch.autograd.Function):
    """Twice the argument, with a backward that looks at a value."""

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return g * (2.0 if float(g.sum()) > -1e9 else 0.0)


@pytest.mark.filterwarnings("ignore:vmap. Asking.backward is run sample by sample")
def test_a_backward_that_wants_values_gets_row_after_row():
    x = vector(1.0, 2.0, 3.0)
    expected = 2 * torch.eye(3, dtype=torch.float64)
    older = torch.autograd.functional.jacobian
    assert torch.equal(older(Asking.apply, x), expected)
    y = vector(1.0, 2.0, 3.0).requires_grad_()
    for together in (
        lambda: jacrev(Asking.apply)(x),
        lambda: older(Asking.apply, x, vectorize=True),
        lambda: torch.autograd.grad(Asking.apply(y), y, expected / 2, is_grads_batched=True)[0],
    ):
        assert torch.equal(together(), expected)


def test_the_older_jacobian_by_parts_of_the_rows(monkeypatch):
    x = vector(0.4, -0.7, 1.2)
    f = FUNCTIONS["matrix"]
    expected = torch.autograd.functional.jacobian(f, x)
    monkeypatch.setattr("adjoint.autograd.functional_matrices._CHUNK", 48)
    assert torch.allclose(torch.autograd.functional.jacobian(f, x), expected, rtol=1e-14)
    found = torch.autograd.functional.hessian(lambda x: f(x).sum(), x)
    assert torch.allclose(found, hessian(lambda x: f(x).sum())(x))
