"""Casting: the same values in another dtype, and the parts of complex numbers.  In: Tensors.  Out: Tensors."""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.ops.families import linear

Array = Any
Tensor = Any


# The cotangent is cast back where it leaves the node: dtypes belong to the edges.
@linear(lambda xp, g: g, holomorphic=False, node="ToCopyBackward0")
def _to_copy(xp: Any, input: Array, *, dtype: Any) -> Array:
    """Return ``input`` in another dtype."""
    return xp.astype(input, dtype)


def to_dtype(input: Tensor, dtype: Any) -> Tensor:
    """Return ``input`` in ``dtype``; itself if it has it already."""
    wanted = dtype if isinstance(dtype, dtypes.dtype) else dtypes.from_numpy_dtype(np.dtype(dtype))
    if input._desc.dtype is wanted:
        return input
    return _to_copy(input, dtype=wanted.numpy)
