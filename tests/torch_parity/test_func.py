"""``torch.func``, program by program, in PyTorch and here; and transforms put into each other."""

from __future__ import annotations

import importlib
import inspect
import itertools
import warnings

import numpy as np
import pytest

from adjoint import functorch
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


def test_every_name_is_there() -> None:
    """The public functions of ``torch.func`` and ``functorch``, with the same parameters."""
    torch, ours = libraries()
    pairs = [
        (torch.func, ours.func, set()),
        (importlib.import_module("functorch"), functorch, {"make_fx"}),
    ]
    for theirs, mine, absent in pairs:
        names = {n for n in dir(theirs) if not n.startswith("_")} - absent
        names = {n for n in names if not inspect.ismodule(getattr(theirs, n))}
        assert names <= set(mine.__all__)
        for name in sorted(names):
            wanted = list(inspect.signature(getattr(theirs, name)).parameters)
            assert list(inspect.signature(getattr(mine, name)).parameters) == wanted, name
