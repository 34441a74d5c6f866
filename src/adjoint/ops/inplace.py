"""In-place forms of operators: ``x.add_(y)`` from ``add``, and the writes that have no other form.

In: an operator's function.  Out: a method that overwrites its first operand by PyTorch's rules
(core/inplace.py).
"""

from __future__ import annotations

import operator as operators
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array import dtypes
from adjoint.array.descriptor import ARRAY, REAL_NUMBERS
from adjoint.array.kernels.ufuncs import is_ufunc, quick
from adjoint.array.silence import restore, silence
from adjoint.core.inplace import apply_inplace, bump
from adjoint.core.mode import get_mode
from adjoint.core.node import Node
from adjoint.core.record import record
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import rebase, refresh_views
from adjoint.ops.families import operator
from adjoint.ops.numbers import number
from adjoint.ops.pointwise import _pow, _pow_number

Array = Any
Tensor = Any


def inplace(function: Callable[..., Any], *, numbers: bool = True) -> Callable[..., Any]:
    """The method that overwrites its tensor with ``function`` of it and of further operands, of
    which numbers may be excluded.
    """
    op = function.op  # type: ignore[attr-defined]
    name = f"{op.name}_"
    binary = len(op.operands) == 2 and not op.predicate
    kernel: Any = _UFUNCS.get(op.kernel, op.kernel) if binary else None
    straight = is_ufunc(kernel) and numbers
    level = op.level
    further = op.operands[1:]

    def method(self: Any, *operands: Any, **params: Any) -> Any:
        if straight and len(operands) == 1 and not params:
            raw = _straight_operand(self, operands[0], level)
            if raw is not None:
                memory = self._array
                token = silence()
                try:
                    kernel(memory, raw, memory)
                finally:
                    restore(token)
                bump(self)
                return self
        if params or len(operands) != len(further):
            operands = _arguments(name, further, operands, params)
        for place, operand in enumerate(operands):
            if not isinstance(operand, TensorBase) and (
                operand is None or not numbers or isinstance(operand, str | list | tuple | dict)
            ):
                raise TypeError(
                    f"{name}(): argument '{further[place]}' (position {place + 1}) must be "
                    f"Tensor, not {type(operand).__name__}"
                )
        return apply_inplace(op, self, operands, {})

    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"In-place version of ``{op.name}``."
    return method


def _arguments(
    name: str, further: tuple[str, ...], given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, ...]:
    """The operands beside the tensor itself, some of them given by name.

    Raises: TypeError in PyTorch's words.
    """
    if not further and given:
        raise TypeError(f"TensorBase.{name}() takes no arguments ({len(given)} given)")
    if not further and named:
        raise TypeError(f"TensorBase.{name}() takes no keyword arguments")
    if len(given) > len(further):
        plural = "s" if len(further) > 1 else ""
        raise TypeError(
            f"{name}() takes {len(further)} positional argument{plural} but {len(given)} were given"
        )
    missing = [operand for operand in further[len(given) :] if operand not in named]
    if missing:
        names = ", ".join(f'"{operand}"' for operand in missing)
        raise TypeError(f"{name}() missing {len(missing)} required positional arguments: {names}")
    unexpected = [key for key in named if key not in further[len(given) :]]
    if unexpected:
        raise TypeError(f"{name}() got an unexpected keyword argument '{unexpected[0]}'")
    return (*given, *[named[operand] for operand in further[len(given) :]])


_UFUNCS: dict[Any, Any] = {
    operators.add: quick(np.add),
    operators.sub: quick(np.subtract),
    operators.mul: quick(np.multiply),
    operators.truediv: quick(np.divide),
}


def _straight_operand(t: Any, other: Any, level: int) -> Any:
    """The raw second operand of a write without a record, a cast or a check; None if it needs them.

    ``t`` holds an array of its own and is neither a view nor looked at by any.
    """
    if not isinstance(t, TensorBase) or t._side is not None:
        return None
    desc, array, counter = t._desc, t._array, t._counter
    mode = get_mode()
    if desc.fast < level or desc.storage != ARRAY or array.base is not None:
        return None
    if mode > 1 or (mode and t._edge is not None) or (counter is not None and counter.views):
        return None
    kind = type(other)
    if kind is int or kind is float:
        if desc.fast != REAL_NUMBERS:
            return None
        constant = desc.constants_get(other)
        if constant is not None:
            return constant
        try:
            return desc.constant(other)
        except (RuntimeWarning, OverflowError):
            return None
    if isinstance(other, TensorBase) and other._desc is desc:
        raw = other._array
        if not (mode and other._edge is not None) and (raw is array or raw.base is None):
            return raw
    return None


# ---- writes that only exist in place -------------------------------------------------------------


@operator(
    "linear",
    (lambda xp, g: xp.zeros_like(g), lambda xp, g: g),
    linear=True,
    node="CopyBackwards",
)
def _copy(xp: Any, input: Array, src: Array) -> Array:
    """Return ``src``, broadcast and cast to what ``input`` is."""
    return xp.copy(xp.astype(xp.broadcast_to(src, input.shape), input.dtype))


@operator(
    "linear",
    (lambda xp, g: xp.zeros_like(g),),
    jvp=lambda xp, t: xp.zeros_like(t),
    linear=True,
    node="FillBackward2",
)
def _fill(xp: Any, input: Array, *, value: Any) -> Array:
    """Return ``value`` everywhere."""
    return xp.full(input.shape, value, input.dtype)


@operator(
    "linear",
    (lambda xp, g: xp.zeros_like(g), lambda xp, g: g),
    linear=True,
    node="FillBackward3",
)
def _fill_value(xp: Any, input: Array, value: Array) -> Array:
    """Return the 0-d ``value`` everywhere."""
    return xp.astype(xp.broadcast_to(value, input.shape), input.dtype)


@operator("linear", (lambda xp, g: xp.zeros_like(g),), linear=True, node="ZeroBackward0")
def _zero(xp: Any, input: Array) -> Array:
    """Return zeros."""
    return xp.zeros_like(input)


def _write_copy(memory: Array, src: Array) -> None:
    np.copyto(memory, _cast(src, memory.dtype), casting="unsafe")


def _write_fill(memory: Array, *, value: Any) -> None:
    memory.fill(value)


def _write_value(memory: Array, value: Array) -> None:
    memory[...] = _cast(value, memory.dtype)


def _write_zero(memory: Array) -> None:
    memory.fill(0)


def _cast(raw: Array, dtype: Any) -> Array:
    """What NumPy's casts do not do as PyTorch does: complex to bool, complex to real in silence."""
    if raw.dtype.kind != "c" or dtype.kind == "c":
        return raw
    return raw != 0 if dtype.kind == "b" else raw.real


for _function, _write in (
    (_copy, _write_copy),
    (_fill, _write_fill),
    (_fill_value, _write_value),
    (_zero, _write_zero),
):
    _function.op.overwrite = _write
for _function in (_fill, _zero):
    _function.op.overlapping = True
_copy.op.namespace = "torch::autograd::"


# ---- PyTorch's methods ---------------------------------------------------------------------------


def copy_(self: Tensor, src: Tensor, non_blocking: bool = False) -> Tensor:
    """Overwrite ``self`` with ``src``, broadcast and cast.

    Raises: RuntimeError if ``src`` does not broadcast to the shape of ``self``.
    """
    if isinstance(src, bool | int | float | complex):
        value = make_tensor(np.asarray(src)[()])
        return apply_inplace(_copy.op, self, (value,), {})
    if not isinstance(src, TensorBase):
        raise TypeError(
            f"copy_(): argument 'other' (position 1) must be Tensor, not {type(src).__name__}"
        )
    if self._desc is not src._desc:
        _check_broadcast(self._desc.shape, src._desc.shape)
    return apply_inplace(_copy.op, self, (src,), {})


def _check_broadcast(target: tuple[int, ...], source: tuple[int, ...]) -> None:
    n = max(len(target), len(source))
    wide, given = (1,) * (n - len(target)) + target, (1,) * (n - len(source)) + source
    for dim in range(n - 1, -1, -1):
        if given[dim] not in (1, wide[dim]) and wide[dim] != 1:
            raise RuntimeError(
                f"The size of tensor a ({wide[dim]}) must match the size of tensor b ({given[dim]})"
                f" at non-singleton dimension {dim}"
            )
    if n > len(target) or any(a != b and b != 1 for a, b in zip(wide, given)):
        joined = [max(a, b) if 0 not in (a, b) else 0 for a, b in zip(wide, given)]
        raise RuntimeError(
            f"output with shape {list(target)} doesn't match the broadcast shape {joined}"
        )


def fill_(self: Tensor, value: Any) -> Tensor:
    """Overwrite every element with ``value``, a number or a 0-d tensor."""
    if isinstance(value, TensorBase):
        if value._desc.shape:
            raise RuntimeError(
                "fill_ only supports 0-dimension value tensor but got tensor with "
                f"{len(value._desc.shape)} dimensions."
            )
        return apply_inplace(_fill_value.op, self, (value,), {})
    params = {"value": number(value, self._desc.dtype)}
    return apply_inplace(_fill.op, self, (), params)


def zero_(self: Tensor, *others: Any, **named: Any) -> Tensor:
    """Overwrite every element with 0."""
    if others or named:
        _arguments("zero_", (), others, named)
    return apply_inplace(_zero.op, self, (), {})


def zero_history(t: Tensor, name: str) -> None:
    """Continue the history of a tensor that was overwritten by what has no derivative."""
    node = record(_zero.op, (t,), {}, t._array, t._desc, get_mode())
    if node is None:
        return
    kind = _named_zeros.get(name)
    if kind is None:
        base = _zero.op.node_class
        kind = _named_zeros[name] = type(name, (base,), {"__slots__": ()})
    node.__class__ = kind
    rebase(t, node)
    refresh_views(t._version_counter())


_named_zeros: dict[str, type[Node]] = {}


def pow_(self: Tensor, exponent: Any) -> Tensor:
    """In-place version of ``pow``."""
    category = self._desc.dtype.category
    if category == dtypes.BOOL and exponent is True:
        return self
    if (
        isinstance(exponent, TensorBase)
        or category < dtypes.FLOATING
        or (isinstance(exponent, complex) and category == dtypes.FLOATING)
    ):
        return apply_inplace(_pow.op, self, (exponent,), {})
    return apply_inplace(_pow_number.op, self, (), {"exponent": exponent})
