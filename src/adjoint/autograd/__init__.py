"""PyTorch's autograd API: `backward`, `grad`, `Function`, modes, graph tools."""

from typing import TYPE_CHECKING

from adjoint import _later
from adjoint.autograd import anomaly_mode, function, grad_mode
from adjoint.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from adjoint.autograd.function import Function
from adjoint.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from adjoint.autograd.gradcheck import gradcheck, gradgradcheck
from adjoint.core.backward import backward, grad

if TYPE_CHECKING:
    from adjoint.autograd import forward_ad, functional, graph
    from adjoint.autograd.graph import _unsafe_preserve_version_counter

__all__ = [
    "Function",
    "_unsafe_preserve_version_counter",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
    "functional",
    "grad",
    "grad_mode",
    "gradcheck",
    "gradgradcheck",
    "graph",
    "inference_mode",
    "no_grad",
    "set_detect_anomaly",
    "set_grad_enabled",
]

# Few programs need these.
__getattr__ = _later.names(
    __name__,
    {
        "_unsafe_preserve_version_counter": "adjoint.autograd.graph",
        "forward_ad": "adjoint.autograd.forward_ad",
        "functional": "adjoint.autograd.functional",
        "graph": "adjoint.autograd.graph",
    },
)


def __dir__() -> list[str]:
    return sorted(__all__)
