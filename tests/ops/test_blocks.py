"""Block-diagonal cotangents of every operator: pulled back they are what their dense form gives."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.array.batched import BatchedArray
from adjoint.array.batched.blocks import BlockArray, dense
from adjoint.core.backward import input_key
from adjoint.core.engine import run_backward
from adjoint.derivatives.rows import open_rows
from tests.ops.cases import OpCase, Sample, call, floating, tensors, values
from tests.ops.table import cases


def seeds(shape: tuple[int, ...]) -> Iterator[tuple[int, int]]:
    """Yield (samples, axis) for each way to cut an axis into blocks."""
    for axis, size in enumerate(shape):
        yield from ((n, axis) for n in range(2, size + 1) if size % n == 0)


def pulled(edge: Any, keys: list[Any], g: Any) -> list[Any]:
    """Return the gradients by ``keys``, written out."""
    found = run_backward(
        [(edge, g)], keep=True, create=False, inputs=keys, accumulate=False, world=False
    )
    return [dense(found[i]) if i in found else None for i in range(len(keys))]


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_blocks_pull_as_their_dense_form(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    keys = [input_key(t, i) for i, t in enumerate(wanted)]
    for result in floating(call(case, operands, sample)):
        if not result.requires_grad:
            continue
        edge = result._edge
        shape = tuple(result.shape)
        for n, axis in seeds(shape):
            block = (n, *shape[:axis], shape[axis] // n, *shape[axis + 1 :])
            domain = "complex" if result.is_complex() else "real"
            value = values(block, domain, "blocks").astype(edge.desc.numpy)
            with open_rows(n) as level:
                g = BlockArray(value, level, axis)
                compare(pulled(edge, keys, g), pulled(edge, keys, dense(g)))


def compare(found: list[Any], expected: list[Any]) -> None:
    """Compare raw gradients; what is the same for all samples may have no samples."""
    for f, e in zip(found, expected):
        assert (f is None) == (e is None)
        if f is None:
            continue
        left = f.value if type(f) is BatchedArray else f
        right = e.value if type(e) is BatchedArray else e
        np.testing.assert_allclose(left, right, rtol=1e-10, atol=1e-12)
