"""Limiting gradients before an optimizer's step.

In: parameters with their gradients, which are changed in place, unrecorded.  Out: the total norm
they had.
"""

from __future__ import annotations

import math
import types
import warnings
from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.core.inplace import bump
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.tensor import Tensor

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _gradients(parameters: Any) -> list[Any]:
    if isinstance(parameters, TensorBase):
        parameters = [parameters]
    elif isinstance(parameters, types.GeneratorType):
        parameters = list(parameters)
        if not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.",
                UserWarning,
                stacklevel=3,
            )
    return [p.grad for p in parameters if p.grad is not None]


def _norm(raw: Any, order: float) -> Any:
    """The norm of all elements, in their dtype."""
    flat = np.abs(np.asarray(raw)).reshape(-1)
    if math.isinf(order):
        return flat.max(initial=0) if order > 0 else flat.min(initial=math.inf)
    if order == 2:
        return np.sqrt(flat.dot(flat))
    if order == 1:
        return np.add.reduce(flat)
    if order == 0:
        return flat.dtype.type(np.count_nonzero(flat))
    return np.power(np.add.reduce(np.power(flat, order)), 1 / order).astype(flat.dtype)


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Return the norm of the norms of several tensors.

    Args: ``foreach`` is accepted and changes nothing.
    Raises: RuntimeError if it is not finite and ``error_if_nonfinite``.
    """
    given = [tensors] if isinstance(tensors, TensorBase) else list(tensors)
    order = float(norm_type)
    if not given:
        return make_tensor(np.float32(0.0))
    total = _norm(np.array([_norm(t._array, order) for t in given]), order)
    if error_if_nonfinite and not np.isfinite(total):
        raise RuntimeError(
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so "
            "it cannot be clipped. To disable this error and scale the gradients by the non-finite "
            "norm anyway, set `error_if_nonfinite=False`"
        )
    return make_tensor(total)


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Tensor, foreach: bool | None = None
) -> None:
    """Scale gradients whose norm is ``total_norm`` down to ``max_norm``, if they are larger."""
    _scale(_gradients(parameters), max_norm, total_norm)


def _scale(gradients: list[Any], max_norm: float, total_norm: Any) -> None:
    raw = total_norm._array
    kind = raw.dtype.type
    # minimum, not a comparison: a norm that is nan makes the gradients nan, as PyTorch does.
    factor = np.minimum(kind(max_norm) / (raw + kind(1e-6)), kind(1))
    for gradient in gradients:
        memory = gradient._memory()
        np.multiply(memory, memory.dtype.type(factor), out=memory)
        bump(gradient)


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Tensor:
    """Scale all gradients together so that their norm is at most ``max_norm``; return what it was.

    Args: ``parameters``: a tensor or several; ``norm_type``: the order, ``inf`` for the largest
    element; ``foreach`` is accepted and changes nothing.
    Raises: RuntimeError if the norm is not finite and ``error_if_nonfinite``.

    Example:
        >>> import adjoint as torch
        >>> w = torch.zeros(2, requires_grad=True)
        >>> w.grad = torch.tensor([3.0, 4.0])
        >>> clip_grad_norm_([w], 1.0)
        tensor(5.)
        >>> w.grad
        tensor([0.6000, 0.8000])
    """
    gradients = _gradients(parameters)
    total = get_total_norm(gradients, norm_type, error_if_nonfinite)
    _scale(gradients, float(max_norm), total)
    return total


def clip_grad_norm(parameters: Any, max_norm: float, *args: Any, **kwargs: Any) -> Tensor:
    """Another name of `clip_grad_norm_`, deprecated."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, *args, **kwargs)


def clip_grad_value_(
    parameters: Tensor | Iterable[Tensor], clip_value: float, foreach: bool | None = None
) -> None:
    """Limit every element of the gradients to [-``clip_value``, ``clip_value``]."""
    bound = float(clip_value)
    for gradient in _gradients(parameters):
        memory = gradient._memory()
        np.clip(memory, -bound, bound, out=memory)
        bump(gradient)
