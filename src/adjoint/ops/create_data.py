"""Tensors from the user's data: ``tensor``, ``as_tensor``, ``from_numpy``, ``asarray`` and more.

In: numbers, nested sequences, NumPy arrays, buffers, Tensors.  Out: leaf Tensors whose dtype is
inferred by PyTorch's rules. How nested sequences become arrays is in `create_sequence`.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.descriptor import array_type, plain
from adjoint.array.device import as_device
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.create_options import (
    check_options,
    checked_dtype,
    leaf,
    type_name_of,
    warn,
)
from adjoint.ops.create_sequence import from_sequence, is_sequence, one_number
from adjoint.ops.view import clone

__all__ = [
    "as_tensor",
    "asarray",
    "cast_values",
    "copied",
    "from_dlpack",
    "from_numpy",
    "frombuffer",
    "new_tensor",
    "scalar_tensor",
    "tensor",
]

Tensor = Any
DType = Any

_COPY_WARNING = (
    "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() or "
    "sourceTensor.detach().clone().requires_grad_(True), rather than {}(sourceTensor)."
)
_READ_ONLY_WARNING = (
    "The given NumPy array is not writable, and PyTorch does not support non-writable tensors. "
    "(Writing to this tensor will raise an error. Copy the array to protect its data or make it "
    "writable before converting it to a tensor.)"
)


def tensor(
    data: Any,
    *,
    dtype: DType = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a new tensor with the values of ``data`` (a number, nested sequences, an array).

    Dtype: as given, or inferred: Python floats have the default dtype, ints int64, bools bool;
    NumPy arrays and numbers keep theirs. Raises: ValueError if sequences differ in length.

    Example:
        >>> tensor([[1, 2], [3, 4.5]])
        tensor([[1.0000, 2.0000],
                [3.0000, 4.5000]])
    """
    if device is not None or pin_memory:
        check_options("tensor", device, None, pin_memory)
    if type(requires_grad) is not bool:
        raise TypeError(
            f"tensor(): argument 'requires_grad' must be bool, not {type(requires_grad).__name__}"
        )
    if isinstance(data, TensorBase):
        warn(_COPY_WARNING.format("torch.tensor"))
    return leaf(copied(data, checked_dtype("tensor", dtype)), requires_grad)


def copied(data: Any, dtype: dtypes.dtype | None) -> Any:
    """A fresh raw array (or scalar) with the values of the user's data."""
    if dtype is None:
        kind = type(data)
        if kind is float:
            if -3.4e38 < data < 3.4e38:
                return array_type(dtypes.get_default_dtype()).scalar_type(data)
        elif kind is int:
            if -(1 << 63) <= data < 1 << 63:
                return np.int64(data)
        elif kind is bool:
            return np.bool_(data)
    if isinstance(data, list | tuple):
        return from_sequence(data, dtype)
    if isinstance(data, TensorBase):
        return cast_values(np.array(plain(data._array)), dtype)
    if isinstance(data, np.ndarray):
        dtypes.from_numpy_dtype(data.dtype)
        return cast_values(np.array(data), dtype)
    if isinstance(data, np.generic) and dtype is None:
        dtypes.from_numpy_dtype(data.dtype)
        return data
    if is_sequence(data):
        return from_sequence(data, dtype)
    return one_number(data, dtype)


def cast_values(raw: Any, dtype: dtypes.dtype | None) -> Any:
    """``raw`` in another dtype, as one tensor is copied into another: values may wrap around."""
    if dtype is None or raw.dtype == dtype.numpy:
        return raw
    if raw.dtype.kind == "c" and dtype.category < dtypes.COMPLEX and dtype is not dtypes.bool_:
        warn("Casting complex values to real discards the imaginary part", 5)
        raw = raw.real
    with np.errstate(all="ignore"):
        if raw.dtype.kind == "f" and dtype.category == dtypes.INTEGRAL and dtype.itemsize < 8:
            return raw.astype(np.int64).astype(dtype.numpy)
        return raw.astype(dtype.numpy)


def new_tensor(
    self: Tensor, data: Any, *, dtype: DType = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """Return a new tensor with the values of ``data``, by default in the dtype of ``self``."""
    if isinstance(data, TensorBase):
        warn(_COPY_WARNING.format("tensor.new_tensor"))
    check_options("new_tensor", device, None, False)
    return leaf(copied(data, checked_dtype("new_tensor", dtype) or self._desc.dtype), requires_grad)


def as_tensor(data: Any, dtype: DType = None, device: Any = None) -> Tensor:
    """Return ``data`` as a tensor: a tensor itself, an array's memory shared, else a copy.

    Example:
        >>> as_tensor([1, 2]).dtype
        torch.int64
    """
    wanted = checked_dtype("as_tensor", dtype)
    if device is not None:
        as_device(device)
    if isinstance(data, TensorBase):
        return data if wanted is None else data.to(wanted)  # type: ignore[attr-defined]
    if isinstance(data, np.ndarray) and (wanted is None or wanted.numpy == data.dtype):
        return from_numpy(data)
    return leaf(copied(data, wanted))


def from_numpy(ndarray: Any) -> Tensor:
    """Return a tensor over the memory of a NumPy array.

    Raises: TypeError if it is no array, or its dtype is none of PyTorch's.
    """
    if not isinstance(ndarray, np.ndarray):
        raise TypeError(f"expected np.ndarray (got {type_name_of(ndarray)})")
    dtypes.from_numpy_dtype(ndarray.dtype)
    if not ndarray.flags.writeable:
        warn(_READ_ONLY_WARNING)
    return make_tensor(ndarray if type(ndarray) is np.ndarray else ndarray.view(np.ndarray))


def scalar_tensor(
    s: Any,
    *,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a 0-d tensor of a number, in the default dtype if none is given."""
    check_options("scalar_tensor", device, layout, pin_memory)
    if isinstance(s, TensorBase) and not s._desc.shape:
        s = s._array.item()
    if not isinstance(s, int | float | complex | np.generic):
        raise TypeError(
            f"scalar_tensor(): argument 's' (position 1) must be Number, not {type(s).__name__}"
        )
    wanted = checked_dtype("scalar_tensor", dtype) or dtypes.get_default_dtype()
    return leaf(one_number(s, wanted), requires_grad)


def asarray(
    obj: Any,
    *,
    dtype: DType = None,
    device: Any = None,
    copy: bool | None = None,
    requires_grad: bool | None = None,
) -> Tensor:
    """Return ``obj`` (a tensor, an array, a buffer, a number, a sequence) as a tensor.

    ``copy``: True always, False never, None where it must be. A tensor that requires grad stays on
    its graph when ``requires_grad`` is True.
    Raises: ValueError if there is no tensor without a copy, and ``copy`` is False.
    """
    wanted = checked_dtype("asarray", dtype)
    if device is not None:
        as_device(device)
    if isinstance(obj, np.generic):
        obj = np.array(obj)
    if isinstance(obj, bytes | bytearray | memoryview):
        obj = frombuffer(obj, dtype=wanted or dtypes.get_default_dtype())
    elif isinstance(obj, np.ndarray):
        obj = from_numpy(obj)
    if not isinstance(obj, TensorBase):
        if copy is False:
            raise ValueError("can't alias arbitrary sequence into a tensor.")
        return leaf(copied(obj, wanted), bool(requires_grad))
    found = obj._desc.dtype
    made: Any = obj
    if wanted is not None and wanted is not found:
        if copy is False:
            raise ValueError(
                f"can't alias tensor with dtype '{_cpp(found)}' into dtype '{_cpp(wanted)}'."
            )
        made = made.to(wanted)
    elif copy:
        made = clone(made)
    wants = requires_grad
    if requires_grad is None:
        wants = made._edge is not None
        if wants:
            warn(
                "torch.asarray: unspecified requires_grad now defaults to obj.requires_grad "
                "instead of False. Pass requires_grad=False explicitly to get the old behavior "
                "and silence this warning."
            )
    if not wants:
        return made.detach() if made._edge is not None else made
    return made if made._edge is not None else made.requires_grad_()


def _cpp(dtype: dtypes.dtype) -> str:
    named = {"float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int"}
    return named.get(dtype.name, dtype.name)


def frombuffer(
    buffer: Any, *, dtype: DType, count: int = -1, offset: int = 0, requires_grad: bool = False
) -> Tensor:
    """Return a 1-d tensor over the memory of an object with the buffer protocol.

    ``count``: how many elements (-1: all), ``offset``: how many bytes to leave out at the start.
    Raises: ValueError if the buffer does not hold them.
    """
    wanted = checked_dtype("frombuffer", dtype)
    if wanted is None:
        raise TypeError('frombuffer() missing 1 required positional arguments: "dtype"')
    try:
        view = memoryview(buffer)
    except TypeError:
        raise ValueError("object does not implement Python buffer protocol.") from None
    length, size = view.nbytes, wanted.itemsize
    if not length or not count:
        raise ValueError(f"both buffer length ({length}) and count ({count}) must not be 0")
    if not 0 <= offset < length:
        raise ValueError(
            f"offset ({offset} bytes) must be non-negative and no greater than buffer length "
            f"({length} bytes) minus 1"
        )
    if count < 0:
        if (length - offset) % size:
            raise ValueError(
                f"buffer length ({length - offset} bytes) after offset ({offset} bytes) must be a "
                f"multiple of element size ({size})"
            )
    elif count * size > length - offset:
        raise ValueError(
            f"requested buffer length ({count} * {size} bytes) after offset ({offset} bytes) must "
            f"not be greater than actual buffer length ({length} bytes)"
        )
    if view.readonly:
        warn(
            "The given buffer is not writable, and PyTorch does not support non-writable tensors. "
            "(Writing to this tensor will raise an error. Copy the buffer to protect its data or "
            "make it writable before converting it to a tensor.)"
        )
    raw = np.frombuffer(buffer, wanted.numpy, operator.index(count), offset)
    return leaf(raw, requires_grad)


def from_dlpack(ext_tensor: Any, *, device: Any = None, copy: bool | None = None) -> Tensor:
    """Return a tensor over the memory of an object with the DLPack protocol.

    Raises: RuntimeError if it has none.
    """
    if device is not None:
        as_device(device)
    if isinstance(ext_tensor, TensorBase):
        made: Any = ext_tensor
        return clone(made).detach() if copy else made.detach()
    if not hasattr(ext_tensor, "__dlpack__"):
        raise RuntimeError(
            "from_dlpack received an invalid capsule. (It takes an object with a method "
            f"__dlpack__, not a {type(ext_tensor).__name__}.)"
        )
    raw = np.from_dlpack(ext_tensor)
    return make_tensor(raw.copy() if copy else raw)
