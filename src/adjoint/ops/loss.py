"""Losses of regression and of binary classification: how far a prediction is from its target.

In: predictions and targets of one shape.  Out: the loss of each element, or (``reduction``) their
mean or sum.  Losses over classes are in `ops/classes.py`.
"""

from __future__ import annotations

import warnings
from typing import Any, Final, cast

from adjoint.array import dtypes
from adjoint.array.batched.levels import all_samples
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.families import general
from adjoint.ops.piecewise import abs, where
from adjoint.ops.pointwise import div, exp, log, mul, pow, sub
from adjoint.ops.reduce import mean, sum
from adjoint.ops.view import expand

__all__ = [
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "chosen_reduction",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "mse_loss",
    "reduced",
    "smooth_l1_loss",
]

Array = Any
Tensor = Any

REDUCTIONS: Final = ("none", "mean", "sum")


def reduced(xp: Any, losses: Array, reduction: str) -> Array:
    """The losses themselves, their mean or their sum."""
    if reduction == "none":
        return losses
    return xp.mean(losses) if reduction == "mean" else xp.sum(losses)


def _share(xp: Any, shape: tuple[int, ...], reduction: str, factor: float = 1.0) -> float:
    """The weight of one element's loss in the result, times ``factor``."""
    return factor / (xp.size(shape) or float("nan")) if reduction == "mean" else factor


# ---- the operators -------------------------------------------------------------------------------


def _mse_vjp(xp: Any, g: Array, input: Array, target: Array, reduction: str) -> Array:
    return (input - target) * _share(xp, tuple(input.shape), reduction, 2.0) * g


@general(
    _mse_vjp,
    lambda xp, g, input, target, reduction: _mse_vjp(xp, g, target, input, reduction),
    promoted=("input", "target"),
)
def _mse_loss(xp: Any, input: Array, target: Array, *, reduction: str) -> Array:
    """Return the squared differences."""
    difference = input - target
    return reduced(xp, difference * difference, reduction)


def _smooth_l1_vjp(
    xp: Any, g: Array, input: Array, target: Array, reduction: str, beta: float
) -> Array:
    z = (input - target) / beta
    slope = xp.where(xp.absolute(z) >= 1, xp.sign(z), z)
    return slope * _share(xp, tuple(input.shape), reduction) * g


@general(
    _smooth_l1_vjp,
    lambda xp, g, input, target, reduction, beta: _smooth_l1_vjp(
        xp, g, target, input, reduction, beta
    ),
    promoted=("input", "target"),
)
def _smooth_l1_loss(xp: Any, input: Array, target: Array, *, reduction: str, beta: float) -> Array:
    """Return squares near 0, absolute differences further out; both meet at ``beta``."""
    z = xp.absolute(input - target)
    return reduced(xp, xp.where(z < beta, 0.5 * z * z / beta, z - 0.5 * beta), reduction)


def _huber_vjp(
    xp: Any, g: Array, input: Array, target: Array, reduction: str, delta: float
) -> Array:
    z = input - target
    slope = xp.where(xp.absolute(z) >= delta, delta * xp.sign(z), z)
    return slope * _share(xp, tuple(input.shape), reduction) * g


@general(
    _huber_vjp,
    lambda xp, g, input, target, reduction, delta: _huber_vjp(
        xp, g, target, input, reduction, delta
    ),
    promoted=("input", "target"),
)
def _huber_loss(xp: Any, input: Array, target: Array, *, reduction: str, delta: float) -> Array:
    """Return half the squares up to ``delta``, a tangent of that parabola further out."""
    z = xp.absolute(input - target)
    losses = xp.where(z <= delta, 0.5 * z * z, delta * (z - 0.5 * delta))
    return reduced(xp, losses, reduction)


def _bce_input(
    xp: Any, g: Array, input: Array, target: Array, weight: Array, reduction: str
) -> Array:
    slope = (input - target) / xp.maximum((1 - input) * input, 1e-12)
    slope = slope if weight is None else slope * weight
    return slope * g * _share(xp, tuple(input.shape), reduction)


def _bce_target(
    xp: Any, g: Array, input: Array, target: Array, weight: Array, reduction: str
) -> Array:
    slope = xp.log1p(-input) - xp.log(input)
    slope = slope if weight is None else slope * weight
    return slope * g * _share(xp, tuple(input.shape), reduction)


@general(_bce_input, _bce_target, None)
def _binary_cross_entropy(
    xp: Any, input: Array, target: Array, weight: Array, *, reduction: str
) -> Array:
    """Return the cross entropy of two-sided chances; logarithms are cut off at -100."""
    losses = (target - 1) * xp.maximum(xp.log1p(-input), -100)
    losses = losses - target * xp.maximum(xp.log(input), -100)
    return reduced(xp, losses if weight is None else losses * weight, reduction)


def _log_sigmoid(xp: Any, x: Array) -> Array:
    return xp.minimum(x, 0) - xp.log1p(xp.exp(-xp.absolute(x)))


def _logits_input(
    xp: Any,
    g: Array,
    input: Array,
    target: Array,
    weight: Array,
    pos_weight: Array,
    reduction: str,
) -> Array:
    if pos_weight is None:
        slope = xp.sigmoid(input) - target
    else:
        positive = pos_weight * target
        slope = (positive + 1 - target) * xp.sigmoid(input) - positive
    slope = slope if weight is None else slope * weight
    return slope * g * _share(xp, tuple(input.shape), reduction)


def _logits_target(
    xp: Any,
    g: Array,
    input: Array,
    target: Array,
    weight: Array,
    pos_weight: Array,
    reduction: str,
) -> Array:
    if pos_weight is None:
        slope = -input
    else:
        slope = _log_sigmoid(xp, -input) - pos_weight * _log_sigmoid(xp, input)
    slope = slope if weight is None else slope * weight
    return slope * g * _share(xp, tuple(input.shape), reduction)


@general(_logits_input, _logits_target, None, None)
def _binary_cross_entropy_with_logits(
    xp: Any, input: Array, target: Array, weight: Array, pos_weight: Array, *, reduction: str
) -> Array:
    """Return the cross entropy of the chance ``sigmoid(input)``."""
    likely = _log_sigmoid(xp, input)
    if pos_weight is not None:
        likely = ((pos_weight - 1) * target + 1) * likely
    losses = (1 - target) * input - likely
    return reduced(xp, losses if weight is None else losses * weight, reduction)


# ---- arguments -----------------------------------------------------------------------------------


def chosen_reduction(
    reduction: str, size_average: bool | None = None, reduce: bool | None = None
) -> str:
    """The reduction, which two old arguments may choose, too.

    Raises: ValueError if there is no such reduction.
    """
    if size_average is not None or reduce is not None:
        average = size_average is not False
        reduction = ("mean" if average else "sum") if reduce is not False else "none"
        warnings.warn(
            "size_average and reduce args will be deprecated, please use "
            f"reduction='{reduction}' instead.",
            UserWarning,
            stacklevel=3,
        )
    if reduction not in REDUCTIONS:
        raise ValueError(
            f"{reduction} is not a valid value for reduction (choose 'none', 'mean' or 'sum')"
        )
    return reduction


def _pair(name: str, input: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Both operands in their common shape; a warning where they had to be broadcast."""
    if not isinstance(cast(Any, target), TensorBase):
        raise AttributeError(
            f"'{type(target).__name__}' object has no attribute 'size' "
            f"(the target of {name} must be a Tensor)"
        )
    if input._desc.shape == target._desc.shape:
        return input, target
    warnings.warn(
        f"Using a target size ({target.size()}) that is different to the input size "
        f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
        "Please ensure they have the same size.",
        UserWarning,
        stacklevel=3,
    )
    shape = _common_shape(input._desc.shape, target._desc.shape)
    return (
        input if input._desc.shape == shape else expand(input, shape),
        target if target._desc.shape == shape else expand(target, shape),
    )


def _common_shape(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    n = max(len(a), len(b))
    padded = zip((1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b)
    shape = []
    for i, (x, y) in enumerate(padded):
        if x != y and 1 not in (x, y):
            raise RuntimeError(
                f"The size of tensor a ({x}) must match the size of tensor b ({y}) at "
                f"non-singleton dimension {i}"
            )
        shape.append(y if x == 1 else x)
    return tuple(shape)


def _floating(kernel: str, input: Tensor, target: Tensor) -> None:
    if max(input.dtype.category, target.dtype.category) < dtypes.FLOATING:
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{scalar_name(input.dtype)}' "
            "(convert the operands with .float())"
        )


def _weighted(losses: Tensor, weight: Tensor, reduction: str, input: Tensor) -> Tensor:
    if weight.size() != input.size():
        raise ValueError("Weights and input must have the same size.")
    if reduction == "none":
        return mul(losses, weight)
    total = sum(mul(losses, weight))
    return total if reduction == "sum" else div(total, sum(weight))


# ---- PyTorch's functions -------------------------------------------------------------------------


def mse_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the mean (or sum) of the squared differences, or each of them (``"none"``).

    Raises: ValueError for an unknown reduction; RuntimeError if the shapes do not broadcast.

    Example:
        >>> import adjoint as torch
        >>> mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
        tensor(2.)
    """
    a, b = _pair("mse_loss", input, target)
    reduction = chosen_reduction(reduction, size_average, reduce)
    if weight is not None:
        return _weighted(pow(sub(a, b), 2), weight, reduction, input)
    _floating("mse_cpu", a, b)
    return _mse_loss(a, b, reduction=reduction)


def l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    weight: Tensor | None = None,
) -> Tensor:
    """Return the mean (or sum) of the absolute differences, or each of them (``"none"``)."""
    a, b = _pair("l1_loss", input, target)
    reduction = chosen_reduction(reduction, size_average, reduce)
    losses = abs(sub(a, b))
    if weight is not None:
        return _weighted(losses, weight, reduction, input)
    return _composed(losses, reduction)


def _composed(losses: Tensor, reduction: str) -> Tensor:
    if reduction == "none":
        return losses
    return mean(losses) if reduction == "mean" else sum(losses)


def smooth_l1_loss(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    beta: float = 1.0,
) -> Tensor:
    """Return a loss that is quadratic up to ``beta`` and absolute beyond.

    Raises: RuntimeError for a negative ``beta``; 0 means `l1_loss`.
    """
    a, b = _pair("smooth_l1_loss", input, target)
    reduction = chosen_reduction(reduction, size_average, reduce)
    if beta == 0.0:
        return _composed(abs(sub(a, b)), reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    _floating("smooth_l1_cpu", a, b)
    return _smooth_l1_loss(a, b, reduction=reduction, beta=beta)


def huber_loss(
    input: Tensor,
    target: Tensor,
    reduction: str = "mean",
    delta: float = 1.0,
    weight: Tensor | None = None,
) -> Tensor:
    """Return half the square up to ``delta`` and ``delta`` times the absolute difference beyond.

    Raises: RuntimeError if ``delta`` is not positive.
    """
    a, b = _pair("huber_loss", input, target)
    reduction = chosen_reduction(reduction)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    _floating("huber_cpu", a, b)
    if weight is not None:
        if weight.size() != input.size():
            raise ValueError("Weights and input must have the same size.")
        return _composed(mul(_huber_loss(a, b, reduction="none", delta=delta), weight), reduction)
    return _huber_loss(a, b, reduction=reduction, delta=delta)


def binary_cross_entropy(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
) -> Tensor:
    """Return the cross entropy of chances ``input`` in [0, 1] against ``target`` in [0, 1].

    Raises: ValueError if the shapes differ; RuntimeError if an input lies outside [0, 1].
    """
    reduction = chosen_reduction(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size."
        )
    raw = all_samples(input._array)
    if not bool(((raw >= 0) & (raw <= 1)).all()):
        raise RuntimeError(
            "all elements of input should be between 0 and 1 "
            "(for scores of any size, use binary_cross_entropy_with_logits)"
        )
    if weight is not None:
        weight = expand(weight, _common_shape(target._desc.shape, weight._desc.shape))
    return _binary_cross_entropy(input, target, weight, reduction=reduction)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    pos_weight: Tensor | None = None,
) -> Tensor:
    """Return the cross entropy of the chances ``sigmoid(input)``, without overflow.

    Args: ``pos_weight``: the weight of positive targets.
    Raises: ValueError if the shapes differ.
    """
    reduction = chosen_reduction(reduction, size_average, reduce)
    if target.size() != input.size():
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
        )
    return _binary_cross_entropy_with_logits(input, target, weight, pos_weight, reduction=reduction)


def kl_div(
    input: Tensor,
    target: Tensor,
    size_average: bool | None = None,
    reduce: bool | None = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Tensor:
    """Return the divergence of ``target`` from the distribution whose logarithm is ``input``.

    Args: ``reduction``: ``"batchmean"`` divides the sum by the first size, as mathematics does;
    ``log_target``: whether ``target`` holds logarithms.
    """
    by_batch = reduction == "batchmean"
    reduction = "sum" if by_batch else chosen_reduction(reduction, size_average, reduce)
    if reduction == "mean":
        warnings.warn(
            "reduction: 'mean' divides the total loss by both the batch size and the support size."
            "'batchmean' divides only by the batch size, and aligns with the KL div math "
            "definition.'mean' will be changed to behave the same as 'batchmean' in the next major "
            "release.",
            UserWarning,
            stacklevel=2,
        )
    if log_target:
        losses = mul(exp(target), sub(target, input))
    else:
        zero = target == 0
        entropy = where(zero, 0.0, mul(target, log(where(zero, 1.0, target))))
        losses = sub(entropy, mul(target, input))
    total = _composed(losses, reduction)
    return div(total, input._desc.shape[0]) if by_batch and input.ndim else total
