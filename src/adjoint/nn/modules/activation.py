"""Activations as modules.  In: a Tensor.  Out: the function of `nn.functional` of it."""

from __future__ import annotations

from typing import Any

from adjoint.nn import functional as F
from adjoint.nn.modules.module import Module
from adjoint.ops.create import full
from adjoint.parameter import Parameter
from adjoint.tensor import Tensor

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "GLU",
    "SELU",
    "Hardshrink",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmax2d",
    "Softmin",
    "Softplus",
    "Softshrink",
    "Softsign",
    "Tanh",
    "Tanhshrink",
    "Threshold",
]


class _InPlace(Module):
    """An activation with the one option ``inplace``."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return ``inplace=True`` if so."""
        return "inplace=True" if self.inplace else ""


class ReLU(_InPlace):
    """``max(input, 0)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the positive part of ``input``."""
        return F.relu(input, self.inplace)


class SiLU(_InPlace):
    """``input * sigmoid(input)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input * sigmoid(input)``."""
        return F.silu(input, self.inplace)


class Mish(_InPlace):
    """``input * tanh(softplus(input))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input * tanh(softplus(input))``."""
        return F.mish(input, self.inplace)


class SELU(_InPlace):
    """A scaled exponential unit that keeps mean 0 and variance 1."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.selu` of ``input``."""
        return F.selu(input, self.inplace)


class Hardsigmoid(Module):
    """``input / 6 + 1/2`` limited to [0, 1]."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.hardsigmoid` of ``input``."""
        return F.hardsigmoid(input, self.inplace)


class Hardswish(Module):
    """``input * hardsigmoid(input)``."""

    inplace: bool

    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.hardswish` of ``input``."""
        return F.hardswish(input, self.inplace)


class Tanh(Module):
    """The hyperbolic tangent."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``tanh(input)``."""
        return F.tanh(input)


class Sigmoid(Module):
    """``1 / (1 + exp(-input))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``sigmoid(input)``."""
        return F.sigmoid(input)


class LogSigmoid(Module):
    """``log(sigmoid(input))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``log(sigmoid(input))``."""
        return F.logsigmoid(input)


class Softsign(Module):
    """``input / (1 + abs(input))``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input / (1 + abs(input))``."""
        return F.softsign(input)


class Tanhshrink(Module):
    """``input - tanh(input)``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return ``input - tanh(input)``."""
        return F.tanhshrink(input)


class LeakyReLU(Module):
    """``input`` where positive, ``negative_slope * input`` elsewhere."""

    negative_slope: float
    inplace: bool

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.leaky_relu` of ``input``."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self) -> str:
        """Return the slope."""
        return f"negative_slope={self.negative_slope}{', inplace=True' if self.inplace else ''}"


class _Alpha(Module):
    """An activation with the options ``alpha`` and ``inplace``."""

    alpha: float
    inplace: bool

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def extra_repr(self) -> str:
        """Return alpha."""
        return f"alpha={self.alpha}{', inplace=True' if self.inplace else ''}"


class ELU(_Alpha):
    """``input`` where positive, ``alpha * (exp(input) - 1)`` elsewhere."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.elu` of ``input``."""
        return F.elu(input, self.alpha, self.inplace)


class CELU(_Alpha):
    """``input`` where positive, ``alpha * (exp(input / alpha) - 1)`` elsewhere."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.celu` of ``input``."""
        return F.celu(input, self.alpha, self.inplace)


class Hardtanh(Module):
    """``input`` limited to [``min_val``, ``max_val``]."""

    min_val: float
    max_val: float
    inplace: bool

    def __init__(self, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> None:
        super().__init__()
        if min_val >= max_val:
            raise AssertionError("max_val must be larger than min_val")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.hardtanh` of ``input``."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self) -> str:
        """Return the bounds."""
        inplace = ", inplace=True" if self.inplace else ""
        return f"min_val={self.min_val}, max_val={self.max_val}{inplace}"


class ReLU6(Hardtanh):
    """``input`` limited to [0, 6]."""

    def __init__(self, inplace: bool = False) -> None:
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self) -> str:
        """Return ``inplace=True`` if so."""
        return "inplace=True" if self.inplace else ""


class GELU(Module):
    """``input`` times the normal distribution function of it."""

    approximate: str

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.gelu` of ``input``."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self) -> str:
        """Return the approximation."""
        return f"approximate={self.approximate!r}"


class GLU(Module):
    """The first half along ``dim`` times the sigmoid of the second."""

    dim: int

    def __init__(self, dim: int = -1) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.glu` of ``input``."""
        return F.glu(input, self.dim)

    def extra_repr(self) -> str:
        """Return the dim."""
        return f"dim={self.dim}"


class Softplus(Module):
    """``log(1 + exp(beta * input)) / beta``."""

    beta: float
    threshold: float

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.softplus` of ``input``."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self) -> str:
        """Return the parameters."""
        return f"beta={self.beta}, threshold={self.threshold}"


class _Lambda(Module):
    """An activation with the option ``lambd``."""

    lambd: float

    def __init__(self, lambd: float = 0.5) -> None:
        super().__init__()
        self.lambd = lambd

    def extra_repr(self) -> str:
        """Return lambd."""
        return str(self.lambd)


class Softshrink(_Lambda):
    """``input`` moved towards 0 by ``lambd``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.softshrink` of ``input``."""
        return F.softshrink(input, self.lambd)


class Hardshrink(_Lambda):
    """``input``, 0 where it is no larger than ``lambd``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.hardshrink` of ``input``."""
        return F.hardshrink(input, self.lambd)


class Threshold(Module):
    """``input`` where it exceeds ``threshold``, ``value`` elsewhere."""

    threshold: float
    value: float
    inplace: bool

    def __init__(self, threshold: float, value: float, inplace: bool = False) -> None:
        super().__init__()
        self.threshold = threshold
        self.value = value
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.threshold` of ``input``."""
        return F.threshold(input, self.threshold, self.value, self.inplace)

    def extra_repr(self) -> str:
        """Return the parameters."""
        inplace = ", inplace=True" if self.inplace else ""
        return f"threshold={self.threshold}, value={self.value}{inplace}"


class PReLU(Module):
    """``input`` where positive, a learned multiple of it elsewhere."""

    num_parameters: int
    weight: Parameter

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        values = full((num_parameters,), float(init), dtype=dtype, device=device)
        self.weight = Parameter(values)

    def reset_parameters(self) -> None:
        """Set the slopes to their first value."""
        self.weight.data.fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.prelu` of ``input``."""
        return F.prelu(input, self.weight)

    def extra_repr(self) -> str:
        """Return the number of slopes."""
        return f"num_parameters={self.num_parameters}"


class _Along(Module):
    """A function along ``dim``."""

    dim: int | None

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.__dict__.setdefault("dim", None)

    def extra_repr(self) -> str:
        """Return the dim."""
        return f"dim={self.dim}"


class Softmax(_Along):
    """``exp(input) / sum(exp(input))`` along ``dim``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.softmax` of ``input``."""
        return F.softmax(input, self.dim, _stacklevel=5)


class LogSoftmax(_Along):
    """The logarithm of `Softmax`."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.log_softmax` of ``input``."""
        return F.log_softmax(input, self.dim, _stacklevel=5)


class Softmin(_Along):
    """`Softmax` of ``-input``."""

    def forward(self, input: Tensor) -> Tensor:
        """Return `functional.softmin` of ``input``."""
        return F.softmin(input, self.dim, _stacklevel=5)


class Softmax2d(Module):
    """`Softmax` over the channels of images (N, C, H, W) or (C, H, W)."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the softmax over the channels."""
        if input.dim() not in (3, 4):
            raise ValueError(
                f"Softmax2d: expected input to be 3D or 4D, got {input.dim()}D instead"
            )
        return F.softmax(input, -3, _stacklevel=5)
