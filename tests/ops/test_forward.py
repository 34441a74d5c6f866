"""The values of every operator, against NumPy or SciPy; and what a call must leave alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.ops.cases import OpCase, Sample, call, tensors
from tests.ops.table import cases


@pytest.mark.parametrize(("case", "sample"), cases("forward"))
def test_values(case: OpCase, sample: Sample) -> None:
    assert case.reference is not None
    expected = case.reference(*sample.operands, **sample.params)
    expected = expected if isinstance(expected, tuple) else (expected,)
    results = call(case, tensors(case, sample), sample)
    assert len(results) == len(expected)
    for result, wanted in zip(results, expected):
        got = result.detach().numpy()
        wanted = np.asarray(wanted)
        assert got.shape == wanted.shape
        assert got.dtype.kind == wanted.dtype.kind
        np.testing.assert_allclose(got, wanted, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(("case", "sample"), cases("forward"))
def test_operands_are_not_changed(case: OpCase, sample: Sample) -> None:
    operands = tensors(case, sample)
    results = call(case, operands, sample)
    for operand, given in zip(operands, sample.operands):
        if isinstance(given, np.ndarray):
            np.testing.assert_array_equal(operand.detach().numpy(), given)
            assert operand._version == 0
            if not case.record.view:
                shared = [np.may_share_memory(_raw(r), _raw(operand)) for r in results]
                assert True not in shared or case.op in SHARING


@pytest.mark.parametrize(("case", "sample"), cases("forward"))
def test_same_bits_every_time(case: OpCase, sample: Sample) -> None:
    first = call(case, tensors(case, sample), sample)
    again = call(case, tensors(case, sample), sample)
    for a, b in zip(first, again):
        assert a.detach().numpy().tobytes() == b.detach().numpy().tobytes()


@pytest.mark.parametrize(("case", "sample"), cases("forward"))
def test_descriptor_says_what_the_array_is(case: OpCase, sample: Sample) -> None:
    for result in call(case, tensors(case, sample), sample):
        assert tuple(result.shape) == result._array.shape
        assert result.dtype.numpy == result._array.dtype
        assert result.requires_grad == (result.grad_fn is not None)


# A result of these may be the operand's own memory although it is no view to users.
SHARING = {"unsafe_view", "conj", "copy", "to_copy"}


def _raw(tensor: Any) -> Any:
    return np.asarray(tensor._array)
