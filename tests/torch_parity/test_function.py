"""``autograd.Function``, program by program, in PyTorch and here."""

from __future__ import annotations

import pytest

from tests.torch_parity import (
    programs_function,
    programs_function_context,
    programs_function_saved,
    programs_function_styles,
)
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")

PROGRAMS = collect(
    programs_function,
    programs_function_context,
    programs_function_saved,
    programs_function_styles,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)
