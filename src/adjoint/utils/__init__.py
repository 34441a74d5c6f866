"""Utilities: data loading, hooks, trees of containers."""

from adjoint.utils import _pytree, data, hooks

__all__ = ["_pytree", "data", "hooks"]
