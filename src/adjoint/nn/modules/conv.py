"""Convolutions as modules.  In: sequences, images or volumes with channels.  Out: them filtered.

Weights are drawn as PyTorch draws them: the same numbers from the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

from adjoint.nn import functional as F
from adjoint.nn import init
from adjoint.nn.modules.module import Module
from adjoint.ops.create import empty
from adjoint.parameter import Parameter
from adjoint.tensor import Tensor

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
]

Sizes = Any
PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


def _each(value: Any, n: int) -> tuple[Any, ...]:
    """One value per dim, from one value or a sequence."""
    return tuple(value) if isinstance(value, Sequence) else (value,) * n


class _Conv(Module):
    """What all convolutions share; ``dims`` is the number of dims of the window."""

    dims: ClassVar[int]
    transposed: bool = False
    in_channels: int
    out_channels: int
    kernel_size: tuple[int, ...]
    stride: tuple[int, ...]
    padding: Any
    dilation: tuple[int, ...]
    output_padding: tuple[int, ...]
    groups: int
    padding_mode: str
    weight: Parameter
    bias: Parameter | None

    def _set_up(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes,
        padding: Any,
        dilation: Sizes,
        output_padding: Sizes,
        groups: int,
        bias: bool,
        padding_mode: str,
        device: Any,
        dtype: Any,
    ) -> None:
        if groups <= 0:
            raise ValueError("groups must be a positive integer")
        if in_channels % groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        if out_channels % groups != 0:
            raise ValueError("out_channels must be divisible by groups")
        n = self.dims
        stride = _each(stride, n)
        if isinstance(padding, str):
            if padding not in ("same", "valid"):
                raise ValueError(
                    f"Invalid padding string {padding!r}, should be one of {{'valid', 'same'}}"
                )
            if padding == "same" and any(s != 1 for s in stride):
                raise ValueError("padding='same' is not supported for strided convolutions")
        else:
            padding = _each(padding, n)
        if padding_mode not in PADDING_MODES:
            raise ValueError(
                f"padding_mode must be one of {set(PADDING_MODES)}, but got "
                f"padding_mode='{padding_mode}'"
            )
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = _each(kernel_size, n)
        self.stride = stride
        self.padding = padding
        self.dilation = _each(dilation, n)
        self.output_padding = _each(output_padding, n)
        self.groups = groups
        self.padding_mode = padding_mode
        channels = (out_channels, in_channels // groups)
        if self.transposed:
            channels = (in_channels, out_channels // groups)
        shape = (*channels, *self.kernel_size)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_channels, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw weight and bias from U(-k, k), k = 1 / sqrt(inputs of one output)."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = self.weight.shape[1] * math.prod(self.kernel_size)
            if fan_in:
                bound = 1 / math.sqrt(fan_in)
                init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        """Return the channels, the window and what is not usual."""
        n = self.dims
        text = (
            f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, "
            f"stride={self.stride}"
        )
        if isinstance(self.padding, str) or self.padding != (0,) * n:
            text += f", padding={self.padding}"
        if self.dilation != (1,) * n:
            text += f", dilation={self.dilation}"
        if self.output_padding != (0,) * n:
            text += f", output_padding={self.output_padding}"
        if self.groups != 1:
            text += f", groups={self.groups}"
        if self.bias is None:
            text += ", bias=False"
        if self.padding_mode != "zeros":
            text += f", padding_mode={self.padding_mode}"
        return text


class _Forward(_Conv):
    """A convolution."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Any = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self._set_up(
            *(in_channels, out_channels, kernel_size, stride, padding, dilation, 0, groups),
            *(bias, padding_mode, device, dtype),
        )

    def _around(self) -> list[int]:
        """How much to pad each side, the last dim first, for `functional.pad`."""
        sides: list[int] = []
        for i in reversed(range(self.dims)):
            if self.padding == "same":
                total = self.dilation[i] * (self.kernel_size[i] - 1)
                sides += [total // 2, total - total // 2]
            elif self.padding == "valid":
                sides += [0, 0]
            else:
                sides += [self.padding[i], self.padding[i]]
        return sides

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` convolved with the weight, plus the bias."""
        padding = self.padding
        if self.padding_mode != "zeros":
            input = F.pad(input, self._around(), mode=self.padding_mode)
            padding = (0,) * self.dims
        return _CONVOLUTIONS[self.dims](
            input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups
        )


_CONVOLUTIONS: dict[int, Any] = {1: F.conv1d, 2: F.conv2d, 3: F.conv3d}
_TRANSPOSES: dict[int, Any] = {
    1: F.conv_transpose1d,
    2: F.conv_transpose2d,
    3: F.conv_transpose3d,
}


class Conv1d(_Forward):
    """A convolution of sequences (N, C, L) or (C, L); arguments as for `Conv2d`."""

    dims = 1


class Conv2d(_Forward):
    """A convolution of images (N, C, H, W) or (C, H, W).

    Args: ``kernel_size``, ``stride``, ``padding``, ``dilation``: an int, or one for each dim;
    ``padding`` may be ``"same"`` or ``"valid"``; ``groups``: channels in separate parts;
    ``padding_mode``: what lies outside, ``"zeros"``, ``"reflect"``, ``"replicate"``,
    ``"circular"``.
    Raises: ValueError for options that are none.

    Example:
        >>> import adjoint as torch
        >>> Conv2d(16, 33, (3, 5), stride=(2, 1), padding=(4, 2))(torch.ones(20, 16, 50, 100)).shape
        torch.Size([20, 33, 28, 100])
    """

    dims = 2


class Conv3d(_Forward):
    """A convolution of volumes (N, C, D, H, W) or (C, D, H, W); arguments as for `Conv2d`."""

    dims = 3


class _Transposed(_Conv):
    """The transpose of a convolution: what its gradient does to the output's."""

    transposed = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if padding_mode != "zeros":
            raise ValueError(f'Only "zeros" padding mode is supported for {type(self).__name__}')
        self._set_up(
            *(in_channels, out_channels, kernel_size, stride, padding, dilation, output_padding),
            *(groups, bias, padding_mode, device, dtype),
        )

    def _padding_for(self, input: Tensor, output_size: Any) -> tuple[int, ...]:
        """The output padding that gives ``output_size``."""
        n = self.dims
        if output_size is None:
            return self.output_padding
        sizes = list(output_size)
        batched = input.dim() == n + 2
        if len(sizes) == (n + 2 if batched else n + 1):
            sizes = sizes[-n:]
        if len(sizes) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} or "
                f"{n + 2 if batched else n + 1} elements (got {len(sizes)})"
            )
        least = [
            (input.size(i - n) - 1) * self.stride[i]
            - 2 * self.padding[i]
            + self.dilation[i] * (self.kernel_size[i] - 1)
            + 1
            for i in range(n)
        ]
        most = [least[i] + self.stride[i] - 1 for i in range(n)]
        if any(not low <= size <= high for size, low, high in zip(sizes, least, most)):
            raise ValueError(
                f"requested an output size of {output_size}, but valid sizes range from {least} to "
                f"{most} (for an input of {input.size()[2:]})"
            )
        return tuple(size - low for size, low in zip(sizes, least))

    def forward(self, input: Tensor, output_size: Any = None) -> Tensor:
        """Return the transposed convolution, of a given size where several are possible."""
        return _TRANSPOSES[self.dims](
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            self._padding_for(input, output_size),
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_Transposed):
    """The transpose of a convolution of sequences; arguments as for `Conv2d`."""

    dims = 1


class ConvTranspose2d(_Transposed):
    """The transpose of a convolution of images; arguments as for `Conv2d`."""

    dims = 2


class ConvTranspose3d(_Transposed):
    """The transpose of a convolution of volumes; arguments as for `Conv2d`."""

    dims = 3
