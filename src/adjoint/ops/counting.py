"""Values that decide how large a result is: inside `vmap` there may be others for each sample.

In: a tensor whose non-zero elements are to be counted or listed.  Out: its raw array, or PyTorch's
refusal, upon which `vmap` computes sample by sample.
"""

from __future__ import annotations

from typing import Any

from adjoint.array.batched.level import need_count

__all__ = ["counted", "counted_mask", "index_mask"]

Array = Any
Tensor = Any


def counted(name: str, input: Tensor) -> Array:
    """The raw array of what ``name`` looks through.

    Raises: RuntimeError where it differs from sample to sample.
    """
    if input._desc.type.levels:
        raise need_count(
            name,
            "vmap: We do not support batching operators that can output dynamic shape. Attempted "
            f"to vmap over aten::{name}.",
            (input._array,),
        )
    return input._array


def counted_mask(mask: Tensor) -> Array:
    """The raw array of the mask of `masked_select`."""
    if mask._desc.type.levels:
        raise need_count(
            "masked_select",
            "vmap: Attempted to vmap over `mask` in torch.masked_select(self, mask) We cannot "
            "support this because for each batch this would return a differently shaped Tensor.",
            (mask._array,),
        )
    return mask._array


def index_mask(mask: Tensor) -> Array:
    """The raw array of a mask between brackets."""
    if mask._desc.type.levels:
        raise need_count(
            "a mask as index",
            "vmap: We do not support batching operators that can support dynamic shape. Attempting "
            "to batch over indexing with a boolean mask.",
            (mask._array,),
        )
    return mask._array
