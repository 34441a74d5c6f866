"""Functions of functions: derivatives of a function as functions again."""

from adjoint.func.forward import jvp
from adjoint.func.reverse import grad, grad_and_value, vjp
from adjoint.func.vmap import vmap

__all__ = ["grad", "grad_and_value", "jvp", "vjp", "vmap"]
