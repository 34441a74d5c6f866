"""Order, running extremes and quantiles in both libraries."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_order
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")


@pytest.mark.parametrize("program", collect(programs_order))
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)
