"""Sets of elementwise functions: the union of the operands' sets, or none.

In: PatternArrays, NumPy arrays, numbers.  Out: PatternArrays. A function whose derivative is zero
wherever it exists (comparisons, rounding) passes nothing on.

Note [Conditions]
    ``where(c, x, y)`` passes on the set of the selected element where ``c`` is a constant. Where
    ``c`` was computed from the input, another point may select the other one: the union, so that
    the pattern holds there, too. The same goes for `maximum` and `minimum`. A ``local`` library
    keeps to the point and passes on what is selected.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.patterns.pattern_array import PAIR, PatternArray, PatternBase, value_of
from adjoint.array.patterns.sets import EMPTY, NUMBER

__all__ = ["Elementwise"]

Array = Any


def _smooth(function: Callable[..., Any]) -> Any:
    """Each element depends on what the elements of the operands at its place depend on."""

    def rule(self: Elementwise, *operands: Any) -> Any:
        value = function(*[value_of(x) for x in operands])
        return self.computed(value, self.joined(*operands))

    return rule


def _flat(function: Callable[..., Any]) -> Any:
    """The derivative is zero everywhere."""

    def rule(self: Elementwise, *operands: Any) -> Any:
        return self.computed(function(*[value_of(x) for x in operands]), self.flags(*operands))

    return rule


class Elementwise(PatternBase):
    """The groups Elementwise, Special, Questions and ComplexNumbers of the contract."""

    absolute = _smooth(numpy_.absolute)
    abs2 = _smooth(numpy_.abs2)
    arccos = _smooth(numpy_.arccos)
    arccosh = _smooth(numpy_.arccosh)
    arcsin = _smooth(numpy_.arcsin)
    arcsinh = _smooth(numpy_.arcsinh)
    arctan = _smooth(numpy_.arctan)
    arctan2 = _smooth(numpy_.arctan2)
    arctanh = _smooth(numpy_.arctanh)
    cos = _smooth(numpy_.cos)
    cosh = _smooth(numpy_.cosh)
    exp = _smooth(numpy_.exp)
    exp2 = _smooth(numpy_.exp2)
    expm1 = _smooth(numpy_.expm1)
    fmod = _smooth(numpy_.fmod)
    hypot = _smooth(numpy_.hypot)
    log = _smooth(numpy_.log)
    log10 = _smooth(numpy_.log10)
    log1p = _smooth(numpy_.log1p)
    log2 = _smooth(numpy_.log2)
    logaddexp = _smooth(numpy_.logaddexp)
    maximum = _smooth(numpy_.maximum)
    minimum = _smooth(numpy_.minimum)
    remainder = _smooth(numpy_.remainder)
    sin = _smooth(numpy_.sin)
    sinh = _smooth(numpy_.sinh)
    sqrt = _smooth(numpy_.sqrt)
    tan = _smooth(numpy_.tan)
    tanh = _smooth(numpy_.tanh)

    ceil = _flat(numpy_.ceil)
    floor = _flat(numpy_.floor)
    floor_divide = _flat(numpy_.floor_divide)
    rint = _flat(numpy_.rint)
    trunc = _flat(numpy_.trunc)
    trunc_divide = _flat(numpy_.trunc_divide)

    erf = _smooth(numpy_.erf)
    erfc = _smooth(numpy_.erfc)
    erfinv = _smooth(numpy_.erfinv)
    lgamma = _smooth(numpy_.lgamma)
    sigmoid = _smooth(numpy_.sigmoid)
    sigmoid_backward = _smooth(numpy_.sigmoid_backward)
    tanh_backward = _smooth(numpy_.tanh_backward)

    bitwise_and = _flat(numpy_.bitwise_and)
    bitwise_not = _flat(numpy_.bitwise_not)
    bitwise_or = _flat(numpy_.bitwise_or)
    bitwise_xor = _flat(numpy_.bitwise_xor)
    greater = _flat(numpy_.greater)
    greater_equal = _flat(numpy_.greater_equal)
    isfinite = _flat(numpy_.isfinite)
    isinf = _flat(numpy_.isinf)
    isnan = _flat(numpy_.isnan)
    left_shift = _flat(numpy_.left_shift)
    less = _flat(numpy_.less)
    less_equal = _flat(numpy_.less_equal)
    logical_and = _flat(numpy_.logical_and)
    logical_not = _flat(numpy_.logical_not)
    logical_or = _flat(numpy_.logical_or)
    logical_xor = _flat(numpy_.logical_xor)
    right_shift = _flat(numpy_.right_shift)

    def where(self, condition: Array, x: Any, y: Any, /) -> Array:
        """``x`` where the condition holds, ``y`` elsewhere; see Note [Conditions]."""
        value = numpy_.where(value_of(condition), value_of(x), value_of(y))
        if self.careful:
            return self.computed(value, self.joined(x, y))
        first, second = self.sets_for(x, value.dtype), self.sets_for(y, value.dtype)
        sets: Array = np.where(value_of(condition), first, second)
        doubt = self.flags(condition)
        if not self.local and doubt.any():
            either = self.table.join(self.joined(x, y), doubt)
            sets = np.where(doubt != EMPTY, self._fitted(either, value.dtype), sets)
        return self.computed(value, sets)

    def clip(self, x: Array, low: Any, high: Any) -> Array:
        """``x`` limited to [low, high]; either bound may be None."""
        value = numpy_.clip(value_of(x), value_of(low), value_of(high))
        return self.computed(value, self.joined(x, low, high))

    def nan_to_num(
        self, x: Array, *, nan: float, posinf: float | None, neginf: float | None
    ) -> Array:
        """``x`` with numbers in place of nan and the infinities."""
        value = numpy_.nan_to_num(value_of(x), nan=nan, posinf=posinf, neginf=neginf)
        return self.computed(value, self.joined(x))

    def power(self, x: Array, y: Any) -> Array:
        """``x ** y``; to the power of the number 0 nothing is left of ``x``."""
        value = numpy_.power(value_of(x), value_of(y))
        if not isinstance(y, PatternArray) and not np.ndim(y) and y == 0:
            return self.constant(value)
        return self.computed(value, self.joined(x, y))

    def exponential(self, base: float, x: Array) -> Array:
        """``base ** x`` in the dtype of ``x``."""
        return self.computed(numpy_.exponential(base, value_of(x)), self.joined(x))

    def sign(self, x: Array) -> Array:
        """The sign, which is flat; of complex numbers the direction, which is not."""
        value = numpy_.sign(value_of(x))
        sets = self.joined(x) if value.dtype.kind == "c" else self.flags(x)
        return self.computed(value, sets)

    def polygamma(self, n: int, x: Array) -> Array:
        """The n-th derivative of the digamma function."""
        return self.computed(numpy_.polygamma(n, value_of(x)), self.joined(x))

    def threshold_backward(self, g: Array, out: Array) -> Array:
        """``g`` where ``out`` is positive: of ``out`` only the sign counts."""
        value = numpy_.threshold_backward(value_of(g), value_of(out))
        return self.computed(value, self.table.join(self.joined(g), self.flags(out)))

    # ---- complex numbers ---------------------------------------------------------------------

    def conj(self, x: Array, /) -> Array:
        """The complex conjugate: the parts stay apart."""
        value = numpy_.conj(value_of(x))
        return self.computed(value, np.array(self.sets_for(x, value.dtype)))

    def angle(self, x: Array, /) -> Array:
        """The angle in the complex plane; of real numbers it is flat."""
        value = numpy_.angle(value_of(x))
        sets = self.joined(x) if value_of(x).dtype.kind == "c" else self.flags(x)
        return self.computed(value, sets)

    def make_complex(self, re: Array, im: Array) -> Array:
        """``re + i im``."""
        value = numpy_.make_complex(value_of(re), value_of(im))
        sets = np.empty(value.shape, PAIR)
        sets["re"] = self.sets_of(re)
        sets["im"] = self.sets_of(im)
        return self.computed(value, sets)

    def real(self, x: Array, /) -> Array:
        """The real part: a view."""
        if not isinstance(x, PatternArray):
            return numpy_.real(x)
        if x.dtype.kind != "c":
            return x
        return self.moved(x.value.real, self.mine(x).sets["re"])

    def imag(self, x: Array, /) -> Array:
        """The imaginary part: a view."""
        if not isinstance(x, PatternArray):
            return numpy_.imag(x)
        if x.dtype.kind != "c":
            return self.constant(np.zeros(x.shape, x.dtype))
        return self.moved(x.value.imag, self.mine(x).sets["im"])

    def view_as_real(self, x: Array) -> Array:
        """The real and imaginary parts along a new last axis: a view."""
        if not isinstance(x, PatternArray):
            return numpy_.view_as_real(x)
        return self.moved(
            numpy_.view_as_real(x.value), self.mine(x).sets[..., np.newaxis].view(NUMBER)
        )

    def view_as_complex(self, x: Array) -> Array:
        """Complex numbers from their parts along the last axis: a view where these lie together."""
        if not isinstance(x, PatternArray):
            return numpy_.view_as_complex(x)
        sets = self.mine(x).sets
        if sets.strides[-1] != sets.itemsize:
            sets = sets.copy()
        return self.moved(numpy_.view_as_complex(x.value), sets.view(PAIR)[..., 0])
