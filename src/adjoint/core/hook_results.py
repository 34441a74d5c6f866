"""What hooks may return: PyTorch's checks and sentences.

In: what a user's hook returned, and what it was given.  Out: the same, or an error that names it.
"""

from __future__ import annotations

from typing import Any

from adjoint.array.descriptor import Descriptor
from adjoint.core.errors import type_name
from adjoint.core.tensor_base import TensorBase

__all__ = ["check_hook_result", "check_hook_tuple"]


def check_hook_result(result: Any, given: Any, desc: Descriptor, hook: Any) -> None:
    """PyTorch's checks on what a tensor hook returns."""
    name = getattr(hook, "__name__", "hook")
    if not isinstance(result, TensorBase):
        raise TypeError(f"expected Variable, but hook returned '{type(result).__name__}'")
    if result._desc.dtype is not desc.dtype:
        raise RuntimeError(
            f"hook '{name}' has changed the type of value (was {type_name(desc.dtype)} got "
            f"{type_name(result._desc.dtype)})"
        )
    if result._desc.shape != desc.shape:
        raise RuntimeError(f"hook '{name}' has changed the size of value")


def check_hook_tuple(result: Any, before: tuple[Any, ...], hook: Any) -> tuple[Any, ...]:
    """PyTorch's checks on what a node hook returns."""
    name = getattr(hook, "__name__", "hook")
    if not isinstance(result, tuple):
        raise TypeError(f"expected tuple, but hook returned '{type(result).__name__}'")
    if len(result) != len(before):
        raise RuntimeError(
            f"hook '{name}' has returned an incorrect number of values (got {len(result)}, but "
            "expected "
            f"{len(before)})"
        )
    for new, old in zip(result, before):
        if new is not None and not isinstance(new, TensorBase):
            raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
        if new is not None and old is not None and new._desc.shape != old._desc.shape:
            raise RuntimeError(f"hook '{name}' has changed the size of value")
    return result
