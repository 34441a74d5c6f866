"""Masks: filling, replacing and in place, where a bool tensor is true.

In: a Tensor, a mask that broadcasts, a number or a Tensor.  Out: a copy, or for names that end in
an underscore the tensor itself. What is overwritten gets no gradient.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops import view
from adjoint.ops.arguments import tensor_argument
from adjoint.ops.counting import counted
from adjoint.ops.families import operator
from adjoint.ops.gather import broadcast_shape, spread_mask
from adjoint.ops.index import overwritten
from adjoint.ops.numbers import number
from adjoint.ops.scatter import Call, copied, into, writes

Array = Any
Tensor = Any
Shape = tuple[int, ...]

# ---- primitives ----------------------------------------------------------------------------------


def _unmasked(xp: Any, g: Array, mask: Array) -> Array:
    return xp.where(mask, xp.zeros_like(g), g)


@operator("linear", (_unmasked, None), jvp=_unmasked, linear=True)
def _masked_fill(xp: Any, input: Array, mask: Array, *, value: Any) -> Array:
    """Return ``input`` with a number where ``mask`` is true."""
    return xp.where(mask, value, input)


@operator(
    "linear",
    (_unmasked, lambda xp, g, mask: xp.where(mask, g, xp.zeros_like(g)), None),
    linear=True,
    node="MaskedFillBackward1",
)
def _masked_fill_tensor(xp: Any, input: Array, value: Array, mask: Array) -> Array:
    """Return ``input`` with a 0-d tensor where ``mask`` is true."""
    return xp.where(mask, xp.astype(value, input.dtype), input)


def _masked_source(xp: Any, g: Array, source_shape: Shape, mask: Array) -> Array:
    picked = xp.take(g, (spread_mask(xp, mask, tuple(g.shape)),))
    flat = xp.slice_into(picked, (xp.size(source_shape),), (slice(picked.shape[0]),))
    return xp.reshape(flat, source_shape)


@operator("linear", (_unmasked, _masked_source, None), linear=True)
def _masked_scatter(xp: Any, input: Array, source: Array, mask: Array) -> Array:
    """Return ``input`` with the elements of ``source``, in order, where ``mask`` is true."""
    wide = spread_mask(xp, mask, input.shape)
    flat = xp.reshape(source, (-1,))
    return overwritten(xp, input, (wide,), flat[: np.count_nonzero(wide)])


def _fill_masked(memory: Array, mask: Array, *, value: Any) -> None:
    np.copyto(memory, value, where=mask)


def _fill_masked_tensor(memory: Array, value: Array, mask: Array) -> None:
    np.copyto(memory, value, where=mask, casting="unsafe")


def _place_masked(memory: Array, source: Array, mask: Array) -> None:
    wide = np.broadcast_to(mask, memory.shape)
    memory[wide] = source.reshape(-1)[: np.count_nonzero(wide)]


writes(_masked_fill, _fill_masked)
writes(_masked_fill_tensor, _fill_masked_tensor)
writes(_masked_scatter, _place_masked)
for _function in (_masked_fill, _masked_fill_tensor):
    _function.op.overlapping = True


# ---- PyTorch's functions and methods -------------------------------------------------------------


def _masked_fill_call(input: Tensor, mask: Tensor, value: Any) -> Call:
    tensor_argument("masked_fill_", "mask", 1, mask)
    broadcast_shape(input._desc.shape, mask._desc.shape)
    if mask._desc.dtype is not dtypes.bool_:
        words = {"uint8": "unsigned char", "int64": "long int", "int32": "int"}
        kind = words.get(mask._desc.dtype.name, mask._desc.dtype.name)
        raise RuntimeError(
            f"masked_fill_ only supports boolean masks, but got mask with dtype {kind}"
        )
    if isinstance(value, TensorBase):
        if value._desc.shape:
            raise RuntimeError(
                "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
                f"{len(value._desc.shape)} dimension(s)."
            )
        return _masked_fill_tensor, (value, mask), {}
    return _masked_fill, (mask,), {"value": number(value, input._desc.dtype)}


def _masked_scatter_call(input: Tensor, mask: Tensor, source: Tensor) -> Call:
    if mask._desc.dtype is not dtypes.bool_:
        raise RuntimeError(
            "masked_scatter_ only supports boolean masks, but got mask with dtype "
            f"{mask._desc.dtype!r}"
        )
    if input._desc.dtype is not source._desc.dtype:
        raise RuntimeError(
            "masked_scatter_: expected self and source to have same dtypes but got "
            f"{scalar_name(input._desc.dtype)} and {scalar_name(source._desc.dtype)}"
        )
    wanted = np.count_nonzero(np.broadcast_to(counted("masked_scatter", mask), input._desc.shape))
    if wanted > source.numel():
        raise RuntimeError(
            f"masked_scatter: expected source to have at least {wanted} elements, it has "
            f"{source.numel()}"
        )
    return _masked_scatter, (source, mask), {}


def masked_fill(input: Tensor, mask: Tensor, value: Any) -> Tensor:
    """Return ``input`` with a number or a 0-d tensor where ``mask`` is true; both broadcast."""
    if isinstance(mask, TensorBase):
        broadcast_shape(mask._desc.shape, input._desc.shape)  # the mask is expanded first
    return copied(input, _masked_fill_call(input, mask, value))


def masked_fill_(self: Tensor, mask: Tensor, value: Any) -> Tensor:
    """In-place version of ``masked_fill``."""
    return into(self, _masked_fill_call(self, mask, value))


def masked_scatter(input: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """Return ``input`` with the elements of ``source``, in order, where ``mask`` is true."""
    shape = broadcast_shape(input._desc.shape, mask._desc.shape)
    wide = input if input._desc.shape == shape else view.expand(input, shape)
    return copied(wide, _masked_scatter_call(wide, mask, source))


def masked_scatter_(self: Tensor, mask: Tensor, source: Tensor) -> Tensor:
    """In-place version of ``masked_scatter``."""
    return into(self, _masked_scatter_call(self, mask, source))
