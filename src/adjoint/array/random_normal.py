"""Normal numbers of PyTorch's CPU stream, bit for bit.

In: a `Generator`, a shape, a NumPy dtype, mean and standard deviation.  Out: a new raw array in
C order.  `normal` is for arrays made in C order, `normal_in_memory_order` for any other order.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from adjoint.array.random import LOW_24, Generator, Shape, scipy_module
from adjoint.array.random_rounding import fused_32, fused_64

__all__ = ["few_normals", "normal", "normal_in_memory_order", "serial_normals"]

# Note: normal numbers
#
# Everything is the method of Box and Muller (G. Box, M. Muller, "A note on the generation of random
# normal deviates", Ann. Math. Stat. 29, 1958): two uniform numbers give the two coordinates of a
# point, radius ``sqrt(-2 log(1 - u))``, angle ``2 pi v``; then ``mean + std * z`` as one fused
# multiply-add. PyTorch has two ways to run it:
#
# Fewer than 16 elements, or an array that is not in C order: one number after the other, in float64
# for every dtype. A pair draws the angle first, then the radius, and keeps its second number (the
# sine) in the generator for whoever asks next, in this call or a later one.
#
# 16 elements or more: blocks of 16 draw 8 uniforms for the radius, 8 for the angle, and give 8
# cosines, 8 sines. When the size is not a multiple of 16, the last 16 elements are drawn once more
# over what stood there. (float32 and float64 have first drawn one uniform for each element, also
# for those of the last incomplete block; the 16-bit types only those of whole blocks.) The number
# kept in the generator is neither used nor changed. float64 takes the C library's log, cos and sin.
# float32, and through it the 16-bit types, uses the float32 polynomials of the Cephes library (S.
# Moshier, "Methods and Programs for Mathematical Functions", 1989: logf, sinf, cosf) with fused
# multiply-adds, which `_Pairs32` repeats: product and sum in float64 (there the product is exact),
# rounded to float32. For all 2**24 uniforms, radius, cosine and sine equal PyTorch's in every bit.
# This is PyTorch's stream on processors with AVX2 or AVX-512; on others its own
# differs in last bits, and this library keeps to the one above everywhere.

Array = Any
_F: Final = np.float32
_CHUNK: Final = 1 << 14  # pairs whose intermediate results stay in the processor's cache


def _single(value: float) -> Array:
    """A 0-d float32 array: as an operand it costs half of what a Python float does."""
    return np.array(value, _F)


def _doubles(*values: float) -> tuple[Array, ...]:
    """float32 numbers as 0-d float64 arrays."""
    return tuple(np.array(_F(value), np.float64) for value in values)


_LOG_COEFFICIENTS: Final = _doubles(
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
_COS_COEFFICIENTS: Final = _doubles(
    2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2
)
_SIN_COEFFICIENTS: Final = _doubles(-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_LOG_2_HIGH: Final = _single(0.693359375)  # log 2 is the sum of the two
_LOG_2_LOW: Final = _single(-2.12194440e-4)
_QUARTER_PI_HIGH: Final = _single(0.78515625)  # pi / 4 is the sum of the three
_QUARTER_PI_MIDDLE: Final = _single(2.4187564849853515625e-4)
(_QUARTER_PI_LOW,) = _doubles(3.77489497744594108e-8)
_SQRT_HALF_BITS: Final = np.array(0x3F3504F3, np.int32)
_TWO_PI: Final = _single(2 * math.pi)
_FOUR_OVER_PI: Final = _single(4 / math.pi)
_ONE, _HALF, _MINUS_2 = _single(1), _single(0.5), _single(-2)
_BITS_24, _UNIT_24 = _single(24), _single(2.0**-24)
_TOP: Final = np.array(1 << 24, np.int32)


def normal(
    generator: Generator, shape: Shape, dtype: Any, mean: float = 0.0, std: float = 1.0
) -> Array:
    """Normal numbers; of a complex dtype, both parts with variance ``std ** 2 / 2``."""
    if dtype.kind == "c":
        return _complex_normal(generator, shape, dtype, mean, std)
    count = math.prod(shape)
    if count < 16:
        made = np.array(few_normals(generator, count, mean, std), np.float64)
        return _rounded(made, dtype).reshape(shape)
    if dtype == np.float64:
        return _many_64(generator, count, mean, std).reshape(shape)
    made = _many_32(generator, count, mean, std, whole_blocks=dtype != np.float32)
    return made.astype(dtype, copy=False).reshape(shape)


def normal_in_memory_order(
    generator: Generator, shape: Shape, dtype: Any, mean: float = 0.0, std: float = 1.0
) -> Array:
    """Normal numbers for an array that is not in C order, to be written along its memory."""
    if dtype.kind == "c":
        return _complex_normal(generator, shape, dtype, mean, std)
    made = fused_64(serial_normals(generator, math.prod(shape)), std, mean)
    return _rounded(made, dtype).reshape(shape)


def _complex_normal(
    generator: Generator, shape: Shape, dtype: Any, mean: complex, std: float
) -> Array:
    real = np.dtype(f"f{dtype.itemsize // 2}")
    pairs = normal(generator, (*shape, 2), real, 0.0, std / math.sqrt(2))
    made = pairs.view(dtype)[..., 0]
    return made + dtype.type(mean) if mean else made


def _rounded(made: Array, dtype: Any) -> Array:
    """``made`` in ``dtype``; the 16-bit types round through float32."""
    if dtype.itemsize == 2:
        made = made.astype(_F)
    return made.astype(dtype, copy=False)


# ---- one after the other -------------------------------------------------------------------------


def few_normals(
    generator: Generator, count: int, mean: float = 0.0, std: float = 1.0
) -> list[float]:
    """``count`` normal numbers in float64: quick for a handful of them."""
    made: list[float] = []
    if count and generator.second_normal is not None:
        made.append(generator.second_normal)
        generator.second_normal = None
    missing = count - len(made)
    if missing > 0:
        drawn = iter(generator.few_fractions(missing + (missing & 1)))
        for angle, u in zip(drawn, drawn):
            radius = math.sqrt(-2.0 * math.log1p(-u))
            turn = 2.0 * math.pi * angle
            made += (radius * math.cos(turn), radius * math.sin(turn))
        if missing & 1:
            generator.second_normal = made.pop()
    if mean == 0:
        return [z * std + 0.0 for z in made]
    scaled: list[float] = fused_64(np.array(made, np.float64), std, mean).tolist()
    return scaled


def serial_normals(generator: Generator, count: int) -> Array:
    """``count`` standard normal numbers in float64, drawn one after the other."""
    made = np.empty(count)
    for start in range(0, count, 1 << 12):
        part = made[start : start + (1 << 12)]
        part[...] = few_normals(generator, part.size)
    return made


# ---- blocks of 16 --------------------------------------------------------------------------------


def _many_64(generator: Generator, count: int, mean: float, std: float) -> Array:
    made = generator.fractions(count)
    whole = count // 16 * 16
    _blocks(made[:whole], made[:whole], _pairs_64)
    if whole < count:
        _blocks(generator.fractions(16), made[-16:], _pairs_64)
    return fused_64(made, std, mean)


def _many_32(
    generator: Generator, count: int, mean: float, std: float, *, whole_blocks: bool
) -> Array:
    whole = count // 16 * 16
    words = generator.words(whole if whole_blocks else count)
    words &= LOW_24
    made = np.empty(count, _F)
    pairs = _Pairs32(min(whole // 2, _CHUNK))
    _blocks(words[:whole].view(np.int32), made[:whole], pairs)
    if whole < count:
        words = generator.words(16)
        words &= LOW_24
        _blocks(words.view(np.int32), made[-16:], pairs)
    if mean == 0:
        if std != 1:
            made *= _F(std)
        made += _F(0)  # -0 becomes 0, as in the sum with the mean
        return made
    return fused_32(made, std, mean)


def _blocks(drawn: Array, out: Array, pairs: Callable[[Array, Array], tuple[Array, Array]]) -> None:
    """Fill ``out`` block by block: 8 radii and 8 angles give 8 cosines and 8 sines."""
    drawn = drawn.reshape(-1, 2, 8)
    out = out.reshape(-1, 2, 8)
    rows = _CHUNK // 8
    for start in range(0, drawn.shape[0], rows):
        block = drawn[start : start + rows]
        x, y = pairs(block[:, 0].reshape(-1), block[:, 1].reshape(-1))
        target = out[start : start + rows]
        target[:, 0] = x.reshape(-1, 8)
        target[:, 1] = y.reshape(-1, 8)


def _pairs_64(u: Array, v: Array) -> tuple[Array, Array]:
    """The points of radius ``sqrt(-2 log(1 - u))`` and angle ``2 pi v``."""
    radius = _log(1.0 - u)
    radius *= -2.0
    np.sqrt(radius, out=radius)
    v = v * (2.0 * math.pi)
    cosine = np.cos(v)
    cosine *= radius
    radius *= np.sin(v)
    return cosine, radius


def _log(x: Array) -> Array:
    """The C library's logarithm (NumPy's own differs from it in some last bits)."""
    if x.size < 4096:
        return np.array(list(map(math.log, x.tolist())))
    return scipy_module("special").xlogy(1.0, x)


class _Pairs32:
    """`_pairs_64` in float32 from ``u * 2**24`` and ``v * 2**24``, with the arrays it works on."""

    __slots__ = ("doubles", "singles")

    def __init__(self, size: int) -> None:
        self.singles = np.empty((7, size), _F)
        self.doubles = np.empty((3, size))

    def __call__(self, u: Array, v: Array) -> tuple[Array, Array]:
        singles, doubles = self.singles[:, : u.size], self.doubles[:, : u.size]
        radius = _radius(u, singles, doubles)
        cosine, sine = _direction(v, singles[1:], doubles)
        np.multiply(cosine, radius, cosine)
        np.multiply(sine, radius, sine)
        return cosine, sine


def _horner(coefficients: tuple[Array, ...], at: Array, wide: Array, out: Array) -> None:
    """The polynomial at ``at`` by fused multiply-adds in float32; ``wide`` is overwritten."""
    np.multiply(at, coefficients[0], wide)
    np.add(wide, coefficients[1], wide)
    out[...] = wide
    for coefficient in coefficients[2:]:
        wide[...] = out
        np.multiply(wide, at, wide)
        np.add(wide, coefficient, wide)
        out[...] = wide


def _radius(k: Array, singles: Array, doubles: Array) -> Array:
    """``sqrt(-2 log(1 - k / 2**24))`` in float32 for int32 ``k``; the result is ``singles[0]``."""
    x, exponent, square, y = singles[:4]
    at, wide, other = doubles
    # 2**24 - k, exact in float32, is 2**exponent * (1 + x) with 1 + x in [sqrt(1/2), sqrt(2)).
    bits, power, shifted = (part.view(np.int32) for part in (x, exponent, square))
    np.subtract(_TOP, k, shifted)
    x[...] = shifted
    np.subtract(bits, _SQRT_HALF_BITS, power)
    np.right_shift(power, 23, power)
    np.left_shift(power, 23, shifted)
    np.subtract(bits, shifted, bits)
    np.subtract(x, _ONE, x)
    exponent[...] = power
    np.subtract(exponent, _BITS_24, exponent)
    # log(1 + x) = x - x**2 / 2 + x**3 p(x)
    at[...] = x
    _horner(_LOG_COEFFICIENTS, at, wide, y)
    np.multiply(y, x, y)
    np.multiply(x, x, square)
    wide[...] = y
    other[...] = square
    np.multiply(wide, other, wide)
    np.multiply(exponent, _LOG_2_LOW, y)
    other[...] = y
    np.add(wide, other, wide)
    y[...] = wide
    np.multiply(square, _HALF, square)
    np.subtract(y, square, y)
    np.add(x, y, x)
    np.multiply(exponent, _LOG_2_HIGH, exponent)
    np.add(x, exponent, x)
    np.multiply(x, _MINUS_2, x)
    return np.sqrt(x, x)


def _direction(k: Array, singles: Array, doubles: Array) -> tuple[Array, Array]:
    """``cos(a), sin(a)`` in float32 for the angle ``a = 2 pi k / 2**24``, int32 ``k``."""
    x, square, cosine, sine, free = singles[:5]
    octant, swap, spare = (part.view(np.int32) for part in (free, x, square))
    at, wide, at_square = doubles
    x[...] = k
    np.multiply(x, _UNIT_24, x)
    np.multiply(x, _TWO_PI, x)
    # x minus an even number of quarters of pi; the first two products are exact in float32.
    np.multiply(x, _FOUR_OVER_PI, square)
    octant[...] = square
    np.add(octant, 1, octant)
    np.bitwise_and(octant, -2, octant)
    square[...] = octant
    np.multiply(square, _QUARTER_PI_HIGH, cosine)
    np.subtract(x, cosine, x)
    np.multiply(square, _QUARTER_PI_MIDDLE, cosine)
    np.subtract(x, cosine, x)
    at[...] = x
    wide[...] = octant
    np.multiply(wide, _QUARTER_PI_LOW, wide)
    np.subtract(at, wide, at)
    x[...] = at
    # sin x = x + x * x**2 q(x**2), cos x = 1 - x**2 / 2 + x**4 p(x**2)
    at[...] = x
    np.multiply(x, x, square)
    at_square[...] = square
    _horner(_SIN_COEFFICIENTS, at_square, wide, sine)
    np.multiply(sine, square, sine)
    wide[...] = sine
    np.multiply(wide, at, wide)
    np.add(wide, at, wide)
    sine[...] = wide
    _horner(_COS_COEFFICIENTS, at_square, wide, cosine)
    np.multiply(cosine, square, cosine)
    wide[...] = cosine
    np.multiply(wide, at_square, wide)
    np.multiply(at_square, _HALF, at_square)
    np.subtract(wide, at_square, wide)
    cosine[...] = wide
    np.add(cosine, _ONE, cosine)
    # In octants 2 and 6 cosine and sine change places; the signs follow the octant.
    cosine_bits, sine_bits = cosine.view(np.int32), sine.view(np.int32)
    np.left_shift(octant, 30, swap)
    np.right_shift(swap, 31, swap)
    np.bitwise_xor(cosine_bits, sine_bits, spare)
    np.bitwise_and(spare, swap, spare)
    np.bitwise_xor(cosine_bits, spare, cosine_bits)
    np.bitwise_xor(sine_bits, spare, sine_bits)
    np.bitwise_and(octant, 4, spare)
    np.left_shift(spare, 29, spare)
    np.bitwise_xor(sine_bits, spare, sine_bits)
    np.add(octant, 2, octant)
    np.bitwise_and(octant, 4, octant)
    np.left_shift(octant, 29, octant)
    np.bitwise_xor(cosine_bits, octant, cosine_bits)
    return cosine, sine
