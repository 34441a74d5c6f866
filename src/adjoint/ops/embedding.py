"""Rows by number: embedding, and its cousin one_hot.

In: integer indices of any shape.  Out: for each index a row of a matrix, or a row of zeros with a
one.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.batched.level import need_truth, need_value
from adjoint.array.batched.levels import all_samples
from adjoint.array.batched.tape import NoRoom
from adjoint.core.errors import type_name
from adjoint.core.inplace import has_room
from adjoint.core.tensor_base import make_tensor
from adjoint.ops.families import general
from adjoint.ops.view import unsqueeze

__all__ = ["embedding", "one_hot"]

Array = Any
Tensor = Any


def _embedding_vjp(
    xp: Any,
    g: Array,
    weight_shape: tuple[int, ...],
    indices: Array,
    padding_idx: int,
    scale_grad_by_freq: bool,
) -> Array:
    flat = xp.reshape(indices, (-1,))
    rows = xp.reshape(g, (-1, weight_shape[1]))
    keep = None if padding_idx < 0 else flat != padding_idx
    if scale_grad_by_freq:
        # How often each index occurs, at the places of the indices.
        same = xp.expand_dims(flat, (1,)) == xp.expand_dims(flat, (0,))
        rows = rows / xp.sum(xp.astype(same, g.dtype), axis=(1,), keepdims=True)
    if keep is not None:
        rows = xp.where(xp.expand_dims(keep, (1,)), rows, xp.zeros_like(rows))
    return xp.index_add(rows, weight_shape, (flat,))


@general(_embedding_vjp, None, linear=True)
def _embedding(
    xp: Any, weight: Array, indices: Array, *, padding_idx: int, scale_grad_by_freq: bool
) -> Array:
    """Return the rows of ``weight`` at ``indices``."""
    return xp.take(weight, (indices,))


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Return the rows of ``weight`` that ``input`` numbers.

    Shape: ``input`` (*); ``weight`` (rows, size); result (*, size).
    Args: ``padding_idx``: a row that gets no gradient; ``max_norm``: rows that are used and longer
    than that are shortened in place first; ``scale_grad_by_freq``: divide a row's gradient by how
    often it was used; ``sparse`` is accepted, the gradient is dense.
    Raises: IndexError for an index out of range; RuntimeError for indices that are no integers or a
    weight that is no matrix.
    """
    if weight.ndim != 2:
        raise RuntimeError("'weight' must be 2-D")
    rows = weight.shape[0]
    if padding_idx is not None:
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if input.dtype is not dtypes.int64 and input.dtype is not dtypes.int32:
        raise RuntimeError(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
            f"Long, Int; but got {type_name(input.dtype)} instead "
            "(while checking arguments for embedding)"
        )
    raw = all_samples(input._array)
    if isinstance(raw, np.ndarray | np.generic) and raw.size:
        low, high = int(raw.min()), int(raw.max())
        if low < 0 or high >= rows:
            bad = low if low < 0 else high
            raise IndexError(
                f"index out of range in self (index {bad}; the embedding has {rows} rows)"
            )
    if max_norm is not None:
        levels = input._desc.type.levels
        if not has_room(weight, levels):
            raise RuntimeError(NoRoom(weight.shape, levels[0].size).named("embedding_renorm"))
        if levels or weight._desc.type.levels:
            raise need_value("max_norm", (input._array, weight._array))
        _shorten(weight, raw, max_norm, norm_type)
    return _embedding(
        weight,
        input,
        padding_idx=-1 if padding_idx is None else padding_idx,
        scale_grad_by_freq=scale_grad_by_freq,
    )


def _shorten(weight: Tensor, raw: Array, max_norm: float, norm_type: float) -> None:
    """Scale the used rows that are longer than ``max_norm`` to that length, in place."""
    memory = weight._memory()
    for row in np.unique(raw):
        length = float(np.linalg.norm(memory[row], norm_type))
        if length > max_norm:
            memory[row] *= memory.dtype.type(max_norm / (length + 1e-7))
    weight._version_counter().value += 1


def one_hot(tensor: Tensor, num_classes: int = -1) -> Tensor:
    """Return rows of zeros with a one at each index.

    Shape: ``tensor`` (*); result (*, num_classes); -1 means one more than the largest index.
    Raises: RuntimeError for indices that are not int64, negative, or too large.

    Example:
        >>> import adjoint as torch
        >>> one_hot(torch.tensor([0, 2]))
        tensor([[1, 0, 0],
                [0, 0, 1]])
    """
    if tensor.dtype is not dtypes.int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if num_classes == -1 and tensor._desc.type.levels:
        raise need_truth((tensor._array,))
    raw = np.asarray(all_samples(tensor._array))
    if not raw.size:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return make_tensor(np.zeros((*tensor.shape, num_classes), np.int64))
    if raw.min() < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = int(raw.max())
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1:
        raise RuntimeError("num_classes should be positive")
    elif largest >= num_classes:
        raise RuntimeError(
            f"Class values must be smaller than num_classes. ({largest} is not below "
            f"{num_classes}.)"
        )
    found = unsqueeze(tensor, -1) == make_tensor(np.arange(num_classes))
    return found.long()
