"""Making tensors from data and from nothing.

In: numbers, nested lists, NumPy arrays, shapes.  Out: leaf Tensors with PyTorch's inferred dtypes.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.descriptor import array_type
from adjoint.array.device import as_device
from adjoint.core.errors import type_name
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.arguments import sizes_of

Tensor = Any


def as_dtype(dtype: Any) -> dtypes.dtype:
    """The dtype meant by a dtype object, a legacy type name or a Python type."""
    if isinstance(dtype, dtypes.dtype):
        return dtype
    if dtype is float:
        return dtypes.get_default_dtype()
    if dtype is int:
        return dtypes.int64
    if dtype is bool:
        return dtypes.bool_
    for known in dtypes.ALL:
        if type_name(known) == dtype:
            return known
    raise TypeError(f"invalid dtype object: {dtype!r}")


def type_of(input: Tensor) -> str:
    """The legacy name of a tensor's type."""
    return type_name(input.dtype)


def _infer(array: Any) -> dtypes.dtype:
    kind = array.dtype.kind
    if kind == "f":
        return dtypes.get_default_dtype()
    if kind == "b":
        return dtypes.bool_
    if kind in "iu":
        return dtypes.int64
    if kind == "c":
        return dtypes.get_default_dtype().to_complex()
    raise TypeError(f"new(): invalid data type '{array.dtype.type.__name__}'")


def _array_of(data: Any, dtype: dtypes.dtype | None) -> Any:
    """A fresh raw array of user data."""
    if isinstance(data, TensorBase):
        raw = np.array(data._array)
        return raw if dtype is None else raw.astype(dtype.numpy, copy=False)
    if isinstance(data, np.ndarray | np.generic):
        wanted = dtypes.from_numpy_dtype(data.dtype) if dtype is None else dtype
        return np.array(data, wanted.numpy)
    if isinstance(data, list | tuple):
        data = _plain(data)
        if not data and dtype is None:
            return np.empty(0, dtypes.get_default_dtype().numpy)
    array = np.array(data)
    wanted = _infer(array) if dtype is None else dtype
    return array.astype(wanted.numpy, copy=False)


def _plain(items: Any) -> Any:
    return [
        _plain(i) if isinstance(i, list | tuple) else i._array if isinstance(i, TensorBase) else i
        for i in items
    ]


def _finish(raw: Any, requires_grad: bool) -> Tensor:
    if isinstance(raw, np.ndarray) and not raw.ndim:
        raw = raw[()]
    made = make_tensor(raw)
    return made.requires_grad_() if requires_grad else made


def tensor(
    data: Any,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a new tensor with the values of ``data`` (a number, nested lists, an array); always a copy.

    Dtype: as given, or inferred: Python floats the default dtype, ints int64, bools bool; arrays keep theirs.
    """
    as_device(device)
    return _finish(_array_of(data, dtype), requires_grad)


def legacy_tensor(*args: Any, **kwargs: Any) -> Tensor:
    """What ``Tensor(...)`` makes: float32 from data, or uninitialised of the given sizes."""
    default = dtypes.get_default_dtype()
    if len(args) == 1 and not isinstance(args[0], int):
        return _finish(_array_of(args[0], default), False)
    return make_tensor(np.zeros(tuple(args) or (0,), default.numpy))


def as_tensor(data: Any, dtype: dtypes.dtype | None = None, device: Any = None) -> Tensor:
    """Return ``data`` as a tensor, sharing memory where that is possible."""
    as_device(device)
    if isinstance(data, TensorBase):
        return data if dtype is None else data.to(dtype)  # type: ignore[attr-defined]
    if isinstance(data, np.ndarray) and (dtype is None or dtype.numpy == data.dtype):
        return from_numpy(data)
    return tensor(data, dtype=dtype)


def from_numpy(array: Any) -> Tensor:
    """Return a tensor over the memory of a NumPy array."""
    if not isinstance(array, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type(array).__name__})")
    dtypes.from_numpy_dtype(array.dtype)
    return make_tensor(array)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: dtypes.dtype | None = None,
    device: Any = None,
    requires_grad: bool = False,
    out: Any = None,
) -> Tensor:
    """Return a tensor filled with one value."""
    as_device(device)
    kind = array_type(dtype or dtypes.number_dtype(fill_value))
    raw = np.empty(tuple(size), kind.numpy)
    raw.fill(fill_value)
    return _finish(raw, requires_grad)


def zeros(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of zeros."""
    as_device(device)
    return _finish(np.zeros(sizes_of(size), (dtype or dtypes.get_default_dtype()).numpy), requires_grad)


def ones(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of ones."""
    return full(
        sizes_of(size), 1, dtype=dtype or dtypes.get_default_dtype(), requires_grad=requires_grad
    )


def empty(*size: Any, dtype: Any = None, device: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor whose values are not set to anything."""
    return zeros(*size, dtype=dtype, device=device, requires_grad=requires_grad)


def zeros_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return zeros of the shape (and dtype) of ``input``."""
    return zeros(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def ones_like(input: Tensor, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return ones of the shape (and dtype) of ``input``."""
    return ones(input.shape, dtype=dtype or input.dtype, requires_grad=requires_grad)


def full_like(input: Tensor, value: Any, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return a tensor of the shape (and dtype) of ``input``, filled with ``value``."""
    return full(input.shape, value, dtype=dtype or input.dtype, requires_grad=requires_grad)


def arange(start: Any, end: Any = None, step: Any = 1, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return the numbers from ``start`` up to ``end`` (not included) in steps."""
    if end is None:
        start, end = 0, start
    wanted = dtype or (
        dtypes.get_default_dtype()
        if any(isinstance(v, float) for v in (start, end, step))
        else dtypes.int64
    )
    return _finish(np.arange(start, end, step).astype(wanted.numpy), requires_grad)


def eye(n: int, m: int | None = None, *, dtype: Any = None, requires_grad: bool = False) -> Tensor:
    """Return the identity matrix."""
    return _finish(np.eye(n, m, dtype=(dtype or dtypes.get_default_dtype()).numpy), requires_grad)
