"""Random numbers whose parameters are tensors: normal, Bernoulli, multinomial, Poisson, binomial.

In: Tensors of parameters, a generator.  Out: Tensors with PyTorch's numbers. Gradients are
zeros, as in PyTorch: a drawn number does not depend smoothly on its parameters.
"""

from __future__ import annotations

import functools
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
    check_normal,
    check_probabilities,
    check_probability,
    number,
)
from adjoint.ops.random_source import along_memory, drawn, drawn_from, source

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
    return general(*(_zeros,) * operands, node=node, own_dtype=True)(forward)


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
        sample = functools.partial(normals.normal, from_, dtype=kind.numpy, mean=mean, std=std)
        return finish("normal", drawn(from_, out, shape, sample), out, requires_grad)
    if with_std and std._desc.dtype.is_complex:
        raise RuntimeError("normal expects standard deviation to be non-complex")
    kind = (mean if with_mean else std)._desc.dtype
    if with_mean and with_std:
        _broadcast(mean._desc.shape, std._desc.shape)

    def each(means: Array, stds: Array) -> Array:
        _check_deviations(stds)
        if kind.category < dtypes.FLOATING:
            raise not_implemented("normal_kernel_cpu", kind)
        shape = np.broadcast_shapes(np.shape(means), np.shape(stds))
        if not with_std:
            return normals.normal(from_, shape, kind.numpy, 0.0, std) + means
        scaled = (normals.normal(from_, shape, kind.numpy) * stds).astype(kind.numpy)
        return (scaled + means).astype(kind.numpy)

    if with_mean and with_std:
        made = _normal_both(mean, std, draw=lambda *both: drawn_from(from_, out, both, each))
    elif with_mean:

        def by_mean(means: Array) -> Array:
            return drawn_from(from_, out, (means,), lambda m: each(m, std))

        made = _normal_mean(mean, draw=by_mean)
    else:

        def by_std(stds: Array) -> Array:
            return drawn_from(from_, out, (stds,), lambda s: each(kind.numpy.type(mean), s))

        made = _normal_std(std, draw=by_std)
    return _into("normal", made, out)


def _check_deviations(std: Any) -> None:
    if isinstance(std, int | float):
        if not std >= 0:
            raise RuntimeError(f"normal expects std >= 0.0, but found std {number(std)}")
    elif not np.all(std >= 0):
        raise RuntimeError("normal expects all elements of std >= 0.0")


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

        def ones(like: Array) -> Array:
            made = like_memory(like, dtype)
            return along_memory(made, lambda shape: stream.bernoulli(from_, shape, dtype, p))

        return _into("bernoulli", leaf(drawn_from(from_, out, (input._array,), ones)), out)

    def sample(raw: Array) -> Array:
        checked = np.asarray(check_probabilities(raw))
        return stream.bernoulli(from_, raw.shape, dtype, checked)

    made = _bernoulli_p(input, draw=lambda raw: drawn_from(from_, out, (raw,), sample))
    return _into("bernoulli", made, out)


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
    from_ = source(generator, "multinomial")

    def sample(weights: Array) -> Array:
        _check_weights(weights, replacement and count > 1)
        if not weights.size:
            return np.empty((*weights.shape[:-1], count), np.int64)
        return families.multinomial(from_, weights, count, replacement)

    return _into("multinomial", leaf(drawn_from(from_, out, (input._array,), sample)), out)


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
    from_ = source(generator, "poisson")

    def sample(rates: Array) -> Array:
        if rates.size and not bool((rates >= 0).all()):
            raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
        return rejection.poisson(from_, np.asarray(rates))

    return _poisson(input, draw=lambda rates: drawn_from(from_, None, (rates,), sample))


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
    from_ = source(generator, "binomial")

    def sample(counts: Array, probabilities: Array) -> Array:
        return rejection.binomial(from_, *np.broadcast_arrays(counts, probabilities))

    return leaf(drawn_from(from_, None, (count._array, prob._array), sample))


def _standard_gamma(input: Tensor, generator: Generator | None = None) -> Tensor:
    """Return a gamma number of rate 1 for each shape parameter in ``input``."""
    if input._desc.dtype not in (dtypes.float32, dtypes.float64):
        raise not_implemented("gamma_cpu", input._desc.dtype)
    from_ = source(generator, "_standard_gamma")

    def sample(shapes: Array) -> Array:
        return rejection.standard_gamma(from_, np.asarray(shapes))

    return leaf(drawn_from(from_, None, (input._array,), sample))
