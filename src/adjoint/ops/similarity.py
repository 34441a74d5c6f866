"""Lengths, angles and distances of rows, and the bilinear form.  In and out: Tensors."""

from __future__ import annotations

import math
from typing import Any

from adjoint.ops.matmul import mm
from adjoint.ops.norms import vector_norm
from adjoint.ops.pointwise import add, div, mul, sub
from adjoint.ops.reduce import sum
from adjoint.ops.view import clone, expand, permute, reshape, unsqueeze

__all__ = ["bilinear", "cosine_similarity", "normalize", "pairwise_distance"]

Tensor = Any


def normalize(
    input: Tensor, p: float = 2.0, dim: int = 1, eps: float = 1e-12, out: Tensor | None = None
) -> Tensor:
    """Return ``input`` divided by its ``p``-norm along ``dim``, but by no less than ``eps``.

    Example:
        >>> import adjoint as torch
        >>> normalize(torch.tensor([[3.0, 4.0]]))
        tensor([[0.6000, 0.8000]])
    """
    length = vector_norm(input, p, dim, keepdim=True).clamp(min=eps)
    result = div(input, expand(length, input._desc.shape))
    return result if out is None else out.copy_(result)


def cosine_similarity(x1: Tensor, x2: Tensor, dim: int = 1, eps: float = 1e-8) -> Tensor:
    """Return the cosine of the angle between rows along ``dim``; lengths count ``eps`` at least.

    Example:
        >>> import adjoint as torch
        >>> cosine_similarity(torch.tensor([[3.0, 4.0]]), torch.tensor([[4.0, 3.0]]))
        tensor([0.9600])
    """
    return sum(mul(_unit(x1, dim, eps), _unit(x2, dim, eps)), dim)


def _unit(x: Tensor, dim: int, eps: float) -> Tensor:
    length = clone(vector_norm(x, 2, dim, keepdim=True))
    # The bound is no part of the derivative, as in PyTorch.
    length.data.copy_(length.detach().clamp(min=eps))
    return div(x, length)


def pairwise_distance(
    x1: Tensor, x2: Tensor, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False
) -> Tensor:
    """Return the ``p``-norm of ``x1 - x2 + eps`` along the last dim."""
    return add(sub(x1, x2), eps).norm(p, -1, keepdim)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``input1 @ weight[k] @ input2 + bias[k]`` for each k.

    Shape: inputs (*, n) and (*, m); ``weight`` (k, n, m); ``bias`` (k); result (*, k).
    Raises: RuntimeError if sizes do not fit.
    """
    shape1, shape2 = input1._desc.shape, input2._desc.shape
    features, n, m = weight._desc.shape
    if len(shape1) != len(shape2):
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {len(shape1)} and {len(shape2)}"
        )
    for i, (a, b) in enumerate(zip(shape1[:-1], shape2[:-1])):
        if a != b:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {i}: got {a} and {b}"
            )
    for place, have, want in ((1, shape1[-1], n), (2, shape2[-1], m)):
        if have != want:
            raise RuntimeError(
                f"bilinear(): input{place} size does not match weight size: got {have} but "
                f"expected {want}"
            )
    rows = math.prod(shape1[:-1])
    spread = reshape(permute(weight, 1, 0, 2), (n, features * m))
    first = reshape(mm(reshape(input1, (rows, n)), spread), (rows, features, m))
    second = unsqueeze(reshape(input2, (rows, m)), 1)
    result = reshape(sum(mul(first, second), -1), (*shape1[:-1], features))
    return result if bias is None else add(result, bias)
