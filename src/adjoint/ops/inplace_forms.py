"""In-place forms that choose their operator by the arguments, and those that change only the shape.

In: a Tensor, PyTorch's arguments.  Out: the same Tensor, overwritten (core/inplace.py) or seen in
another arrangement. The simple forms are made by `ops/inplace.inplace`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.array import dtypes
from adjoint.core import mode as modes
from adjoint.core.half import as_taken
from adjoint.core.inplace import apply_inplace, bump, check_writable
from adjoint.core.mode import get_mode
from adjoint.core.node import Node, ViewSink
from adjoint.core.tensor_base import TensorBase
from adjoint.ops import arithmetic, arrange, compare, inplace, piecewise, pointwise, special, view

Tensor = Any
Number = Any


def _apply(function: Callable[..., Any], self: Tensor, *operands: Any, **params: Any) -> Tensor:
    op = function.op  # type: ignore[attr-defined]
    return apply_inplace(op, self, operands, params)


_add = inplace.inplace(pointwise.add)
_sub = inplace.inplace(pointwise.sub)
_div = inplace.inplace(pointwise.div)


def add_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Add ``alpha * other`` in place."""
    if alpha == 1:
        return _add(self, other)
    arithmetic._check_alpha(self, other, alpha)
    return _apply(arithmetic._add_scaled, self, other, alpha=alpha)


def sub_(self: Tensor, other: Any, *, alpha: Any = 1) -> Tensor:
    """Subtract ``alpha * other`` in place."""
    if alpha == 1:
        return _sub(self, other)
    arithmetic._check_alpha(self, other, alpha)
    return _apply(arithmetic._sub_scaled, self, other, alpha=alpha)


def div_(self: Tensor, other: Any, *, rounding_mode: str | None = None) -> Tensor:
    """Divide by ``other`` in place."""
    if rounding_mode is None:
        return _div(self, other)
    arithmetic.check_rounding(rounding_mode)
    return _apply(arithmetic._div_rounded, self, other, rounding=rounding_mode)


def operator_form(method: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """``x += y`` from ``x.add_(y)``: what is no operand is left to the other side to refuse."""

    def form(self: Any, other: Any) -> Any:
        if other is None or isinstance(other, str | list | tuple | dict):
            return NotImplemented
        return method(self, other)

    form.__doc__ = method.__doc__
    return form


def round_(self: Tensor, *, decimals: int = 0) -> Tensor:
    """Round to ``decimals`` in place, halves to the even neighbour."""
    if not decimals:
        return _apply(special._round, self)
    return inplace.copy_(self, special.round(self, decimals=decimals))


def square_(self: Tensor, *others: Any, **named: Any) -> Tensor:
    """Square in place."""
    if others or named:
        inplace._arguments("square_", (), others, named)
    return inplace.pow_(self, 2)


def remainder_(self: Tensor, other: Any) -> Tensor:
    """Take the remainder of a division (of the divisor's sign) in place."""
    if special._stays(other, self):
        return _apply(special._remainder_number, self, divisor=as_taken(other, self))
    return _apply(special._remainder, self, other)


def fmod_(self: Tensor, other: Any) -> Tensor:
    """Take the remainder of a division (of the dividend's sign) in place."""
    if special._stays(other, self):
        return _apply(special._fmod_number, self, divisor=as_taken(other, self))
    return _apply(special._fmod, self, other)


def clamp_(self: Tensor, min: Any = None, max: Any = None) -> Tensor:
    """Limit the elements to [min, max] in place.

    Raises: RuntimeError if both bounds are None.
    """
    if isinstance(min, TensorBase) or isinstance(max, TensorBase):
        if min is None:
            return _apply(piecewise._at_most, self, max)
        if max is None:
            return _apply(piecewise._at_least, self, min)
        return _apply(piecewise._clamp_tensors, self, min, max)
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    return _apply(piecewise._clamp, self, min=min, max=max)


def clamp_min_(self: Tensor, min: Any) -> Tensor:
    """Raise smaller elements to ``min`` in place."""
    if isinstance(min, TensorBase):
        return _apply(piecewise._clamp_min_tensor, self, min)
    return _apply(piecewise._clamp_min, self, min=min)


def clamp_max_(self: Tensor, max: Any) -> Tensor:
    """Lower larger elements to ``max`` in place."""
    if isinstance(max, TensorBase):
        return _apply(piecewise._clamp_max_tensor, self, max)
    return _apply(piecewise._clamp_max, self, max=max)


def lerp_(self: Tensor, end: Tensor, weight: Any) -> Tensor:
    """Move towards ``end`` by the fraction ``weight`` in place."""
    if isinstance(weight, TensorBase):
        return _apply(special._lerp, self, end, weight)
    return _apply(special._lerp_number, self, end, weight=weight)


def addcmul_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Add ``value * tensor1 * tensor2`` in place."""
    return _apply(special._addcmul, self, tensor1, tensor2, value=value)


def addcdiv_(self: Tensor, tensor1: Tensor, tensor2: Tensor, *, value: Number = 1) -> Tensor:
    """Add ``value * tensor1 / tensor2`` in place."""
    return _apply(special._addcdiv, self, tensor1, tensor2, value=value)


def tril_(self: Tensor, diagonal: int = 0) -> Tensor:
    """Set what is above a diagonal to zero in place."""
    return _apply(arrange._tril, self, diagonal=diagonal)


def triu_(self: Tensor, diagonal: int = 0) -> Tensor:
    """Set what is below a diagonal to zero in place."""
    return _apply(arrange._triu, self, diagonal=diagonal)


def _compared(function: Callable[..., Any], node: str) -> Callable[..., Any]:
    def method(self: Any, other: Any) -> Any:
        history = self._edge
        _apply(function, self, other)
        recorded = bool(get_mode() & modes.GRAD) and history is not None
        if recorded and self._desc.dtype.category >= dtypes.FLOATING:
            self._edge = history
            inplace.zero_history(self, node)
        return self

    method.__name__ = method.__qualname__ = f"{function.__name__}_"
    method.__doc__ = f"In-place version of ``{function.__name__}``: 0 and 1 in the same dtype."
    return method


eq_ = _compared(compare.eq, "EqBackward0")
ne_ = _compared(compare.ne, "NeBackward0")
lt_ = _compared(compare.lt, "LtBackward0")
le_ = _compared(compare.le, "LeBackward0")
gt_ = _compared(compare.gt, "GtBackward0")
ge_ = _compared(compare.ge, "GeBackward0")


# ---- another shape -------------------------------------------------------------------------------


def _rearranged(function: Callable[..., Any], renamed: str) -> Callable[..., Any]:
    """A method that gives its tensor the arrangement that a view function would show."""
    nodes: dict[type[Node], type[Node]] = {}

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        edge = self._edge
        check_writable(self, bool(get_mode() & modes.GRAD) and edge is not None)
        made = function(self, *args, **kwargs)
        self._array, self._desc = made._array, made._desc
        if self._is_view():
            self._side.steps = made._side.steps
        if made._edge is not None and type(made._edge) is not ViewSink:
            kind = type(made._edge)
            if kind not in nodes:
                nodes[kind] = type(renamed, (kind,), {"__slots__": ()})
            made._edge.__class__ = nodes[kind]
            self._edge = made._edge
        elif edge is not None and edge.leaf:
            edge.adopt(self)
        bump(self)
        return self

    method.__name__ = f"{function.__name__}_"
    method.__doc__ = f"Give this tensor the arrangement that ``{function.__name__}`` shows."
    return method


t_ = _rearranged(view.t, "TBackward1")
transpose_ = _rearranged(view.transpose, "TransposeBackward1")
unsqueeze_ = _rearranged(view.unsqueeze, "UnsqueezeBackward1")
squeeze_ = _rearranged(view.squeeze, "SqueezeBackward3")
