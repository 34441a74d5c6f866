"""Views and in-place writes against a model whose aliasing and derivatives come from NumPy."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
from hypothesis import given, settings

import adjoint
from tests.property.dual import Dual
from tests.property.view_programs import SAFE_VIEWS, WRITES, Step, fits, programs, view_of, write


def _execute(steps: list[Step], base: Any, w: Any) -> tuple[list[Any], list[Any]]:
    """Run the steps on tensors or on the model; return all tensors and the weighted reads."""
    tensors, reads = [base], []
    for kind, a, b, c in steps:
        t = tensors[a % len(tensors)]
        if kind < 5:
            made = view_of(t, SAFE_VIEWS[c % len(SAFE_VIEWS)], b, c, contextlib.nullcontext)
            if made is not None:
                tensors.append(made)
        elif kind < 10:
            which = WRITES[c % len(WRITES)]
            other = tensors[b % len(tensors)]
            if which in ("copy", "add_other") and not fits(tuple(other.shape), tuple(t.shape)):
                continue
            write(t, which, w, other, b, c)
        else:
            reads.append(t * (1.0 + c))
    return tensors, [*reads, *(t * (1.0 + k) for k, t in enumerate(tensors))]


def _model(steps: list[Step], values: Any, number: float) -> tuple[list[Any], Any]:
    slope = np.eye(10)[:9].reshape(3, 3, 10)
    base = Dual(values.copy(), slope.copy())
    tensors, reads = _execute(steps, base, Dual(np.array(number), np.eye(10)[9]))
    return tensors, sum(r.sum_slope() for r in reads) + np.zeros(10)


@settings(max_examples=200, deadline=None)
@given(programs())
def test_values_and_gradients(steps: list[Step]) -> None:
    values = np.linspace(-1.0, 1.5, 9).reshape(3, 3)
    expected, slope = _model(steps, values, 0.75)
    leaf = adjoint.tensor(values, requires_grad=True)
    w = adjoint.tensor(0.75, dtype=adjoint.float64, requires_grad=True)
    tensors, reads = _execute(steps, leaf * 1, w)
    assert len(tensors) == len(expected)
    for t, e in zip(tensors, expected):
        np.testing.assert_allclose(t.detach().numpy(), e.value, rtol=1e-12, atol=1e-12)
    loss = sum(r.sum() for r in reads)
    got_leaf, got_w = adjoint.autograd.grad(loss, (leaf, w), allow_unused=True)
    np.testing.assert_allclose(got_leaf.numpy().ravel(), slope[:9], rtol=1e-10, atol=1e-10)
    got = 0.0 if got_w is None else got_w.item()
    np.testing.assert_allclose(got, slope[9], rtol=1e-10, atol=1e-10)


@settings(max_examples=60, deadline=None)
@given(programs())
def test_versions_count_every_write(steps: list[Step]) -> None:
    """All views share one version; each write that happens raises it, reads and views do not."""
    base = adjoint.ones(3, 3, dtype=adjoint.float64)
    w = adjoint.tensor(0.75, dtype=adjoint.float64)
    tensors = [base]
    for step in steps:
        before = base._version
        more, _ = _execute([(step[0], 0, step[2], step[3])], tensors[step[1] % len(tensors)], w)
        expected = before + (5 <= step[0] < 10)
        assert all(t._version == expected for t in (*tensors, *more))
        tensors += more[1:]


@settings(max_examples=60, deadline=None)
@given(programs())
def test_raw_world_and_tensor_world_agree(steps: list[Step]) -> None:
    values = np.linspace(-1.0, 1.5, 9).reshape(3, 3)
    results = []
    for create_graph in (False, True):
        leaf = adjoint.tensor(values, requires_grad=True)
        w = adjoint.tensor(0.75, dtype=adjoint.float64, requires_grad=True)
        _, reads = _execute(steps, leaf * 1, w)
        loss = sum(r.sum() for r in reads)
        results.append(
            adjoint.autograd.grad(loss, (leaf, w), create_graph=create_graph, allow_unused=True)
        )
    for raw, tracked in zip(*results):
        assert (raw is None) == (tracked is None)
        if raw is not None:
            np.testing.assert_array_equal(raw.numpy(), tracked.detach().numpy())
