"""Utilities: checkpoints, data loading, hooks, trees of containers."""

from adjoint.utils import _pytree, checkpoint, data, hooks

__all__ = ["_pytree", "checkpoint", "data", "hooks"]
