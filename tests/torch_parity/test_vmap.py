"""``func.vmap``, program by program, in PyTorch and here."""

from __future__ import annotations

import pytest

from tests.torch_parity import (
    programs_vmap,
    programs_vmap_function,
    programs_vmap_inside,
    programs_vmap_nn,
    programs_vmap_random,
)
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")

PROGRAMS = collect(
    programs_vmap,
    programs_vmap_function,
    programs_vmap_inside,
    programs_vmap_nn,
    programs_vmap_random,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)
