"""Functions of functions: derivatives of a function as functions again."""

from adjoint.func.forward import jvp
from adjoint.func.jacobians import hessian, jacfwd, jacrev
from adjoint.func.linear import linearize
from adjoint.func.modules import (
    functional_call,
    replace_all_batch_norm_modules_,
    stack_module_state,
)
from adjoint.func.rearranging import rearrange
from adjoint.func.reverse import grad, grad_and_value, vjp
from adjoint.func.vmap import vmap
from adjoint.func.wrapping import debug_unwrap, functionalize

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
