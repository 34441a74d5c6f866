"""PyTorch's CPU random stream, bit for bit: generator, uniform numbers, integers, permutations.

In: a `Generator`, a shape, a NumPy dtype.  Out: new raw arrays in C order, holding exactly the
numbers that PyTorch 2.13 gives on a CPU for the same seed and the same calls before.  An array in
another memory order is filled in the order of its memory: see `memory_order`.  Normal numbers are
in `random_normal`, other distributions in `random_families` and `random_rejection`.
"""

from __future__ import annotations

import functools
import importlib
import math
import os
from typing import Any, Final, Self

import numpy as np

from adjoint.array.device import CPU, device
from adjoint.array.random_rounding import fused_32, fused_64

__all__ = [
    "Generator",
    "bernoulli",
    "default_generator",
    "integers",
    "integers_in_dtype",
    "memory_order",
    "permutation",
    "uniform",
]

# Note: the stream
#
# The engine is the Mersenne Twister MT19937 (M. Matsumoto, T. Nishimura, "Mersenne Twister: a
# 623-dimensionally equidistributed uniform pseudo-random number generator", ACM TOMACS 8, 1998),
# seeded with the lower 32 bits of the seed as in the authors' init_genrand. NumPy's MT19937 gives
# the same words. A draw is one word, or two (the first is the upper half):
#
# - uniform numbers: float32, float16 and bfloat16 keep the lower 24 bits of one word, float64 the
#   lower 53 bits of two. ``low + u * (high - low)`` is one fused multiply-add; a result that rounds
#   to ``high`` becomes ``low``. The 16-bit types compute in float32 and round at the end.
# - integers in [low, high): one word modulo the range, two words from a range of 2**28 on.
# - Bernoulli: a number p or float64 probabilities use float64 uniforms, all others float32 ones.
# - a permutation is Fisher and Yates's shuffle from the front, a word for each place but the last
#   (from 2**32 / 20 elements on the inside-out shuffle, two words for each place).
# - normal numbers: see the note in `random_normal`. Everything else draws float64 uniforms.

Array = Any
Shape = tuple[int, ...]

DEFAULT_SEED: Final = 67280421310721
LOW_24: Final = np.uint32((1 << 24) - 1)
LOW_53: Final = np.uint64((1 << 53) - 1)
STATE_BYTES: Final = 5056

_WORDS = 624
_LAYOUT: Final = np.dtype(
    [
        ("seed", "<u8"),
        ("left", "<i4"),
        ("seeded", "<i4"),
        ("next", "<u8"),
        ("key", "<u8", _WORDS),
        ("unused_x", "<f8"),
        ("second_normal", "<f8"),
        ("unused_rho", "<f8"),
        ("has_second_normal", "<i4"),
        ("padding", "<i4"),
        ("second_float_normal", "<f4"),
        ("has_second_float_normal", "<i4"),
    ]
)


class _Source:
    """NumPy's engine and its two ways to hand out words."""

    __slots__ = ("engine", "integers", "raw")

    def __init__(self) -> None:
        self.engine: Any = np.random.MT19937(0)
        self.raw: Any = self.engine.random_raw
        self.integers: Any = np.random.RandomState(self.engine).randint

    def start(self, seed: int) -> None:
        self.engine._legacy_seeding(seed & 0xFFFFFFFF)


class Generator:
    """A source of random numbers that gives PyTorch's CPU stream.

    Example:
        >>> uniform(Generator().manual_seed(0), (2,), np.dtype("float32"))
        array([0.4962566, 0.7682218], dtype=float32)
    """

    __slots__ = ("__weakref__", "_asleep", "_opened", "_seed", "_watcher", "second_normal")

    _opened: _Source | None
    """The engine, made for the first draw: NumPy loads its part for random numbers only then."""

    _seed: int
    second_normal: float | None
    """The second number of the last pair of normal numbers, until a caller takes it."""

    def __init__(self, device: Any = "cpu") -> None:
        as_cpu(device)
        self._opened = None
        self._asleep: _Source | None = None  # the engine while somebody waits for the next draw
        self._watcher: list[Any] | None = None
        self._start(DEFAULT_SEED)

    @property
    def device(self) -> device:
        """The device whose stream this is: the CPU."""
        return CPU

    def manual_seed(self, seed: int) -> Self:
        """Start the stream of ``seed`` from its beginning; returns the generator itself.

        Raises: ValueError if ``seed`` is outside [-2**63, 2**64); RuntimeError if it is no int.
        """
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(1 << 63) <= seed < 1 << 64:
            raise ValueError(
                "Overflow when unpacking long long"
                f" (seed {seed}; a seed lies in [-0x8000_0000_0000_0000, 0xffff_ffff_ffff_ffff])"
            )
        self._start(int(seed) % (1 << 64))
        return self

    def seed(self) -> int:
        """Start a stream that nobody can foresee; returns its seed."""
        self._start(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed that started the current stream."""
        return self._seed

    def _start(self, seed: int) -> None:
        if self._watcher is not None:
            self._keep(self._watcher)
        self._seed = seed
        self.second_normal = None
        if self._opened is not None:
            self._opened.start(seed)

    def _source(self) -> _Source:
        if self._watcher is not None:
            self._keep(self._watcher)
        opened = self._opened
        if opened is None:
            opened = self._opened = _Source()
            opened.start(self._seed)
        return opened

    # ---- state

    def watch(self, kept: list[Any] | None) -> list[Any] | None:
        """Have the state put into the empty list ``kept`` before the next draw; return the list
        that was there before.
        """
        self._wake()
        before, self._watcher = self._watcher, kept
        if kept is not None and not kept:
            self._asleep, self._opened = self._opened, None  # so that the next draw asks for it
        return before

    def _wake(self) -> None:
        if self._asleep is not None:
            self._opened, self._asleep = self._asleep, None

    def _keep(self, kept: list[Any]) -> None:
        """Put the state where it was asked for."""
        self._wake()
        if not kept:
            engine = None if self._opened is None else self._opened.engine.state
            kept.append((engine, self._seed, self.second_normal))

    def back_to(self, kept: list[Any]) -> None:
        """Continue from the state that was kept, if one was."""
        self._wake()
        if not kept:
            return
        engine, self._seed, self.second_normal = kept[0]
        if engine is not None and self._opened is not None:
            self._opened.engine.state = engine
        elif self._opened is not None:
            self._opened.start(self._seed)

    def get_state(self) -> Array:
        """A copy of the whole state: 5056 bytes laid out as PyTorch's."""
        inner: Any = self._source().engine.state["state"]
        key, used = inner["key"], int(inner["pos"])
        record = np.zeros(1, _LAYOUT)
        record["seed"] = self._seed
        record["seeded"] = 1
        record["left"] = _WORDS + 1 - used
        untouched = used == _WORDS and int(key[0]) == self._seed & 0xFFFFFFFF
        record["next"] = 0 if untouched else used
        record["key"] = key
        if self.second_normal is not None:
            record["second_normal"] = self.second_normal
            record["has_second_normal"] = 1
        return record.view(np.uint8)

    def set_state(self, state: Array) -> None:
        """Continue from ``state``, which `get_state` of this class or of PyTorch's has given.

        Raises: RuntimeError if it is not such a state; the generator is then unchanged.
        """
        if state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG"
                f" state size to be {state.size}"
            )
        record = np.ascontiguousarray(state, np.uint8).reshape(STATE_BYTES).view(_LAYOUT)[0]
        left, used = int(record["left"]), int(record["next"])
        if not (record["seeded"] and 0 < left <= _WORDS and used <= _WORDS):
            raise RuntimeError("Invalid mt19937 state")
        self._seed = int(record["seed"])
        key = record["key"].astype(np.uint32)
        position = _WORDS if left == 1 else used
        self._source().engine.state = {
            "bit_generator": "MT19937",
            "state": {"key": key, "pos": position},
        }
        has_second = bool(record["has_second_normal"])
        self.second_normal = float(record["second_normal"]) if has_second else None

    def _mark(self) -> tuple[Any, ...]:
        """Where the stream is now, for `_go_back`: quicker than a whole state."""
        return self._seed, self.second_normal, self._source().engine.state

    def _go_back(self, mark: tuple[Any, ...]) -> None:
        """Continue from where `_mark` was taken."""
        self._seed, self.second_normal, self._source().engine.state = mark

    def clone_state(self) -> Self:
        """A new generator that will give the same numbers."""
        clone = type(self)()
        Generator.set_state(clone, Generator.get_state(self))
        return clone

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restored, (type(self), Generator.get_state(self).tobytes()))

    # ---- draws

    def words(self, count: int) -> Array:
        """The next ``count`` words, as uint32."""
        source = self._opened or self._source()
        if count < 4096:
            return source.raw(count).astype(np.uint32)
        return source.integers(0, 1 << 32, count, np.uint32)

    def double_words(self, count: int) -> Array:
        """``count`` words of 64 bits from two draws each, as uint64."""
        return (self._opened or self._source()).integers(0, 1 << 64, count, np.uint64)

    def fractions(self, count: int) -> Array:
        """``count`` uniform numbers of [0, 1), as float64."""
        kept = self.double_words(count)
        kept &= LOW_53
        scaled = kept.view(np.int64).astype(np.float64)
        scaled *= 2.0**-53
        return scaled

    def fractions_32(self, count: int) -> Array:
        """``count`` uniform numbers of [0, 1), as float32."""
        kept = self.words(count)
        kept &= LOW_24
        scaled = kept.astype(np.float32)
        scaled *= np.float32(2.0**-24)
        return scaled

    def few_fractions(self, count: int) -> list[float]:
        """``count`` uniform numbers of [0, 1), as Python floats: quick for a handful of them."""
        raw = (self._opened or self._source()).raw(2 * count).tolist()
        return [
            (((raw[i] & 0x1FFFFF) << 32) | raw[i + 1]) * 2.0**-53 for i in range(0, 2 * count, 2)
        ]


def _restored(kind: type[Generator], state: bytes) -> Generator:
    generator = kind()
    Generator.set_state(generator, np.frombuffer(state, np.uint8))
    return generator


def as_cpu(where: Any) -> device:
    """Return the device meant by ``where``, which must be the CPU."""
    found = where if isinstance(where, device) else device(where)
    if found.type != "cpu":
        raise RuntimeError(
            f"Cannot get {found.type.upper()} generator: this version of adjoint draws on the CPU"
            " only."
        )
    return found


default_generator: Final = Generator()
"""What functions draw from when they are given no generator; its first seed is unforeseeable."""
default_generator.seed()


# ---- shared by the distributions -----------------------------------------------------------------


def memory_order(out: Array) -> Array:
    """``out`` as a view whose C order is the order in which PyTorch fills an array in place.

    The axis with the largest stride comes first.

    Example:
        >>> memory_order(np.empty((2, 3)).T).shape
        (2, 3)
    """
    if out.flags.c_contiguous:
        return out
    axes = sorted(range(out.ndim), key=lambda axis: -abs(out.strides[axis]))
    return out.transpose(axes)


@functools.cache
def scipy_module(name: str) -> Any:
    """A module of SciPy, loaded on first use."""
    return importlib.import_module(f"scipy.{name}")


# ---- uniform numbers, integers, permutations -----------------------------------------------------


def uniform(
    generator: Generator, shape: Shape, dtype: Any, low: float = 0.0, high: float = 1.0
) -> Array:
    """Uniform numbers of [low, high); in a complex dtype both parts."""
    if dtype.kind == "c":
        real = np.dtype(f"f{dtype.itemsize // 2}")
        return uniform(generator, (*shape, 2), real, low, high).view(dtype)[..., 0]
    count = math.prod(shape)
    if dtype == np.float64:
        made = generator.fractions(count)
        if low != 0 or high != 1:
            made = fused_64(made, high - low, low)
            made[made == high] = low
        return made.reshape(shape)
    made = generator.fractions_32(count)
    plain = low == 0 and high == 1
    if not plain:
        made = fused_32(made, float(np.float32(high) - np.float32(low)), low, fractions=True)
    if dtype != np.float32:
        made = made.astype(dtype)
    if not plain or dtype != np.float32:
        made[made == dtype.type(high)] = dtype.type(low)
    return made.reshape(shape)


def integers(generator: Generator, shape: Shape, dtype: Any, low: int, high: int) -> Array:
    """Integers of [low, high) in any dtype; a range of 2**64 is all of int64."""
    if dtype.kind == "f" or dtype.name == "bfloat16":
        low, high = _inside(low, dtype, 1), _inside(high, dtype, -1)
    count, span = math.prod(shape), high - low
    if span >= 1 << 28:
        wide = generator.double_words(count)
        if span < 1 << 64:
            wide %= np.uint64(span)
            wide += np.uint64(low % (1 << 64))  # wraps around, as it must
        return wide.view(np.int64).astype(dtype).reshape(shape)
    words = generator.words(count)
    if span & (span - 1):
        words %= np.uint32(span)
    else:
        words &= np.uint32(span - 1)
    made = words.astype(np.int64) if low or np.dtype(dtype).itemsize == 8 else words
    if low:
        made += low
    return made.astype(dtype, copy=False).reshape(shape)


def integers_in_dtype(generator: Generator, shape: Shape, dtype: Any) -> Array:
    """Integers over all that ``dtype`` holds: from 0 up to its largest, or to ``2 ** mantissa``."""
    count = math.prod(shape)
    if dtype in (np.float64, np.int64):
        span = (1 << 53) + 1 if dtype == np.float64 else 1 << 63
        return (generator.double_words(count) % np.uint64(span)).astype(dtype).reshape(shape)
    words = generator.words(count)
    if dtype.kind == "b":
        span = 2
    elif dtype.kind in "iu":
        span = int(np.iinfo(dtype).max) + 1
    else:
        span = (1 << MANTISSA[dtype.name]) + 1
    return (words % np.uint32(span)).astype(dtype).reshape(shape)


MANTISSA: Final = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


def _inside(bound: int, dtype: Any, step: int) -> int:
    """``bound``, moved into the interval by one unit where its neighbour inside rounds outside."""
    rounded = np.array(bound + step, np.float64 if dtype == np.float64 else np.float32)
    neighbour = int(rounded.astype(dtype))
    if neighbour >= bound if step > 0 else neighbour < bound:
        return bound
    return neighbour + step * (1 << (abs(bound + step).bit_length() - MANTISSA[dtype.name]))


def permutation(generator: Generator, n: int, dtype: Any) -> Array:
    """The numbers 0 ... n-1 in random order."""
    if n < 2:
        return np.arange(n).astype(dtype)
    swaps = _places_from_the_front(generator, n) if n < _HUGE else _places_before(generator, n)
    if n < _LAPACK_FROM:
        order = list(range(n))
        for i, j in enumerate(swaps.tolist()):
            order[i], order[j] = order[j], order[i]
        return np.array(order, dtype)
    # LAPACK's row interchange does exactly these swaps, one after the other; float64 holds n.
    column = np.arange(n, dtype=np.float64).reshape(n, 1)
    lapack = scipy_module("linalg.lapack")
    swapped = lapack.dlaswp(column, swaps, overwrite_a=True)
    return swapped.reshape(n).astype(dtype)


def _places_from_the_front(generator: Generator, n: int) -> Array:
    """With which later place each place but the last is exchanged."""
    swaps = generator.words(n - 1)
    swaps %= np.arange(n, 1, -1, dtype=np.uint32)
    swaps += np.arange(n - 1, dtype=np.uint32)
    return swaps.astype(np.int32)


def _places_before(generator: Generator, n: int) -> Array:
    """With which earlier place (or itself) each place is exchanged, from two words each."""
    swaps = np.empty(n, np.int32)
    for start in range(0, n, 1 << 20):
        part = swaps[start : start + (1 << 20)]
        ends = np.arange(start + 1, start + part.size + 1, dtype=np.uint64)
        part[...] = generator.double_words(part.size) % ends
    return swaps


_HUGE = (1 << 32) // 20  # from here on PyTorch changes the method
_LAPACK_FROM = 1 << 14  # below, the loop is done before SciPy is loaded


def bernoulli(generator: Generator, shape: Shape, dtype: Any, p: Any) -> Array:
    """Ones with probability ``p`` (a number, or an array of ``shape``), else zeros."""
    count = math.prod(shape)
    if isinstance(p, np.ndarray | np.generic) and p.dtype != np.float64:
        chosen = generator.fractions_32(count).reshape(shape) < p.astype(np.float32)
    elif isinstance(p, np.ndarray):
        chosen = generator.fractions(count).reshape(shape) < p
    else:
        kept = generator.double_words(count).reshape(shape)
        kept &= LOW_53
        chosen = kept < np.uint64(math.ceil(float(p) * 2.0**53))
    return chosen.astype(dtype)
