"""Functions of functions: derivatives of a function as functions again."""

from adjoint.func.forward import jvp
from adjoint.func.vmap import vmap

__all__ = ["jvp", "vmap"]
