"""Data types: PyTorch's names and promotion rules over NumPy's dtypes.

In: names, NumPy dtypes, Python numbers.  Out: interned `dtype` objects, and the dtype in which
several operands are to be combined.  The promotion rules are PyTorch's (an operand of lower rank -
a Python number, then a 0-d tensor - changes the result only when its *category* is higher), not
NumPy's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

import numpy as np

__all__ = ["dtype", "finfo", "from_numpy_dtype", "iinfo", "promote_types", "result_dtype"]

BOOL, INTEGRAL, FLOATING, COMPLEX = range(4)


class dtype:
    """The type of a tensor's elements; one object per type, compared by identity."""

    __slots__ = ("alias", "category", "is_signed", "itemsize", "name", "numpy", "rank")

    name: str
    numpy: np.dtype[Any]

    def __init__(self, name: str, category: int, rank: int, itemsize: int, signed: bool) -> None:
        self.name = name
        self.category = category
        self.rank = rank
        self.itemsize = itemsize
        self.is_signed = signed
        if name != "bfloat16":
            self.numpy = np.dtype(name)

    def __getattr__(self, attribute: str) -> Any:
        # Reached for one unset slot only: bfloat16 needs an optional package, loaded on first use.
        if attribute == "numpy" and self.name == "bfloat16":
            self.numpy = _load_bfloat16()
            return self.numpy
        raise AttributeError(f"'torch.dtype' object has no attribute '{attribute}'")

    @property
    def is_floating_point(self) -> bool:
        """True for float16, bfloat16, float32 and float64."""
        return self.category == FLOATING

    @property
    def is_complex(self) -> bool:
        """True for complex64 and complex128."""
        return self.category == COMPLEX

    def to_real(self) -> dtype:
        """The dtype of the real part."""
        return _REAL.get(self, self)

    def to_complex(self) -> dtype:
        """The complex dtype whose parts have this dtype."""
        return _COMPLEX.get(self, complex64 if self.category < COMPLEX else self)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_by_name, (self.name,))

    def __copy__(self) -> dtype:
        return self

    def __deepcopy__(self, memo: Any) -> dtype:
        return self


def _load_bfloat16() -> np.dtype[Any]:
    try:
        import ml_dtypes  # noqa: PLC0415 - optional, on first use
    except ImportError:
        raise ImportError(
            "bfloat16 needs the package ml_dtypes: pip install 'adjoint[bfloat16]'"
        ) from None
    return np.dtype(ml_dtypes.bfloat16)


bool_: Final = dtype("bool", BOOL, 0, 1, False)
uint8: Final = dtype("uint8", INTEGRAL, 1, 1, False)
int8: Final = dtype("int8", INTEGRAL, 1, 1, True)
int16: Final = dtype("int16", INTEGRAL, 2, 2, True)
int32: Final = dtype("int32", INTEGRAL, 3, 4, True)
int64: Final = dtype("int64", INTEGRAL, 4, 8, True)
float16: Final = dtype("float16", FLOATING, 5, 2, True)
bfloat16: Final = dtype("bfloat16", FLOATING, 5, 2, True)
float32: Final = dtype("float32", FLOATING, 6, 4, True)
float64: Final = dtype("float64", FLOATING, 7, 8, True)
complex64: Final = dtype("complex64", COMPLEX, 6, 8, True)
complex128: Final = dtype("complex128", COMPLEX, 7, 16, True)

ALL: Final = (
    *(bool_, uint8, int8, int16, int32, int64),
    *(float16, bfloat16, float32, float64, complex64, complex128),
)
_NAMES: Final = {d.name: d for d in ALL}
_REAL: Final = {complex64: float32, complex128: float64}
_COMPLEX: Final = {float32: complex64, float64: complex128, float16: complex64, bfloat16: complex64}
_FROM_NUMPY: Final[dict[Any, dtype]] = {d.numpy: d for d in ALL if d is not bfloat16}


def _by_name(name: str) -> dtype:
    return _NAMES[name]


def from_numpy_dtype(numpy_dtype: np.dtype[Any]) -> dtype:
    """Return the `dtype` of a NumPy dtype.

    Raises: TypeError where PyTorch has no such type (strings, objects, dates, ...).
    """
    found = _FROM_NUMPY.get(numpy_dtype)
    if found is None:
        if numpy_dtype.name == "bfloat16":
            _FROM_NUMPY[numpy_dtype] = bfloat16
            return bfloat16
        if not numpy_dtype.isnative:
            raise ValueError(
                "given numpy array has byte order different from the native byte order. "
                "Conversion between byte orders is currently not supported."
            )
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{numpy_dtype.type.__name__}. The only "
            "supported "
            "types are: float64, float32, float16, complex64, complex128, int64, int32, int16, "
            "int8, "
            "uint8, and bool."
        )
    return found


# ---- default dtype -------------------------------------------------------------------------------

_default: list[dtype] = [float32]


def get_default_dtype() -> dtype:
    """The floating-point dtype of Python floats and of factories without ``dtype``."""
    return _default[0]


def set_default_dtype(d: dtype) -> None:
    """Make ``d`` the default floating-point dtype.

    Raises: TypeError if ``d`` is not a floating-point dtype.
    """
    if not isinstance(d, dtype):
        raise TypeError(f"invalid dtype object: {d!r}")
    if not d.is_floating_point:
        raise TypeError(
            "only floating-point types are supported as the default type"
            f" (got {d!r}; choose float32 or float64)"
        )
    _default[0] = d


# ---- promotion -----------------------------------------------------------------------------------

_promoted: dict[tuple[dtype, dtype], dtype] = {}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """Return the smallest dtype that holds values of both.

    >>> promote_types(uint8, int8), promote_types(int64, float16), promote_types(float64, complex64)
    (torch.int16, torch.float16, torch.complex128)
    """
    if type1 is type2:
        return type1
    key = (type1, type2)
    found = _promoted.get(key)
    if found is None:
        found = _promoted[key] = _promote(type1, type2)
    return found


def _promote(a: dtype, b: dtype) -> dtype:
    low, high = (a, b) if (a.category, a.rank) <= (b.category, b.rank) else (b, a)
    if high.category != low.category:
        if high is complex64 and low is float64:
            return complex128
        return high
    if low.rank == high.rank:
        return int16 if low.category == INTEGRAL else float32  # uint8 with int8; half with bfloat16
    return high


def result_dtype(
    tensors: Iterable[dtype], zero_dim: Iterable[dtype], numbers: Iterable[Any]
) -> dtype:
    """Return the dtype of an operation on tensors with dimensions, 0-d tensors and Python numbers.

    Each group changes the result of the groups before it only by a higher category
    (bool < integer < floating < complex), as in PyTorch.
    """
    return _outrank(_outrank(_join(tensors), _join(zero_dim)), _join(map(number_dtype, numbers)))


def number_dtype(number: Any) -> dtype:
    """The dtype that a Python (or NumPy) number has as an operand beside tensors."""
    if isinstance(number, bool | np.bool_):
        return bool_
    if isinstance(number, int | np.integer):
        return int64
    if isinstance(number, float | np.floating):
        return _default[0]
    return _default[0].to_complex()


def _join(dtypes: Iterable[dtype]) -> dtype | None:
    joined: dtype | None = None
    for d in dtypes:
        joined = d if joined is None else promote_types(joined, d)
    return joined


def _outrank(high: dtype | None, low: dtype | None) -> dtype:
    if high is None or low is None:
        return high or low or _default[0]
    if high.category >= low.category:
        return high
    if low.category == COMPLEX and high.category == FLOATING:
        return high.to_complex()
    return promote_types(high, low)


# ---- limits --------------------------------------------------------------------------------------


class finfo:
    """Limits of a floating-point dtype: ``bits, eps, max, min, tiny, smallest_normal,
    resolution``.
    """

    def __init__(self, type: dtype | None = None) -> None:
        kind = type or get_default_dtype()
        if not isinstance(kind, dtype) or kind.category < FLOATING:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                "'torch.finfo'"
            )
        kind = kind.to_real()
        if kind is bfloat16:
            import ml_dtypes  # noqa: PLC0415 - optional, on first use

            make: Any = ml_dtypes.finfo
            info: Any = make(kind.numpy)
        else:
            info = np.finfo(kind.numpy)
        self.dtype = kind.name
        self.bits = kind.itemsize * 8
        self.eps = float(info.eps)
        self.max = float(info.max)
        self.min = float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = {"float16": 1e-3, "bfloat16": 1e-2}.get(kind.name, float(info.resolution))

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )


class iinfo:
    """Limits of an integer dtype: ``bits, min, max``."""

    def __init__(self, type: dtype) -> None:
        if type is bool_:
            raise TypeError("torch.bool is not supported by torch.iinfo")
        if type.category != INTEGRAL:
            raise TypeError(
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'"
            )
        info = np.iinfo(type.numpy)
        self.dtype = type.name
        self.bits = int(info.bits)
        self.min = int(info.min)
        self.max = int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"
