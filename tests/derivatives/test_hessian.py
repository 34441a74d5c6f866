"""`hessian` and what is less: products with vectors, the diagonal, its sum; dense and sparse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.sparse

import adjoint as torch

F64 = torch.float64


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


FUNCTIONS: dict[str, tuple[Callable[[Any], Any], tuple[int, ...]]] = {
    "rosenbrock": (rosenbrock, (6,)),
    "separable": (lambda x: (x**4 + torch.sin(x)).sum(), (5,)),
    "separable matrix": (lambda x: torch.exp(x).sum(), (2, 3)),
    "arrow": (lambda x: (x[0] * x**2).sum(), (6,)),
    "dense": (lambda x: torch.tanh(torch.outer(x, x)).sum(), (4,)),
    "quadratic": (lambda x: x @ torch.arange(9.0, dtype=F64).reshape(3, 3) @ x, (3,)),
    "linear": (lambda x: (3 * x).sum(), (3,)),
    "constant": (lambda x: torch.ones((), dtype=F64), (3,)),
    "of a number": (lambda x: x**3, ()),
    "norm": (lambda x: x.norm() + torch.logsumexp(x, 0), (4,)),
    "one element": (lambda x: (x[:1] * x[1:2]).reshape(1), (3,)),
}


def case(name: str) -> tuple[Callable[[Any], Any], Any]:
    f, shape = FUNCTIONS[name]
    torch.manual_seed(3)
    return f, torch.randn(shape, dtype=F64)


def by_differences(f: Callable[[Any], Any], x: Any) -> Any:
    """Return the Hessian from central differences of the gradient."""

    def gradient(point: Any) -> Any:
        point = point.detach().requires_grad_()
        y = f(point)
        if not y.requires_grad:
            return np.zeros(point.numel())
        (g,) = torch.autograd.grad(y.sum(), point)
        return g.reshape(-1).numpy()

    n, step = x.numel(), 1e-5
    rows = np.zeros((n, n))
    for i in range(n):
        e = torch.zeros(n, dtype=F64)
        e[i] = step
        e = e.reshape(tuple(x.shape))
        rows[i] = (gradient(x + e) - gradient(x - e)) / (2 * step)
    return rows


def flat(h: Any, n: int) -> Any:
    return h.reshape(n, n).numpy()


@pytest.mark.parametrize("mode", ["auto", "dense", "sparse"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_mode(name: str, mode: str) -> None:
    f, x = case(name)
    found = torch.hessian(f, x, mode=mode)
    assert tuple(found.shape) == (*x.shape, *x.shape)
    np.testing.assert_allclose(flat(found, x.numel()), by_differences(f, x), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("memory", [1, 300, 1 << 20])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_budget(name: str, memory: int) -> None:
    f, x = case(name)
    found = torch.hessian(f, x, mode="dense", memory=memory)
    torch.testing.assert_close(found, torch.hessian(f, x), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_sparse_result(name: str) -> None:
    f, x = case(name)
    found = torch.hessian(f, x, sparse=True, check=True)
    assert isinstance(found, scipy.sparse.csr_array)
    np.testing.assert_allclose(
        found.toarray(), flat(torch.hessian(f, x), x.numel()), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize("name", FUNCTIONS)
def test_products_diagonal_and_sum(name: str) -> None:
    f, x = case(name)
    matrix = flat(torch.hessian(f, x), x.numel())
    v = torch.randn(tuple(x.shape), dtype=F64)
    product = torch.hvp(f, x, v)
    assert product.shape == x.shape
    np.testing.assert_allclose(
        product.reshape(-1).numpy(), matrix @ v.reshape(-1).numpy(), rtol=1e-9, atol=1e-9
    )
    for memory in (1, None):
        diagonal = torch.hessian_diagonal(f, x, memory=memory)
        assert diagonal.shape == x.shape
        np.testing.assert_allclose(
            diagonal.reshape(-1).numpy(), np.diag(matrix), rtol=1e-9, atol=1e-9
        )
        total = torch.laplacian(f, x, memory=memory).item()
        assert total == pytest.approx(np.trace(matrix), rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_plan_at_other_points(name: str) -> None:
    f, x = case(name)
    plan = torch.prepare_hessian(f, x)
    torch.testing.assert_close(plan(x + 0.2), torch.hessian(f, x + 0.2), rtol=1e-10, atol=1e-10)
    value, gradient, matrix = plan.value_and_hessian(x)
    expected = torch.value_and_grad(f, x)
    torch.testing.assert_close(value.reshape(()), expected[0].reshape(()))
    torch.testing.assert_close(gradient, expected[1])
    torch.testing.assert_close(matrix, torch.hessian(f, x), rtol=1e-10, atol=1e-10)
    assert plan.explain().startswith(f"Hessian {x.numel()} x {x.numel()} of ")


def test_large_ones_look_for_a_pattern() -> None:
    x = torch.randn(300, dtype=F64)
    plan = torch.prepare_hessian(rosenbrock, x)
    assert (plan.mode, plan.structure) == ("sparse", "banded (1 below the diagonal, 1 above)")
    torch.testing.assert_close(
        plan(x), torch.hessian(rosenbrock, x, mode="dense"), rtol=1e-9, atol=1e-8
    )
    arrow = torch.prepare_hessian(FUNCTIONS["arrow"][0], x, sparse=True)
    assert arrow.pattern is not None
    assert arrow.pattern.n_colors == 2
    assert arrow(x).nnz == 3 * 300 - 2


def test_containers() -> None:
    point = {"a": torch.tensor([1.0, 2.0], dtype=F64), "b": torch.tensor(3.0, dtype=F64)}

    def f(p: Any) -> Any:
        return (p["a"] ** 2).sum() * p["b"]

    found = torch.hessian(f, point)
    assert found["a"]["a"].tolist() == [[6.0, 0.0], [0.0, 6.0]]
    assert found["a"]["b"].tolist() == [2.0, 4.0]
    assert found["b"]["a"].tolist() == [2.0, 4.0]
    assert found["b"]["b"].item() == 0.0
    v = {"a": torch.ones(2, dtype=F64), "b": torch.ones((), dtype=F64)}
    product = torch.hvp(f, point, v)
    assert product["a"].tolist() == [8.0, 10.0]
    assert product["b"].item() == 6.0
    assert torch.hessian_diagonal(f, point)["a"].tolist() == [6.0, 6.0]
    assert torch.laplacian(f, point).item() == 12.0


def test_bad_input() -> None:
    x = torch.ones(3)
    with pytest.raises(RuntimeError, match=r"^grad can be implicitly created only for scalar"):
        torch.hessian(torch.sin, x)
    with pytest.raises(ValueError, match="v must be arranged as x"):
        torch.hvp(rosenbrock, x, torch.ones(4))
    with pytest.raises(ValueError, match="mode is one of 'auto', 'dense', 'sparse'"):
        torch.hessian(rosenbrock, x, mode="forward")
    with pytest.raises(RuntimeError, match="a function of real numbers"):
        torch.hessian(lambda z: (z * z.conj()).real.sum(), torch.ones(2, dtype=torch.complex64))
    with pytest.raises(RuntimeError, match="inside vmap, jvp or grad use"):
        torch.vmap(lambda x: torch.hessian(rosenbrock, x))(torch.ones(2, 3))
    with pytest.raises(ValueError, match="prepare another one"):
        torch.prepare_hessian(rosenbrock, x)(torch.ones(4))
    assert x.grad is None
