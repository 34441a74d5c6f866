"""Gradients at singular points, in both libraries."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_nan
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")


@pytest.mark.parametrize("program", collect(programs_nan))
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)
