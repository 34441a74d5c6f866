"""Indexing in both libraries: reading, assigning, index functions, gradients, errors."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_assignment, programs_indexing
from tests.torch_parity.harness import Program, both, collect


@pytest.mark.parametrize("program", collect(programs_indexing, programs_assignment))
def test_indexing(program: Program) -> None:
    both(program)
