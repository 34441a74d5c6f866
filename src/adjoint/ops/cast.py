"""Casting: the same values in another dtype, and the parts of complex numbers.  In: Tensors.  Out:
Tensors.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.families import linear

Array = Any
Tensor = Any


# The cotangent is cast back where it leaves the node: dtypes belong to the edges.
@linear(lambda xp, g: g, holomorphic=False, node="ToCopyBackward0", own_dtype=True)
def _to_copy(xp: Any, input: Array, *, dtype: Any) -> Array:
    """Return ``input`` in another dtype."""
    return xp.astype(input, dtype)


def to_dtype(input: Tensor, dtype: Any) -> Tensor:
    """Return ``input`` in ``dtype``; itself if it has it already."""
    wanted = dtype if isinstance(dtype, dtypes.dtype) else dtypes.from_numpy_dtype(np.dtype(dtype))
    if input._desc.dtype is wanted:
        return input
    return _to_copy(input, dtype=wanted.numpy)


def result_type(tensor1: Any, tensor2: Any) -> dtypes.dtype:
    """Return the dtype of an operation on two tensors or numbers."""
    groups: tuple[list[Any], list[Any], list[Any]] = ([], [], [])
    for operand in (tensor1, tensor2):
        if not isinstance(operand, TensorBase):
            groups[2].append(operand)
        else:
            groups[0 if operand._desc.shape else 1].append(operand._desc.dtype)
    return dtypes.result_dtype(*groups)


def can_cast(from_: dtypes.dtype, to: dtypes.dtype) -> bool:
    """Return whether a result of one dtype may be written into a tensor of another."""
    return from_.category <= to.category
