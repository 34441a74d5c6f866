"""``torch.func``, program by program, in PyTorch and here; and transforms put into each other."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

from tests.func.transforms import TRANSFORMS, composed, point, smooth
from tests.torch_parity import programs_func, programs_func_jacobians, programs_func_modules
from tests.torch_parity.harness import Program, both, collect, libraries

pytest.importorskip("torch", reason="compares with PyTorch 2.13")

PROGRAMS = collect(programs_func, programs_func_jacobians, programs_func_modules)


@pytest.mark.parametrize("program", PROGRAMS)
def test_program(program: Program) -> None:
    """Both libraries observe the same."""
    both(program)


@pytest.mark.parametrize("outer", TRANSFORMS)
def test_transforms_in_each_other(outer: str) -> None:
    """Pairs and triples of transforms give the same numbers in both libraries."""
    rest = [(), *itertools.product(TRANSFORMS), *itertools.product(TRANSFORMS, repeat=2)]
    for names in rest:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch warns of itself
            theirs, ours = (
                composed(torch, (outer, *names), smooth(torch))(point(torch))
                for torch in libraries()
            )
        np.testing.assert_allclose(
            ours.numpy(), theirs.numpy(), rtol=1e-9, atol=1e-11, err_msg=str((outer, *names))
        )
