"""Derivatives by hand on plain NumPy arrays: what a library that derives them cannot beat.

In: the arrays of one case. Out: what makes the step that computes its Jacobian, Hessian, product
or gradients by formulae that somebody wrote down, structure included.
"""

from typing import Any

import numpy as np

from benchmarks.harness import Build, Step


def _with(*arrays: Any) -> Any:
    """Return what turns a step of these arrays into what makes it; NumPy is given and known."""

    def decorate(compute: Any) -> Build:
        return lambda _: lambda: compute(*arrays)

    return decorate


def layer_jacobian(weight: Any, x: Any) -> Build:
    """The Jacobian of ``tanh(W x)``."""

    @_with(weight, x)
    def step(weight: Any, x: Any) -> Any:
        y = np.tanh(weight.dot(x))
        return (1 - y * y)[:, None] * weight

    return step


def _rosenbrock_bands(x: Any) -> tuple[Any, Any]:
    """The diagonal and the one beside it of the Hessian of Rosenbrock's function."""
    first = x[:-1]
    diagonal = np.full(len(x), 200.0)
    diagonal[-1:] = 200.0
    diagonal[0] = 0.0
    diagonal[:-1] += 1200 * first * first - 400 * x[1:] + 2
    return diagonal, -400 * first


def rosenbrock_hessian(x: Any) -> Build:
    """The Hessian of Rosenbrock's function, dense."""

    @_with(x)
    def step(x: Any) -> Any:
        diagonal, beside = _rosenbrock_bands(x)
        n = len(x)
        made = np.zeros((n, n))
        flat = made.reshape(-1)
        flat[:: n + 1] = diagonal
        flat[1 :: n + 1] = beside
        flat[n :: n + 1] = beside
        return made

    return step


def rosenbrock_product(x: Any, v: Any) -> Build:
    """The product of that Hessian with a vector."""

    @_with(x, v)
    def step(x: Any, v: Any) -> Any:
        diagonal, beside = _rosenbrock_bands(x)
        made = diagonal * v
        made[1:] += beside * v[:-1]
        made[:-1] += beside * v[1:]
        return made

    return step


def elementwise_jacobian(x: Any) -> Build:
    """The Jacobian of ``sin(x) x``, dense."""

    @_with(x)
    def step(x: Any) -> Any:
        n = len(x)
        made = np.zeros((n, n))
        made.reshape(-1)[:: n + 1] = np.cos(x) * x + np.sin(x)
        return made

    return step


def residual_jacobian(u: Any) -> Build:
    """The Jacobian of the residual of ``u'' = u^3``, dense."""

    @_with(u)
    def step(u: Any) -> Any:
        n = len(u)
        made = np.zeros((n, n))
        flat = made.reshape(-1)
        flat[:: n + 1] = -2 - 3 * u * u
        flat[1 :: n + 1] = 1
        flat[n :: n + 1] = 1
        return made

    return step


def per_sample_gradients(parameters: Any, x: Any, y: Any) -> Step:
    """The gradients of the cross entropy of each sample by the parameters of two layers."""
    w1, b1, w2, b2 = parameters
    rows = np.arange(len(x))

    def step() -> Any:
        hidden = np.tanh(x @ w1.T + b1)
        scores = hidden @ w2.T + b2
        p = np.exp(scores - scores.max(1, keepdims=True))
        p /= p.sum(1, keepdims=True)
        p[rows, y] -= 1
        g = (p @ w2) * (1 - hidden * hidden)
        return [g[:, :, None] * x[:, None], g, p[:, :, None] * hidden[:, None], p]

    return step
