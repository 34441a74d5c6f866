"""Dropout as modules.  In: a Tensor.  Out: in training, a part of it zeroed."""

from __future__ import annotations

from adjoint.nn import functional as F
from adjoint.nn.modules.module import Module
from adjoint.tensor import Tensor

__all__ = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d"]


class _Dropout(Module):
    """What all kinds of dropout have: a probability and ``inplace``."""

    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_Dropout):
    """Zeroes each element with probability ``p`` and divides the rest by 1 - p."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with elements dropped in training."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_Dropout):
    """Zeroes whole channels of sequences (N, C, L)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with channels dropped in training."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_Dropout):
    """Zeroes whole channels of images (N, C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with channels dropped in training."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_Dropout):
    """Zeroes whole channels of volumes (N, C, D, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input`` with channels dropped in training."""
        return F.dropout3d(input, self.p, self.training, self.inplace)
