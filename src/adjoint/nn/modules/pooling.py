"""Pooling as modules.  In: sequences, images or volumes with channels.  Out: a value per window."""

from __future__ import annotations

from typing import Any

from adjoint.nn import functional as F
from adjoint.nn.modules.module import Module
from adjoint.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AdaptiveAvgPool3d",
    "AdaptiveMaxPool1d",
    "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d",
    "AvgPool1d",
    "AvgPool2d",
    "AvgPool3d",
    "MaxPool1d",
    "MaxPool2d",
    "MaxPool3d",
]

Sizes = Any


class _MaxPool(Module):
    """What pooling by the largest element has."""

    kernel_size: Sizes
    stride: Sizes
    padding: Sizes
    dilation: Sizes
    return_indices: bool
    ceil_mode: bool

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def _options(self) -> dict[str, Any]:
        return {
            "kernel_size": self.kernel_size,
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
            "ceil_mode": self.ceil_mode,
            "return_indices": self.return_indices,
        }

    def extra_repr(self) -> str:
        """Return the window."""
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPool):
    """The largest element of each window of sequences (N, C, L)."""

    def forward(self, input: Tensor) -> Any:
        """Return `functional.max_pool1d` of ``input``."""
        return F.max_pool1d(input, **self._options())


class MaxPool2d(_MaxPool):
    """The largest element of each window of images (N, C, H, W).

    Example:
        >>> import adjoint as torch
        >>> MaxPool2d(3, stride=2)(torch.ones(20, 16, 50, 32)).shape
        torch.Size([20, 16, 24, 15])
    """

    def forward(self, input: Tensor) -> Any:
        """Return `functional.max_pool2d` of ``input``."""
        return F.max_pool2d(input, **self._options())


class MaxPool3d(_MaxPool):
    """The largest element of each window of volumes (N, C, D, H, W)."""

    def forward(self, input: Tensor) -> Any:
        """Return `functional.max_pool3d` of ``input``."""
        return F.max_pool3d(input, **self._options())


class AvgPool1d(Module):
    """The mean of each window of sequences (N, C, L)."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        super().__init__()
        self.kernel_size = _single(kernel_size)
        self.stride = self.kernel_size if stride is None else _single(stride)
        self.padding = _single(padding)
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.avg_pool1d` of ``input``."""
        return F.avg_pool1d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
        )

    def extra_repr(self) -> str:
        """Return the window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


def _single(value: Any) -> tuple[int, ...]:
    return tuple(value) if isinstance(value, tuple | list) else (value,)


class _AvgPool(Module):
    """What pooling by the mean has, from two dims on."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = kernel_size if stride is None else stride
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def _options(self) -> tuple[Any, ...]:
        return (
            *(self.kernel_size, self.stride, self.padding, self.ceil_mode),
            *(self.count_include_pad, self.divisor_override),
        )

    def extra_repr(self) -> str:
        """Return the window."""
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool2d(_AvgPool):
    """The mean of each window of images (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.avg_pool2d` of ``input``."""
        return F.avg_pool2d(input, *self._options())


class AvgPool3d(_AvgPool):
    """The mean of each window of volumes (N, C, D, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.avg_pool3d` of ``input``."""
        return F.avg_pool3d(input, *self._options())


class _AdaptiveAvgPool(Module):
    """The mean of each part of a grid of a given size."""

    output_size: Any

    def __init__(self, output_size: Any) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        """Return the size of the grid."""
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPool):
    """The means of sequences (N, C, L) cut into ``output_size`` parts."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.adaptive_avg_pool1d` of ``input``."""
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPool):
    """The means of images (N, C, H, W) cut into a grid; None keeps a size.

    Example:
        >>> import adjoint as torch
        >>> AdaptiveAvgPool2d((5, None))(torch.ones(1, 64, 8, 9)).shape
        torch.Size([1, 64, 5, 9])
    """

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.adaptive_avg_pool2d` of ``input``."""
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPool):
    """The means of volumes (N, C, D, H, W) cut into a grid; None keeps a size."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.adaptive_avg_pool3d` of ``input``."""
        return F.adaptive_avg_pool3d(input, self.output_size)


class _AdaptiveMaxPool(_AdaptiveAvgPool):
    """The largest element of each part of a grid of a given size."""

    return_indices: bool

    def __init__(self, output_size: Any, return_indices: bool = False) -> None:
        super().__init__(output_size)
        self.return_indices = return_indices


class AdaptiveMaxPool1d(_AdaptiveMaxPool):
    """The largest elements of sequences (N, C, L) cut into ``output_size`` parts."""

    def forward(self, input: Tensor) -> Any:
        """Return `functional.adaptive_max_pool1d` of ``input``."""
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPool):
    """The largest elements of images (N, C, H, W) cut into a grid; None keeps a size."""

    def forward(self, input: Tensor) -> Any:
        """Return `functional.adaptive_max_pool2d` of ``input``."""
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPool):
    """The largest elements of volumes (N, C, D, H, W) cut into a grid; None keeps a size."""

    def forward(self, input: Tensor) -> Any:
        """Return `functional.adaptive_max_pool3d` of ``input``."""
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)
