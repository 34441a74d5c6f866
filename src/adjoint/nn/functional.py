"""The functions of neural networks, under PyTorch's names and with PyTorch's arguments.

In: Tensors and hyperparameters.  Out: Tensors.  The mathematics is in `adjoint.ops`; here are the
arguments that only this interface has: ``inplace``, ``training``, implicit dims.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import apply_inplace
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops import activation, piecewise
from adjoint.ops.adaptive_pool import (
    adaptive_avg_pool1d,
    adaptive_avg_pool2d,
    adaptive_avg_pool3d,
    adaptive_max_pool1d,
    adaptive_max_pool2d,
    adaptive_max_pool3d,
)
from adjoint.ops.classes import cross_entropy, nll_loss
from adjoint.ops.conv import (
    conv1d,
    conv2d,
    conv3d,
    conv_transpose1d,
    conv_transpose2d,
    conv_transpose3d,
)
from adjoint.ops.embedding import embedding, one_hot
from adjoint.ops.loss import (
    binary_cross_entropy,
    binary_cross_entropy_with_logits,
    huber_loss,
    kl_div,
    l1_loss,
    mse_loss,
    smooth_l1_loss,
)
from adjoint.ops.matmul import linear
from adjoint.ops.norm import batch_norm, group_norm, layer_norm
from adjoint.ops.pad import pad
from adjoint.ops.pointwise import relu as _relu
from adjoint.ops.pointwise import sigmoid, softplus, tanh
from adjoint.ops.pool import (
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    max_pool1d,
    max_pool2d,
    max_pool3d,
)
from adjoint.ops.random_source import dropout_mask
from adjoint.ops.similarity import bilinear, cosine_similarity, normalize, pairwise_distance
from adjoint.ops.softmax import log_softmax as _log_softmax
from adjoint.ops.softmax import softmax as _softmax
from adjoint.ops.unfold import fold, unfold
from adjoint.tensor import Tensor

__all__ = [
    "adaptive_avg_pool1d",
    "adaptive_avg_pool2d",
    "adaptive_avg_pool3d",
    "adaptive_max_pool1d",
    "adaptive_max_pool2d",
    "adaptive_max_pool3d",
    "avg_pool1d",
    "avg_pool2d",
    "avg_pool3d",
    "batch_norm",
    "bilinear",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
    "celu",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "cosine_similarity",
    "cross_entropy",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "elu",
    "elu_",
    "embedding",
    "fold",
    "gelu",
    "glu",
    "group_norm",
    "hardshrink",
    "hardsigmoid",
    "hardswish",
    "hardtanh",
    "hardtanh_",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "leaky_relu_",
    "linear",
    "log_softmax",
    "logsigmoid",
    "max_pool1d",
    "max_pool2d",
    "max_pool3d",
    "mish",
    "mse_loss",
    "nll_loss",
    "normalize",
    "one_hot",
    "pad",
    "pairwise_distance",
    "prelu",
    "relu",
    "relu6",
    "relu_",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softmin",
    "softplus",
    "softshrink",
    "softsign",
    "tanh",
    "tanhshrink",
    "threshold",
    "unfold",
]

# ---- activations ---------------------------------------------------------------------------------


def _run(function: Any, input: Any, inplace: bool, **params: Any) -> Tensor:
    """Call an operator, or overwrite ``input`` with its result."""
    if not isinstance(input, TensorBase):
        name = function.op.name
        raise TypeError(
            f"{name}(): argument 'input' (position 1) must be Tensor, not {type(input).__name__}"
        )
    return apply_inplace(function.op, input, (), params) if inplace else function(input, **params)


def _floating(kernel: str, input: Tensor) -> None:
    if input.dtype.category < dtypes.FLOATING:
        raise NotImplementedError(
            f"\"{kernel}\" not implemented for '{scalar_name(input.dtype)}' "
            "(convert the input with .float())"
        )


def relu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``max(input, 0)``, or overwrite ``input`` with it."""
    return _run(_relu, input, inplace)


def relu_(input: Tensor) -> Tensor:
    """Overwrite ``input`` with `relu` of it."""
    return _run(_relu, input, True)


def relu6(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``input`` limited to [0, 6]."""
    return hardtanh(input, 0.0, 6.0, inplace)


def hardtanh(
    input: Tensor, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False
) -> Tensor:
    """Return ``input`` limited to [``min_val``, ``max_val``].

    Raises: ValueError if ``min_val`` exceeds ``max_val``.
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _run(activation._hardtanh, input, inplace, min_val=min_val, max_val=max_val)


def hardtanh_(input: Tensor, min_val: float = -1.0, max_val: float = 1.0) -> Tensor:
    """Overwrite ``input`` with `hardtanh` of it."""
    return hardtanh(input, min_val, max_val, True)


def leaky_relu(input: Tensor, negative_slope: float = 0.01, inplace: bool = False) -> Tensor:
    """Return ``input`` where positive, ``negative_slope * input`` elsewhere."""
    _floating("leaky_relu_cpu", input)
    return _run(activation._leaky_relu, input, inplace, negative_slope=negative_slope)


def leaky_relu_(input: Tensor, negative_slope: float = 0.01) -> Tensor:
    """Overwrite ``input`` with `leaky_relu` of it."""
    return leaky_relu(input, negative_slope, True)


def elu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return ``input`` where positive, ``alpha * (exp(input) - 1)`` elsewhere."""
    _floating("elu_cpu", input)
    return _run(activation._elu, input, inplace, alpha=alpha, scale=1.0, input_scale=1.0)


def elu_(input: Tensor, alpha: float = 1.0) -> Tensor:
    """Overwrite ``input`` with `elu` of it."""
    return elu(input, alpha, True)


_SELU_ALPHA = 1.6732632423543772848170429916717
_SELU_SCALE = 1.0507009873554804934193349852946


def selu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return a scaled `elu` that keeps mean 0 and variance 1 (Klambauer et al. 2017)."""
    _floating("elu_cpu", input)
    params = {"alpha": _SELU_ALPHA, "scale": _SELU_SCALE, "input_scale": 1.0}
    return _run(activation._elu, input, inplace, **params)


def celu(input: Tensor, alpha: float = 1.0, inplace: bool = False) -> Tensor:
    """Return ``input`` where positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere.

    Raises: RuntimeError if ``alpha`` is 0.
    """
    if alpha == 0:
        raise RuntimeError("ZeroDivisionError: alpha cannot be 0 for CELU")
    return _run(activation._celu, input, inplace, alpha=alpha)


def gelu(input: Tensor, approximate: str = "none") -> Tensor:
    """Return ``input`` times the normal distribution function of it (``"tanh"``: approximately).

    Raises: RuntimeError for another approximation.
    """
    if approximate not in ("none", "tanh"):
        raise RuntimeError("approximate argument must be either none or tanh.")
    _floating("GeluKernelImpl", input)
    return activation._gelu(input, approximate=approximate)


def silu(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``input * sigmoid(input)``."""
    _floating("silu_cpu", input)
    return _run(activation._silu, input, inplace)


def mish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``input * tanh(softplus(input))``."""
    _floating("mish_cpu", input)
    return _run(activation._mish, input, inplace)


def logsigmoid(input: Tensor) -> Tensor:
    """Return ``log(sigmoid(input))`` without overflow."""
    _floating("log_sigmoid_cpu", input)
    return activation._logsigmoid(input)


def hardsigmoid(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``input / 6 + 1/2`` limited to [0, 1]."""
    _floating("hardsigmoid_cpu", input)
    return _run(activation._hardsigmoid, input, inplace)


def hardswish(input: Tensor, inplace: bool = False) -> Tensor:
    """Return ``input * hardsigmoid(input)``."""
    _floating("hardswish_cpu", input)
    return _run(activation._hardswish, input, inplace)


def softshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return ``input`` moved towards 0 by ``lambd``, 0 where it is no larger than that.

    Raises: RuntimeError for a negative ``lambd``.
    """
    if lambd < 0:
        raise RuntimeError(f"lambda must be greater or equal to 0, but found to be {lambd:g}.")
    return activation._softshrink(input, lambd=lambd)


def hardshrink(input: Tensor, lambd: float = 0.5) -> Tensor:
    """Return ``input``, 0 where it is no larger than ``lambd``."""
    return activation._hardshrink(input, lambd=lambd)


def threshold(input: Tensor, threshold: float, value: float, inplace: bool = False) -> Tensor:
    """Return ``input`` where it exceeds ``threshold``, ``value`` elsewhere."""
    return _run(activation._threshold, input, inplace, threshold=threshold, value=value)


def softsign(input: Tensor) -> Tensor:
    """Return ``input / (1 + abs(input))``."""
    return input / (piecewise.abs(input) + 1)


def tanhshrink(input: Tensor) -> Tensor:
    """Return ``input - tanh(input)``."""
    return input - tanh(input)


def prelu(input: Tensor, weight: Tensor) -> Tensor:
    """Return ``input`` where positive, ``weight * input`` elsewhere.

    ``weight`` holds one number, or one per channel (dim 1).

    Raises: RuntimeError if the number of weights is neither 1 nor the number of channels.
    """
    if weight.numel() != 1:
        channels = input.shape[1] if input.ndim > 1 else 1
        if not input.ndim:
            raise RuntimeError("Not allow zero-dim input tensor.")
        if channels != weight.numel():
            raise RuntimeError(
                "Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{weight.numel()} and channel size = {channels}."
            )
    if input.ndim != 1:
        weight = weight.reshape(*[-1 if i == 1 else 1 for i in range(input.ndim)])
    return activation._prelu(input, weight)


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """Return the first half along ``dim`` times the sigmoid of the second.

    Raises: RuntimeError for a 0-d input or a size that is odd.
    """
    if not input.ndim:
        raise RuntimeError("glu does not support scalars because halving size must be even")
    axis = dim % input.ndim
    if input.shape[axis] % 2:
        raise RuntimeError(
            f"Halving dimension must be even, but dimension {axis} is size {input.shape[axis]}"
        )
    return activation._glu(input, axis=axis)


# ---- softmax -------------------------------------------------------------------------------------


def _implicit_dim(name: str, input: Tensor, dim: int | None, stacklevel: int) -> int:
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        UserWarning,
        stacklevel=stacklevel,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Return ``exp(input) / sum(exp(input))`` along ``dim``."""
    return _softmax(input, _implicit_dim("softmax", input, dim, _stacklevel), dtype)


def softmin(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Return `softmax` of ``-input``."""
    return _softmax(-input, _implicit_dim("softmin", input, dim, _stacklevel), dtype)


def log_softmax(
    input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None
) -> Tensor:
    """Return the logarithm of `softmax`."""
    return _log_softmax(input, _implicit_dim("log_softmax", input, dim, _stacklevel), dtype)


# ---- dropout -------------------------------------------------------------------------------------


def _dropped(input: Tensor, p: float, training: bool, inplace: bool, shape: Any) -> Tensor:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0 or not math.prod(input._desc.shape):
        return input
    if p == 1:
        mask = make_tensor(np.zeros(shape, input._desc.numpy))
    else:
        mask = dropout_mask(input, shape, 1 - p).div_(1 - p)
    return input.mul_(mask) if inplace else input * mask


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Return ``input`` with each element zeroed with probability ``p``, the rest divided by 1 - p.

    Outside of ``training``, ``input`` itself. Raises: ValueError if ``p`` is no probability.
    """
    return _dropped(input, p, training, inplace, input._desc.shape)


def _dropped_channels(input: Tensor, p: float, training: bool, inplace: bool, dims: int) -> Tensor:
    """Drop whole channels of inputs with ``dims`` dims beside batch and channels."""
    name = f"dropout{dims}d"
    if dims > 1 and input.ndim not in (dims + 1, dims + 2):
        warnings.warn(
            f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will "
            "result "
            "in an error in a future release. To retain the behavior and silence this warning, "
            "please use dropout instead.",
            UserWarning,
            stacklevel=3,
        )
    batched = dims == 2 or input.ndim == dims + 2
    whole = input if batched else input.unsqueeze(0)
    shape = tuple(n if i < 2 else 1 for i, n in enumerate(whole._desc.shape))
    out = _dropped(whole, p, training, inplace, shape)
    return out if batched else out.squeeze(0)


def dropout1d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return ``input`` (N, C, L) or (C, L) with whole channels zeroed with probability ``p``.

    Raises: RuntimeError for another number of dims.
    """
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            "dropout1d exists to provide channel-wise dropout on inputs with 1 spatial "
            "dimension, a "
            "channel dimension, and an optional batch dimension (i.e. 2D or 3D inputs)."
        )
    return _dropped_channels(input, p, training, inplace, 1)


def dropout2d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return ``input`` (N, C, H, W) with whole channels zeroed with probability ``p``.

    An input with 3 dims is taken as (N, C, L).
    """
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout "
            "behavior is desired - input is interpreted as shape (N, C, L), where C is the channel "
            "dim. This behavior will change in a future release to interpret the input as one "
            "without a batch dimension, i.e. shape (C, H, W). To maintain the 1D channel-wise "
            "dropout behavior, please switch to using dropout1d instead.",
            UserWarning,
            stacklevel=2,
        )
    return _dropped_channels(input, p, training, inplace, 2)


def dropout3d(
    input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False
) -> Tensor:
    """Return ``input`` (N, C, D, H, W) or (C, D, H, W) with whole channels zeroed."""
    return _dropped_channels(input, p, training, inplace, 3)
