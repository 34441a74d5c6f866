"""What the tests of sliding windows share: numbers, loops over windows, ways to cut the work."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from adjoint.array.kernels import convolution, pooling, small_images, threads, windows
from adjoint.array.kernels.windows import Window

Array = Any
Shape = tuple[int, ...]

# How the work is cut must not matter: nothing cut, rows and images cut, joined columns, threads,
# images innermost.
CUTS = {
    "small": {"SMALL": 1 << 30, "FLAT": 1 << 30, "WORTH": 1e9},
    "whole": {"BLOCK": 1 << 30, "NARROW": 0, "HEAVY": 1 << 30, "WORTH": 1e9},
    "blocks": {"BLOCK": 50, "NARROW": 0, "HEAVY": 0, "WORTH": 1e9},
    "rows": {"BLOCK": 2, "NARROW": 0, "HEAVY": 0, "WORTH": 1e9},
    "joined": {"BLOCK": 300, "NARROW": 1 << 30, "HEAVY": 0, "WORTH": 1e9},
    "threads": {"BLOCK": 20, "NARROW": 0, "HEAVY": 0, "WORTH": 0},
}


@pytest.fixture(params=CUTS)
def cut(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set one way to cut the work."""
    monkeypatch.setattr(windows, "_kept", windows._Kept())  # plans were chosen by other limits
    for name, value in ({"SMALL": 0, "TINY": 0, "FLAT": 99} | CUTS[request.param]).items():
        for module in (convolution, pooling, small_images, threads):
            if hasattr(module, name):
                monkeypatch.setattr(module, name, value)
    return str(request.param)


def values(*shape: int, dtype: Any = np.float64, seed: int = 0) -> Array:
    """Return numbers between -2 and 2, the same every time."""
    rng = np.random.default_rng([seed, *shape])
    made = rng.uniform(-2, 2, shape)
    if np.dtype(dtype).kind == "c":
        return (made + 1j * rng.uniform(-2, 2, shape)).astype(dtype)
    return made.astype(dtype)


# ---- the reference: loops


def visits(space: list[Window]) -> Iterator[tuple[Shape, Shape, Shape]]:
    """Yield every (output, tap, input) that meet, padding left out."""
    outputs = itertools.product(*(range(w.output) for w in space))
    for out in outputs:
        for tap in itertools.product(*(range(w.kernel) for w in space)):
            inp = tuple(
                o * w.stride + t * w.dilation - w.padding for o, t, w in zip(out, tap, space)
            )
            if all(0 <= i < w.input for i, w in zip(inp, space)):
                yield out, tap, inp
