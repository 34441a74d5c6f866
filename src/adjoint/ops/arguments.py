"""Arguments at the door: dims, shapes and tensors, checked and normalised once.

In: what users pass.  Out: non-negative axes, plain tuples, Tensors - or PyTorch's exception before
anything is touched.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from adjoint.core.tensor_base import TensorBase

__all__ = ["canonical_dim", "canonical_dims", "checked_shape", "sizes_of", "tensor_argument"]

Dims = int | Sequence[int] | None


def canonical_dim(dim: int, ndim: int) -> int:
    """``dim`` counted from the front.

    Raises: IndexError if it is out of range.
    """
    limit = ndim or 1
    if not -limit <= dim < limit:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-limit}, {limit - 1}], but got "
            f"{dim})"
        )
    return dim + limit if dim < 0 else dim


def canonical_dims(dim: Dims, ndim: int) -> tuple[int, ...]:
    """A tuple of dims counted from the front; None and () mean all of them.

    Raises: IndexError if one is out of range; RuntimeError if one appears twice.
    """
    if dim is None:
        return tuple(range(ndim))
    if isinstance(dim, int):
        axis = canonical_dim(dim, ndim)
        return (axis,) if ndim else ()
    dims = tuple(canonical_dim(int(d), ndim) for d in dim)
    if len(set(dims)) != len(dims):
        twice = next(d for d in dims if dims.count(d) > 1)
        raise RuntimeError(f"dim {twice} appears multiple times in the list of dims")
    if not dims or not ndim:
        return tuple(range(ndim))
    return dims


def sizes_of(sizes: tuple[Any, ...]) -> tuple[int, ...]:
    """The shape meant by ``f(2, 3)``, ``f((2, 3))`` and ``f(size)``."""
    if len(sizes) == 1 and not isinstance(sizes[0], int) and not hasattr(sizes[0], "__index__"):
        sizes = tuple(sizes[0])
    return tuple(s if type(s) is int else s.__index__() for s in sizes)


def _negative_size(shape: tuple[int, ...]) -> RuntimeError:
    at = next(i for i, s in enumerate(shape) if s < -1)
    return RuntimeError(f"invalid shape dimension {shape[at]} at index {at} of shape {list(shape)}")


def checked_shape(shape: tuple[int, ...], numel: int) -> tuple[int, ...]:
    """``shape`` with a single -1 filled in for ``numel`` elements.

    Raises: RuntimeError if that is impossible.
    """
    if -1 in shape:
        if shape.count(-1) > 1:
            raise RuntimeError("only one dimension can be inferred")
        known = math.prod(s for s in shape if s != -1)
        if any(s < -1 for s in shape):
            raise _negative_size(shape)
        if known == 0 and numel == 0:
            raise RuntimeError(
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous"
            )
        if known and numel % known == 0:
            return tuple(numel // known if s == -1 else s for s in shape)
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    if any(s < 0 for s in shape):
        raise _negative_size(shape)
    if math.prod(shape) != numel:
        raise RuntimeError(f"shape '{list(shape)}' is invalid for input of size {numel}")
    return shape


def tensor_argument(function: str, name: str, position: int, value: Any) -> Any:
    """``value`` if it is a Tensor.

    Raises: TypeError in PyTorch's words otherwise.
    """
    if not isinstance(value, TensorBase):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be Tensor, not "
            f"{type(value).__name__}"
        )
    return value
