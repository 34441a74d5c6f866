"""Half precision: results, gradients and second derivatives have PyTorch's dtypes and values.

Values may be off by a few units in the last place of the dtype, of themselves and of the largest
beside them: PyTorch rounds once for each of its kernels, and its derivatives are several.
"""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

from tests.torch_parity.half_functions import TABLE, Case
from tests.torch_parity.harness import libraries

pytest.importorskip("torch", reason="compares with PyTorch 2.13")
pytest.importorskip("ml_dtypes", reason="bfloat16 needs it")

ULP = {"bfloat16": 2.0**-7, "float16": 2.0**-10}


def drawn(case: Case) -> list[np.ndarray[Any, Any]]:
    """Numbers for the operands that both dtypes hold exactly."""
    random = np.random.default_rng(7)
    made = []
    for shape in case.shapes:
        numbers = random.uniform(case.low, case.high, shape)
        mantissa, exponent = np.frexp(numbers)
        made.append(np.ldexp(np.round(mantissa * 256) / 256, exponent))
    return made


def plain(tensor: Any) -> tuple[str, np.ndarray[Any, Any]]:
    """The dtype and the numbers of a tensor."""
    return str(tensor.dtype).removeprefix("torch."), np.asarray(tensor.detach().clone().tolist())


def observed(t: Any, case: Case, given: Any, dtype: str) -> dict[str, Any]:
    """Results, gradients and the gradients of their sum."""
    kind = getattr(t, dtype)
    xs = [t.tensor(numbers.tolist(), dtype=kind, requires_grad=True) for numbers in given]
    y = case.function(t, *xs)
    ys = y if isinstance(y, tuple) else (y,)
    found = {f"result {k}": plain(one) for k, one in enumerate(ys)}
    ys = [one for one in ys if one.requires_grad]
    if not ys:
        return found
    weights = [
        t.tensor([(1.0, -0.5, 2.0)[k % 3] for k in range(one.numel())], dtype=one.dtype)
        .reshape(one.shape)
        .requires_grad_(True)
        for one in ys
    ]
    for name, create in (("gradient", False), ("gradient with a graph", True)):
        grads = t.autograd.grad(
            ys, xs, weights, allow_unused=True, retain_graph=True, create_graph=create
        )
        found |= {f"{name} {k}": plain(g) for k, g in enumerate(grads) if g is not None}
    return found


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
@pytest.mark.parametrize("name", list(TABLE))
def test_half(name: str, dtype: str) -> None:
    """Results and gradients, with and without a graph."""
    case = TABLE[name]
    given = drawn(case)
    oracle, ours = libraries()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = observed(oracle, case, given, dtype)
        got = observed(ours, case, given, dtype)
    wrong = []
    assert expected.keys() == got.keys()
    for what, (kind, values) in expected.items():
        kind_here, values_here = got[what]
        if kind != kind_here or values.shape != values_here.shape:
            wrong.append(f"{what}: {kind} {values.shape}, here {kind_here} {values_here.shape}")
            continue
        ulp = ULP.get(kind, 1e-5)
        ulps = case.ulps + 0.5 if what.startswith("gradient") else case.ulps
        allowed = ulp * (np.abs(values) + ulps * np.abs(values).max())
        far = np.abs(values - values_here) > 1.01 * allowed
        if far.any():
            wrong.append(f"{what}: {values[far][:4]}, here {values_here[far][:4]}")
    assert not wrong, "\n".join(wrong)
