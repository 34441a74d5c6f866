"""PyTorch's autograd API: `backward`, `grad`, `Function`, modes, graph tools."""

import importlib
from typing import Any

from adjoint.autograd import anomaly_mode, forward_ad, function, grad_mode, graph
from adjoint.autograd.anomaly_mode import detect_anomaly, set_detect_anomaly
from adjoint.autograd.function import Function
from adjoint.autograd.grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from adjoint.autograd.gradcheck import gradcheck, gradgradcheck
from adjoint.autograd.graph import _unsafe_preserve_version_counter
from adjoint.core.backward import backward, grad

__all__ = [
    "Function",
    "_unsafe_preserve_version_counter",
    "anomaly_mode",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "forward_ad",
    "function",
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


def __getattr__(name: str) -> Any:
    if name == "functional":  # few programs need it: loaded when it is named
        return importlib.import_module("adjoint.autograd.functional")
    raise AttributeError(f"module 'adjoint.autograd' has no attribute '{name}'")
