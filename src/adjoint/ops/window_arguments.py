"""Arguments of convolution and pooling: sizes per spatial dim, batches, and PyTorch's refusals.

In: what users pass.  Out: tuples with an int per spatial dim, Tensors with a batch dim - or
PyTorch's exception before anything is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.core.tensor_base import TensorBase

__all__ = ["Sizes", "expanded_sizes", "is_size", "shape_text", "sizes_argument"]

Tensor = Any
Sizes = int | Sequence[int]


def is_size(value: Any) -> bool:
    """Whether PyTorch takes the value for an int: not a bool, not a float."""
    if isinstance(value, bool | float | str):
        return False
    if isinstance(value, TensorBase):
        return value.ndim == 0 and value.dtype.name.startswith(("int", "uint"))
    return hasattr(value, "__index__")
