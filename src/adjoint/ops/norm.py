"""Normalisation: values shifted and scaled to mean 0 and variance 1, then by weight and bias.

In: an input, and optionally weight and bias of the normalised part.  Out: a Tensor of its shape.

Note [Statistics are outputs]
    The operators return mean and variance beside the result, so that the tape keeps them and
    running averages can use them. They are differentiable themselves: the rules accept their
    cotangents.

Note [The derivative]
    With c = x - mean, r = 1 / sqrt(var + eps), n the number of elements of one group, and h the
    cotangent of c * r, the cotangent of x is
    h * r + c * (2 g_var / n - r^3 mean(h c)) + (g_mean / n - r mean(h)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from adjoint.array import dtypes
from adjoint.array.batched.levels import one_of_each
from adjoint.array.descriptor import plain
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import bump, has_room
from adjoint.core.mode import GRAD, mode_bits
from adjoint.core.tensor_base import make_tensor
from adjoint.ops.families import general
from adjoint.ops.inplace import copy_

__all__ = ["batch_norm", "group_norm", "layer_norm"]

Array = Any
Tensor = Any
Axes = tuple[int, ...]


def _total(xp: Any, x: Array, axis: Axes) -> Array:
    return xp.sum(x, axis=axis, keepdims=True)


def _moments(xp: Any, input: Array, axis: Axes) -> tuple[Array, Array, Array]:
    """The centred input, its mean and its variance (divided by n)."""
    n = xp.size(tuple(input.shape[a] for a in axis))
    mean = _total(xp, input, axis) / n
    centred = input - mean
    return centred, mean, _total(xp, centred * centred, axis) / n


# ---- layer ---------------------------------------------------------------------------------------


def _layer_vjp(
    xp: Any,
    g: Any,
    needs: tuple[bool, ...],
    input: Array,
    weight: Array,
    out: Any,
    axis: Axes,
    eps: float,
) -> tuple[Any, ...]:
    g, g_mean, g_var = g
    centred = input - out[1]
    rstd = 1 / xp.sqrt(out[2] + eps)
    found: list[Any] = [None] * len(needs)
    if needs[0]:
        n = xp.size(tuple(input.shape[a] for a in axis))
        h = g if weight is None else g * weight
        slope = 2 * g_var / n - (rstd * rstd * rstd) * (_total(xp, h * centred, axis) / n)
        found[0] = h * rstd + centred * slope + (g_mean - rstd * _total(xp, h, axis)) / n
    if needs[1]:
        found[1] = g * (centred * rstd)
    if needs[2]:
        found[2] = g
    return tuple(found)


@general(_layer_vjp, joint=True, outputs=3, node="NativeLayerNormBackward0")
def _layer_norm(
    xp: Any, input: Array, weight: Array, bias: Array, *, axis: Axes, eps: float
) -> tuple[Array, ...]:
    """Return the input normalised over the last axes, with mean and variance."""
    centred, mean, var = _moments(xp, input, axis)
    result = centred * (1 / xp.sqrt(var + eps))
    if weight is not None:
        result = result * weight
    return (result if bias is None else result + bias), mean, var


# ---- batch ---------------------------------------------------------------------------------------


def _batch_vjp(
    xp: Any,
    g: Any,
    needs: tuple[bool, ...],
    input: Array,
    weight: Array,
    out: Any,
    mean: Array,
    axis: Axes,
    eps: float,
) -> tuple[Any, ...]:
    g, g_mean, g_var = g
    spread = tuple(out[1].shape)
    channels = (spread[1],)
    n = xp.size(tuple(input.shape[a] for a in axis))
    rstd = 1 / xp.sqrt(out[2] + eps)
    centred = input - out[1]
    sums = _total(xp, g, axis)
    products = _total(xp, g * centred, axis)
    found: list[Any] = [None] * len(needs)
    if needs[0]:
        scale = rstd if weight is None else rstd * xp.reshape(weight, spread)
        found[0] = g * scale
        if mean is None:
            slope = 2 * g_var / n - (rstd * rstd) * scale * (products / n)
            found[0] = found[0] + centred * slope + (g_mean - scale * sums) / n
    if needs[1]:
        found[1] = xp.reshape(products * rstd, channels)
    if needs[2]:
        found[2] = xp.reshape(sums, channels)
    return tuple(found)


@general(_batch_vjp, joint=True, outputs=3, node="NativeBatchNormBackward0")
def _batch_norm(
    xp: Any,
    input: Array,
    weight: Array,
    bias: Array,
    *,
    mean: Array,
    var: Array,
    axis: Axes,
    eps: float,
) -> tuple[Array, ...]:
    """Return the input normalised over all axes but 1, with mean and variance.

    ``mean`` and ``var``, where they are given, are used instead of the input's own.
    """
    spread = tuple(1 if a in axis else input.shape[a] for a in range(input.ndim))
    if mean is None:
        _, mean, var = _moments(xp, input, axis)
    else:
        mean, var = xp.reshape(mean, spread), xp.reshape(var, spread)
    scale = 1 / xp.sqrt(var + eps)
    if weight is not None:
        scale = scale * xp.reshape(weight, spread)
    shift = -mean * scale
    if bias is not None:
        shift = xp.reshape(bias, spread) + shift
    return input * scale + shift, mean, var


# ---- group ---------------------------------------------------------------------------------------


def _group_vjp(
    xp: Any,
    g: Any,
    needs: tuple[bool, ...],
    input: Array,
    weight: Array,
    out: Any,
    groups: int,
    eps: float,
) -> tuple[Any, ...]:
    g, g_mean, g_var = g
    shape = tuple(input.shape)
    rows = (shape[0], groups, -1)
    channels = (1, shape[1], *(1 for _ in shape[2:]))
    rest = (0, *range(2, len(shape)))
    centred = xp.reshape(input, rows) - out[1]
    rstd = 1 / xp.sqrt(out[2] + eps)
    found: list[Any] = [None] * len(needs)
    if needs[0]:
        n = centred.shape[2]
        h = xp.reshape(g if weight is None else g * xp.reshape(weight, channels), rows)
        slope = 2 * g_var / n - (rstd * rstd * rstd) * (_total(xp, h * centred, (2,)) / n)
        moved = h * rstd + centred * slope + (g_mean - rstd * _total(xp, h, (2,))) / n
        found[0] = xp.reshape(moved, shape)
    if needs[1]:
        found[1] = xp.sum(g * xp.reshape(centred * rstd, shape), axis=rest)
    if needs[2]:
        found[2] = xp.sum(g, axis=rest)
    return tuple(found)


@general(_group_vjp, joint=True, outputs=3, node="NativeGroupNormBackward0")
def _group_norm(
    xp: Any, input: Array, weight: Array, bias: Array, *, groups: int, eps: float
) -> tuple[Array, ...]:
    """Return the input normalised over groups of channels, with mean and variance."""
    shape = tuple(input.shape)
    channels = (1, shape[1], *(1 for _ in shape[2:]))
    centred, mean, var = _moments(xp, xp.reshape(input, (shape[0], groups, -1)), (2,))
    result = xp.reshape(centred * (1 / xp.sqrt(var + eps)), shape)
    if weight is not None:
        result = result * xp.reshape(weight, channels)
    return (result if bias is None else result + xp.reshape(bias, channels)), mean, var


# ---- PyTorch's functions -------------------------------------------------------------------------


def _same_dtype(input: Tensor, *others: Tensor | None) -> None:
    for other in others:
        if other is not None and other.dtype is not input.dtype:
            raise RuntimeError(
                "mixed dtype (CPU): all inputs must share same datatype. "
                f"(The input is {input.dtype}, a weight, bias or statistic is {other.dtype}.)"
            )


def layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Return ``input`` normalised over its last dims, times ``weight``, plus ``bias``.

    Shape: ``input`` (*, normalized_shape); ``weight`` and ``bias`` normalized_shape.
    Raises: RuntimeError if the shapes do not fit or the dtypes differ.

    Example:
        >>> import adjoint as torch
        >>> layer_norm(torch.tensor([[1.0, 2.0, 3.0]]), (3,))
        tensor([[-1.2247,  0.0000,  1.2247]])
    """
    if isinstance(normalized_shape, int):
        raise TypeError(
            "layer_norm(): argument 'normalized_shape' (position 2) must be tuple of ints, not int"
        )
    shape = tuple(normalized_shape)
    n, have = len(shape), input._desc.shape
    if not n:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least one "
            "element, but got normalized_shape = []"
        )
    for name, part in (("weight", weight), ("bias", bias)):
        if part is not None and tuple(part.shape) != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of shape "
                f"{list(part.shape)} and normalized_shape = {list(shape)}"
            )
    if len(have) < n or have[-n:] != shape:
        expected = ", ".join(["*", *map(str, shape)])
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [{expected}], but "
            "got "
            f"input of size{list(have)}"
        )
    if input.dtype.category < dtypes.FLOATING:
        raise NotImplementedError(
            f"\"LayerNormKernelImpl\" not implemented for '{scalar_name(input.dtype)}'"
        )
    _same_dtype(input, weight, bias)
    axis = tuple(range(len(have) - n, len(have)))
    return _layer_norm(input, weight, bias, axis=axis, eps=eps)[0]


def group_norm(
    input: Tensor,
    num_groups: int,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    eps: float = 1e-05,
) -> Tensor:
    """Return ``input`` (N, C, ...) normalised over groups of channels, then scaled per channel.

    Raises: RuntimeError if the channels cannot be grouped, or dtypes or sizes do not fit.
    """
    shape = input._desc.shape
    if len(shape) < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {len(shape)}"
        )
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if shape[1] % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input of "
            f"shape {list(shape)} and num_groups={num_groups}"
        )
    for name, part in (("weight", weight), ("bias", bias)):
        if part is not None and tuple(part.shape) != (shape[1],):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in input, "
                f"but got {name} of shape {list(part.shape)} and input of shape {list(shape)}"
            )
    _same_dtype(input, weight, bias)
    return _group_norm(input, weight, bias, groups=num_groups, eps=eps)[0]


def batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-05,
) -> Tensor:
    """Return ``input`` normalised per channel (dim 1), times ``weight``, plus ``bias``.

    In training, over the batch, whose mean and unbiased variance are averaged into ``running_mean``
    and ``running_var``; else by these.
    Raises: ValueError if there is one value per channel in training; RuntimeError if sizes do not
    fit, dtypes differ, or statistics are missing in evaluation.
    """
    shape = input._desc.shape
    channels = shape[1] if len(shape) > 1 else 0
    count = math.prod(shape) // channels if channels else 0
    if training and count == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {input.size()}"
        )
    statistics = {"running_mean": running_mean, "running_var": running_var}
    for name, part in {**statistics, "weight": weight, "bias": bias}.items():
        if part is None:
            if not training and name in statistics:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
        elif part.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {part.numel()}")
    if input.dtype.category < dtypes.FLOATING:
        raise NotImplementedError(
            f"\"batch_norm\" not implemented for '{scalar_name(input.dtype)}'"
        )
    _same_dtype(input, weight, bias, running_mean, running_var)
    axis = (0, *range(2, len(shape)))
    if not training:
        assert running_mean is not None and running_var is not None
        mean, var = running_mean._array, running_var._array
        return _batch_norm(input, weight, bias, mean=mean, var=var, axis=axis, eps=eps)[0]
    levels = input._desc.type.levels
    if levels:
        _check_room(levels, running_mean, running_var)
    result, mean, var = _batch_norm(input, weight, bias, mean=None, var=None, axis=axis, eps=eps)
    if running_mean is not None:
        _average(running_mean, mean, momentum, levels)
    if running_var is not None:
        _average(running_var, var, momentum, levels, count / (count - 1))
    return result


def _check_room(levels: tuple[Any, ...], *statistics: Tensor | None) -> None:
    """Raise RuntimeError where each sample of `vmap` has statistics of its own and those that are
    kept have room for one.
    """
    if any(s is not None and not has_room(s, levels) for s in statistics):
        raise RuntimeError(
            "Batch norm got a batched tensor as input while the running_mean or running_var, which "
            "will be updated in place, were not batched.\nIf you are using a module and do not "
            "need eval mode, please set `track_running_stats` to be False. (Or hand the running "
            "statistics to the vmapped function, one of each for every sample.)"
        )


def _average(
    running: Tensor, found: Tensor, momentum: float, levels: tuple[Any, ...], factor: float = 1.0
) -> None:
    """Move a running statistic towards the one that was found, in place.

    ``levels``: those in which the input differs from sample to sample.
    """
    if found._desc.type.levels or running._desc.type.levels:
        raw = one_of_each(found._array, levels).reshape(running._desc.shape)
        with mode_bits(off=GRAD):
            moved = running * (1 - momentum) + make_tensor(raw) * factor * momentum
            copy_(running, moved)
        return
    memory = running._memory()
    kind = memory.dtype.type
    memory *= kind(1 - momentum)
    memory += plain(found._array).reshape(memory.shape) * kind(factor) * kind(momentum)
    bump(running)
