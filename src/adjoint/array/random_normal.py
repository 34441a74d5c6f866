"""Normal numbers of PyTorch's CPU stream, bit for bit.

In: a `Generator`, a shape, a NumPy dtype, mean and standard deviation.  Out: a new raw array in
C order.  `normal` is for arrays made in C order, `normal_in_memory_order` for any other order.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from .random import LOW_24, LOW_53, Generator, Shape, fused_32, fused_64, scipy_module

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
# multiply-adds, which `_radius` and `_direction` repeat: product and sum in float64 (there the
# product is exact), rounded to float32. Compared with PyTorch for all 2**24 uniforms, both are equal
# in every bit. This is PyTorch's stream on processors with AVX2 or AVX-512; on others its own differs
# in last bits, and this library keeps to the one above everywhere.

Array = Any
_F: Final = np.float32
_LOG_COEFFICIENTS: Final = (
    *(7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1),
    *(-1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1),
)
_COS_COEFFICIENTS: Final = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
_SIN_COEFFICIENTS: Final = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
_LOG_2: Final = (_F(-2.12194440e-4), _F(0.693359375))  # log 2 = 0.693359375 - 2.1219444e-4
_QUARTER_PI: Final = (0.78515625, 2.4187564849853515625e-4, float(_F(3.77489497744594108e-8)))
_SQRT_HALF_BITS: Final = np.int32(0x3F3504F3)
_TWO_PI: Final = _F(2 * math.pi)
_FOUR_OVER_PI: Final = _F(4 / math.pi)
_CHUNK: Final = 1 << 14  # elements that stay in the processor's cache


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
    return fused_64(np.array(made, np.float64), std, mean).tolist()


def serial_normals(generator: Generator, count: int) -> Array:
    """``count`` standard normal numbers in float64, drawn one after the other."""
    made = np.empty(count)
    for start in range(0, count, 1 << 12):
        part = made[start : start + (1 << 12)]
        part[...] = few_normals(generator, part.size)
    return made


# ---- blocks of 16 --------------------------------------------------------------------------------


def _many_64(generator: Generator, count: int, mean: float, std: float) -> Array:
    uniforms = generator.fractions(count)
    made = np.empty(count)
    whole = count // 16 * 16
    made[:whole] = _blocks_64(uniforms[:whole])
    if whole < count:
        made[-16:] = _blocks_64(generator.fractions(16))
    return fused_64(made, std, mean)


def _blocks_64(uniforms: Array) -> Array:
    blocks = uniforms.reshape(-1, 16)
    radius = _log(1.0 - blocks[:, :8])
    radius *= -2.0
    np.sqrt(radius, out=radius)
    angle = blocks[:, 8:] * (2.0 * math.pi)
    made = np.empty(blocks.shape)
    np.multiply(radius, np.cos(angle), out=made[:, :8])
    np.multiply(radius, np.sin(angle), out=made[:, 8:])
    return made.reshape(-1)


def _log(x: Array) -> Array:
    """The C library's logarithm (NumPy's own differs from it in some last bits)."""
    if x.size < 4096:
        return np.array(list(map(math.log, x.ravel().tolist()))).reshape(x.shape)
    return scipy_module("special").xlogy(1.0, x)


def _many_32(
    generator: Generator, count: int, mean: float, std: float, *, whole_blocks: bool
) -> Array:
    whole = count // 16 * 16
    words = generator.words(whole if whole_blocks else count)
    made = np.empty(count, _F)
    _blocks_32(words[:whole], made[:whole])
    if whole < count:
        _blocks_32(generator.words(16), made[-16:])
    if mean == 0:
        if std != 1:
            made *= _F(std)
        made += _F(0)  # -0 becomes 0, as in the sum with the mean
        return made
    return fused_32(made, std, mean)


def _blocks_32(words: Array, out: Array) -> None:
    """Fill ``out`` with standard normal numbers, 16 from every 16 words."""
    words = words.reshape(-1, 2, 8)
    out = out.reshape(-1, 2, 8)
    rows = _CHUNK // 8
    work = _Work(min(words.shape[0], rows) * 8)
    for start in range(0, words.shape[0], rows):
        block = words[start : start + rows]
        size = block.shape[0] * 8
        kept = (block & LOW_24).view(np.int32)
        radius = _radius(np.ascontiguousarray(kept[:, 0]).reshape(size), work)
        cosine, sine = _direction(np.ascontiguousarray(kept[:, 1]).reshape(size), work)
        target = out[start : start + rows]
        np.multiply(radius, cosine, out=cosine)
        np.multiply(radius, sine, out=sine)
        target[:, 0] = cosine.reshape(-1, 8)
        target[:, 1] = sine.reshape(-1, 8)


class _Work:
    """Arrays for intermediate results, used again for every chunk."""

    __slots__ = ("product", "singles", "wide", "wide_square")

    def __init__(self, size: int) -> None:
        self.singles = np.empty((8, size), _F)
        self.wide = np.empty(size)
        self.wide_square = np.empty(size)
        self.product = np.empty(size)


def _horner(coefficients: tuple[float, ...], wide: Array, product: Array, out: Array) -> None:
    """The polynomial at ``wide`` by fused multiply-adds in float32; ``product`` is overwritten."""
    np.multiply(wide, float(_F(coefficients[0])), out=product)
    product += float(_F(coefficients[1]))
    out[...] = product
    for coefficient in coefficients[2:]:
        product[...] = out
        product *= wide
        product += float(_F(coefficient))
        out[...] = product


def _radius(k: Array, work: _Work) -> Array:
    """``sqrt(-2 log(1 - k / 2**24))`` in float32 for int32 ``k``."""
    n = k.size
    whole, exponent, x, square, y = work.singles[:5, :n]
    wide, wide_square, product = work.wide[:n], work.wide_square[:n], work.product[:n]
    # 2**24 - k is an exact float32; split it into 2**exponent * (1 + x), x in [sqrt(1/2), sqrt 2) - 1.
    np.subtract(1 << 24, k, out=whole, casting="unsafe")
    bits, power, x_bits = (a.view(np.int32) for a in (whole, exponent, x))
    np.subtract(bits, _SQRT_HALF_BITS, out=power)
    power >>= 23
    np.left_shift(power, 23, out=x_bits)
    np.subtract(bits, x_bits, out=x_bits)
    x -= _F(1)
    exponent[...] = power
    exponent -= _F(24)
    # log(1 + x) = x - x**2 / 2 + x**3 p(x)
    wide[...] = x
    _horner(_LOG_COEFFICIENTS, wide, product, y)
    y *= x
    np.multiply(x, x, out=square)
    wide[...] = y
    wide_square[...] = square
    wide *= wide_square
    np.multiply(exponent, _LOG_2[0], out=y)
    wide_square[...] = y
    wide += wide_square
    y[...] = wide
    square *= _F(0.5)
    y -= square
    x += y
    exponent *= _LOG_2[1]
    x += exponent
    x *= _F(-2)
    return np.sqrt(x, out=x)


def _direction(k: Array, work: _Work) -> tuple[Array, Array]:
    """``cos(a), sin(a)`` in float32 for the angle ``a = 2 pi k / 2**24``, int32 ``k``."""
    n = k.size
    x, square, cosine, sine, octant_ = (*work.singles[3:7, :n], work.singles[7, :n])
    wide, wide_square, product = work.wide[:n], work.wide_square[:n], work.product[:n]
    octant = octant_.view(np.int32)
    x[...] = k
    x *= _F(2.0**-24)
    x *= _TWO_PI
    # x minus an even number of quarter turns of pi / 4
    np.multiply(x, _FOUR_OVER_PI, out=square)
    octant[...] = square
    octant += 1
    octant &= -2
    wide_square[...] = octant
    square[...] = octant
    for part in _QUARTER_PI[:2]:  # these products are exact in float32
        np.multiply(square, _F(part), out=cosine)
        x -= cosine
    wide[...] = x
    np.multiply(wide_square, _QUARTER_PI[2], out=product)
    wide -= product
    x[...] = wide
    # cos x = 1 - x**2 / 2 + x**4 p(x**2), sin x = x + x * x**2 q(x**2)
    np.multiply(x, x, out=square)
    wide_square[...] = square
    wide[...] = x
    _horner(_SIN_COEFFICIENTS, wide_square, product, sine)
    sine *= square
    product[...] = sine
    product *= wide
    product += wide
    sine[...] = product
    _horner(_COS_COEFFICIENTS, wide_square, product, cosine)
    cosine *= square
    product[...] = cosine
    product *= wide_square
    wide_square *= 0.5
    product -= wide_square
    cosine[...] = product
    cosine += _F(1)
    # In octants 2 and 6 cosine and sine change places; the signs follow the octant.
    cosine_bits, sine_bits, swap = cosine.view(np.int32), sine.view(np.int32), x.view(np.int32)
    np.left_shift(octant, 30, out=swap)
    swap >>= 31
    difference = square.view(np.int32)
    np.bitwise_xor(cosine_bits, sine_bits, out=difference)
    difference &= swap
    cosine_bits ^= difference
    sine_bits ^= difference
    sign = difference
    np.bitwise_and(octant, 4, out=sign)
    sign <<= 29
    sine_bits ^= sign
    octant += 2
    octant &= 4
    octant <<= 29
    cosine_bits ^= octant
    return cosine, sine


_ = LOW_53
