"""Filling tensors with initial values: PyTorch's schemes, the same numbers from the same seed.

In: a Tensor, overwritten without being recorded.  Out: the same Tensor.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import random_normal as normals
from adjoint.core.inplace import bump
from adjoint.core.mode import GRAD, mode_bits
from adjoint.ops import random_inplace
from adjoint.ops.create import empty
from adjoint.ops.inplace import fill_, zero_
from adjoint.ops.random import randperm
from adjoint.ops.random_source import drawn_into, source
from adjoint.tensor import Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]


def _unrecorded(write: Callable[..., Any], tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """Call an in-place function without recording it."""
    with mode_bits(off=GRAD):
        return write(tensor, *args, **kwargs)


def _overwrite(tensor: Tensor, values: Any) -> Tensor:
    """Copy a raw array over the tensor's memory."""
    tensor._memory()[...] = values
    bump(tensor)
    return tensor


# ---- constants -----------------------------------------------------------------------------------


def constant_(tensor: Tensor, val: float) -> Tensor:
    """Fill with one value."""
    return _unrecorded(fill_, tensor, val)


def ones_(tensor: Tensor) -> Tensor:
    """Fill with ones."""
    return _unrecorded(fill_, tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """Fill with zeros."""
    return _unrecorded(zero_, tensor)


def eye_(tensor: Tensor) -> Tensor:
    """Fill a matrix with ones on the diagonal and zeros elsewhere.

    Raises: ValueError if it is no matrix.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    return _overwrite(tensor, np.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """Fill the weight of a convolution so that it returns its input (in each group).

    Raises: ValueError unless it has 3, 4 or 5 dims and the first is divisible by ``groups``.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    out, channels, *window = tensor.shape
    if out % groups:
        raise ValueError("dim 0 must be divisible by groups")
    values = np.zeros(tensor.shape)
    per_group = out // groups
    centre = tuple(n // 2 for n in window)
    for group in range(groups):
        for d in range(min(per_group, channels)):
            values[(group * per_group + d, d, *centre)] = 1
    return _overwrite(tensor, values)


# ---- random numbers ------------------------------------------------------------------------------


def uniform_(tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with uniform numbers of [a, b)."""
    return _unrecorded(random_inplace.uniform_, tensor, a, b, generator=generator)


def normal_(tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal numbers."""
    return _unrecorded(random_inplace.normal_, tensor, mean, std, generator=generator)


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Tensor:
    """Fill with normal numbers; those outside of [a, b] are drawn again."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
            UserWarning,
            stacklevel=2,
        )
    normal_(tensor, mean, std, generator)
    memory, xp = tensor._memory(), tensor._desc.type.xp
    outside = (memory < a) | (memory > b)
    while xp.any(outside):
        again = normal_(empty(tensor.shape, dtype=tensor.dtype), mean, std, generator)
        np.copyto(memory, again._array, where=outside)
        outside = (memory < a) | (memory > b)
    return tensor


# ---- by the number of connections ----------------------------------------------------------------


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """Return by how much to scale a layer that is followed by ``nonlinearity``.

    Args: ``param``: the slope of a leaky_relu (0.01).
    Raises: ValueError for an unknown nonlinearity or a slope that is no number.
    """
    if nonlinearity == "sigmoid" or nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        if param is None:
            param = 0.01
        elif isinstance(param, bool) or not isinstance(param, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + param**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    raise ValueError(f"Unsupported nonlinearity {nonlinearity}")


_LINEAR = (
    *("linear", "conv1d", "conv2d", "conv3d"),
    *("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"),
)


def _calculate_fan_in_and_fan_out(tensor: Tensor) -> tuple[int, int]:
    """How many inputs an output element has, and how many outputs an input element."""
    if tensor.ndim < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    window = math.prod(tensor.shape[2:])
    return tensor.shape[1] * window, tensor.shape[0] * window


def _fan(tensor: Tensor, mode: str) -> int:
    mode = mode.lower()
    modes = ["fan_in", "fan_out"]
    if mode not in modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {modes}")
    return _calculate_fan_in_and_fan_out(tensor)[modes.index(mode)]


def xavier_uniform_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with uniform numbers of variance ``2 gain**2 / (fan_in + fan_out)`` (Glorot 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Any = None) -> Tensor:
    """Fill with normal numbers of variance ``2 gain**2 / (fan_in + fan_out)`` (Glorot 2010)."""
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return normal_(tensor, 0.0, gain * math.sqrt(2.0 / float(fan_in + fan_out)), generator)


def _kaiming_std(tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    return calculate_gain(nonlinearity, a) / math.sqrt(_fan(tensor, mode))


def _is_empty(tensor: Tensor) -> bool:
    if 0 not in tensor.shape:
        return False
    warnings.warn("Initializing zero-element tensors is a no-op", UserWarning, stacklevel=3)
    return True


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill with uniform numbers of variance ``gain**2 / fan`` (He 2015).

    Args: ``a``: the slope of the leaky_relu that follows; ``mode``: which fan, ``"fan_in"`` or
    ``"fan_out"``.
    """
    if _is_empty(tensor):
        return tensor
    bound = math.sqrt(3.0) * _kaiming_std(tensor, a, mode, nonlinearity)
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Tensor:
    """Fill with normal numbers of variance ``gain**2 / fan`` (He 2015); see `kaiming_uniform_`."""
    if _is_empty(tensor):
        return tensor
    return normal_(tensor, 0.0, _kaiming_std(tensor, a, mode, nonlinearity), generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Any = None) -> Tensor:
    """Fill with a matrix whose rows (or columns, the fewer) are orthonormal, times ``gain``.

    Dims beyond the first count as columns. Raises: ValueError for fewer than 2 dims.
    """
    if tensor.ndim < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if not tensor.numel():
        return tensor
    rows, columns = tensor.shape[0], tensor.numel() // tensor.shape[0]
    from_, dtype = source(generator, "normal_"), tensor._desc.numpy

    def made(memory: Any) -> Any:
        lead = memory.shape[: memory.ndim - tensor.ndim]  # samples of vmap
        drawn = normals.normal(from_, (*lead, rows, columns), dtype)
        q, r = np.linalg.qr(drawn.swapaxes(-1, -2) if rows < columns else drawn)
        # The factorisation is unique up to signs; these make the result uniformly distributed.
        q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., None, :]
        values = (q.swapaxes(-1, -2) if rows < columns else q).reshape(memory.shape)
        return values * values.dtype.type(gain)

    return _overwrite(tensor, drawn_into(from_, tensor._memory(), made))


def sparse_(tensor: Tensor, sparsity: float, std: float = 0.01, generator: Any = None) -> Tensor:
    """Fill a matrix with normal numbers and a part ``sparsity`` of each column with zeros.

    Raises: ValueError if it is no matrix.
    """
    if tensor.ndim != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0, std, generator)
    memory = tensor._memory()
    for column in range(columns):
        memory[randperm(rows)._array[:zeros], column] = 0
    return tensor


def _deprecated(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """The old name, without the underscore, of a function."""
    name = function.__name__

    def old(*args: Any, **kwargs: Any) -> Tensor:
        warnings.warn(
            f"`nn.init.{name[:-1]}` is now deprecated in favor of `nn.init.{name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    old.__name__ = name[:-1]
    old.__doc__ = f"Another name of `{name}`, deprecated."
    return old


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
