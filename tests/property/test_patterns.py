"""Detected patterns of random programs of views, in-place writes and reads, against the model.

The model (tests/property/dual.py) carries the slope of every element; the pattern must hold all its
non-zeros, and where programs only move and write elements, nothing else.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from hypothesis import given, settings

import adjoint
from adjoint import sparse
from tests.property.dual import Dual
from tests.property.test_views_inplace import _execute
from tests.property.view_programs import WRITES, Step, programs

VALUES = np.linspace(-1.0, 1.5, 9).reshape(3, 3)
NUMBER = 0.75


def _inputs() -> tuple[Any, Any]:
    return adjoint.tensor(VALUES), adjoint.tensor(NUMBER, dtype=adjoint.float64)


def _tensors(steps: list[Step], x: Any, w: Any) -> list[Any]:
    tensors, reads = _execute(steps, x * 1, w)
    return [*tensors, *reads]


def _loss(steps: list[Step], x: Any, w: Any) -> Any:
    return sum((t * t).sum() for t in _tensors(steps, x, w))


@settings(max_examples=200, deadline=None)
@given(programs())
def test_jacobians(steps: list[Step]) -> None:
    slope = np.eye(10)[:9].reshape(3, 3, 10)
    base = Dual(VALUES.copy(), slope.copy())
    tensors, reads = _execute(steps, base, Dual(np.array(NUMBER), np.eye(10)[9]))
    pattern = sparse.detect_jacobian(lambda x, w: _tensors(steps, x, w), *_inputs())
    rows = np.cumsum([0, *(t.value.size for t in [*tensors, *reads])])
    for t, (first, last) in zip([*tensors, *reads], pairwise(rows)):
        expected = np.broadcast_to(t.slope, (*t.value.shape, 10)).reshape(-1, 10) != 0
        found = pattern[first:last].toarray()
        assert not (expected & ~found).any()
        if _only_moves(steps):
            np.testing.assert_array_equal(expected, found)


def _only_moves(steps: list[Step]) -> bool:
    """Whether nothing is multiplied by the other input: a zero of either would hide the entry."""
    writes = {WRITES[c % len(WRITES)] for kind, _, _, c in steps if 5 <= kind < 10}
    return not writes & {"mul_leaf", "add_other"}


@settings(max_examples=60, deadline=None)
@given(programs(6))
def test_hessians(steps: list[Step]) -> None:
    pattern = sparse.detect_hessian(lambda x, w: _loss(steps, x, w), *_inputs()).toarray()
    leaves = [t.requires_grad_() for t in _inputs()]
    gradients = adjoint.autograd.grad(
        _loss(steps, *leaves), leaves, create_graph=True, materialize_grads=True
    )
    flat = adjoint.cat([g.reshape(-1) for g in gradients])
    for k in range(10):
        if not flat.requires_grad:
            break
        rows = adjoint.autograd.grad(
            flat[k], leaves, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        row = np.concatenate([r.numpy().reshape(-1) for r in rows])
        assert not ((row != 0) & ~pattern[k]).any()
