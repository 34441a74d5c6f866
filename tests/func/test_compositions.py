"""Transforms put into each other, in every order, against finite differences and loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

import adjoint as torch
from tests.func.transforms import TRANSFORMS, composed, point, smooth, weights

INNER = [(), *itertools.product(TRANSFORMS), *itertools.product(TRANSFORMS, repeat=2)]


def branching(x: Any) -> Any:
    """A function that writes in place and chooses between values."""
    y = x * 2
    y[0] = x[1] * x[2]
    y[1:].mul_(x[:2])
    return torch.where(x > 0, y, y.exp()) * x.max()


FUNCTIONS = {"smooth": smooth(torch), "branching": branching}


def differences(g: Any, x: Any) -> np.ndarray[Any, Any]:
    """The Jacobian by central differences of fourth order."""
    columns = []
    step = 2e-3
    for unit in torch.eye(3, dtype=torch.float64):
        near = (g(x + unit * step) - g(x - unit * step)).numpy()
        far = (g(x + unit * (2 * step)) - g(x - unit * (2 * step))).numpy()
        columns.append((8 * near - far) / (12 * step))
    return np.stack(columns, -1)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("names", INNER, ids="-".join)
def test_every_transform_of(names: tuple[str, ...], name: str) -> None:
    """The outer transform of pairs and triples, all of them, on one inner function."""
    f, x = FUNCTIONS[name], point(torch)
    inner = composed(torch, names, f)
    matrix = differences(inner, x)
    value = inner(x)
    size = np.abs(matrix).max() + 1.0
    w = weights(torch, value).numpy()
    v = weights(torch, x).numpy()
    expected = {
        "jacrev": matrix,
        "jacfwd": matrix,
        "jvp": matrix @ v,
        "vjp": np.tensordot(w, matrix, w.ndim),
        "grad": np.tensordot(w, matrix, w.ndim),
    }
    for outer, wanted in expected.items():
        found = composed(torch, (outer, *names), f)(x).numpy()
        np.testing.assert_allclose(found, wanted, rtol=1e-6, atol=1e-7 * size, err_msg=outer)
    rows = torch.stack([x, x * x - 0.45])
    np.testing.assert_allclose(
        composed(torch, ("vmap", *names), f)(x).numpy(),
        np.stack([inner(row).numpy() for row in rows]),
        rtol=1e-10,
        atol=1e-12,
    )


@pytest.mark.parametrize("names", INNER[: 1 + len(TRANSFORMS)], ids="-".join)
def test_hessian_of(names: tuple[str, ...]) -> None:
    """Second derivatives of single transforms against differences of their gradient."""
    f, x = smooth(torch), point(torch)
    expected = differences(composed(torch, ("grad", *names), f), x)
    found = composed(torch, ("hessian", *names), f)(x).numpy()
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("names", INNER[1:], ids="-".join)
def test_what_is_outside_gets_its_gradient(names: tuple[str, ...]) -> None:
    """A tensor that the function closes over, by backward and by differences."""
    x = point(torch)

    def total(w: Any) -> Any:
        def f(y: Any) -> Any:
            return torch.tanh(y * w[0]) * y.sum() + w[1] * y**2

        return composed(torch, names, f)(x).sum()

    w = torch.tensor([0.7, -0.4], dtype=torch.float64)
    tracked = w.clone().requires_grad_()
    total(tracked).backward()
    step = 1e-5
    for k, unit in enumerate(torch.eye(2, dtype=torch.float64)):
        expected = float((total(w + unit * step) - total(w - unit * step)) / (2 * step))
        assert float(tracked.grad[k]) == pytest.approx(expected, rel=1e-5, abs=1e-6)
