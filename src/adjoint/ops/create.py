"""Tensors from nothing: zeros, ones, one value, the identity - and like another tensor.

In: sizes, values, dtypes.  Out: leaf Tensors. What is made from the user's data is in `create_data`
(its functions are offered here, too), numbers in steps in `create_ranges`.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later, names
from adjoint.array import dtypes
from adjoint.core.errors import type_name
from adjoint.core.mode import grad_enabled
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.create_data import (
    as_tensor,
    asarray,
    from_dlpack,
    from_numpy,
    frombuffer,
    new_tensor,
    scalar_tensor,
    tensor,
)
from adjoint.ops.create_options import (
    check_options,
    check_requires_grad,
    checked_dtype,
    finish,
    for_samples_of,
    leaf,
    like_memory,
    limits_of,
    out_dtype,
    shape_of,
    sized,
    tensor_operand,
    type_name_of,
)
from adjoint.ops.create_ranges import (
    arange,
    linspace,
    logspace,
    range_,
    tril_indices,
    triu_indices,
)

if TYPE_CHECKING:
    from adjoint.ops import create_legacy
    from adjoint.ops.create_legacy import legacy_tensor
else:
    create_legacy = Later("adjoint.ops.create_legacy")

__getattr__ = names(__name__, {"legacy_tensor": "adjoint.ops.create_legacy"})

__all__ = [
    "arange",
    "as_dtype",
    "as_tensor",
    "asarray",
    "empty",
    "empty_like",
    "empty_permuted",
    "empty_strided",
    "eye",
    "from_dlpack",
    "from_numpy",
    "frombuffer",
    "full",
    "full_like",
    "legacy_tensor",
    "linspace",
    "logspace",
    "new",
    "new_empty",
    "new_empty_strided",
    "new_full",
    "new_ones",
    "new_tensor",
    "new_zeros",
    "ones",
    "ones_like",
    "range_",
    "scalar_tensor",
    "tensor",
    "tril_indices",
    "triu_indices",
    "type_of",
    "zeros",
    "zeros_like",
]

Tensor = Any
DType = Any


def as_dtype(dtype: Any) -> dtypes.dtype:
    """The dtype meant by a dtype object, a legacy type's name or a Python type."""
    if isinstance(dtype, dtypes.dtype):
        return dtype
    if dtype is float:
        return dtypes.get_default_dtype()
    if dtype is int:
        return dtypes.int64
    if dtype is bool:
        return dtypes.bool_
    for known in dtypes.ALL:
        if type_name(known) == dtype or getattr(dtype, "dtype", None) is known:
            return known
    raise TypeError(f"invalid dtype object: {dtype!r}")


def type_of(input: Tensor) -> str:
    """The legacy name of a tensor's type."""
    return type_name(input.dtype)


# ---- one value everywhere ------------------------------------------------------------------------


def zeros(
    *size: Any,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **keyword: Any,
) -> Tensor:
    """Return a tensor of zeros.

    Shape: as given, ``zeros(2, 3)`` or ``zeros((2, 3))``. Dtype: the default dtype, or as given.

    Example:
        >>> zeros(2, 3, dtype=dtypes.int64)
        tensor([[0, 0, 0],
                [0, 0, 0]])
    """
    shape = sized("zeros", size, keyword)
    if layout is not None or device is not None or pin_memory:
        check_options("zeros", device, layout, pin_memory)
    kind = out_dtype("zeros", out, dtype) or dtypes.get_default_dtype()
    return finish("zeros", np.zeros(shape, kind.numpy), out, requires_grad)


def ones(
    *size: Any,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **keyword: Any,
) -> Tensor:
    """Return a tensor of ones; the arguments are those of `zeros`."""
    shape = sized("ones", size, keyword)
    if layout is not None or device is not None or pin_memory:
        check_options("ones", device, layout, pin_memory)
    kind = out_dtype("ones", out, dtype) or dtypes.get_default_dtype()
    return finish("ones", _filled(shape, 1, kind), out, requires_grad)


def empty(
    *size: Any,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    memory_format: Any = None,
    **keyword: Any,
) -> Tensor:
    """Return a tensor whose values mean nothing; the arguments are those of `zeros`."""
    shape = sized("empty", size, keyword)
    check_options("empty", device, layout, pin_memory)
    kind = out_dtype("empty", out, dtype) or dtypes.get_default_dtype()
    # Zeros, not what happens to lie in memory: every run of a program has the same bits.
    raw = np.zeros(shape, kind.numpy)
    if memory_format is not None and "channels_last" in str(memory_format):
        raw = np.moveaxis(np.zeros((shape[0], *shape[2:], shape[1]), kind.numpy), -1, 1)
    return finish("empty", raw, out, requires_grad)


def full(
    size: Any,
    fill_value: Any,
    *,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a tensor filled with one value.

    Dtype: that of the value, or as given. Raises: RuntimeError if the dtype does not hold it.

    Example:
        >>> full((2,), 2.5)
        tensor([2.5000, 2.5000])
    """
    if not isinstance(size, tuple | list):
        raise TypeError(
            f"full(): argument 'size' (position 1) must be tuple of ints, not {type_name_of(size)}"
        )
    shape = shape_of("full", (tuple(size),))
    check_options("full", device, layout, pin_memory)
    value, kind = _number("full", "fill_value", 2, fill_value)
    wanted = out_dtype("full", out, dtype) or kind
    check_requires_grad(wanted, requires_grad)
    return finish("full", _filled(shape, checked_value(value, wanted), wanted), out, requires_grad)


def _filled(shape: tuple[int, ...], value: Any, kind: dtypes.dtype) -> Any:
    if not shape:
        return kind.numpy.type(value)
    made = np.empty(shape, kind.numpy)
    made.fill(value)
    return made


def _number(function: str, name: str, position: int, value: Any) -> tuple[Any, dtypes.dtype]:
    """``value`` as a Python number, and the dtype it has by itself.

    Raises: TypeError if it is no number.
    """
    if isinstance(value, TensorBase):
        if not value._desc.shape and not (value._edge is not None and grad_enabled()):
            kind = value._desc.dtype
            if kind.category >= dtypes.FLOATING:
                default = dtypes.get_default_dtype()
                kind = default.to_complex() if kind.is_complex else default
            elif kind.category == dtypes.INTEGRAL:
                kind = dtypes.int64
            return value._array.item(), kind
    elif isinstance(value, int | float | complex):
        return value, dtypes.number_dtype(value)
    elif isinstance(value, np.bool_):
        return bool(value), dtypes.get_default_dtype()
    elif isinstance(value, np.generic):
        return value.item(), dtypes.number_dtype(value.item())
    raise TypeError(
        f"{function}(): argument '{name}' (position {position}) must be Number, not "
        f"{type_name_of(value)}"
    )


def checked_value(value: Any, kind: dtypes.dtype) -> Any:
    """``value`` as an element of dtype ``kind``.

    Raises: RuntimeError if the dtype does not hold it.
    """
    if kind.category == dtypes.BOOL:
        return bool(value)
    fits = True
    if isinstance(value, complex) and not kind.is_complex:
        fits, value = value.imag == 0, value.real
    if kind.category == dtypes.INTEGRAL:
        least, most = limits_of(kind)
        least = least if kind.is_signed else -most
        fits = fits and value == value and least <= value <= most
        if fits:
            return np.array(int(value), np.int64).astype(kind.numpy)[()]
    elif kind.category == dtypes.FLOATING:
        fits = fits and (
            value != value or abs(value) in (np.inf,) or abs(value) <= limits_of(kind)[1]
        )
    if not fits:
        raise RuntimeError(
            f"value cannot be converted to type {_C_TYPES.get(kind.name, kind.name + '_t')} without"
            f" overflow (the value is {value!r}, the dtype {kind!r})"
        )
    return value


_C_TYPES = {
    "float32": "float",
    "float64": "double",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "bool": "bool",
}


def eye(
    n: int,
    m: int | None = None,
    *,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a matrix (n, m), by default square, with ones on the diagonal and zeros elsewhere."""
    sizes = [_size("eye", "n", 1, n)]
    sizes.append(sizes[0] if m is None else _size("eye", "m", 2, m))
    check_options("eye", device, layout, pin_memory)
    kind = out_dtype("eye", out, dtype) or dtypes.get_default_dtype()
    return finish("eye", np.eye(*sizes, dtype=kind.numpy), out, requires_grad)


def _size(function: str, name: str, position: int, value: Any) -> int:
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be int, not "
            f"{type_name_of(value)}"
        )
    size = operator.index(value)
    if size < 0:
        raise RuntimeError(f"{name} must be greater or equal to 0, got {size}")
    return size


# ---- any memory layout ---------------------------------------------------------------------------


def empty_strided(
    size: Any,
    stride: Any,
    *,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return a tensor whose values mean nothing, with the given steps between elements.

    Raises: RuntimeError if there are not as many steps as sizes, or a step is negative.
    """
    shape = shape_of("empty_strided", (tuple(size),))
    steps = tuple(operator.index(s) for s in stride)
    if len(shape) != len(steps):
        raise RuntimeError(
            f"dimensionality of sizes ({len(shape)}) must match dimensionality of strides "
            f"({len(steps)})"
        )
    if any(s < 0 for s in steps):
        raise RuntimeError(
            f"Storage size calculation overflowed with sizes={list(shape)} and "
            f"strides={list(steps)} (no step may be negative)"
        )
    check_options("empty_strided", device, layout, pin_memory)
    kind = checked_dtype("empty_strided", dtype) or dtypes.get_default_dtype()
    extent = 1 + sum((n - 1) * s for n, s in zip(shape, steps)) if all(shape) else 0
    memory = np.zeros(extent, kind.numpy)
    strides = tuple(s * kind.itemsize for s in steps)
    return leaf(np.ndarray(shape, kind.numpy, memory, 0, strides), requires_grad)


def empty_permuted(size: Any, physical_layout: Any, **options: Any) -> Tensor:
    """Return a tensor whose values mean nothing, its dims in the given order in memory."""
    shape, order = tuple(size), tuple(physical_layout)
    if sorted(order) != list(range(len(shape))):
        raise RuntimeError(
            "Number of dimensions in size does not match the length of the physical_layout; "
            f"i.e. len(size) = {len(shape)} is not equal to len(physical_layout) = {len(order)}"
        )
    steps, step = [0] * len(shape), 1
    for axis in reversed(order):
        steps[axis] = step
        step *= max(shape[axis], 1)
    return empty_strided(shape, steps, **options)


# ---- like another tensor -------------------------------------------------------------------------


def _like(
    function: str, input: Tensor, dtype: DType, options: dict[str, Any]
) -> tuple[Any, dtypes.dtype]:
    """An uninitialised array of the shape and memory order of ``input``, and its dtype."""
    tensor_operand(function, "input", input)
    format_ = options.pop("memory_format", None)
    unknown = [name for name in options if name not in ("layout", "device", "pin_memory")]
    if unknown:
        raise TypeError(f"{function}() got an unexpected keyword argument '{unknown[0]}'")
    if options:
        check_options(
            function, options.get("device"), options.get("layout"), options.get("pin_memory")
        )
    kind = checked_dtype(function, dtype) or input._desc.dtype
    return like_memory(input._array, kind.numpy, format_), kind


def zeros_like(
    input: Tensor, *, dtype: DType = None, requires_grad: bool = False, **options: Any
) -> Tensor:
    """Return zeros in the shape, memory order and (unless given) dtype of ``input``.

    ``layout``, ``device``, ``pin_memory`` and ``memory_format`` are accepted as in PyTorch.
    """
    raw, _ = _like("zeros_like", input, dtype, options)
    raw.fill(0)
    return leaf(raw, requires_grad)


def ones_like(
    input: Tensor, *, dtype: DType = None, requires_grad: bool = False, **options: Any
) -> Tensor:
    """Return ones in the shape, memory order and (unless given) dtype of ``input``."""
    raw, _ = _like("ones_like", input, dtype, options)
    raw.fill(1)
    return leaf(raw, requires_grad)


def empty_like(
    input: Tensor, *, dtype: DType = None, requires_grad: bool = False, **options: Any
) -> Tensor:
    """Return a tensor like ``input`` whose values mean nothing."""
    raw, _ = _like("empty_like", input, dtype, options)
    raw.fill(0)
    return leaf(raw, requires_grad)


def full_like(
    input: Tensor,
    fill_value: Any,
    *,
    dtype: DType = None,
    requires_grad: bool = False,
    **options: Any,
) -> Tensor:
    """Return a tensor like ``input``, filled with one value."""
    raw, kind = _like("full_like", input, dtype, options)
    raw.fill(checked_value(_number("full_like", "fill_value", 2, fill_value)[0], kind))
    return leaf(raw, requires_grad)


# ---- methods: of the same dtype ------------------------------------------------------------------


def new_zeros(self: Tensor, *size: Any, dtype: DType = None, **options: Any) -> Tensor:
    """Return zeros of the given shape in the dtype of ``self``."""
    return _new("new_zeros", self, 0, size, dtype, options)


def new_ones(self: Tensor, *size: Any, dtype: DType = None, **options: Any) -> Tensor:
    """Return ones of the given shape in the dtype of ``self``."""
    return _new("new_ones", self, 1, size, dtype, options)


def new_empty(self: Tensor, *size: Any, dtype: DType = None, **options: Any) -> Tensor:
    """Return a tensor of the given shape and the dtype of ``self`` whose values mean nothing."""
    return _new("new_empty", self, 0, size, dtype, options)


def _new(
    name: str, self: Tensor, value: Any, size: Any, dtype: DType, options: dict[str, Any]
) -> Tensor:
    keyword = {"size": options.pop("size")} if "size" in options else {}
    shape = sized(name, size, keyword)
    wanted = checked_dtype(name, dtype) or self._desc.dtype
    return for_samples_of(self, full(shape, value, dtype=wanted, **options))


def new_full(
    self: Tensor, size: Any, fill_value: Any, *, dtype: DType = None, **options: Any
) -> Tensor:
    """Return a tensor of the given shape and the dtype of ``self``, filled with one value."""
    wanted = checked_dtype("new_full", dtype) or self._desc.dtype
    return for_samples_of(self, full(size, fill_value, dtype=wanted, **options))


def new_empty_strided(
    self: Tensor, size: Any, stride: Any, dtype: DType = None, **options: Any
) -> Tensor:
    """`empty_strided` in the dtype of ``self``."""
    return empty_strided(size, stride, dtype=dtype or self._desc.dtype, **options)


def new(self: Tensor, *args: Any, **keyword: Any) -> Tensor:
    """The old constructor for the dtype of ``self``: from data, or of the given sizes."""
    return create_legacy.legacy(self._desc.dtype, args, keyword)
