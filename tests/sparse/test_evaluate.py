"""Compressed evaluation of sparse Jacobians and Hessians, against dense ones."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

import adjoint as torch
import adjoint.autograd.forward_ad as fwAD
from adjoint import sparse
from adjoint.nn import functional as F

N = 12


def point(*shape: int, dtype: Any = torch.float64, seed: int = 0) -> Any:
    values = np.random.default_rng(seed).uniform(0.2, 1.0, shape or (N,))
    return torch.from_numpy(values).to(dtype)


def tridiagonal(x: Any) -> Any:
    padded = F.pad(x, (1, 1))
    return padded[2:] * x - 2 * x**2 + torch.sin(padded[:-2])


def arrow(x: Any) -> Any:
    return torch.cat([x[:1] * x[1:], (x**2).sum().reshape(1)])


def grid(x: Any) -> Any:
    u = F.pad(x, (1, 1, 1, 1))
    return 4 * x - u[2:, 1:-1] - u[:-2, 1:-1] - u[1:-1, 2:] - u[1:-1, :-2] - 0.1 * torch.exp(x)


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def arrow_head(x: Any) -> Any:
    return (x[0] * x[1:] ** 2).sum() + (x**4).sum()


def dense_jacobian(f: Any, x: Any) -> Any:
    rows = torch.autograd.functional.jacobian(f, x)
    return rows.reshape(-1, x.numel()).numpy()


def dense_hessian(f: Any, x: Any) -> Any:
    return torch.autograd.functional.hessian(f, x).reshape(x.numel(), -1).numpy()


# ---- Jacobians -----------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", [None, "jvp", "vjp", "bidirectional"])
@pytest.mark.parametrize(
    ("f", "shape"), [(tridiagonal, (N,)), (arrow, (N,)), (grid, (4, 5)), (torch.sin, ())]
)
def test_jacobians(f: Any, shape: Any, mode: Any) -> None:
    pattern = sparse.jacobian_pattern(f, point(*shape) if shape else point()[0], mode=mode)
    assert mode is None or pattern.mode == mode
    for seed in (1, 2):
        x = point(*shape, seed=seed) if shape else point(seed=seed)[0]
        found = sparse.jacobian(f, x, pattern, check=True)
        assert isinstance(found, sp.csr_array) and found.dtype == np.float64
        np.testing.assert_allclose(found.toarray(), dense_jacobian(f, x), rtol=1e-13, atol=1e-13)
        assert found.nnz == pattern.nnz


def test_detects_and_colours_by_itself() -> None:
    x = point()
    np.testing.assert_allclose(
        sparse.jacobian(tridiagonal, x).toarray(), dense_jacobian(tridiagonal, x), rtol=1e-13
    )
    np.testing.assert_allclose(
        sparse.hessian(rosenbrock, x).toarray(), dense_hessian(rosenbrock, x), rtol=1e-12
    )


def test_a_matrix_as_pattern() -> None:
    x = point()
    expected = dense_jacobian(tridiagonal, x)
    for pattern in (sp.csr_array(expected), expected != 0):
        np.testing.assert_allclose(
            sparse.jacobian(tridiagonal, x, pattern).toarray(), expected, rtol=1e-13
        )
    hessian = dense_hessian(rosenbrock, x)
    np.testing.assert_allclose(
        sparse.hessian(rosenbrock, x, hessian != 0).toarray(), hessian, rtol=1e-12
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtypes(dtype: Any) -> None:
    x = point(dtype=dtype)
    assert sparse.jacobian(tridiagonal, x, check=True).dtype == dtype.numpy
    assert sparse.hessian(rosenbrock, x, check=True).dtype == dtype.numpy
    widened = sparse.jacobian(lambda x: x.double() ** 2, x)
    assert widened.dtype == np.float64


def test_values_come_along() -> None:
    x = point()
    y, jacobian = sparse.value_and_jacobian(tridiagonal, x)
    assert (y == tridiagonal(x)).all() and not y.requires_grad
    np.testing.assert_array_equal(jacobian.toarray(), sparse.jacobian(tridiagonal, x).toarray())
    value, gradient, hessian = sparse.value_and_hessian(rosenbrock, x)
    assert value == rosenbrock(x) and not value.requires_grad and not gradient.requires_grad
    np.testing.assert_allclose(
        gradient.numpy(), torch.autograd.functional.jacobian(rosenbrock, x).numpy()
    )
    np.testing.assert_array_equal(hessian.toarray(), sparse.hessian(rosenbrock, x).toarray())


def test_the_function_runs_once_whatever_the_number_of_colours() -> None:
    calls = []

    def f(x: Any) -> Any:
        calls.append(1)
        return tridiagonal(x)

    x = point()
    for mode in ("jvp", "vjp", "bidirectional"):
        pattern = sparse.jacobian_pattern(f, x, mode=mode)
        assert pattern.n_colors >= 3
        calls.clear()
        sparse.jacobian(f, x, pattern, check=True)
        assert len(calls) == 1
    pattern = sparse.hessian_pattern(lambda x: f(x).pow(2).sum(), x)
    calls.clear()
    sparse.hessian(lambda x: f(x).pow(2).sum(), x, pattern, check=True)
    assert len(calls) == 1


def test_functions_that_do_not_depend_on_the_input() -> None:
    x = point()
    for f in (lambda x: torch.ones(3), lambda x: x.detach()[:3], lambda x: x[:3] * 0 + 1):
        found = sparse.jacobian(f, x, check=True)
        assert found.shape == (3, N) and not found.toarray().any()
    full = np.ones((3, N))
    for mode in ("jvp", "vjp"):
        pattern = sparse.ColoredPattern.from_scipy(full, mode)
        assert not sparse.jacobian(lambda x: torch.ones(3), x, pattern).toarray().any()
    for g in (lambda x: torch.ones(()), lambda x: (3 * x).sum(), lambda x: x.detach().sum()):
        assert sparse.hessian(g, x, check=True).nnz == 0
        assert not sparse.hessian(g, x, np.ones((N, N))).toarray().any()


def test_functions_with_parameters() -> None:
    model = torch.nn.Sequential(
        torch.nn.Conv1d(1, 2, 3, padding=1), torch.nn.Tanh(), torch.nn.Conv1d(2, 1, 1)
    ).double()

    def f(x: Any) -> Any:
        return model(x.reshape(1, 1, N)).reshape(N)

    x = point()
    for mode in ("vjp", "jvp"):
        pattern = sparse.jacobian_pattern(f, x, mode=mode)
        assert pattern.n_colors == 3
        found = sparse.jacobian(f, x, pattern, check=True)
        np.testing.assert_allclose(found.toarray(), dense_jacobian(f, x), rtol=1e-12, atol=1e-14)
    hessian = sparse.hessian(lambda x: f(x).pow(2).sum(), x, check=True)
    np.testing.assert_allclose(
        hessian.toarray(), dense_hessian(lambda x: f(x).pow(2).sum(), x), rtol=1e-11, atol=1e-13
    )
    assert all(p.grad is None for p in model.parameters())


def test_the_input_stays_as_it_is() -> None:
    x = point().requires_grad_()
    before = x.detach().clone()
    sparse.jacobian(tridiagonal, x)
    sparse.hessian(rosenbrock, x)
    assert x.grad is None and x.is_leaf and x._version == 0 and (x == before).all()
    with torch.no_grad():
        assert sparse.jacobian(tridiagonal, x).nnz == sparse.hessian(rosenbrock, x).nnz == 3 * N - 2
        assert not torch.is_grad_enabled()


def test_hooks_are_seen() -> None:
    """Gradients may be changed on their way: what backward gives is what counts."""

    def f(x: Any) -> Any:
        y = x**2
        if y.requires_grad:
            y.register_hook(lambda g: 3 * g)
        return y

    found = sparse.jacobian(f, point(), np.eye(N))
    np.testing.assert_allclose(found.diagonal(), 6 * point().numpy())


def test_inside_forward_mode() -> None:
    x = point()
    with fwAD.dual_level():
        found = sparse.jacobian(tridiagonal, x, sparse.jacobian_pattern(tridiagonal, x))
    np.testing.assert_allclose(found.toarray(), dense_jacobian(tridiagonal, x), rtol=1e-13)


def test_programs_that_write_in_place() -> None:
    def f(x: Any) -> Any:
        y = 2 * x
        y[1:] -= x[:-1] ** 2
        y[:-1].mul_(x[1:])
        return y

    x = point()
    for mode in ("jvp", "vjp"):
        pattern = sparse.jacobian_pattern(f, x, mode=mode)
        found = sparse.jacobian(f, x, pattern, check=True)
        np.testing.assert_allclose(found.toarray(), dense_jacobian(f, x), rtol=1e-13, atol=1e-15)
    hessian = sparse.hessian(lambda x: f(x).pow(2).sum(), x, check=True)
    np.testing.assert_allclose(
        hessian.toarray(), dense_hessian(lambda x: f(x).pow(2).sum(), x), rtol=1e-11, atol=1e-13
    )


# ---- Hessians ------------------------------------------------------------------------------------


@pytest.mark.parametrize("substitution", [False, True])
@pytest.mark.parametrize(
    ("f", "shape"),
    [(rosenbrock, (N,)), (arrow_head, (N,)), (lambda u: (grid(u) ** 2).sum(), (4, 5))],
)
def test_hessians(f: Any, shape: Any, substitution: bool) -> None:
    pattern = sparse.hessian_pattern(f, point(*shape), substitution=substitution)
    assert pattern.substitution == substitution
    for seed in (1, 2):
        x = point(*shape, seed=seed)
        found = sparse.hessian(f, x, pattern, check=True)
        np.testing.assert_allclose(found.toarray(), dense_hessian(f, x), rtol=1e-10, atol=1e-10)
    assert (found != found.T).nnz == 0


def test_few_products_for_an_arrow_head() -> None:
    assert sparse.hessian_pattern(arrow_head, point(200)).n_colors == 2
    assert sparse.hessian_pattern(rosenbrock, point(200)).n_colors == 3
    pairs = sparse.hessian_pattern(lambda x: ((x[1::2] - x[::2] ** 2) ** 2).sum(), point(200))
    assert pairs.n_colors == 2


# ---- checking ------------------------------------------------------------------------------------


def switching(x: Any) -> Any:
    return x[1:] ** 2 if x[0] > 0.5 else torch.cat([x[:3], x[4:]]) ** 2


def test_a_pattern_that_does_not_hold_is_named() -> None:
    low, high = point(), point()
    low[0], high[0] = 0.1, 0.9
    pattern = sparse.jacobian_pattern(switching, low)
    sparse.jacobian(switching, low, pattern, check=True)
    with pytest.raises(ValueError, match=r"Row 0 of the Jacobian times a random vector") as error:
        sparse.jacobian(switching, high, pattern, check=True)
    assert "so do 3 of 11 rows" in str(error.value)
    for mode in ("jvp", "vjp"):
        smaller = sparse.ColoredPattern.from_scipy(np.eye(N), mode)
        with pytest.raises(ValueError, match=r"the pattern does not hold at this point. Row 0 "):
            sparse.jacobian(tridiagonal, low, smaller, check=True)


def test_a_hessian_pattern_that_does_not_hold_is_named() -> None:
    def f(x: Any) -> Any:
        return rosenbrock(x) if x[0] > 0.5 else (x**3).sum()

    low, high = point(), point()
    low[0], high[0] = 0.1, 0.9
    pattern = sparse.hessian_pattern(f, low)
    assert pattern.nnz == N
    with pytest.raises(ValueError, match="Row 0 of the Hessian"):
        sparse.hessian(f, high, pattern, check=True)


def test_numbers_that_are_not_finite_are_no_reason() -> None:
    x = point()
    x[3] = float("nan")
    found = sparse.jacobian(tridiagonal, x, check=True)
    assert np.isnan(found.toarray()).any()


# ---- progress ------------------------------------------------------------------------------------


def test_progress_is_told_and_work_can_be_stopped() -> None:
    told: list[tuple[int, int]] = []
    x = point()
    sparse.jacobian(tridiagonal, x, progress=lambda *step: told.append(step))
    assert told == [(1, 3), (2, 3), (3, 3)]

    def stop(done: int, total: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sparse.hessian(rosenbrock, x, progress=stop)
    assert sparse.hessian(rosenbrock, x, check=True).nnz == 3 * N - 2


# ---- errors --------------------------------------------------------------------------------------


def test_errors() -> None:
    x = point()
    pattern = sparse.jacobian_pattern(tridiagonal, x)
    with pytest.raises(ValueError, match="the pattern has shape 12x12, but here it is 5x5"):
        sparse.jacobian(tridiagonal, point(5), pattern)
    with pytest.raises(ValueError, match="is for another kind of products"):
        sparse.jacobian(tridiagonal, x, sparse.hessian_pattern(rosenbrock, x))
    with pytest.raises(ValueError, match="is for another kind of products"):
        sparse.hessian(rosenbrock, x, pattern)
    with pytest.raises(TypeError, match="x must be a Tensor, got list"):
        sparse.jacobian(tridiagonal, [1.0], pattern)
    with pytest.raises(TypeError, match="what f returns must be a Tensor, got tuple"):
        sparse.jacobian(lambda x: (x, x), x, pattern)
    with pytest.raises(RuntimeError, match="x must be real and floating-point"):
        sparse.jacobian(tridiagonal, torch.arange(N), pattern)
    with pytest.raises(RuntimeError, match=r"f must return one element, got .* \[12\]"):
        sparse.hessian(tridiagonal, x, sparse.hessian_pattern(rosenbrock, x))


# ---- products ------------------------------------------------------------------------------------


def test_linearization() -> None:
    x = point()
    made = sparse.Linearization(arrow, x)
    expected = dense_jacobian(arrow, x)
    assert made.shape == expected.shape
    rng = np.random.default_rng(0)
    for _ in range(2):
        v, t = rng.standard_normal(len(expected)), rng.standard_normal(N)
        np.testing.assert_allclose(made.pull(v), v @ expected)
        np.testing.assert_allclose(made.push(t), expected @ t)
    np.testing.assert_array_equal(made.value.numpy(), arrow(x).numpy())


def test_curvature() -> None:
    x = point()
    made = sparse.Curvature(arrow_head, x)
    t = np.random.default_rng(0).standard_normal(N)
    np.testing.assert_allclose(made.push(t), dense_hessian(arrow_head, x) @ t)
    assert made.shape == (N, N) and made.value == arrow_head(x)


# ---- size ----------------------------------------------------------------------------------------


def test_a_large_residual() -> None:
    n = 100_000
    x = torch.from_numpy(np.linspace(0, 1, n))
    pattern = sparse.jacobian_pattern(tridiagonal, x)
    assert pattern.n_colors == 3 and pattern.nnz == 3 * n - 2
    found = sparse.jacobian(tridiagonal, x, pattern, check=True)
    np.testing.assert_allclose(found.diagonal(1), x.numpy()[:-1], rtol=1e-14)
    np.testing.assert_allclose(found.diagonal(-1), np.cos(x.numpy()[:-1]), rtol=1e-14)
