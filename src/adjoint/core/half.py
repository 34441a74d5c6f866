"""Half precision: computed in single precision and rounded once, as PyTorch's kernels do.

In: raw operands of float16 or bfloat16.  Out: the same numbers in float32, and a result rounded to
the dtype that the operands had.  Nothing else in the library knows that these dtypes are narrow:
forwards, and rules on raw arrays that are not elementwise, are given single precision.  Rules on
Tensors are operators, each of which rounds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from adjoint.array import dtypes, numpy_
from adjoint.array.descriptor import library_of

__all__ = ["HALVES", "as_taken", "for_rules", "half_of", "rounded", "widened"]

HALVES: Final = (dtypes.float16, dtypes.bfloat16)

_SINGLE = np.dtype(np.float32)


def _is_half(dtype: Any) -> bool:
    return bool(dtype.itemsize == 2 and dtype.kind in "fV")


def half_of(values: Any) -> Any:
    """NumPy's dtype of the halves among raw values; None where there are none, several, or wider
    numbers beside them.
    """
    found: Any = None
    for value in values:
        dtype = half_of(value) if type(value) in (tuple, list) else getattr(value, "dtype", None)
        if dtype is None or dtype.kind not in "fcV":
            continue
        if not _is_half(dtype) or (found is not None and dtype != found):
            return None
        found = dtype
    return found


def widened(value: Any) -> Any:
    """A raw value in single precision where it is of half; of a list or tuple, its values."""
    if type(value) in (tuple, list):
        return type(value)([widened(part) for part in value])
    dtype = getattr(value, "dtype", None)
    if dtype is None or not _is_half(dtype):
        return value
    return (library_of((value,)) or numpy_).astype(value, _SINGLE)


def for_rules(op: Any, g: Any, values: list[Any]) -> tuple[Any, list[Any], Any]:
    """A raw cotangent and raw values, in single precision where the cotangent is of half, and the
    dtype in which the rules' results are wanted then.

    Not for elementwise operators, whose derivatives PyTorch rounds after each step, too.
    """
    half = None if op.family == "elementwise" else half_of((g,))
    return (g, values, None) if half is None else (widened(g), widened(values), half)


def as_taken(number: Any, tensor: Any) -> Any:
    """A Python number beside a tensor as most kernels take it: rounded to half precision."""
    dtype = tensor._desc.dtype
    return float(dtype.numpy.type(number)) if dtype in HALVES else number


def rounded(result: Any, half: Any) -> Any:
    """A result that was computed in single precision, or a tuple of them, in the dtype ``half``;
    as it is where that is None.
    """
    if half is None:
        return result
    if type(result) is tuple:
        return tuple([rounded(part, half) for part in result])
    if getattr(result, "dtype", None) != _SINGLE:
        return result
    return (library_of((result,)) or numpy_).astype(result, half)
