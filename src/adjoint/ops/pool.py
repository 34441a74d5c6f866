"""Pooling: the largest element, or the mean, of each window.

In: an input (N, C, *space) or (C, *space) and the sizes of the windows.  Out: a Tensor, recorded
as PyTorch records it; with ``return_indices`` also where the largest elements stand.

Note [Taps]
    The operators of the largest element return beside the values one byte per window: which
    element of the window it is. The tape keeps that; PyTorch's indices (8 bytes each) are
    computed from it when they are asked for.
"""

from __future__ import annotations

from typing import Any

from adjoint.core import mode as modes
from adjoint.core.mode import get_mode
from adjoint.core.tensor_base import make_tensor
from adjoint.ops.families import general, linear
from adjoint.ops.pool_arguments import Windows, adaptive_windows, pool_windows
from adjoint.ops.reduce import mean
from adjoint.ops.view import squeeze, unsqueeze
from adjoint.ops.window_arguments import Sizes, not_implemented

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
]

Array = Any
Tensor = Any

# ---- the largest element -------------------------------------------------------------------------


def _max_vjp(xp: Any, g: Any, out: Any, windows: Windows) -> Array:
    return xp.max_pool_put(g[0], out[1], windows)


@general(_max_vjp, node="MaxPool2DWithIndicesBackward0", outputs=2)
def _max_pool2d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each window, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@general(_max_vjp, node="MaxPool3DWithIndicesBackward0", outputs=2)
def _max_pool3d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each window, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@general(_max_vjp, node="AdaptiveMaxPool2DBackward0", outputs=2)
def _adaptive_max_pool2d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each bin, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@general(_max_vjp, node="AdaptiveMaxPool3DBackward0", outputs=2)
def _adaptive_max_pool3d(xp: Any, input: Array, *, windows: Windows) -> tuple[Array, Array]:
    """Return the largest element of each bin, and its tap (Note [Taps])."""
    return xp.max_pool(input, windows)


@linear(
    lambda xp, g, places, windows: xp.max_pool_take(g, places, windows),
    node="MaxPool2DWithIndicesBackwardBackward0",
)
def _max_pool_put(xp: Any, input: Array, *, places: Array, windows: Windows) -> Array:
    """Return zeros with each element added at the tap of its window."""
    return xp.max_pool_put(input, places, windows)


@linear(
    lambda xp, g, places, windows: xp.max_pool_put(g, places, windows),
    node="MaxPool2DWithIndicesBackwardBackward0",
)
def _max_pool_take(xp: Any, input: Array, *, places: Array, windows: Windows) -> Array:
    """Return the elements at the taps."""
    return xp.max_pool_take(input, places, windows)


@general(
    lambda xp, g, input, windows: xp.max_pool_put(g, xp.max_pool(input, windows)[1], windows),
    node="MaxPool2DWithIndicesBackward0",
)
def _max_pool_values(xp: Any, input: Array, *, windows: Windows) -> Array:
    """Return the largest element of each window: faster where nothing is recorded."""
    return xp.max_pool_values(input, windows)
