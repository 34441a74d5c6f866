"""Views in both libraries: sharing, layout, bases, versions, names, gradients, errors."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_views
from tests.torch_parity.harness import Program, both, collect


@pytest.mark.parametrize("program", collect(programs_views))
def test_views(program: Program) -> None:
    both(program)
