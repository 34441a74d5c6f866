"""What some operators refuse, in PyTorch's words.

In: the operands of a call that left the straight path.  Out: nothing, or the exception, before
anything is computed. Declared with an operator as ``check=``.
"""

from __future__ import annotations

from typing import Any

from adjoint.array import dtypes
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


def integers_only(kernel: str) -> Any:
    """Bits belong to integers and bools."""

    def check(operands: tuple[Any, ...]) -> None:
        for dtype in _dtypes(operands):
            if dtype.category >= dtypes.FLOATING:
                raise NotImplementedError(
                    f"\"{kernel}\" not implemented for '{scalar_name(dtype)}'"
                )

    return check


def ordered_only(kernel: str) -> Any:
    """Complex numbers have no order."""

    def check(operands: tuple[Any, ...]) -> None:
        for dtype in _dtypes(operands):
            if dtype.is_complex:
                raise NotImplementedError(
                    f"\"{kernel}\" not implemented for '{scalar_name(dtype)}'"
                )

    return check


def no_inverted_floats(operands: tuple[Any, ...]) -> None:
    """``~x`` is for integers and bools."""
    if _dtypes(operands)[0].category >= dtypes.FLOATING:
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
