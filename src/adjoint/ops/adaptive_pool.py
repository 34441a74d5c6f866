"""Adaptive pooling: as many windows as the result is to have elements, as equal as they can be.

In: an input (N, C, *space) or (C, *space) and the sizes of the result.  Out: a Tensor, recorded as
PyTorch records it; with ``return_indices`` also where the largest elements stand.
"""

from __future__ import annotations

from typing import Any

from adjoint.ops.pool import (
    _adaptive_avg_pool2d,
    _adaptive_avg_pool3d,
    _adaptive_max_pool2d,
    _adaptive_max_pool3d,
    _flat,
    _largest,
    _one_dim,
    _refuse,
)
from adjoint.ops.pool_arguments import adaptive_windows
from adjoint.ops.reduce import mean

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
]

Tensor = Any


def _largest_of_bins(input: Tensor, windows: Any, return_indices: bool) -> Any:
    return _largest(_adaptive_max_pool2d, _adaptive_max_pool3d, input, windows, return_indices)


def adaptive_max_pool1d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest element of each of ``output_size`` parts of signals.

    Args: ``return_indices``: return also where in the signal the elements stand, as int64.

    Shape: input (N, C, L) or (C, L); results (N, C, output_size) or (C, output_size).
    Raises: RuntimeError if sizes do not fit; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> adaptive_max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0, 5.0]]), 2)
        tensor([[3., 5.]])
    """
    windows = _flat(adaptive_windows("adaptive_max_pool1d", 1, input, output_size))
    _refuse(input, "adaptive_max_pool2d", False)
    return _one_dim(lambda x: _largest_of_bins(x, windows, return_indices), input)


def adaptive_max_pool2d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest element of each part of images that are cut into a grid.

    Args: ``output_size``: rows and columns of the grid, or one int for both; None: as the input.
    ``return_indices``: return also where in the flattened image the elements stand, as int64.

    Shape: input (N, C, H, W) or (C, H, W); results (N, C, *output_size) or (C, *output_size).
    Raises: RuntimeError if sizes do not fit; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> adaptive_max_pool2d(torch.arange(9.0).reshape(1, 3, 3), (1, 2))
        tensor([[[7., 8.]]])
    """
    windows = adaptive_windows("adaptive_max_pool2d", 2, input, output_size)
    _refuse(input, "adaptive_max_pool2d", False)
    return _largest_of_bins(input, windows, return_indices)


def adaptive_max_pool3d(input: Tensor, output_size: Any, return_indices: bool = False) -> Any:
    """Return the largest element of each part of volumes that are cut into a grid.

    Args: as of `adaptive_max_pool2d`.

    Shape: input (N, C, D, H, W) or (C, D, H, W); results (N, C, *output_size) or without N.
    Raises: RuntimeError if sizes do not fit; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> adaptive_max_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
        tensor([[[[7.]]]])
    """
    windows = adaptive_windows("adaptive_max_pool3d", 3, input, output_size)
    _refuse(input, "adaptive_max_pool3d_cpu", False)
    return _largest_of_bins(input, windows, return_indices)


def _mean_of_bins(input: Tensor, windows: Any) -> Tensor:
    if all(window.output == 1 for window in windows):  # PyTorch takes the mean itself, too
        return mean(input, tuple(range(-1, -1 - len(windows), -1)), True)
    return (_adaptive_avg_pool3d if len(windows) == 3 else _adaptive_avg_pool2d)(
        input, windows=windows
    )


def adaptive_avg_pool1d(input: Tensor, output_size: Any) -> Tensor:
    """Return the mean of each of ``output_size`` parts of signals.

    Shape: input (N, C, L) or (C, L); result (N, C, output_size) or (C, output_size).
    Raises: RuntimeError if sizes do not fit; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> adaptive_avg_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
        tensor([[2., 1.]])
    """
    windows = _flat(adaptive_windows("adaptive_avg_pool1d", 1, input, output_size))
    _refuse(input, "adaptive_avg_pool2d", False)
    return _one_dim(lambda x: _mean_of_bins(x, windows), input)


def adaptive_avg_pool2d(input: Tensor, output_size: Any) -> Tensor:
    """Return the mean of each part of images that are cut into a grid.

    Args: ``output_size``: rows and columns of the grid, or one int for both; None: as the input.

    Shape: input (N, C, H, W) or (C, H, W); result (N, C, *output_size) or (C, *output_size).
    Raises: RuntimeError if sizes do not fit; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> adaptive_avg_pool2d(torch.arange(16.0).reshape(1, 4, 4), (1, 2))
        tensor([[[6.5000, 8.5000]]])
    """
    windows = adaptive_windows("adaptive_avg_pool2d", 2, input, output_size)
    _refuse(input, "adaptive_avg_pool2d", False)
    return _mean_of_bins(input, windows)


def adaptive_avg_pool3d(input: Tensor, output_size: Any) -> Tensor:
    """Return the mean of each part of volumes that are cut into a grid.

    Args: as of `adaptive_avg_pool2d`.

    Shape: input (N, C, D, H, W) or (C, D, H, W); result (N, C, *output_size) or without N.
    Raises: RuntimeError if sizes do not fit; NotImplementedError for integer input.

    Example:
        >>> import adjoint as torch
        >>> adaptive_avg_pool3d(torch.arange(8.0).reshape(1, 2, 2, 2), 1)
        tensor([[[[3.5000]]]])
    """
    windows = adaptive_windows("adaptive_avg_pool3d", 3, input, output_size)
    _refuse(input, "adaptive_avg_pool3d_cpu", False)
    return _mean_of_bins(input, windows)
