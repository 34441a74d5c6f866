"""Numbers in steps: ``arange``, ``linspace``, ``logspace``, and the places of a triangle.

In: ends, steps, counts.  Out: leaf Tensors, to the last bit those of PyTorch's kernels, whose order
of operations shows in the rounding.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.random import MANTISSA
from adjoint.array.random_rounding import fused_64
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.create_options import (
    check_options,
    check_requires_grad,
    checked_dtype,
    finish,
    leaf,
    limits_of,
    not_implemented,
    out_dtype,
    type_name_of,
    warn,
)

__all__ = ["arange", "linspace", "logspace", "range_", "tril_indices", "triu_indices"]

# Note: rounding
#
# `arange` computes start + i * step in float64, one fused multiply-add, and rounds to the dtype.
# Whole pairs of vectors of 32 bytes are done vector by vector: there only the first element of a
# vector is rounded so, and the k-th adds k * step to that rounded number. (PyTorch with several
# threads starts its vectors anew in each thread's part of more than 32,768 elements; here there is
# one part.) `linspace` steps from the start in the first half and from the end in the second, with
# a fused multiply-add in the dtype itself (integers: in float64, cut off at the end); float16 and
# bfloat16 round the product first. `logspace` takes its steps in float64 from ends that were
# rounded to the dtype.

Tensor = Any
DType = Any
Array = Any


def _scalar(function: str, name: str, position: int, value: Any) -> Any:
    """``value`` as a Python number.

    Raises: TypeError if it is none.
    """
    if type(value) is int or type(value) is float:
        return value
    if isinstance(value, TensorBase):
        if not value._desc.shape and value._edge is None:
            return value._array.item()
    elif isinstance(value, np.generic):
        return value.item()
    elif isinstance(value, int | float | complex):
        return value
    raise TypeError(
        f"{function}(): argument '{name}' (position {position}) must be Number, not "
        f"{type_name_of(value)}"
    )


def arange(
    start: Any = None,
    end: Any = None,
    step: Any = 1,
    *,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return the numbers from ``start`` (0) up to ``end``, which is left out, in steps.

    ``arange(end)`` or ``arange(start, end, step)``. Dtype: int64 if all are ints, else the default
    dtype. Raises: RuntimeError if the steps do not lead from start to end.

    Example:
        >>> arange(5), arange(1, 2.5, 0.5)
        (tensor([0, 1, 2, 3, 4]), tensor([1.0000, 1.5000, 2.0000]))
    """
    if end is None:
        if start is None:
            raise TypeError(
                "arange() received an invalid combination of arguments - got (), but expected one "
                "of: (Number end), (Number start, Number end), (Number start, Number end, Number "
                "step)"
            )
        start, end = 0, _scalar("arange", "end", 1, start)
    else:
        start = 0 if start is None else _scalar("arange", "start", 1, start)
        end = _scalar("arange", "end", 2, end)
    step = _scalar("arange", "step", 3, step)
    if any(isinstance(v, complex) for v in (start, end, step)):
        raise RuntimeError("value cannot be converted to type double without overflow")
    if layout is not None or device is not None or pin_memory:
        check_options("arange", device, layout, pin_memory)
    kind = out_dtype("arange", out, dtype)
    if kind is None:
        real = isinstance(start, float) or isinstance(end, float) or isinstance(step, float)
        kind = dtypes.get_default_dtype() if real else dtypes.int64
    check_requires_grad(kind, requires_grad)
    raw = _steps(start, end, step, kind)
    if out is not None and out._array.size not in (0, raw.size):
        warn(
            f"The number of elements in the out tensor of shape {list(out.shape)} is "
            f"{out._array.size} which does not match the computed number of elements {raw.size}. "
            "Note that this may occur as a result of rounding error. The out tensor will be "
            f"resized to a tensor of shape ({raw.size},)."
        )
    return finish("arange", raw, out, requires_grad)


def _steps(start: Any, end: Any, step: Any, kind: dtypes.dtype) -> Array:
    if kind.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise not_implemented("arange_cpu", kind)
    if not (math.isfinite(start) and math.isfinite(end)):
        raise RuntimeError(f"unsupported range: {_number(start)} -> {_number(end)}")
    if kind.category == dtypes.INTEGRAL:
        start, end, step = int(start), int(end), int(step)
    if step == 0:
        raise RuntimeError("step must be nonzero")
    if (end - start) * step < 0:
        raise RuntimeError(
            "upper bound and lower bound inconsistent with step sign"
            f" (from {start} to {end} in steps of {step})"
        )
    if kind.category == dtypes.INTEGRAL:
        made: Array = np.arange(start, end, step, dtype=np.int64)
        return made if kind is dtypes.int64 else made.astype(kind.numpy)
    return _real_steps(float(start), float(step), math.ceil((end - start) / step), kind)


def _real_steps(start: float, step: float, count: int, kind: dtypes.dtype) -> Array:
    index = np.arange(count, dtype=np.float64)
    made = _cast(fused_64(index, step, start), kind)
    width = 32 // kind.itemsize
    whole = count // (2 * width) * (2 * width)
    integers = start == int(start) and step == int(step)
    largest = max(abs(start), abs(start + count * step))
    if whole and not (integers and largest < 1 << MANTISSA[kind.name]):
        first = made[:whole:width].astype(np.float64)
        within = np.tile(index[:width], whole // width)
        made[:whole] = _cast(fused_64(within, step, np.repeat(first, width)), kind)
    return made


def _cast(values: Array, kind: dtypes.dtype) -> Array:
    with np.errstate(over="ignore", invalid="ignore"):
        if kind.itemsize == 2 and kind.category == dtypes.FLOATING:
            values = values.astype(np.float32)
        return values.astype(kind.numpy)


def _number(value: float) -> str:
    return f"{value:g}"


def range_(start: Any = 0, end: Any = None, step: Any = 1, **options: Any) -> Tensor:
    """Return the numbers from ``start`` to ``end``, which is included; `arange` is preferred."""
    warn(
        "torch.range is deprecated and will be removed in a future release because its behavior is "
        "inconsistent with Python's range builtin. Instead, use torch.arange, which produces "
        "values in [start, end)."
    )
    if end is None:
        start, end = 0, start
    options["dtype"] = options.get("dtype") or dtypes.get_default_dtype()
    count = math.floor((end - start) / step) + 1
    return arange(start, start + (count - 0.5) * step, step, **options)


def _ends(function: str, start: Any, end: Any, steps: Any) -> tuple[Any, Any, int]:
    for name, value in (("start", start), ("end", end)):
        if isinstance(value, TensorBase) and value._desc.shape:
            raise RuntimeError(
                f"{function} only supports 0-dimensional start and end tensors, but got {name} "
                f"with {len(value._desc.shape)} dimension(s)."
            )
    if isinstance(steps, bool) or not hasattr(steps, "__index__"):
        raise TypeError(
            f"{function}() received an invalid combination of arguments - got ("
            f"{type(start).__name__}, {type(end).__name__}, {type(steps).__name__}), but expected "
            "one of: (Number start, Number end, int steps)"
        )
    count = steps.__index__()
    if count < 0:
        raise RuntimeError("number of steps must be non-negative")
    return _scalar(function, "start", 1, start), _scalar(function, "end", 2, end), count


def _kind_of_ends(function: str, out: Any, dtype: DType, start: Any, end: Any) -> dtypes.dtype:
    kind = out_dtype(function, out, dtype)
    if kind is None:
        kind = dtypes.get_default_dtype()
        if isinstance(start, complex) or isinstance(end, complex):
            kind = kind.to_complex()
    if kind is dtypes.bool_:
        raise not_implemented(f"{function}_cpu", kind)
    return kind


def linspace(
    start: Any,
    end: Any,
    steps: Any = None,
    *,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return ``steps`` numbers at equal distances from ``start`` to ``end``, both included.

    Raises: RuntimeError if ``steps`` is negative.

    Example:
        >>> linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    first, last, count = _ends("linspace", start, end, steps)
    check_options("linspace", device, layout, pin_memory)
    kind = _kind_of_ends("linspace", out, dtype, first, last)
    check_requires_grad(kind, requires_grad)
    return finish("linspace", _line(first, last, count, kind), out, requires_grad)


def _line(start: Any, end: Any, count: int, kind: dtypes.dtype) -> Array:
    scalar = kind.numpy.type
    if count < 2:
        return np.full(count, start, kind.numpy)
    index = np.arange(count)
    half = count // 2
    if kind.category == dtypes.INTEGRAL:
        low, high = (float(_wrapped(int(end_), kind)) for end_ in (start, end))
        made = np.empty(count)
        step = (high - low) / (count - 1)
        made[:half] = fused_64(index[:half].astype(np.float64), step, low)
        made[half:] = fused_64(index[half:] - (count - 1.0), step, high)
        return np.trunc(made).astype(kind.numpy)
    with np.errstate(all="ignore"):
        first, last = scalar(start), scalar(end)
        step = (last - first) / scalar(count - 1)
        if kind.itemsize == 2 or kind.is_complex:
            rising = first + step * index.astype(kind.numpy)
            falling = last - step * (count - 1 - index).astype(kind.numpy)
            return np.where(index < half, rising, falling).astype(kind.numpy)
        made = np.empty(count, kind.numpy)
        wide = index.astype(np.float64)
        made[:half] = fused_64(wide[:half], float(step), float(first))
        made[half:] = fused_64(wide[half:] - (count - 1), float(step), float(last))
        return made


def _wrapped(value: int, kind: dtypes.dtype) -> Any:
    """``value`` in an integer dtype; of an unsigned one, negative values wrap around.

    Raises: RuntimeError if the dtype does not hold it.
    """
    least, most = limits_of(kind)
    if not (least if kind.is_signed else -most) <= value <= most:
        raise RuntimeError(f"value cannot be converted to type {kind.name}_t without overflow")
    return np.array(value).astype(kind.numpy)


def logspace(
    start: Any,
    end: Any,
    steps: Any = None,
    base: float = 10.0,
    *,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return ``base`` to the powers of `linspace`: from ``base**start`` to ``base**end``."""
    first, last, count = _ends("logspace", start, end, steps)
    check_options("logspace", device, layout, pin_memory)
    kind = _kind_of_ends("logspace", out, dtype, first, last)
    check_requires_grad(kind, requires_grad)
    if kind.is_complex:
        raw = np.power(complex(base), _line(first, last, count, dtypes.complex128))
        return finish("logspace", raw.astype(kind.numpy), out, requires_grad)
    if kind.category == dtypes.FLOATING:
        first, last = kind.numpy.type(first), kind.numpy.type(last)
    else:
        first, last = int(first), int(last)
    if count < 2:
        exponents = np.full(count, float(first))
    else:
        step = float(last - first) / (count - 1)
        index = np.arange(count)
        rising = float(first) + step * index
        falling = float(last) - step * (count - 1 - index)
        exponents = np.where(index < count // 2, rising, falling)
    powers = np.array([_power(float(base), x) for x in exponents.tolist()], np.float64)
    return finish("logspace", _cast(powers, kind), out, requires_grad)


def _power(base: float, exponent: float) -> float:
    try:
        return math.pow(base, exponent)
    except OverflowError:
        return math.inf
    except ValueError:
        return math.nan


def tril_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: DType = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Return the places (rows, then columns) of a matrix on and below a diagonal, row by row.

    Example:
        >>> tril_indices(2, 2)
        tensor([[0, 1, 1],
                [0, 0, 1]])
    """
    return _triangle("tril_indices", np.tril, row, col, offset, dtype, device, layout)


def triu_indices(
    row: int,
    col: int,
    offset: int = 0,
    *,
    dtype: DType = None,
    device: Any = None,
    layout: Any = None,
) -> Tensor:
    """Return the places (rows, then columns) of a matrix on and above a diagonal, row by row."""
    return _triangle("triu_indices", np.triu, row, col, offset, dtype, device, layout)


def _triangle(
    function: str,
    part: Any,
    row: int,
    col: int,
    offset: int,
    dtype: DType,
    device: Any,
    layout: Any,
) -> Tensor:
    for name, size in (("row", row), ("col", col)):
        if size < 0:
            raise RuntimeError(f"{name} must be non-negative, got{size}")
    check_options(function, device, layout, False)
    kind = checked_dtype(function, dtype) or dtypes.int64
    if kind not in (dtypes.int64, dtypes.int32):
        raise not_implemented(function, kind)
    places = np.nonzero(part(np.ones((row, col), np.bool_), offset))
    return leaf(np.stack(places).astype(kind.numpy))
