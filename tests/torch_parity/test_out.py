"""``out=`` in both libraries."""

from __future__ import annotations

import pytest

from adjoint.ops import out
from tests.torch_parity import programs_out
from tests.torch_parity.harness import Program, both, collect

pytest.importorskip("torch", reason="compares with PyTorch 2.13")


@pytest.mark.parametrize("program", collect(programs_out))
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)


def test_every_function_with_out_has_a_program() -> None:
    offered = {n for n, f in vars(out).items() if "out" in (getattr(f, "__kwdefaults__", 0) or ())}
    named = {n.removesuffix("_of_integers") for n in programs_out.CALLS}
    assert len(offered) > 100
    assert sorted(offered - named) == []
