"""``autograd.graph``, anomaly detection and ``autograd.functional``: the same programs in both."""

from __future__ import annotations

import pytest

from tests.torch_parity import (
    programs_anomaly,
    programs_functional,
    programs_functional_more,
    programs_graph,
    programs_graph_hooks,
)
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")

PROGRAMS = collect(
    programs_graph,
    programs_graph_hooks,
    programs_anomaly,
    programs_functional,
    programs_functional_more,
)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)
