"""Utilities: data loading, hooks, trees of containers."""

from adjoint.utils import data, hooks

__all__ = ["data", "hooks"]
