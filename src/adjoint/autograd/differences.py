"""Central differences: derivatives of a function from its values alone.

In: a function without arguments that evaluates outputs (tensors), and one of the tensors it reads.
Out: transposed Jacobians (one row per element of the input), or products with a direction.  The
input is moved in place, behind the tape's back, and put back exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

__all__ = ["jacobians", "products", "weighted"]

Array = Any
Evaluate = Callable[[], tuple[Any, ...]]


def jacobians(evaluate: Evaluate, x: Any, eps: float) -> list[Array]:
    """Return, for each output, the matrix whose row ``k`` is the derivative by element ``k``.

    Dtype: that of the output; complex where ``x`` is (dx + i dy).
    Raises: AssertionError if the shape or dtype of an output depends on the value of ``x``.
    """
    raw = x._memory()
    rows = []
    for at in np.ndindex(raw.shape):
        row = _quotients(evaluate, x, eps, at, 1.0)
        if raw.dtype.kind == "c":
            other = _quotients(evaluate, x, eps, at, 1j)
            row = [a + 1j * b for a, b in zip(row, other)]
        rows.append([r.reshape(-1) for r in row])
    if not rows:
        return [np.zeros((0, o.numel()), o._desc.numpy) for o in evaluate()]
    return [np.stack(column) for column in zip(*rows)]


def products(evaluate: Evaluate, x: Any, u: Any, eps: float) -> list[Array]:
    """Return the derivative of each output in the direction ``u``; for a complex ``x``, ``u`` is a
    pair: in the direction of its real part, plus i times that of its imaginary part.
    """
    if isinstance(u, tuple):
        real = _quotients(evaluate, x, eps, ..., u[0])
        imaginary = _quotients(evaluate, x, eps, ..., 1j * u[1])
        return [a + 1j * b for a, b in zip(real, imaginary)]
    return _quotients(evaluate, x, eps, ..., u)


def weighted(g: Array, u: Any) -> Any:
    """Return the sum of a gradient weighted with a direction, as `products` takes it."""
    if isinstance(u, tuple):
        return (g.real * u[0]).sum() + 1j * (g.imag * u[1]).sum()
    return (g * u).sum()


def _quotients(evaluate: Evaluate, x: Any, eps: float, at: Any, direction: Any) -> list[Array]:
    below = _values(evaluate, x, at, -eps, direction)
    above = _values(evaluate, x, at, eps, direction)
    found = []
    for a, b in zip(below, above):
        if a.shape != b.shape:
            raise AssertionError(
                "Expected `func` to return outputs with the same shape when inputs are perturbed "
                f"on index {at} by {eps}, but got: shapes torch.Size({list(a.shape)}) and "
                f"torch.Size({list(b.shape)})."
            )
        if a.dtype != b.dtype:
            raise AssertionError(
                "Expected `func` to return outputs with the same dtype when inputs are perturbed "
                f"on index {at} by {eps}, but got: dtypes {a.dtype} and {b.dtype}."
            )
        with np.errstate(all="ignore"):
            found.append((b - a) / a.dtype.type(2 * eps))
    return found


def _values(evaluate: Evaluate, x: Any, at: Any, step: float, direction: Any) -> list[Array]:
    with moved(x, at, step, direction):
        return [np.array(o._array) for o in evaluate()]


@contextmanager
def moved(x: Any, at: Any, step: float, direction: Any) -> Iterator[None]:
    """A block in which ``x[at]`` is moved by ``step`` times ``direction``."""
    raw = x._memory()
    before = raw[at].copy()
    exact = before.item() if before.size == 1 and at is not ... else before
    try:
        raw[at] = exact + step * direction
        yield
    finally:
        raw[at] = before
