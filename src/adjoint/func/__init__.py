"""Functions of functions: derivatives of a function as functions again."""

from adjoint.func.forward import jvp

__all__ = ["jvp"]
