"""Descriptors: what a raw array is, in one interned object.

In: a raw array.  Out: a `Descriptor` - element type, array library, storage and shape.  Equal
descriptors are the *same* object, so the straight path of an operator decides with one `is` that
two operands need neither promotion nor broadcasting, and already holds the descriptor of the
result.

Note [Three storages]
    A tensor with dimensions holds an array (ARRAY). A 0-d tensor holds a NumPy scalar (SCALAR),
    since arithmetic on scalars is about six times cheaper than on 0-d arrays; a 0-d *array*
    (ZERO_D) takes its place as soon as memory must be shared: a view, an in-place write,
    `.numpy()`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.array import dtypes, numpy_
from adjoint.array.device import CPU, Size, device
from adjoint.array.kernels.tiles import LARGE

__all__ = [
    "ArrayType",
    "Descriptor",
    "array_type",
    "cut_off",
    "describe",
    "known_types",
    "library_of",
    "memory_of",
    "plain",
]

ARRAY, SCALAR, ZERO_D = range(3)

# How far the straight path may go: not at all, numbers without true division, everything.
SLOW, EXACT_NUMBERS, REAL_NUMBERS = range(3)

_SHAPES_KEPT = 4096
_CONSTANTS_KEPT = 1024


class ArrayType:
    """An element type in an array library: what all its descriptors share."""

    __slots__ = (
        *("constants", "device", "dtype", "fast", "levels", "numpy", "pairs", "plain"),
        *("scalar", "scalar_type", "shapes", "shapes_get", "xp", "zero_d", "zero_d_constants"),
        "zero_d_pairs",
    )

    def __init__(
        self,
        dtype: dtypes.dtype,
        xp: Any,
        device: device,
        fast: int,
        levels: tuple[Any, ...] = (),
        plain: ArrayType | None = None,
    ) -> None:
        self.dtype = dtype
        self.plain = plain or self  # NumPy's type with the same elements
        self.levels = levels  # of a batched array (array/batched)
        self.numpy = dtype.numpy
        self.scalar_type = dtype.numpy.type
        self.xp = xp
        self.device = device
        self.fast = fast
        self.constants: dict[Any, Any] = {}
        self.zero_d_constants: dict[Any, Any] = {}
        self.pairs: dict[Any, tuple[Any]] = {}
        self.zero_d_pairs: dict[Any, tuple[Any]] = {}
        self.shapes: dict[tuple[int, ...], Descriptor] = {}
        self.shapes_get = self.shapes.get
        self.scalar = Descriptor(self, (), SCALAR)
        self.zero_d = Descriptor(self, (), ZERO_D)
        self.zero_d.result = self.scalar

    def shaped(self, shape: tuple[int, ...]) -> Descriptor:
        """The descriptor of an array of this type with that shape (0-d: a scalar's)."""
        if not shape:
            return self.scalar
        found = self.shapes_get(shape)
        if found is None:
            if len(self.shapes) >= _SHAPES_KEPT:
                self.shapes.clear()  # descriptors in use live on; only their identity is forgotten
            found = self.shapes[shape] = Descriptor(self, tuple(shape), ARRAY)
        return found

    def loose(self, shape: tuple[int, ...]) -> Descriptor:
        """A descriptor that nobody keeps, of an array that no straight path takes."""
        made = Descriptor(self, shape, ARRAY if shape else ZERO_D)
        made.result = None  # type: ignore[assignment]
        return made

    def dissolve(self) -> None:
        """Forget all descriptors: from now on they are part of no reference cycle."""
        for desc in (self.scalar, self.zero_d, *self.shapes.values()):
            desc.result = None  # type: ignore[assignment]
        self.shapes.clear()
        del self.scalar, self.zero_d

    def constant(self, number: Any) -> Any:
        """A NumPy scalar of this type for a Python number, kept for the next time.

        Zeros and nan are never kept: 0.0 == -0.0 and nan != nan would confuse the cache.
        """
        made = self.scalar_type(number)
        if number and number == number:
            if len(self.constants) >= _CONSTANTS_KEPT:
                self.constants.clear()
            self.constants[number] = made
        return made


class Descriptor:
    """Element type, storage and shape of a raw array; interned, compared by identity.

    ``result`` is the descriptor of an elementwise operator's result on operands like this one.
    """

    __slots__ = (
        "constants_get",
        "dtype",
        "fast",
        "numpy",
        "pairs_get",
        "result",
        "shape",
        "size",
        "storage",
        "type",
    )

    def __init__(self, type: ArrayType, shape: tuple[int, ...], storage: int) -> None:
        self.type = type
        self.dtype = type.dtype
        self.numpy = type.numpy
        # Large arrays go the general way, where elementwise work is done in tiles.
        self.fast = type.fast if math.prod(shape) < LARGE else SLOW
        self.shape = shape
        self.size = Size(shape)
        self.storage = storage
        kept = type.constants if storage == SCALAR else type.zero_d_constants
        self.constants_get = kept.get
        self.pairs_get = (type.pairs if storage == SCALAR else type.zero_d_pairs).get
        self.result: Descriptor = self

    def constant(self, number: Any) -> Any:
        """The constant for a Python number that meets such an array: the one that NumPy takes
        faster.
        """
        made = self.type.constant(number)
        if self.storage == SCALAR:
            return made
        made = np.array(made)
        made.flags.writeable = False
        if number and number == number:
            kept = self.type.zero_d_constants
            if len(kept) >= _CONSTANTS_KEPT:
                kept.clear()
            kept[number] = made
        return made

    def pair(self, number: Any) -> tuple[Any]:
        """``(self.constant(number),)``, kept likewise: what an operation with a number saves."""
        made = (self.constant(number),)
        if number and number == number:
            kept = self.type.pairs if self.storage == SCALAR else self.type.zero_d_pairs
            if len(kept) >= _CONSTANTS_KEPT:
                kept.clear()
            kept[number] = made
        return made

    def __repr__(self) -> str:
        return f"Descriptor({self.dtype.name}{list(self.shape)})"


def _fast(dtype: dtypes.dtype) -> int:
    if dtype in (dtypes.float32, dtypes.float64):
        return REAL_NUMBERS
    return EXACT_NUMBERS if dtype in (dtypes.int64, dtypes.int32) else SLOW


known_types: dict[Any, ArrayType] = {}  # by NumPy's dtype


def array_type(dtype: dtypes.dtype) -> ArrayType:
    """The NumPy array type for ``dtype``."""
    return known_types.get(dtype.numpy) or _make_type(dtype)


def _make_type(dtype: dtypes.dtype) -> ArrayType:
    made = known_types[dtype.numpy] = ArrayType(dtype, numpy_, CPU, _fast(dtype))
    return made


def describe(raw: Any) -> Descriptor:
    """The descriptor of a raw array of any array library."""
    kind = type(raw)
    if kind is np.ndarray:
        found = known_types.get(raw.dtype) or _make_type(dtypes.from_numpy_dtype(raw.dtype))
        shape = raw.shape
        if not shape:
            return found.zero_d
        return found.shapes_get(shape) or found.shaped(shape)
    if isinstance(raw, np.generic):
        return (known_types.get(raw.dtype) or _make_type(dtypes.from_numpy_dtype(raw.dtype))).scalar
    described: Descriptor = raw.describe()
    return described


def library_of(values: Iterable[Any]) -> Any:
    """The array library, if not NumPy's, that one of ``values`` belongs to; tuples and lists
    are searched.
    """
    for value in values:
        found = getattr(value, "array_library", None)
        if found is None and type(value) in (tuple, list):
            found = library_of(value)
        if found is not None:
            return found
    return None


def plain(raw: Any) -> Any:
    """The NumPy array with the values of a raw array of any library; an error where it has none."""
    if isinstance(raw, np.ndarray | np.generic):
        return raw
    taken = getattr(raw, "taken", None)
    return raw.__array__() if taken is None else taken()


def memory_of(raw: Any) -> Any:
    """The NumPy array that lies in memory as a raw array of any library does; None if none does."""
    return raw if isinstance(raw, np.ndarray | np.generic) else getattr(raw, "memory", None)


def cut_off(raw: Any) -> Any:
    """The same memory as an array through which no derivative flows, where a library cares."""
    detached = getattr(raw, "detached", None)
    return raw if detached is None else detached()
