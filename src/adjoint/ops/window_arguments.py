"""Arguments of convolution, pooling and unfolding: an int per spatial dim, or PyTorch's refusal.

In: what users pass.  Out: plain tuples, Tensors with a batch dim, and how to take it off again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.view import squeeze, unsqueeze

__all__ = [
    "Sizes",
    "by",
    "is_int",
    "not_implemented",
    "sizes_argument",
    "with_batch",
    "without_batch",
]

Tensor = Any
Sizes = int | Sequence[int]


def is_int(value: Any) -> bool:
    """Return whether PyTorch takes the value for an int: not a bool, not a float."""
    if type(value) is int:
        return True
    if isinstance(value, bool | float | str):
        return False
    if isinstance(value, TensorBase):
        return not value._desc.shape and not value._desc.dtype.is_floating_point
    return hasattr(value, "__index__")


def sizes_argument(function: str, name: str, position: int, value: Any) -> tuple[int, ...]:
    """Return an int or a sequence of ints as a tuple.

    Raises: TypeError in PyTorch's words for anything else.
    """
    if is_int(value):
        return (value.__index__(),)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be tuple of ints, not "
            f"{type(value).__name__}"
        )
    for place, size in enumerate(value):
        if not is_int(size):
            raise TypeError(
                f"{function}(): argument '{name}' (position {position}) must be tuple of ints, but "
                f"found element of type {type(size).__name__} at pos {place}"
            )
    return tuple(size.__index__() for size in value)


def by(sizes: Sequence[int], sign: str = " x ") -> str:
    """Return ``2 x 3`` for the sizes 2 and 3."""
    return sign.join(map(str, sizes))


def with_batch(input: Tensor, spatial: int) -> Tensor:
    """Return the input with a batch dim of size 1 if it has none."""
    return unsqueeze(input, 0) if len(input._desc.shape) == spatial + 1 else input


def without_batch(made: Tensor, input: Tensor, spatial: int) -> Tensor:
    """Return the result without the batch dim that `with_batch` gave to the input."""
    return squeeze(made, 0) if len(input._desc.shape) == spatial + 1 else made


def not_implemented(kernel: str, input: Tensor) -> NotImplementedError:
    """Return PyTorch's refusal of a dtype."""
    return NotImplementedError(
        f"\"{kernel}\" not implemented for '{scalar_name(input._desc.dtype)}'. "
        "(Convert the input with .float().)"
    )
