"""Padding as modules.  In: sequences, images or volumes.  Out: them with more elements around."""

from __future__ import annotations

from typing import Any, ClassVar

from adjoint.nn import functional as F
from adjoint.nn.modules.module import Module
from adjoint.tensor import Tensor

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _Pad(Module):
    """What all paddings share: ``padding``, an int or one for each side (left, right, top, ...)."""

    dims: ClassVar[int]
    mode: ClassVar[str] = "constant"
    padding: tuple[int, ...]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        sides = 2 * self.dims
        self.padding = tuple(padding) if isinstance(padding, tuple | list) else (padding,) * sides

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with more elements around."""
        return F.pad(input, self.padding, self.mode)

    def extra_repr(self) -> str:
        """Return the sides."""
        return f"{self.padding}"


class _ConstantPad(_Pad):
    value: float

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with ``value`` around."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """Return the sides and the value."""
        return f"padding={self.padding}, value={self.value}"


class ConstantPad1d(_ConstantPad):
    """A value at both ends of sequences."""

    dims = 1


class ConstantPad2d(_ConstantPad):
    """A value around images."""

    dims = 2


class ConstantPad3d(_ConstantPad):
    """A value around volumes."""

    dims = 3


class _ZeroPad(_ConstantPad):
    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """Return the sides."""
        return f"{self.padding}"


class ZeroPad1d(_ZeroPad):
    """Zeros at both ends of sequences."""

    dims = 1


class ZeroPad2d(_ZeroPad):
    """Zeros around images."""

    dims = 2


class ZeroPad3d(_ZeroPad):
    """Zeros around volumes."""

    dims = 3


class ReflectionPad1d(_Pad):
    """Sequences reflected at their ends."""

    dims, mode = 1, "reflect"


class ReflectionPad2d(_Pad):
    """Images reflected at their edges."""

    dims, mode = 2, "reflect"


class ReflectionPad3d(_Pad):
    """Volumes reflected at their faces."""

    dims, mode = 3, "reflect"


class ReplicationPad1d(_Pad):
    """Sequences with their ends repeated."""

    dims, mode = 1, "replicate"


class ReplicationPad2d(_Pad):
    """Images with their edges repeated."""

    dims, mode = 2, "replicate"


class ReplicationPad3d(_Pad):
    """Volumes with their faces repeated."""

    dims, mode = 3, "replicate"


class CircularPad1d(_Pad):
    """Sequences that begin again at their ends."""

    dims, mode = 1, "circular"


class CircularPad2d(_Pad):
    """Images that begin again at their edges."""

    dims, mode = 2, "circular"


class CircularPad3d(_Pad):
    """Volumes that begin again at their faces."""

    dims, mode = 3, "circular"
