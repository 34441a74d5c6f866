"""Random programs of views, in-place writes and products: `vmap` gives what a loop gives."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

import adjoint
from adjoint.func import vmap
from tests.property.view_programs import SAFE_VIEWS, WRITES, Step, fits, view_of, write

SIZE = 3
# Whether a tensor can be flattened depends on where in memory the samples lie.
VIEWS = tuple(view for view in SAFE_VIEWS if view != "flatten")

programs = st.lists(
    st.tuples(st.integers(0, 14), st.integers(0, 7), st.integers(0, 7), st.integers(0, 7)),
    min_size=1,
    max_size=10,
)


def new(tensors: list[Any], a: int, b: int, c: int) -> Any:
    """A tensor from one or two others, or from nothing, by ``c``."""
    t, u = tensors[a % len(tensors)].clone(), tensors[b % len(tensors)].clone()
    if c == 0:
        return t.sin()
    if c == 1 and t.ndim == 2 and u.ndim == 2 and t.shape[1] == u.shape[0]:
        return t @ u
    if c == 2 and t.shape == u.shape:
        return t * u - 0.5
    if c == 3:
        return t.sum()
    if c == 4:
        return t
    if c == 5:
        return adjoint.where(t > 0.2, t, t.sum() * 0.5)
    return adjoint.linspace(-1.0, 1.0, 9, dtype=adjoint.float64).view(3, 3)


def run(steps: list[Step], x: Any, w: Any) -> tuple[Any, ...]:
    """All tensors that a program makes, from a matrix and a number."""
    tensors = [x * 1, adjoint.zeros(3, 3, dtype=adjoint.float64)]
    for kind, a, b, c in steps:
        t = tensors[a % len(tensors)]
        if kind < 4:
            made = view_of(t, VIEWS[c % len(VIEWS)], b, c, contextlib.nullcontext)
            if made is not None:
                tensors.append(made)
        elif kind < 9:
            which, other = WRITES[c % len(WRITES)], tensors[b % len(tensors)]
            if which in ("copy", "add_other") and not fits(tuple(other.shape), tuple(t.shape)):
                continue
            if not overlapping(t):
                write(t, which, w, other, b, c)
        else:
            tensors.append(new(tensors, a, b, c))
    return tuple(t * (1.0 + k) for k, t in enumerate(tensors))


def overlapping(t: Any) -> bool:
    """Whether several elements of a tensor share a place: it cannot be written."""
    return any(step == 0 and n > 1 for step, n in zip(t.stride(), t.shape))


def inputs(which: int) -> tuple[Any, Any, tuple[Any, Any]]:
    """A matrix and a number for each sample, or one for all, with their dims."""
    x = np.linspace(-1.0, 1.5, 9 * SIZE).reshape(SIZE, 3, 3)
    w = np.array([0.75, -0.5, 0.25])
    dims: tuple[Any, Any] = [(0, 0), (0, None), (None, 0), (2, 0)][which]
    whole = x if dims[0] == 0 else x[0] if dims[0] is None else np.moveaxis(x, 0, 2)
    leaves = adjoint.from_numpy(whole.copy()), adjoint.tensor(w if dims[1] == 0 else w[0])
    return leaves[0].requires_grad_(), leaves[1].requires_grad_(), dims


def sample(t: Any, dim: Any, i: int) -> Any:
    return t if dim is None else t.select(dim, i)


@settings(max_examples=150, deadline=None)
@given(programs, st.integers(0, 3))
def test_values_and_gradients_are_those_of_a_loop(steps: list[Step], which: int) -> None:
    x, w, dims = inputs(which)
    found = vmap(lambda x, w: run(steps, x, w), dims)(x, w)
    rows = [run(steps, sample(x, dims[0], i), sample(w, dims[1], i)) for i in range(SIZE)]
    expected = [adjoint.stack(column) for column in zip(*rows)]
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f.detach().numpy(), e.detach().numpy(), rtol=1e-12, atol=1e-12)
    gradients = [
        adjoint.autograd.grad(
            sum((t * t).sum() for t in results), (x, w), allow_unused=True, materialize_grads=True
        )
        for results in (found, expected)
    ]
    for f, e in zip(*gradients):
        np.testing.assert_allclose(f.numpy(), e.numpy(), rtol=1e-9, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(programs, st.integers(0, 3))
def test_gradients_taken_inside(steps: list[Step], which: int) -> None:
    x, w, dims = inputs(which)

    def gradients(x: Any, w: Any) -> Any:
        x, w = x.detach().requires_grad_(), w.detach().requires_grad_()
        total = sum((t * t).sum() for t in run(steps, x, w))
        return adjoint.autograd.grad(total, (x, w), allow_unused=True, materialize_grads=True)

    found = vmap(gradients, dims)(x, w)
    rows = [gradients(sample(x, dims[0], i), sample(w, dims[1], i)) for i in range(SIZE)]
    for f, e in zip(found, zip(*rows)):
        expected = np.stack([row.numpy() for row in e])
        np.testing.assert_allclose(f.detach().numpy(), expected, rtol=1e-9, atol=1e-9)


@settings(max_examples=80, deadline=None)
@given(programs, st.booleans())
def test_two_levels(steps: list[Step], both: bool) -> None:
    """The matrix differs along the outer level, the number along the inner one (or along both)."""
    xs, _, _ = inputs(0)
    ws = adjoint.tensor([[0.75, -0.5], [0.25, 0.5], [1.0, -1.0]], requires_grad=True)
    dims: Any = (0, 0 if both else None)

    def rows(x: Any, w: Any) -> Any:
        return vmap(lambda one: run(steps, x, one))(w)

    def looped(x: Any, w: Any) -> Any:
        return [adjoint.stack(c) for c in zip(*[run(steps, x, one) for one in w.unbind()])]

    ws = ws.double()
    w = ws if both else ws[0]
    found = vmap(rows, dims)(xs, w)
    expected = [
        adjoint.stack(column)
        for column in zip(*[looped(xs[i], ws[i if both else 0]) for i in range(SIZE)])
    ]
    for f, e in zip(found, expected):
        np.testing.assert_allclose(f.detach().numpy(), e.detach().numpy(), rtol=1e-12, atol=1e-12)
    for f, e in zip(
        *[
            adjoint.autograd.grad(
                sum((t * t).sum() for t in results),
                (xs, ws),
                retain_graph=True,
                materialize_grads=True,
            )
            for results in (found, expected)
        ]
    ):
        np.testing.assert_allclose(f.numpy(), e.numpy(), rtol=1e-9, atol=1e-9)
