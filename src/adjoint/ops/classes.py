"""Losses over classes: the negative log-likelihood, and the cross entropy built on it.

In: scores (N, C, ...) and targets, either class numbers (N, ...) or chances (N, C, ...).  Out: the
loss of each sample, or (``reduction``) their mean, weighted by the classes' weights, or their sum.

Note [Targets]
    Class numbers are checked at the door, on NumPy arrays. When all are in range and none is to be
    ignored, the operators are told so (``dense``) and leave out the masking.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.errors import scalar_name
from adjoint.ops.families import general, linear
from adjoint.ops.loss import chosen_reduction
from adjoint.ops.pointwise import add, div, mul, neg
from adjoint.ops.reduce import sum
from adjoint.ops.softmax import log_softmax
from adjoint.ops.view import reshape

__all__ = ["cross_entropy", "nll_loss"]

Array = Any
Tensor = Any


def _weights(
    xp: Any, input: Array, target: Array, weight: Array, ignore_index: int, dense: bool
) -> tuple[Array, Array]:
    """The class numbers, 0 where ignored; and each sample's weight (None: all 1)."""
    if dense:
        return target, None if weight is None else xp.take(weight, (target,))
    valid = target != ignore_index
    index = xp.where(valid, target, xp.zeros_like(target))
    kept = xp.astype(valid, input.dtype)
    return index, kept if weight is None else kept * xp.take(weight, (index,))


def _nll_vjp(
    xp: Any,
    g: Array,
    input_shape: tuple[int, ...],
    input: Array,
    target: Array,
    weight: Array,
    reduction: str,
    ignore_index: int,
    dense: bool,
) -> Array:
    index, each = _weights(xp, input, target, weight, ignore_index, dense)
    shape = tuple(index.shape)
    if reduction == "mean":
        g = g / (xp.size(shape) if each is None else xp.sum(each))
    sent = xp.broadcast_to(-g, shape) if each is None else -g * each
    return xp.scatter_add(
        xp.expand_dims(sent, (1,)), input_shape, xp.expand_dims(index, (1,)), 1
    )


def _nll(
    xp: Any,
    input: Array,
    target: Array,
    weight: Array,
    *,
    reduction: str,
    ignore_index: int,
    dense: bool,
) -> Array:
    """Return minus the score of each target class, weighted."""
    index, each = _weights(xp, input, target, weight, ignore_index, dense)
    picked = xp.take_along_axis(input, xp.expand_dims(index, (1,)), 1)
    losses = -xp.squeeze(picked, (1,))
    if each is not None:
        # An ignored sample contributes nothing, whatever its score, nan included.
        losses = xp.where(each == 0, xp.zeros_like(losses), losses * each)
    if reduction == "none":
        return losses
    total = xp.sum(losses)
    if reduction == "sum":
        return total
    return total / (xp.size(tuple(index.shape)) if each is None else xp.sum(each))


@general(_nll_vjp, None, None)
def _nll_loss(xp: Any, input: Array, target: Array, weight: Array, **options: Any) -> Array:
    return _nll(xp, input, target, weight, **options)


@general(_nll_vjp, None, None, node="NllLoss2DBackward0")
def _nll_loss2d(xp: Any, input: Array, target: Array, weight: Array, **options: Any) -> Array:
    return _nll(xp, input, target, weight, **options)
