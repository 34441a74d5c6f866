"""Filling a tensor with random numbers in place: ``uniform_``, ``normal_``, ``bernoulli_``, ...

In: a Tensor, parameters, a generator (none: the default one).  Out: the same Tensor, overwritten by
the rules of core/inplace.py; nothing flows back to its old values. The numbers are PyTorch's, drawn
along the tensor's memory (`array.random.memory_order`).
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later
from adjoint.array import dtypes
from adjoint.array import random as stream
from adjoint.array.batched.draws import check_room
from adjoint.array.batched.levels import stack
from adjoint.array.descriptor import plain
from adjoint.core.errors import scalar_name
from adjoint.core.inplace import apply_inplace
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.create_options import limits_of, not_implemented
from adjoint.ops.families import general
from adjoint.ops.random_source import along_memory, drawn_from, drawn_into, in_c_order, source

if TYPE_CHECKING:
    from adjoint.array import random_families as families
    from adjoint.array import random_normal as normals
else:
    families = Later("adjoint.array.random_families")
    normals = Later("adjoint.array.random_normal")

__all__ = [
    "bernoulli_",
    "cauchy_",
    "exponential_",
    "geometric_",
    "log_normal_",
    "normal_",
    "random_",
    "uniform_",
]

Array = Any
Tensor = Any
Generator = stream.Generator


def _filling(name: str, node: str, forward: Any = None) -> Any:
    """The operator that overwrites its operand with what ``draw`` makes for it."""

    def plain(xp: Any, input: Array, *, draw: Callable[[Array], Array]) -> Array:
        """Return what ``draw`` makes for ``input``: its shape, dtype and memory order."""
        return draw(input)

    forward = forward or plain
    forward.__name__ = name
    rule = general(
        lambda xp, g: xp.zeros_like(g),
        jvp=lambda xp, t: xp.zeros_like(t),
        node=node,
        own_dtype=True,
    )
    return rule(forward).op


def _by_probabilities(
    xp: Any, input: Array, *, p: Array, draw: Callable[[Array, Array], Array]
) -> Array:
    """Return what ``draw`` makes for ``input`` and the probabilities of its elements."""
    return draw(input, p)


_uniform = _filling("uniform", "UniformBackward0")
_normal = _filling("normal", "NormalBackward0")
_bernoulli = _filling("bernoulli_number", "BernoulliBackward2")
_bernoulli_tensor = _filling("bernoulli_tensor", "BernoulliBackward1", _by_probabilities)
_random = _filling("random", "RandomBackward2")
_random_to = _filling("random_to", "RandomBackward1")
_random_between = _filling("random_between", "RandomBackward0")
_exponential = _filling("exponential", "ExponentialBackward0")
_cauchy = _filling("cauchy", "CauchyBackward0")
_log_normal = _filling("log_normal", "LogNormalBackward0")
_geometric = _filling("geometric", "GeometricBackward0")


def real(function: str, name: str, position: int, value: Any) -> float:
    """``value`` as a float.

    Raises: TypeError if it is no real number.
    """
    if type(value) is float or type(value) is int:
        return value
    tensor = isinstance(value, TensorBase) and value._edge is None and not value._desc.shape
    if tensor or isinstance(value, bool | np.bool_ | np.integer | np.floating):
        return float(value)
    raise TypeError(
        f"{function}(): argument '{name}' (position {position}) must be float, not "
        f"{type(value).__name__}"
    )


def number(value: float) -> str:
    """``value`` as C++ streams print it."""
    return f"{value:g}"


# ---- checks --------------------------------------------------------------------------------------


def check_uniform(dtype: dtypes.dtype, low: float, high: float) -> None:
    """Refuse bounds that are none.

    Raises: NotImplementedError for integers; RuntimeError for bounds out of order or range.
    """
    if dtype.category < dtypes.FLOATING:
        raise not_implemented("check_uniform_bounds", dtype)
    limit = limits_of(dtype)[1]
    for name, bound in (("from", low), ("to", high)):
        if not -limit <= bound <= limit:
            raise RuntimeError(f"{name} is out of bounds for {_C_NAMES[dtype.to_real().name]}")
    if low > high:
        raise RuntimeError(
            "uniform_ expects to return a [from, to) range, but found "
            f"from={number(low)} > to={number(high)}"
        )
    if high - low > limit:
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{scalar_name(dtype)}>::max(), but "
            f"found to={number(high)} and from={number(low)} which result in to-from to exceed "
            "the limit"
        )


_C_NAMES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "bool": "bool",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def check_normal(dtype: dtypes.dtype, std: float) -> None:
    """Refuse integers and negative deviations.

    Raises: RuntimeError; NotImplementedError for integers.
    """
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {number(std)}")
    if dtype.category < dtypes.FLOATING:
        raise not_implemented("normal_kernel_cpu", dtype)


def check_integers(dtype: dtypes.dtype, low: int, high: int) -> None:
    """Refuse ranges that are empty or that the dtype does not hold.

    Raises: RuntimeError.
    """
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    if dtype.is_complex:
        raise RuntimeError(
            "check_random_bounds handles only integral, floating-point and boolean types"
        )
    least, most = _integers_of(dtype)
    for name, bound in (("from", low), ("to - 1", high - 1)):
        if not least <= bound <= most:
            raise RuntimeError(f"{name} is out of bounds for {_C_NAMES[dtype.name]}")


def _integers_of(dtype: dtypes.dtype) -> tuple[int, int]:
    least, most = limits_of(dtype)
    return int(least), int(most)


def check_probability(name: str, p: float) -> None:
    """Refuse what is no probability.

    Raises: RuntimeError.
    """
    if not 0 <= p <= 1:
        raise RuntimeError(f"{name} expects p to be in [0, 1], but got p={number(p)}")


def check_probabilities(raw: Array) -> Array:
    """The array, if it holds probabilities.

    Raises: NotImplementedError for integers; RuntimeError if one is outside [0, 1].
    """
    found = dtypes.from_numpy_dtype(raw.dtype)
    if found.category != dtypes.FLOATING:
        raise not_implemented("bernoulli_tensor_cpu_p_", found)
    if raw.size and not bool(((raw >= 0) & (raw <= 1)).all()):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false. (A probability lies "
            "outside of [0, 1], or is nan.)"
        )
    return raw


# ---- the methods ---------------------------------------------------------------------------------


def _fill(op: Any, self: Tensor, generator: Generator, sample: Callable[[Array], Array]) -> Tensor:
    return apply_inplace(op, self, (), {"draw": lambda out: drawn_into(generator, out, sample)})


def _simple(
    op: Any, self: Tensor, family: Callable[..., Array], g: Generator | None, *parameters: float
) -> Tensor:
    """Fill with numbers of ``family``, one draw after the other along the memory."""
    dtype, from_ = self._desc.numpy, source(g, f"{family.__name__}_")
    return _fill(
        op,
        self,
        from_,
        lambda out: along_memory(out, lambda shape: family(from_, shape, dtype, *parameters)),
    )


def uniform_(
    self: Tensor,
    from_: float = 0,
    to: float = 1,
    *,
    generator: Generator | None = None,
    **keyword: float,
) -> Tensor:
    """Overwrite with uniform numbers of [from, to).

    ``from`` is a word of Python's: pass it by position, or as ``**{"from": ...}``.
    Raises: RuntimeError if the range is none; NotImplementedError for integer tensors.
    """
    low = real("uniform_", "from", 1, _from_keyword("uniform_", keyword, from_))
    to = real("uniform_", "to", 2, to)
    check_uniform(self._desc.dtype, low, to)
    return _simple(_uniform, self, stream.uniform, generator, low, to)


def _from_keyword(name: str, keyword: dict[str, Any], value: Any) -> Any:
    if not keyword:
        return value
    found = keyword.pop("from", value)
    if keyword:
        raise TypeError(f"{name}() got an unexpected keyword argument '{next(iter(keyword))}'")
    return found


def normal_(
    self: Tensor, mean: float = 0, std: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with normal numbers.

    Raises: RuntimeError if ``std`` is negative; NotImplementedError for integer tensors.
    """
    mean, std = real("normal_", "mean", 1, mean), real("normal_", "std", 2, std)
    check_normal(self._desc.dtype, std)
    from_ = source(generator, "normal_")
    return _fill(_normal, self, from_, lambda out: normal_like(from_, out, mean, std))


def normal_like(g: Generator, out: Array, mean: float = 0, std: float = 1) -> Array:
    """Normal numbers of the shape, dtype and memory order of ``out``."""
    if in_c_order(out):
        return normals.normal(g, out.shape, out.dtype, mean, std)
    return along_memory(
        out, lambda shape: normals.normal_in_memory_order(g, shape, out.dtype, mean, std)
    )


def bernoulli_(self: Tensor, p: Any = 0.5, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with ones of probability ``p`` (a number, or a tensor that broadcasts), else zeros.

    Raises: RuntimeError if ``p`` is not in [0, 1] or does not broadcast.
    """
    dtype, from_ = self._desc.numpy, source(generator, "bernoulli_")
    if not isinstance(p, TensorBase):
        p = real("bernoulli_", "p", 1, p)
        check_probability("bernoulli_", p)
        if self._desc.dtype.is_complex:
            raise not_implemented("bernoulli_scalar_cpu_", self._desc.dtype)
        return _simple(_bernoulli, self, stream.bernoulli, generator, p)
    wide = _expanded(p, self._desc.shape)

    def sample(raw: Array) -> Array:
        return stream.bernoulli(from_, raw.shape, dtype, check_probabilities(raw))

    def draw(out: Array, raw: Array) -> Array:
        if stack.get():
            check_room(out)
            return drawn_from(from_, None, (raw,), sample)
        if in_c_order(out):
            return sample(raw)
        axes = sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis]))
        ordered = raw.transpose(axes)
        return along_memory(out, lambda shape: sample(ordered))

    return apply_inplace(_bernoulli_tensor, self, (), {"draw": draw, "p": wide})


def _expanded(p: TensorBase, shape: tuple[int, ...]) -> Array:
    """The raw probabilities, broadcast to ``shape``."""
    raw, found = p._array if p._desc.type.levels else plain(p._array), p._desc.shape
    lead = len(shape) - len(found)
    for i, n in enumerate(found):
        if lead < 0 or n not in (1, shape[i + lead]):
            raise RuntimeError(
                f"The expanded size of the tensor ({shape[i + lead]}) must match the existing "
                f"size ({n}) at non-singleton dimension {i}.  Target sizes: "
                f"{list(shape)}.  Tensor sizes: {list(found)}"
            )
    return raw if found == shape else p._desc.type.xp.broadcast_view(raw, shape)


_MISSING: Any = object()


def random_(
    self: Tensor,
    from_: Any = _MISSING,
    to: Any = _MISSING,
    *,
    generator: Generator | None = None,
    **keyword: int,
) -> Tensor:
    """Overwrite with integers: ``random_()`` of all that the dtype holds from 0 on, ``random_(to)``
    of those below ``to``, ``random_(from, to)`` of [from, to); ``to=None`` is the dtype's end.

    Raises: RuntimeError if there are no such integers, or the dtype does not hold them.
    """
    low = _from_keyword("random_", keyword, from_)
    dtype = self._desc.dtype
    if low is _MISSING and to is _MISSING:
        if dtype.is_complex:
            raise not_implemented("random_kernel_cpu", dtype)
        return _simple(_random, self, stream.integers_in_dtype, generator)
    op = _random_between
    if low is _MISSING or to is _MISSING:
        low, to, op = 0, (to if low is _MISSING else low), _random_to
    low = whole("random_", low)
    if to is None:
        whole_range = dtype is dtypes.int64 and low == -(1 << 63)
        to = 1 << 63 if whole_range else _end_of(dtype)
    else:
        to = whole("random_", to)
    check_integers(dtype, low, to)
    return _simple(op, self, stream.integers, generator, low, to)


def whole(function: str, value: Any) -> int:
    """``value`` as an int of 64 bits.

    Raises: TypeError if it is none; ValueError if it is too large.
    """
    if type(value) is not int:
        try:
            if isinstance(value, bool):
                raise TypeError
            value = operator.index(value)
        except (AttributeError, TypeError):
            raise TypeError(
                f"{function}() received an invalid combination of arguments - got "
                f"({type(value).__name__}), but expected int"
            ) from None
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"Overflow when unpacking long long (got {value})")
    return int(value)


def _end_of(dtype: dtypes.dtype) -> int:
    """One more than the largest integer that ``random_(low, None)`` gives."""
    if dtype.category == dtypes.FLOATING:
        return (1 << stream.MANTISSA[dtype.name]) + 1
    return _integers_of(dtype)[1] + 1


def exponential_(self: Tensor, lambd: float = 1, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with exponential numbers of the rate ``lambd``.

    Raises: RuntimeError if the rate is not positive, or for integer tensors.
    """
    if self._desc.dtype.category != dtypes.FLOATING:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {scalar_name(self._desc.dtype)}"
        )
    lambd = real("exponential_", "lambd", 1, lambd)
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={number(lambd)}")
    return _simple(_exponential, self, families.exponential, generator, lambd)


def cauchy_(
    self: Tensor, median: float = 0, sigma: float = 1, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with numbers of the Cauchy distribution.

    Raises: RuntimeError if ``sigma`` is not positive, or for integer tensors.
    """
    median, sigma = real("cauchy_", "median", 1, median), real("cauchy_", "sigma", 2, sigma)
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={number(sigma)}")
    if self._desc.dtype.category != dtypes.FLOATING:
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {_C_NAMES[self._desc.dtype.name]}"
        )
    return _simple(_cauchy, self, families.cauchy, generator, median, sigma)


def log_normal_(
    self: Tensor, mean: float = 1, std: float = 2, *, generator: Generator | None = None
) -> Tensor:
    """Overwrite with ``e ** z`` for normal numbers ``z``.

    Raises: RuntimeError if ``std`` is not positive; NotImplementedError for integer tensors.
    """
    mean, std = real("log_normal_", "mean", 1, mean), real("log_normal_", "std", 2, std)
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={number(std)}")
    if self._desc.dtype.category != dtypes.FLOATING:
        raise not_implemented("log_normal_cpu", self._desc.dtype)
    return _simple(_log_normal, self, families.log_normal, generator, mean, std)


def geometric_(self: Tensor, p: float, *, generator: Generator | None = None) -> Tensor:
    """Overwrite with the number of trials of probability ``p`` until one succeeds.

    Raises: RuntimeError unless 0 < p < 1.
    """
    p = real("geometric_", "p", 1, p)
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={number(p)}")
    if self._desc.dtype.category not in (dtypes.INTEGRAL, dtypes.FLOATING):
        raise not_implemented("geometric_cpu", self._desc.dtype)
    return _simple(_geometric, self, families.geometric, generator, p)
