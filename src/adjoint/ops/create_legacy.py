"""The constructors of old: ``Tensor(2, 3)``, ``LongTensor([1, 2])``.

In: data, or sizes.  Out: leaf Tensors of the type's dtype, which count as instances of the type
(``isinstance(x, FloatTensor)``). A size alone gives zeros, where PyTorch
gives what happens to lie in memory.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.device import as_device
from adjoint.core.errors import type_name
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.create_data import cast_values, copied
from adjoint.ops.create_options import leaf, shape_of, type_name_of
from adjoint.ops.create_sequence import is_sequence

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "legacy",
    "legacy_tensor",
]

Tensor = Any


def legacy_tensor(*args: Any, device: Any = None, **keyword: Any) -> Tensor:
    """What ``Tensor(...)`` makes: the default dtype from data, or zeros of the given sizes."""
    if device is not None:
        as_device(device)
    return legacy(dtypes.get_default_dtype(), args, keyword)


def legacy(
    dtype: dtypes.dtype, args: tuple[Any, ...], keyword: dict[str, Any], typed: bool = False
) -> Tensor:
    """What the constructors of the old types make.

    Raises: TypeError if ``args`` are neither data nor sizes.
    """
    data = keyword.pop("data", None)
    size = keyword.pop("size", None)
    if keyword:
        raise TypeError(
            "new() received an invalid combination of arguments - got "
            f"({', '.join([*(type(a).__name__ for a in args), *keyword])}), but expected one of: "
            "(data), (*size)"
        )
    if size is not None:
        return leaf(np.zeros(shape_of("new", (size,)), dtype.numpy))
    if data is not None:
        args = (data,)
    if not args:
        return make_tensor(np.empty(0, dtype.numpy))
    first = args[0]
    if len(args) == 1:
        if isinstance(first, TensorBase):
            _same_dtype(first, dtype, typed)
            return first.detach() if first._edge is None else first  # type: ignore[attr-defined]
        if isinstance(first, np.ndarray):
            return leaf(cast_values(np.array(first), dtype))
        if isinstance(first, tuple) and type(first) is not tuple and hasattr(first, "numel"):
            return leaf(np.zeros(shape_of("new", (first,)), dtype.numpy))
        if is_sequence(first) or isinstance(first, str | bytes):
            return leaf(copied(first, dtype))
    if isinstance(first, bool) or not hasattr(first, "__index__"):
        raise TypeError(f"new(): data must be a sequence (got {type_name_of(first)})")
    return leaf(np.zeros(shape_of("new", args), dtype.numpy))


def _same_dtype(given: TensorBase, dtype: dtypes.dtype, typed: bool) -> None:
    if typed and given._desc.dtype is not dtype:
        rest = (
            "device=cpu, layout=Strided, requires_grad=false (default), pinned_memory=false "
            "(default), memory_format=(nullopt))"
        )
        wanted, found = (_cpp(d) for d in (dtype, given._desc.dtype))
        raise TypeError(
            f"expected TensorOptions(dtype={wanted}, {rest} (got TensorOptions(dtype={found}, "
            f"{rest})"
        )


def _cpp(dtype: dtypes.dtype) -> str:
    named = {"float32": "float", "float64": "double", "int64": "long int", "int32": "int"}
    return named.get(dtype.name, dtype.name)


class _TensorType(type):
    """The class of the old types: calling one makes a Tensor, which is an instance of it."""

    dtype: dtypes.dtype
    is_cuda = False
    is_sparse = False

    def __call__(cls, *args: Any, device: Any = None, **keyword: Any) -> Tensor:
        if device is not None:
            as_device(device)
        return legacy(cls.dtype, args, keyword, typed=True)

    def __instancecheck__(cls, instance: Any) -> bool:
        return isinstance(instance, TensorBase) and instance._desc.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class '{type_name(cls.dtype)}'>"

    def __str__(cls) -> str:
        return repr(cls)


class FloatTensor(metaclass=_TensorType):
    """Tensors of float32."""

    dtype = dtypes.float32


class DoubleTensor(metaclass=_TensorType):
    """Tensors of float64."""

    dtype = dtypes.float64


class HalfTensor(metaclass=_TensorType):
    """Tensors of float16."""

    dtype = dtypes.float16


class BFloat16Tensor(metaclass=_TensorType):
    """Tensors of bfloat16."""

    dtype = dtypes.bfloat16


class LongTensor(metaclass=_TensorType):
    """Tensors of int64."""

    dtype = dtypes.int64


class IntTensor(metaclass=_TensorType):
    """Tensors of int32."""

    dtype = dtypes.int32


class ShortTensor(metaclass=_TensorType):
    """Tensors of int16."""

    dtype = dtypes.int16


class CharTensor(metaclass=_TensorType):
    """Tensors of int8."""

    dtype = dtypes.int8


class ByteTensor(metaclass=_TensorType):
    """Tensors of uint8."""

    dtype = dtypes.uint8


class BoolTensor(metaclass=_TensorType):
    """Tensors of bool."""

    dtype = dtypes.bool_
