"""Parameters as one vector, and back.  In and out: parameters, a vector of all their elements."""

from __future__ import annotations

from collections.abc import Iterable

from adjoint.core.tensor_base import TensorBase
from adjoint.ops.join import cat
from adjoint.tensor import Tensor

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """Return the elements of all parameters in one vector, recorded."""
    return cat([param.view(-1) for param in parameters])


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Let the parameters share the memory of a vector, one after the other.

    Raises: TypeError if ``vec`` is no Tensor; RuntimeError if it is too short.
    """
    if not isinstance(vec, TensorBase):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for param in parameters:
        end = start + param.numel()
        param.data = vec[start:end].view_as(param).data
        start = end
