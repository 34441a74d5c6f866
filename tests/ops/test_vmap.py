"""Batching of every operator: `vmap` gives what a loop over the samples and a stack give.

Values, gradients taken inside (one for each sample) and gradients taken outside (samples that share
an operand add up), on raw arrays and on Tensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.func import vmap
from tests.ops.cases import (
    OpCase,
    Sample,
    call,
    cotangents,
    floating,
    is_differentiable,
)
from tests.ops.table import cases

SIZE = 3

# A mask that differs from sample to sample picks another number of elements from each: these run
# sample by sample and say so.
MASKED = {"index", "index_accumulate", "index_put", "masked_scatter", "masked_select"}

# These speak of memory, which dims of samples other than the first lay out otherwise.
OF_MEMORY = {"as_strided", "view_dtype"}


@pytest.fixture(autouse=True)
def _loops_are_errors(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let the operators in MASKED loop; for all others the note is an error."""
    with warnings.catch_warnings():
        if request.node.callspec.params["case"].op in MASKED:
            warnings.filterwarnings("ignore", "vmap: .* is run sample by sample")
        yield


def variants(array: Any) -> list[Any]:
    """Return ``array`` and others like it, within the same domain."""
    if array.dtype.kind in "fc":
        return [array, np.asarray(array * 0.98), np.asarray(array * 1.01)]
    turned = array[..., ::-1] if array.ndim else array
    return [array, turned, array]


def choices(sample: Sample) -> Iterator[tuple[int, ...]]:
    """Yield which operands are batched: each alone, and all together."""
    places = [i for i, o in enumerate(sample.operands) if isinstance(o, np.ndarray)]
    yield from ((place,) for place in places)
    if len(places) > 1:
        yield tuple(places)


class Batch:
    """The operands of one choice: whole ones with their dims, and those of each sample."""

    def __init__(self, sample: Sample, batched: Sequence[int], last: bool) -> None:
        self.dims: list[Any] = [None] * len(sample.operands)
        self.whole = list(sample.operands)
        self.single = [list(sample.operands) for _ in range(SIZE)]
        for place in batched:
            several = variants(sample.operands[place])
            dim = several[0].ndim if last else 0
            self.dims[place] = dim
            self.whole[place] = np.stack(several, dim)
            for one, operands in zip(several, self.single):
                operands[place] = one


def as_tensors(operands: Sequence[Any]) -> list[Any]:
    """Return arrays as tensors, the rest as it is."""
    return [adjoint.from_numpy(o.copy()) if isinstance(o, np.ndarray) else o for o in operands]


def close(case: OpCase, found: Any, expected: Any) -> None:
    """Compare two tensors."""
    assert found.dtype == expected.dtype
    assert tuple(found.shape) == tuple(expected.shape)
    np.testing.assert_allclose(
        found.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-11
    )


@pytest.mark.parametrize(("case", "sample"), cases("vmap"))
def test_values(case: OpCase, sample: Sample) -> None:
    for batched in choices(sample):
        for last in (False,) if case.op in OF_MEMORY else (False, True):
            batch = Batch(sample, batched, last)
            operands = as_tensors(batch.whole)
            found = vmap(lambda *o: call(case, o, sample), tuple(batch.dims))(*operands)
            looped = [call(case, as_tensors(one), sample) for one in batch.single]
            for result, expected in zip(found, zip(*looped)):
                close(case, result, adjoint.stack(expected))


def gradients(case: OpCase, sample: Sample, operands: Sequence[Any], create: bool) -> list[Any]:
    """Return the gradients by all operands that have one, in a function of one sample."""
    wanted = [
        o.detach().requires_grad_()
        if isinstance(o, adjoint.Tensor) and is_differentiable(case, i, sample.operands[i])
        else o
        for i, o in enumerate(operands)
    ]
    inputs = [t for t in wanted if isinstance(t, adjoint.Tensor) and t.requires_grad]
    results = [r for r in floating(call(case, wanted, sample)) if r.requires_grad]
    weights = cotangents_like(results)
    found = adjoint.autograd.grad(
        results, inputs, weights, create_graph=create, materialize_grads=True
    )
    return list(found)


def cotangents_like(results: Sequence[Any]) -> list[Any]:
    """Return a fixed cotangent for each result, from its shape alone."""
    plain = [adjoint.empty(tuple(r.shape), dtype=r.dtype) for r in results]
    return cotangents(plain)


@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "tensors"])
@pytest.mark.parametrize(
    ("case", "sample"),
    [p for p in cases("vmap") if "vjp" not in p.values[0].skip],  # type: ignore[attr-defined]
)
def test_gradients_inside(case: OpCase, sample: Sample, create_graph: bool) -> None:
    if not any(is_differentiable(case, i, o) for i, o in enumerate(sample.operands)):
        return
    for batched in choices(sample):
        batch = Batch(sample, batched, False)

        def inside(*operands: Any) -> Any:
            return tuple(gradients(case, sample, operands, create_graph))

        found = vmap(inside, tuple(batch.dims))(*as_tensors(batch.whole))
        looped = [gradients(case, sample, as_tensors(one), create_graph) for one in batch.single]
        for result, expected in zip(found, zip(*looped)):
            close(case, result, adjoint.stack(expected))


@pytest.mark.parametrize("create_graph", [False, True], ids=["raw", "tensors"])
@pytest.mark.parametrize(
    ("case", "sample"),
    [p for p in cases("vmap") if "vjp" not in p.values[0].skip],  # type: ignore[attr-defined]
)
def test_gradients_outside(case: OpCase, sample: Sample, create_graph: bool) -> None:
    for batched in choices(sample):
        batch = Batch(sample, batched, False)
        operands = as_tensors(batch.whole)
        wanted = [i for i, o in enumerate(sample.operands) if is_differentiable(case, i, o)]
        if not wanted:
            return
        for i in wanted:
            operands[i].requires_grad_()
        results = vmap(lambda *o: tuple(floating(call(case, o, sample))), tuple(batch.dims))(
            *operands
        )
        results = [r for r in results if r.requires_grad]
        weights = [
            w.unsqueeze(0).expand_as(r)
            for w, r in zip(cotangents_like([r[0] for r in results]), results)
        ]
        found = adjoint.autograd.grad(
            results,
            [operands[i] for i in wanted],
            weights,
            create_graph=create_graph,
            materialize_grads=True,
        )
        looped = [gradients(case, sample, as_tensors(one), False) for one in batch.single]
        for i, result, several in zip(wanted, found, zip(*looped)):
            stacked = adjoint.stack(several)
            close(case, result, stacked if batch.dims[i] == 0 else stacked.sum(0))


@pytest.mark.parametrize(("case", "sample"), cases("vmap"))
def test_two_levels(case: OpCase, sample: Sample) -> None:
    """One operand differs along both levels, the others along one of them in turn."""
    places = [i for i, o in enumerate(sample.operands) if isinstance(o, np.ndarray)]
    for outer in ([places[0]], places) if places else ():
        inner = [p for p in places if p == places[0] or p not in outer or p == places[-1]]
        check_two_levels(case, sample, outer, inner)


def check_two_levels(
    case: OpCase, sample: Sample, outer: Sequence[int], inner: Sequence[int]
) -> None:
    """Compare one `vmap` in another with one in a loop."""
    batch = Batch(sample, outer, False)
    whole = list(batch.whole)
    dims: list[Any] = [0 if i in inner else None for i in range(len(whole))]
    for place in inner:
        whole[place] = np.stack(variants(whole[place]), 1 if place in outer else 0)
    has_rule = "vjp" not in case.skip and any(
        is_differentiable(case, i, o) for i, o in enumerate(sample.operands)
    )

    def one(*operands: Any) -> Any:
        plain = vmap(lambda *o: call(case, o, sample), tuple(dims))(*operands)
        if not has_rule:
            return plain
        taken = vmap(lambda *o: tuple(gradients(case, sample, o, False)), tuple(dims))
        return (*plain, *taken(*operands))

    found = vmap(one, tuple(batch.dims))(*as_tensors(whole))
    rows = []
    for k in range(SIZE):
        parts = [np.asarray(o[k]).copy() if d == 0 else o for o, d in zip(whole, batch.dims)]
        rows.append(one(*as_tensors(parts)))
    for result, expected in zip(found, zip(*rows)):
        close(case, result, adjoint.stack(expected))
