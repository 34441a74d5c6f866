"""What every operator must refuse: freed buffers, saved values that were overwritten, shapes that
do not broadcast, gradients of the wrong shape - and what it must not refuse."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.core.plan import OPERAND, OUT
from tests.ops.cases import OpCase, Sample, call, cotangents, floating, tensors, values
from tests.ops.table import ROWS, cases


def _recorded(case: OpCase, sample: Sample) -> tuple[list[Any], list[Any], list[Any], Any]:
    operands = tensors(case, sample)
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    results = floating(call(case, operands, sample))
    return operands, wanted, results, results[0].grad_fn


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_second_backward_is_refused_where_values_were_saved(case: OpCase, sample: Sample) -> None:
    _, wanted, results, node = _recorded(case, sample)
    weights = cotangents(results)
    kinds = node.plan.kinds
    adjoint.autograd.grad(results, wanted, weights)
    if OPERAND in kinds or OUT in kinds:
        with pytest.raises(RuntimeError, match="backward through the graph a second time"):
            adjoint.autograd.grad(results, wanted, weights)
    else:
        assert not any(isinstance(v, adjoint.Tensor) for v in node.saved or ())


@pytest.mark.parametrize(("case", "sample"), cases("versions"))
def test_overwritten_saved_values_are_noticed(case: OpCase, sample: Sample) -> None:
    """Exactly what the rules name: writing to anything else must not be an error."""
    operands, wanted, results, node = _recorded(case, sample)
    saved = {name for name, kind in zip(node.plan.names, node.plan.kinds) if kind == OPERAND}
    for name, operand in zip(case.record.operands, operands):
        if not isinstance(operand, adjoint.Tensor):
            continue
        _, wanted, results, node = _recorded_with(case, sample, operands)
        with adjoint.no_grad():
            operand.copy_(operand.clone())
        if case.record.view and case.record.outputs > 1:
            with pytest.raises(RuntimeError, match="function that returns multiple views"):
                results[0].grad_fn
        elif name in saved and not case.record.variadic:
            with pytest.raises(RuntimeError, match="modified by an inplace operation"):
                adjoint.autograd.grad(results, wanted, cotangents(results))
        else:
            adjoint.autograd.grad(results, wanted, cotangents(results))


def _recorded_with(
    case: OpCase, sample: Sample, operands: list[Any]
) -> tuple[list[Any], list[Any], list[Any], Any]:
    wanted = [t for t in operands if isinstance(t, adjoint.Tensor) and t.requires_grad]
    results = floating(call(case, operands, sample))
    return operands, wanted, results, results[0].grad_fn


@pytest.mark.parametrize(("case", "sample"), cases("versions"))
def test_overwritten_result_is_noticed(case: OpCase, sample: Sample) -> None:
    if case.record.view:
        pytest.skip("a view that is written becomes part of its base's history")
    _, wanted, results, node = _recorded(case, sample)
    saved = OUT in node.plan.kinds
    with adjoint.no_grad():
        for result in results:
            result.zero_()
    if saved:
        with pytest.raises(RuntimeError, match="modified by an inplace operation"):
            adjoint.autograd.grad(results, wanted, cotangents(results))
    else:
        adjoint.autograd.grad(results, wanted, cotangents(results))


@pytest.mark.parametrize(("case", "sample"), cases("vjp"))
def test_cotangent_of_another_shape_is_refused(case: OpCase, sample: Sample) -> None:
    _, wanted, results, _ = _recorded(case, sample)
    weights = cotangents(results)
    weights[0] = adjoint.from_numpy(values((*results[0].shape, 7)).astype(np.float64))
    with pytest.raises(RuntimeError, match="Mismatch in shape"):
        adjoint.autograd.grad(results, wanted, weights)


@pytest.mark.parametrize(
    "case",
    [
        case
        for case in ROWS
        if case.record.family == "elementwise" and len(case.record.operands) == 2
    ],
    ids=lambda case: case.op,
)
def test_shapes_that_do_not_broadcast(case: OpCase) -> None:
    first = case.samples[0]
    kinds = [operand.dtype for operand in first.operands]
    a, b = (adjoint.from_numpy(values((n,), "positive").astype(k)) for n, k in zip((2, 3), kinds))
    with pytest.raises(
        RuntimeError,
        match=r"The size of tensor a \(2\) must match the size of tensor b \(3\) at "
        "non-singleton dimension 0",
    ):
        call(case, (a, b), first)
