"""Sparse Jacobians and Hessians: patterns, their colouring, and recovery from few products."""

from adjoint.sparse.pattern import ColoredPattern, Seeds

__all__ = ["ColoredPattern", "Seeds"]
