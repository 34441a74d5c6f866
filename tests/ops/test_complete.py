"""Every primitive operator has a row in the table, every row an operator, every skip a reason."""

from __future__ import annotations

import collections

import pytest

from adjoint.core.op import OPERATORS
from tests.ops.table import ROWS, TABLE

RULES = {"forward", "vjp", "second_order", "versions", "jvp", "vmap", "recorded", "pattern"}


# The border of vmap, where batched arrays come from: tests/func/test_vmap.py.
BORDER = {"enter", "leave", "release", "spread", "sum_level"}


def test_every_operator_has_a_row() -> None:
    missing = sorted(set(OPERATORS) - set(TABLE) - BORDER)
    assert not missing, f"operators without a row in tests/ops/rows_*.py: {missing}"


def test_every_row_has_an_operator() -> None:
    assert sorted(set(TABLE) - set(OPERATORS)) == []


def test_no_operator_has_two_rows() -> None:
    assert [op for op, n in collections.Counter(case.op for case in ROWS).items() if n > 1] == []


@pytest.mark.parametrize("case", ROWS, ids=lambda case: case.op)
def test_a_row_says_enough(case: object) -> None:
    assert case.samples, "a row needs samples"  # type: ignore[attr-defined]
    skip = case.skip  # type: ignore[attr-defined]
    assert set(skip) <= RULES
    assert all(len(reason.split()) >= 3 for reason in skip.values()), "a skip needs a reason"
    assert case.reference is not None or "forward" in skip  # type: ignore[attr-defined]
