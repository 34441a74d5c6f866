"""Optimizers and schedules in both libraries."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_optim
from tests.torch_parity.harness import Program, both, collect


@pytest.mark.parametrize("program", collect(programs_optim))
def test_optim(program: Program) -> None:
    both(program)
