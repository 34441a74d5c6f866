"""Random numbers whose parameters are tensors: normal, Bernoulli, multinomial, Poisson, binomial.

In: Tensors of parameters, a generator.  Out: Tensors with PyTorch's numbers. Gradients are
zeros, as in PyTorch: a drawn number does not depend smoothly on its parameters.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array import random as stream
from adjoint.array import random_families as families
from adjoint.array import random_normal as normals
from adjoint.array import random_rejection as rejection
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.create_options import (
    check_options,
    finish,
    leaf,
    like_memory,
    not_implemented,
    out_dtype,
    shape_of,
    tensor_operand,
    written_out,
)
from adjoint.ops.families import general
from adjoint.ops.random_inplace import (
    along_memory,
    check_normal,
    check_probabilities,
    check_probability,
    number,
    source,
)

__all__ = ["_standard_gamma", "bernoulli", "binomial", "multinomial", "normal", "poisson"]

Array = Any
Tensor = Any
Generator = Any


def _zeros(xp: Any, g: Array) -> Array:
    return xp.zeros_like(g)


def _sampled(name: str, node: str, operands: int = 1) -> Callable[..., Tensor]:
    """The operator that calls ``draw`` with its raw operands."""

    def one(xp: Any, input: Array, *, draw: Callable[..., Array]) -> Array:
        """Return what ``draw`` makes of the parameters."""
        return draw(input)

    def two(xp: Any, input: Array, other: Array, *, draw: Callable[..., Array]) -> Array:
        """Return what ``draw`` makes of both parameters."""
        return draw(input, other)

    forward: Any = one if operands == 1 else two
    forward.__name__ = name
    return general(*(_zeros,) * operands, node=node)(forward)


_normal_mean = _sampled("normal_mean", "NormalBackward1")
_normal_std = _sampled("normal_std", "NormalBackward2")
_normal_both = _sampled("normal_both", "NormalBackward3", 2)
_bernoulli_p = _sampled("bernoulli", "BernoulliBackward0")
_poisson = _sampled("poisson", "PoissonBackward0")


def _into(function: str, made: Tensor, out: Any) -> Tensor:
    """The result, or ``out`` with its values."""
    if out is None:
        return made
    out_dtype(function, out, None)
    written_out(out, np.asarray(made._array))
    return out


def _broadcast(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    count = max(len(a), len(b))
    long_a, long_b = (1,) * (count - len(a)) + a, (1,) * (count - len(b)) + b
    for i in range(count - 1, -1, -1):
        if long_a[i] != long_b[i] and 1 not in (long_a[i], long_b[i]):
            raise RuntimeError(
                f"The size of tensor a ({long_a[i]}) must match the size of tensor b "
                f"({long_b[i]}) at non-singleton dimension {i}"
            )
    return tuple(n if m == 1 else m for m, n in zip(long_a, long_b))


def normal(
    mean: Any = 0.0,
    std: Any = 1.0,
    size: Any = None,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: Any = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return normal numbers; mean and standard deviation are numbers (then ``size`` is given) or
    tensors, one for each result.

    Dtype: that of ``mean`` if it is a tensor, else of ``std``; of two numbers as given.
    Raises: RuntimeError if a deviation is negative.

    Example:
        >>> g = stream.Generator().manual_seed(0)
        >>> normal(10.0, 2.0, (2,), generator=g)
        tensor([13.0820,  9.4131])
    """
    with_mean, with_std = isinstance(mean, TensorBase), isinstance(std, TensorBase)
    if (size is None) is not (with_mean or with_std):
        got = ", ".join(type(v).__name__ for v in (mean, std, size) if v is not None)
        raise TypeError(
            f"normal() received an invalid combination of arguments - got ({got}), but expected "
            "one of: (Tensor mean, Tensor std), (Tensor mean, float std), (float mean, Tensor "
            "std), (float mean, float std, tuple of ints size)"
        )
    from_ = source(generator, "normal")
    if size is not None:
        if not isinstance(size, tuple | list):
            raise TypeError(
                "normal() received an invalid combination of arguments - got (float, float, "
                f"{type(size).__name__}): size must be tuple of ints"
            )
        shape = shape_of("normal", (tuple(size),))
        check_options("normal", device, layout, pin_memory)
        kind = out_dtype("normal", out, dtype) or dtypes.get_default_dtype()
        check_normal(kind, std)
        raw = normals.normal(from_, shape, kind.numpy, mean, std)
        return finish("normal", raw, out, requires_grad)
    deviations = _deviations(std)
    leading = mean if with_mean else std
    kind = leading._desc.dtype
    if kind.category < dtypes.FLOATING:
        raise not_implemented("normal_kernel_cpu", kind)
    if with_mean and not with_std:

        def draw_mean(means: Array) -> Array:
            drawn = normals.normal(from_, means.shape, kind.numpy, 0.0, std)
            return drawn + means

        return _into("normal", _normal_mean(mean, draw=draw_mean), out)
    shape = _broadcast(mean._desc.shape if with_mean else (), std._desc.shape)

    def draw(*_: Array) -> Array:
        drawn = normals.normal(from_, shape, kind.numpy)
        means = mean._array if with_mean else kind.numpy.type(mean)
        scaled = (drawn * deviations).astype(kind.numpy)
        return (scaled + means).astype(kind.numpy)

    made = _normal_both(mean, std, draw=draw) if with_mean else _normal_std(std, draw=draw)
    return _into("normal", made, out)


def _deviations(std: Any) -> Any:
    if not isinstance(std, TensorBase):
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {number(std)}")
        return std
    if std._desc.dtype.is_complex:
        raise RuntimeError("normal expects standard deviation to be non-complex")
    raw = std._array
    if raw.size and not bool((raw >= 0).all()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    return raw


def bernoulli(
    input: Tensor, p: float | None = None, *, generator: Generator | None = None, out: Any = None
) -> Tensor:
    """Return ones with the probabilities ``input``, else zeros, in the dtype of ``input``.

    With ``p`` it is the probability of all, and ``input`` gives only shape and dtype.
    Raises: RuntimeError if a probability is outside of [0, 1].
    """
    tensor_operand("bernoulli", "input", input)
    from_ = source(generator, "bernoulli")
    dtype = input._desc.numpy
    if p is not None:
        check_probability("bernoulli_", p)
        made = like_memory(input._array, dtype)
        raw = along_memory(made, lambda shape: stream.bernoulli(from_, shape, dtype, p))
        return _into("bernoulli", leaf(raw), out)
    check_probabilities(input)

    def draw(probabilities: Array) -> Array:
        return stream.bernoulli(from_, probabilities.shape, dtype, np.asarray(probabilities))

    return _into("bernoulli", _bernoulli_p(input, draw=draw), out)


def multinomial(
    input: Tensor,
    num_samples: int,
    replacement: bool = False,
    *,
    generator: Generator | None = None,
    out: Any = None,
) -> Tensor:
    """Return places drawn in proportion to the weights in each row of ``input``.

    Shape: ``input`` (n) or (m, n); result (num_samples) or (m, num_samples). Dtype: int64.
    Raises: RuntimeError if weights are negative, not finite or all 0, or if there are fewer than
    ``num_samples`` without ``replacement``.
    """
    tensor_operand("multinomial", "input", input)
    if isinstance(num_samples, bool) or not hasattr(num_samples, "__index__"):
        raise TypeError(
            "multinomial(): argument 'num_samples' (position 2) must be int, not "
            f"{type(num_samples).__name__}"
        )
    count = num_samples.__index__()
    desc = input._desc
    if len(desc.shape) not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if desc.dtype.category != dtypes.FLOATING:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{scalar_name(desc.dtype)}"
        )
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > desc.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    weights = input._array
    _check_weights(weights, replacement and count > 1)
    if not weights.size:
        raw = np.empty((*desc.shape[:-1], count), np.int64)
    else:
        raw = families.multinomial(source(generator, "multinomial"), weights, count, replacement)
    return _into("multinomial", leaf(raw), out)


def _check_weights(weights: Array, one_by_one: bool) -> None:
    negative = bool((weights < 0).any())
    finite = bool(np.isfinite(weights).all())
    if one_by_one:
        if negative:
            raise RuntimeError(
                "invalid multinomial distribution (encountering probability entry < 0)"
            )
        if not finite:
            raise RuntimeError(
                "invalid multinomial distribution (encountering probability entry = infinity or "
                "NaN)"
            )
    elif negative or not finite:
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if weights.size and bool((weights.sum(-1) <= 0).any()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def poisson(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Return a Poisson number for each rate in ``input``.

    Raises: RuntimeError if a rate is negative; NotImplementedError for integer rates.
    """
    tensor_operand("poisson", "input", input)
    if input._desc.dtype.category != dtypes.FLOATING:
        raise not_implemented("poisson_cpu", input._desc.dtype)
    if input._array.size and not bool((input._array >= 0).all()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    from_ = source(generator, "poisson")
    return _poisson(input, draw=lambda rates: rejection.poisson(from_, np.asarray(rates)))


def binomial(count: Tensor, prob: Tensor, generator: Generator | None = None) -> Tensor:
    """Return how many of ``count`` trials of probability ``prob`` succeed, one for each pair."""
    tensor_operand("binomial", "count", count)
    tensor_operand("binomial", "prob", prob, 2)
    for name, operand in (("count", count), ("prob", prob)):
        if operand._desc.dtype.category != dtypes.FLOATING:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: "
                f"{scalar_name(operand._desc.dtype)}"
            )
    _broadcast(count._desc.shape, prob._desc.shape)
    pair = np.broadcast_arrays(count._array, prob._array)
    return leaf(rejection.binomial(source(generator, "binomial"), *pair))


def _standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Return a gamma number of rate 1 for each shape parameter in ``input``."""
    if input._desc.dtype not in (dtypes.float32, dtypes.float64):
        raise not_implemented("gamma_cpu", input._desc.dtype)
    return leaf(
        rejection.standard_gamma(source(generator, "_standard_gamma"), np.asarray(input._array))
    )
