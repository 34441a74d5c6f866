"""`make_tensor`: random tensors for tests, of any dtype, from PyTorch's stream of numbers.

In: shape, dtype, bounds.  Out: a tensor, with the same elements as PyTorch's for the same seed.
"""

from __future__ import annotations

import math
import warnings
from typing import Any

from adjoint.array import dtypes
from adjoint.ops import complex as parts
from adjoint.ops.create import empty
from adjoint.ops.random import randint
from adjoint.ops.random_inplace import uniform_

__all__ = ["make_tensor"]

Number = float | int | None


def make_tensor(
    *shape: Any,
    dtype: Any,
    device: Any,
    low: Number = None,
    high: Number = None,
    requires_grad: bool = False,
    noncontiguous: bool = False,
    exclude_zero: bool = False,
    memory_format: Any = None,
) -> Any:
    """Return a tensor with random elements of [low, high).

    The bounds are by default -9 and 9 for floating-point and complex (both parts), -9 and 10 for
    signed, 0 and 10 for unsigned integers, 0 and 2 for bool; wider ones than the dtype has are cut.
    ``noncontiguous``: with gaps in memory; ``exclude_zero``: zeros are replaced by the smallest
    positive number of the dtype; ``memory_format`` is accepted, and the memory is contiguous.

    Shape: as given, ``make_tensor(2, 3, ...)`` or ``make_tensor((2, 3), ...)``.
    Raises: ValueError if ``low`` is not below ``high``, if a bound is nan, if integers are to
    require grad, or for ``noncontiguous`` together with ``memory_format``.

    >>> import adjoint as torch
    >>> _ = torch.manual_seed(0)
    >>> make_tensor(3, dtype=torch.float32, device="cpu")
    tensor([-0.0674,  4.8280, -7.4074])
    """
    if len(shape) == 1 and isinstance(shape[0], (tuple, list)):
        shape = tuple(shape[0])
    if noncontiguous and memory_format is not None:
        raise ValueError(
            "The parameters `noncontiguous` and `memory_format` are mutually exclusive, but got "
            f"noncontiguous={noncontiguous!r} and memory_format={memory_format!r}"
        )
    if requires_grad and dtype.category < dtypes.FLOATING:
        raise ValueError(
            "`requires_grad=True` is not supported for boolean and integral dtypes, but got "
            f"dtype={dtype!r}"
        )
    gaps = noncontiguous and math.prod(shape) > 1
    drawn_shape = (*shape[:-1], 2 * shape[-1]) if gaps else shape
    if dtype.category < dtypes.FLOATING:
        made = _whole(drawn_shape, dtype, device, low, high)
    else:
        made = _floating(drawn_shape, dtype, device, low, high)
    if gaps:
        made = made[..., 1::2]
    if exclude_zero:
        smallest = 1 if dtype.category < dtypes.FLOATING else dtypes.finfo(dtype).tiny
        raw = made._memory()
        raw[raw == 0] = smallest
    return made.requires_grad_() if requires_grad else made


def _whole(shape: Any, dtype: Any, device: Any, low: Number, high: Number) -> Any:
    if dtype is dtypes.bool_:
        least, end, usual = 0, 2, (0, 2)
    else:
        info = dtypes.iinfo(dtype)
        least, end, usual = info.min, info.max + 1, (-9 if dtype.is_signed else 0, 10)
    bottom, top = _bounds(low, high, *usual)
    if bottom == top:
        raise _not_less(bottom, top)
    first, last = math.ceil(max(bottom, least)), math.ceil(min(top, end))
    return randint(first, min(last, 2**63 - 1), shape, dtype=dtype, device=device)


def _floating(shape: Any, dtype: Any, device: Any, low: Number, high: Number) -> Any:
    most = dtypes.finfo(dtype).max
    bottom, top = _bounds(low, high, -9, 9)
    if bottom == top:
        warnings.warn(
            "Passing `low==high` to `torch.testing.make_tensor` for floating or complex types is "
            "deprecated since 2.1 and will be removed in 2.3. Use `torch.full(...)` instead.",
            FutureWarning,
            stacklevel=3,
        )
    bottom, top = max(bottom, -most), min(top, most)
    made = empty(shape, dtype=dtype, device=device)
    filled = parts.view_as_real(made) if dtype.is_complex else made
    if top - bottom >= most:  # the width itself may be too large for the dtype
        uniform_(filled, bottom / 2, top / 2).mul_(2)
    else:
        uniform_(filled, bottom, top)
    return made


def _bounds(low: Number, high: Number, usual_low: float, usual_high: float) -> tuple[float, float]:
    bottom = usual_low if low is None else low
    top = usual_high if high is None else high
    if bottom != bottom or top != top:
        raise ValueError(f"`low` and `high` cannot be NaN, but got low={bottom!r} and high={top!r}")
    if bottom > top:
        raise _not_less(bottom, top)
    return bottom, top


def _not_less(bottom: float, top: float) -> ValueError:
    return ValueError(f"`low` must be less than `high`, but got {bottom} >= {top}")
