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
from adjoint.array.batched.levels import all_samples
from adjoint.core.errors import scalar_name
from adjoint.ops.families import general, linear
from adjoint.ops.loss import chosen_reduction
from adjoint.ops.masked import masked_fill
from adjoint.ops.pointwise import add, div, mul, neg
from adjoint.ops.reduce import sum
from adjoint.ops.softmax import log_softmax
from adjoint.ops.view import reshape

__all__ = ["cross_entropy", "nll_loss"]

Array = Any
Tensor = Any


def _weights(
    xp: Any, dtype: Any, target: Array, weight: Array, ignore_index: int, dense: bool
) -> tuple[Array, Array]:
    """The class numbers, 0 where ignored; and each sample's weight (None: all are 1)."""
    if dense:
        return target, None if weight is None else _at(xp, weight, target)
    valid = target != ignore_index
    index = xp.where(valid, target, xp.zeros_like(target))
    kept = xp.astype(valid, dtype)
    return index, kept if weight is None else kept * _at(xp, weight, index)


def _at(xp: Any, weight: Array, index: Array) -> Array:
    shape = tuple(index.shape)
    return xp.reshape(xp.take_along_axis(weight, xp.reshape(index, (-1,)), 0), shape)


def _nll_vjp(
    xp: Any,
    g: Array,
    input_shape: tuple[int, ...],
    target: Array,
    weight: Array,
    reduction: str,
    ignore_index: int,
    dense: bool,
) -> Array:
    index, each = _weights(xp, g.dtype, target, weight, ignore_index, dense)
    shape = tuple(index.shape)
    axis = min(len(input_shape) - 1, 1)
    index = xp.expand_dims(index, (axis,))
    if reduction == "mean":
        g = g / (xp.size(shape) if each is None else xp.sum(each))
    if each is None and reduction != "none":
        sent = xp.broadcast_to(-g, tuple(index.shape))
    else:
        kept = -g if each is None else xp.where(each == 0, xp.zeros_like(each), -g * each)
        sent = xp.expand_dims(kept, (axis,))
    return xp.scatter_add(sent, input_shape, index, axis)


def _nll(
    xp: Any,
    input: Array,
    target: Array,
    weight: Array,
    reduction: str,
    ignore_index: int,
    dense: bool,
) -> Array:
    index, each = _weights(xp, input.dtype, target, weight, ignore_index, dense)
    axis = min(input.ndim - 1, 1)
    picked = xp.take_along_axis(input, xp.expand_dims(index, (axis,)), axis)
    if each is None and reduction != "none":
        total = xp.sum(picked)
        return -total if reduction == "sum" else total / -xp.size(tuple(index.shape))
    losses = -xp.squeeze(picked, (axis,))
    if each is not None:
        # An ignored sample contributes nothing, whatever its score, nan included.
        losses = xp.where(each == 0, xp.zeros_like(losses), losses * each)
    if reduction == "none":
        return losses
    total = xp.sum(losses)
    return total if reduction == "sum" else total / xp.sum(each)


@general(
    _nll_vjp,
    None,
    None,
    jvp=lambda xp, t, target, weight, reduction, ignore_index, dense: _nll(
        xp, t, target, weight, reduction, ignore_index, dense
    ),
)
def _nll_loss(
    xp: Any,
    input: Array,
    target: Array,
    weight: Array,
    *,
    reduction: str,
    ignore_index: int,
    dense: bool,
) -> Array:
    """Return minus the score of each target class: (N, C) and (N) -> (N) or ()."""
    return _nll(xp, input, target, weight, reduction, ignore_index, dense)


@general(_nll_vjp, None, None, node="NllLoss2DBackward0")
def _nll_loss2d(
    xp: Any,
    input: Array,
    target: Array,
    weight: Array,
    *,
    reduction: str,
    ignore_index: int,
    dense: bool,
) -> Array:
    """Return minus the score of each target class: (N, C, H, W) and (N, H, W)."""
    return _nll(xp, input, target, weight, reduction, ignore_index, dense)


# Multiplying and dividing by a number from inside PyTorch is recorded under names of their own.
@linear(lambda xp, g, number: g * number, node="MulBackward1")
def _times_number(xp: Any, input: Array, *, number: float) -> Array:
    """Return ``input * number``."""
    return input * number


@linear(lambda xp, g, number: g / number, node="DivBackward1")
def _over_number(xp: Any, input: Array, *, number: float) -> Array:
    """Return ``input / number``."""
    return input / number


# ---- checks --------------------------------------------------------------------------------------


def _checked_targets(target: Tensor, classes: int, ignore_index: int) -> bool:
    """Whether all targets count; see Note [Targets].

    Raises: RuntimeError for a dtype that is neither int64 nor uint8; IndexError for a target out of
    range.
    """
    dtype = target._desc.dtype
    if dtype is not dtypes.int64 and dtype is not dtypes.uint8:
        raise RuntimeError(
            f"expected target dtype to be Long or Byte, but got {scalar_name(dtype)} "
            "(class numbers: convert them with .long())"
        )
    raw = all_samples(target._array)
    if not isinstance(raw, np.ndarray | np.generic):
        return False
    # As unsigned numbers, negative ones are too large: one comparison finds both.
    wrapped: Any = raw.view(np.uint64) if dtype is dtypes.int64 else raw
    if not wrapped.size or wrapped.max() < classes:
        return not (0 <= ignore_index < classes and bool((raw == ignore_index).any()))
    outside = (wrapped >= classes) & (raw != ignore_index)
    if outside.any():
        first = int(np.atleast_1d(raw)[np.atleast_1d(outside)][0])
        raise IndexError(
            f"Target {first} is out of bounds. (There are {classes} classes, numbered from 0.)"
        )
    return False


def _check_weight(input: Tensor, weight: Tensor | None, classes: int) -> None:
    if weight is None:
        return
    if weight.ndim != 1 or weight.numel() != classes:
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight.shape)}"
        )
    if weight.dtype is not input.dtype:
        raise RuntimeError(
            f"expected scalar type {scalar_name(input.dtype)} but found "
            f"{scalar_name(weight.dtype)} (the weight's dtype must be the input's)"
        )


# ---- PyTorch's functions -------------------------------------------------------------------------


def nll_loss(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return minus ``input`` at the target classes: the loss where ``input`` is log-likelihoods.

    Shape: ``input`` (C), (N, C) or (N, C, ...); ``target`` the same without C.
    Args: ``weight``: of each class; ``ignore_index``: a target that contributes nothing.
    Raises: ValueError or RuntimeError if sizes do not fit; IndexError for a target out of range.

    Example:
        >>> import adjoint as torch
        >>> nll_loss(torch.tensor([[-0.5, -1.0], [-2.0, -0.1]]), torch.tensor([0, 1]))
        tensor(0.3000)
    """
    reduction = chosen_reduction(reduction, size_average, reduce)
    return _nll_of(input, target, weight, reduction, ignore_index)


def _nll_of(
    input: Tensor, target: Tensor, weight: Tensor | None, reduction: str, ignore_index: int
) -> Tensor:
    shape, wanted = input._desc.shape, target._desc.shape
    n = len(shape)
    if n == 0:
        raise ValueError(f"Expected 1 or more dimensions (got {n})")
    if n > 1 and wanted and shape[0] != wanted[0]:
        raise ValueError(
            f"Expected input batch_size ({shape[0]}) to match target batch_size ({wanted[0]})."
        )
    options: dict[str, Any] = {"reduction": reduction, "ignore_index": ignore_index}
    if n <= 2:
        if len(wanted) > 1:
            raise RuntimeError(
                "0D or 1D target tensor expected, multi-target not supported "
                f"(the target has shape {list(wanted)})"
            )
        if n == 2 and shape[:1] != wanted:
            raise RuntimeError(f"size mismatch (got input: {list(shape)}, target: {list(wanted)})")
        classes = shape[-1]
        _check_weight(input, weight, classes)
        options["dense"] = _checked_targets(target, classes, ignore_index)
        if n == 1 and wanted:
            target = reshape(target, ())
        return _nll_loss(input, target, weight, **options)
    if wanted != (shape[0], *shape[2:]):
        raise RuntimeError(f"size mismatch (got input: {list(shape)} , target: {list(wanted)}")
    _check_weight(input, weight, shape[1])
    options["dense"] = _checked_targets(target, shape[1], ignore_index)
    if n == 4:
        return _nll_loss2d(input, target, weight, **options)
    flat = reshape(input, (shape[0], shape[1], 1, -1))
    found = _nll_loss2d(flat, reshape(target, (shape[0], 1, -1)), weight, **options)
    return reshape(found, wanted) if reduction == "none" else found


def cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    ignore_index: int = -100,
    reduce: bool | None = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return the cross entropy of scores (before softmax) against classes or chances.

    Shape: ``input`` (C), (N, C) or (N, C, ...); ``target``: class numbers, the same without C, or
    chances, of the same shape.
    Args: ``weight``: of each class; ``ignore_index``: a class number that contributes nothing;
    ``label_smoothing``: the part of each target that is spread evenly over all classes.
    Raises: ValueError or RuntimeError if sizes do not fit; IndexError for a target out of range.

    Example:
        >>> import adjoint as torch
        >>> cross_entropy(torch.tensor([[2.0, 0.0]]), torch.tensor([0]))
        tensor(0.1269)
    """
    reduction = chosen_reduction(reduction, size_average, reduce)
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    axis = 0 if input.ndim == 1 else 1
    if input._desc.shape == target._desc.shape:
        return _against_chances(input, target, weight, reduction, label_smoothing, axis)
    scores = log_softmax(input, axis)
    loss = _nll_of(scores, target, weight, reduction, ignore_index)
    if label_smoothing == 0.0:
        return loss
    classes = input._desc.shape[axis]
    spread = scores if weight is None else mul(scores, _per_class(weight, scores, axis))
    smooth = masked_fill(neg(sum(spread, axis)), target == ignore_index, 0.0)
    if reduction != "none":
        smooth = sum(smooth)
    if reduction == "mean":
        counted = (target != ignore_index).to(scores.dtype)
        if weight is not None:
            known = mul(target, (target != ignore_index).to(target.dtype))
            counted = mul(counted, weight[known])
        smooth = div(smooth, sum(counted))
    return add(
        _times_number(loss, number=1 - label_smoothing),
        _times_number(smooth, number=label_smoothing / classes),
    )


def _per_class(weight: Tensor, scores: Tensor, axis: int) -> Tensor:
    """The weights of the classes, shaped to multiply scores."""
    return reshape(weight, tuple(-1 if i == axis else 1 for i in range(scores.ndim)))


def _against_chances(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: str,
    smoothing: float,
    axis: int,
) -> Tensor:
    if not target.dtype.is_floating_point:
        raise RuntimeError(
            "Expected floating point type for target with class probabilities, got "
            f"{scalar_name(target.dtype)}"
        )
    classes = input._desc.shape[axis]
    _check_weight(input, weight, classes)
    if smoothing > 0:
        target = add(mul(target, 1 - smoothing), smoothing / classes)
    losses = mul(log_softmax(input, axis), target)
    if weight is not None:
        losses = mul(losses, _per_class(weight, losses, axis))
    if reduction == "none":
        return neg(sum(losses, axis))
    total = neg(sum(losses))
    if reduction == "sum":
        return total
    return _over_number(total, number=input.numel() / classes)
