"""PyTorch's autograd API: `backward`, `grad`, `Function`, modes, graph tools."""

from adjoint.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from adjoint.core.backward import backward, grad

__all__ = [
    "backward",
    "enable_grad",
    "grad",
    "inference_mode",
    "no_grad",
    "set_grad_enabled",
]
