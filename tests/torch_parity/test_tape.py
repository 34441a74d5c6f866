"""The tape, program by program, in PyTorch and here: backward, grad, modes, hooks, threads."""

from __future__ import annotations

import pytest

from tests.torch_parity import (
    programs_attributes,
    programs_attributes_more,
    programs_backward,
    programs_backward_more,
    programs_copies,
    programs_freed,
    programs_grad,
    programs_hooks,
    programs_hooks_nodes,
    programs_modes,
    programs_outputs,
    programs_threads,
)
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")

PROGRAMS = collect(
    programs_attributes,
    programs_attributes_more,
    programs_backward,
    programs_backward_more,
    programs_grad,
    programs_freed,
    programs_modes,
    programs_hooks,
    programs_hooks_nodes,
    programs_threads,
    programs_outputs,
    programs_copies,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)
