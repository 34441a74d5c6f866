"""In-place writes in both libraries: values, versions, history, refusals, and through views."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_copyslices, programs_inplace
from tests.torch_parity.harness import Program, both, collect


@pytest.mark.parametrize("program", collect(programs_inplace, programs_copyslices))
def test_inplace(program: Program) -> None:
    both(program)
