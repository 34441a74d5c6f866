"""Result dtypes in both libraries: tensors, 0-d tensors and Python numbers of all kinds."""

from __future__ import annotations

import pytest

from tests.torch_parity import programs_promotion
from tests.torch_parity.harness import Program, both, collect


@pytest.mark.parametrize("program", collect(programs_promotion))
def test_promotion(program: Program) -> None:
    both(program)
