"""What some operators refuse, in PyTorch's words.

In: the operands of a call that left the straight path.  Out: nothing, or the exception, before
anything is computed. Declared with an operator as ``check=``.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.batched.levels import all_samples
from adjoint.core.errors import scalar_name
from adjoint.core.tensor_base import TensorBase


def _dtypes(operands: tuple[Any, ...]) -> list[dtypes.dtype]:
    return [
        o._desc.dtype if isinstance(o, TensorBase) else dtypes.number_dtype(o) for o in operands
    ]


def no_negative_bools(operands: tuple[Any, ...]) -> None:
    """A bool has no negative."""
    if _dtypes(operands)[0] is dtypes.bool_:
        raise RuntimeError(
            "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to "
            "invert a mask, use the `~` or `logical_not()` operator instead."
        )


def no_bool_differences(operands: tuple[Any, ...]) -> None:
    """Bools are not subtracted."""
    bools = [d is dtypes.bool_ for d in _dtypes(operands)]
    if all(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead."
        )
    if any(bools):
        raise RuntimeError(
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead."
        )


def common(operands: tuple[Any, ...]) -> dtypes.dtype:
    """The dtype in which operands of these kinds are combined."""
    tensors = [o for o in operands if isinstance(o, TensorBase)]
    return dtypes.result_dtype(
        [t._desc.dtype for t in tensors if t._desc.shape],
        [t._desc.dtype for t in tensors if not t._desc.shape],
        [o for o in operands if not isinstance(o, TensorBase) and o is not None],
    )


def not_for(kernel: str, *categories: int) -> Any:
    """A kernel that PyTorch does not have for some categories of dtype."""

    def check(operands: tuple[Any, ...]) -> None:
        dtype = common(operands)
        if dtype.category in categories:
            raise NotImplementedError(f"\"{kernel}\" not implemented for '{scalar_name(dtype)}'")

    return check


def integers_only(kernel: str) -> Any:
    """Bits belong to integers and bools."""
    return not_for(kernel, dtypes.FLOATING, dtypes.COMPLEX)


def ordered_only(kernel: str) -> Any:
    """Complex numbers have no order."""
    return not_for(kernel, dtypes.COMPLEX)


def no_complex_extremes(name: str) -> Any:
    """Of complex numbers none is the larger."""

    def check(operands: tuple[Any, ...]) -> None:
        if common(operands).is_complex:
            raise RuntimeError(f"{name} not implemented for complex tensors.")

    return check


def no_bool_relu(operands: tuple[Any, ...]) -> None:
    """A bool is never negative."""
    if _dtypes(operands)[0] is dtypes.bool_:
        raise RuntimeError("Boolean inputs not supported for relu")


def not_supported(sentence: str, *categories: int) -> Any:
    """An operator that PyTorch refuses for some categories, in a sentence of its own."""

    def check(operands: tuple[Any, ...]) -> None:
        if common(operands).category in categories:
            raise NotImplementedError(sentence)

    return check


def both(*checks: Any) -> Any:
    """Several checks, one after the other."""

    def check(operands: tuple[Any, ...]) -> None:
        for one in checks:
            one(operands)

    return check


def no_integer_division_by_zero(operands: tuple[Any, ...]) -> None:
    """Integers are not divided by 0."""
    divisor = operands[1]
    if common(operands).category >= dtypes.FLOATING:
        return
    raw = divisor._array if isinstance(divisor, TensorBase) else divisor
    if np.any(np.equal(all_samples(raw), 0)):
        raise RuntimeError("ZeroDivisionError")
