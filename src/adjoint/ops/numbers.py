"""Python numbers as elements: PyTorch's checks when a number is written into a tensor.

In: a number and a dtype.  Out: a NumPy scalar of that dtype, or PyTorch's exception.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.errors import type_name

__all__ = ["number", "overflow"]

_C_NAMES = {
    "bool": "bool",
    "uint8": "uint8_t",
    "int8": "int8_t",
    "int16": "int16_t",
    "int32": "int",
    "int64": "int64_t",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
    "complex64": "c10::complex<float>",
    "complex128": "c10::complex<double>",
}


def overflow(dtype: dtypes.dtype) -> RuntimeError:
    """The error for a number that a dtype cannot hold."""
    return RuntimeError(
        f"value cannot be converted to type {_C_NAMES[dtype.name]} without overflow"
    )


def number(value: Any, dtype: dtypes.dtype) -> Any:
    """Return a NumPy scalar of ``dtype`` for a Python number that fits into it.

    Raises: TypeError for anything but a number; RuntimeError if the number does not fit.
    """
    if not isinstance(value, bool | int | float | complex | np.integer):
        raise TypeError(
            f"can't assign a {full_name(value)} to a {type_name(dtype)} (wrap it: "
            "adjoint.tensor(value))"
        )
    scalar = dtype.numpy.type
    if dtype.category == dtypes.COMPLEX or dtype.category == dtypes.BOOL:
        return scalar(value)
    if isinstance(value, complex):
        if value.imag:
            raise overflow(dtype)
        value = value.real
    if dtype.category == dtypes.FLOATING:
        with np.errstate(over="ignore"):
            made = scalar(value)
        if np.isinf(made) and not np.isinf(value):
            raise overflow(dtype)
        return made
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long")
    limits = np.iinfo(dtype.numpy)
    low = limits.min if dtype.is_signed else -limits.max
    if not low <= value <= limits.max:  # also false for nan
        raise overflow(dtype)
    return np.array(int(value)).astype(dtype.numpy)[()]


def full_name(value: Any) -> str:
    """The type's name as PyTorch prints it, with NumPy's module in front of NumPy's types."""
    kind = type(value)
    return f"numpy.{kind.__name__}" if kind.__module__ == "numpy" else kind.__name__
