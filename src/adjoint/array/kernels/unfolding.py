"""Unfolding: the windows of images as columns of a matrix, and the sum of such columns.

In: raw arrays (N, C, *space), a `Window` per spatial axis. Out: columns (N, C * taps, windows) and
back. The two are each other's transpose.
"""

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from adjoint.array.kernels.windows import Columns, Window

__all__ = ["fold", "unfold"]

Array = Any


def unfold(x: Array, windows: Sequence[Window]) -> Array:
    """Return every window as a column: rows are channels, and in each the taps in order.

    Shape: x (N, C, *space); result (N, C * taps, windows).
    """
    return _columns(x.shape[0], x.shape[1], windows, x.dtype).expand(x)[:, 0]


def fold(columns: Array, windows: Sequence[Window]) -> Array:
    """Return images to which every column is added where `unfold` takes it from.

    Shape: columns (N, C * taps, windows); result (N, C, *space).
    """
    images = columns.shape[0]
    channels = columns.shape[1] // prod(window.kernel for window in windows)
    x = np.zeros((images, channels, *(window.input for window in windows)), columns.dtype)
    plan = _columns(images, channels, windows, columns.dtype)
    plan.matrices(x)[:, 0] = columns
    plan.fold(x, fresh=True)
    return x


def _columns(images: int, channels: int, windows: Sequence[Window], dtype: Any) -> Columns:
    return Columns((images, channels, 1), windows, dtype, joined=False, direct=False)
