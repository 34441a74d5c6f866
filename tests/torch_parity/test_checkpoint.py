"""Checkpoints, in both libraries."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_checkpoint
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")


@pytest.mark.parametrize("program", collect(programs_checkpoint))
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)
