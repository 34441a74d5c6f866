"""Numbers and nested sequences as raw arrays, with PyTorch's dtypes and PyTorch's refusals.

In: what a user passes to ``tensor``.  Out: a fresh NumPy array or scalar. Sequences of plain Python
numbers go through NumPy at once; anything else (arrays, tensors, NumPy numbers, other sequences,
mistakes) is walked element by element.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.create_options import limits_of, type_name_of, warn

__all__ = ["from_sequence", "is_sequence", "one_number"]

_PLAIN = frozenset((bool, int, float, complex))
_NESTS = frozenset((list, tuple))
_DEEPEST = 64  # NumPy's limit of dimensions


def is_sequence(data: Any) -> bool:
    """Whether ``data`` counts as a sequence of elements."""
    if isinstance(data, list | tuple):
        return True
    if isinstance(data, str | bytes | dict | TensorBase | np.generic):
        return False
    return hasattr(data, "__getitem__") and hasattr(data, "__len__")


def from_sequence(data: Any, dtype: dtypes.dtype | None) -> Any:
    """A fresh array of a nested sequence.

    Raises: ValueError if lengths differ; TypeError or RuntimeError for what is no number.
    """
    kinds: set[type] = set()
    if isinstance(data, list | tuple) and _gather(data, kinds, 0):
        try:
            return _plain_array(data, kinds, dtype)
        except ValueError:
            pass  # lengths differ: the walk says where
    return _walked(data, dtype)


def _gather(items: Any, kinds: set[type], depth: int) -> bool:
    """Collect the types of the innermost elements; False if any is not a plain number."""
    found = set(map(type, items))
    if found <= _PLAIN:
        kinds |= found
        return True
    if not found <= _NESTS or depth > _DEEPEST:
        return False
    return all(_gather(inner, kinds, depth + 1) for inner in items)


def _plain_array(data: Any, kinds: set[type], dtype: dtypes.dtype | None) -> Any:
    """An array of nested lists of plain numbers; ValueError if it is not rectangular."""
    if dtype is None:
        dtype = _inferred(kinds)
    if dtype.category == dtypes.FLOATING:
        if complex in kinds:
            raise TypeError("must be real number, not complex")
        if dtype is dtypes.float32:
            with np.errstate(over="ignore"):
                return np.array(data, np.float32)
        return narrowed(np.array(data, np.float64), dtype)
    if dtype.category == dtypes.COMPLEX:
        return narrowed(np.array(data, np.complex128), dtype)
    if dtype.category == dtypes.BOOL:
        return np.array(data).astype(np.bool_)
    if complex in kinds:
        raise TypeError("'complex' object cannot be interpreted as an integer")
    if float in kinds:
        array = np.array(data, np.float64)
        _check_reals(array, dtype)
        return array.astype(dtype.numpy)
    try:
        array = np.array(data, np.int64)
    except OverflowError:
        raise overflow() from None
    if dtype is not dtypes.int64:
        _check_range(array, dtype)
    return array.astype(dtype.numpy, copy=False)


def _inferred(kinds: set[type]) -> dtypes.dtype:
    if complex in kinds:
        return dtypes.get_default_dtype().to_complex()
    if float in kinds or not kinds:
        return dtypes.get_default_dtype()
    return dtypes.int64 if int in kinds else dtypes.bool_


def overflow() -> ValueError:
    """An int that 64 bits do not hold."""
    return ValueError(
        "Overflow when unpacking long long (an int is outside of [-2**63, 2**63); "
        "pass dtype=torch.float64 for an approximation)"
    )


def _check_range(array: Any, dtype: dtypes.dtype) -> None:
    if not array.size:
        return
    least, most = limits_of(dtype)
    if array.min() < (least if dtype.is_signed else -most) or array.max() > most:
        raise RuntimeError(
            f"value cannot be converted to type {dtype.name} without overflow (the dtype holds "
            f"{least} to {most})"
        )


def _check_reals(array: Any, dtype: dtypes.dtype) -> None:
    least, most = limits_of(dtype)
    top = float(most) if dtype is not dtypes.int64 else np.nextafter(2.0**63, 0)
    if array.size and not bool(((array >= least) & (array <= top)).all()):
        raise RuntimeError(
            f"value cannot be converted to type {dtype.name} without overflow (the dtype holds "
            f"{least} to {most})"
        )


def narrowed(array: Any, dtype: dtypes.dtype) -> Any:
    """A float64 or complex128 array in a floating or complex dtype; too large becomes infinite."""
    if array.dtype == dtype.numpy:
        return array
    with np.errstate(over="ignore", under="ignore", invalid="ignore"):
        if dtype.itemsize == 2:
            array = array.astype(np.float32)
        return array.astype(dtype.numpy)


def one_number(value: Any, dtype: dtypes.dtype | None) -> Any:
    """A NumPy scalar of a Python number.

    Raises: RuntimeError or TypeError if it is no number; ValueError or RuntimeError on overflow.
    """
    if dtype is None:
        dtype = _dtype_of(value)
    elif isinstance(value, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(value).__name__}'")
    return _scalar(value, dtype)


def _scalar(value: Any, dtype: dtypes.dtype) -> Any:
    if dtype.category == dtypes.FLOATING:
        return narrowed(np.float64(_real(value)), dtype)
    if dtype.category == dtypes.COMPLEX:
        return narrowed(np.complex128(_item(value)), dtype)
    if dtype.category == dtypes.BOOL:
        value = _item(value)
        real = isinstance(value, float | complex | np.bool_)
        return np.bool_(value if real else operator.index(value))
    if type(value) is float:
        array = np.array(value)
        _check_reals(array, dtype)
        return array.astype(dtype.numpy)[()]
    number: int = int(value) if isinstance(value, np.bool_) else operator.index(value)
    if not -(1 << 63) <= number < 1 << 63:
        raise overflow()
    if dtype is dtypes.int64:
        return np.int64(number)
    array = np.array(number)
    _check_range(array, dtype)
    return array.astype(dtype.numpy)[()]


def _real(value: Any) -> float:
    if isinstance(value, float | int):
        return float(value)
    if isinstance(value, TensorBase):
        return float(_item(value))
    if not hasattr(value, "__float__") and not hasattr(value, "__index__"):
        raise TypeError(f"must be real number, not {type_name_of(value)}")
    return float(value)


def _item(value: Any) -> Any:
    if isinstance(value, TensorBase):
        if value._array.size != 1:
            raise ValueError("only one element tensors can be converted to Python scalars")
        return value._array.item()
    return value


# ---- element by element --------------------------------------------------------------------------


def _dtype_of(value: Any) -> dtypes.dtype:
    """The dtype that PyTorch infers.

    Raises: TypeError for text; RuntimeError for anything else that is no number.
    """
    if isinstance(value, np.generic | np.ndarray):
        return dtypes.from_numpy_dtype(value.dtype)
    if isinstance(value, bool):
        return dtypes.bool_
    if isinstance(value, int):
        return dtypes.int64
    if isinstance(value, float):
        return dtypes.get_default_dtype()
    if isinstance(value, complex):
        return dtypes.get_default_dtype().to_complex()
    if isinstance(value, TensorBase):
        return value._desc.dtype
    if isinstance(value, str | bytes):
        raise TypeError(f"new(): invalid data type '{type(value).__name__}'")
    if not is_sequence(value):
        raise RuntimeError(f"Could not infer dtype of {type(value).__name__}")
    joined: dtypes.dtype | None = None
    for item in value:
        found = _dtype_of(item)
        joined = found if joined is None else dtypes.promote_types(joined, found)
    return joined or dtypes.get_default_dtype()


def _sizes(data: Any) -> list[int]:
    """The lengths along the first elements of a nested sequence."""
    sizes: list[int] = []
    while is_sequence(data):
        sizes.append(len(data))
        if not sizes[-1]:
            break
        data = data[0]
        if isinstance(data, str):
            raise ValueError("too many dimensions 'str'")
        if len(sizes) > _DEEPEST:
            raise ValueError(f"too many dimensions '{type(data).__name__}'")
    return sizes


def _walked(data: Any, dtype: dtypes.dtype | None) -> Any:
    sizes = _sizes(data)
    if dtype is None:
        dtype = _dtype_of(data)
    made = np.empty(sizes, dtype.numpy)
    if made.size:
        _store(made, data, 0, dtype)
    return made


def _store(target: Any, data: Any, dim: int, dtype: dtypes.dtype) -> None:
    if isinstance(data, np.ndarray):
        warn(
            "Creating a tensor from a list of numpy.ndarrays is extremely slow. Please consider "
            "converting the list to a single numpy.ndarray with numpy.array() before converting "
            "to a tensor.",
            7 + dim,
        )
    if not is_sequence(data):
        raise TypeError("not a sequence")
    if len(data) != target.shape[0]:
        raise ValueError(
            f"expected sequence of length {target.shape[0]} at dim {dim} (got {len(data)})"
        )
    if target.ndim > 1:
        for part, items in zip(target, data):
            _store(part, items, dim + 1, dtype)
        return
    for i, item in enumerate(data):
        if isinstance(item, TensorBase) and item._edge is not None:
            warn(
                "Converting a tensor with requires_grad=True to a scalar may lead to unexpected "
                "behavior.\nConsider using tensor.detach() first.",
                7 + dim,
            )
        target[i] = _scalar(item, dtype)
