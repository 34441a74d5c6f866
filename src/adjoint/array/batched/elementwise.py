"""The contract over batched arrays, element by element: samples align, then broadcast.

In: arrays at least one of which may be batched, numbers.  Out: the same function of the library
below on the values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.array import numpy_
from adjoint.array.batched.levels import BatchedArray, aligned, library, top
from adjoint.array.kernels.tiles import LARGE
from adjoint.array.traced import TracedArray

__all__ = ["below", "elementwise", "lift", "straight"]

Array = Any


def below(values: Any) -> Any:
    """The array library for these values: batched arrays among them, traced ones, or NumPy's."""
    for value in values:
        if type(value) is BatchedArray:
            return library[0]
    for value in values:
        if type(value) is TracedArray:
            return value.array_library
    return numpy_


def elementwise(name: str) -> Callable[..., Any]:
    """The function ``name`` of the contract over batched arrays."""
    plain = getattr(numpy_, name)

    def call(*arrays: Any, **parameters: Any) -> Any:
        if len(arrays) == 1 and type(arrays[0]) is BatchedArray:
            return BatchedArray(call(arrays[0].value, **parameters), arrays[0].level)
        if top(arrays) is None:
            xp = below(arrays)
            function = plain if xp is numpy_ else getattr(xp, name)
            return function(*arrays, **parameters)
        level, values = aligned(arrays)
        return BatchedArray(call(*values, **parameters), level)

    call.__name__ = name
    call.__doc__ = plain.__doc__
    return call


def lift(pull: Callable[..., Any], node: Any, g: BatchedArray) -> Any:
    """What an elementwise pull over NumPy arrays of equal shapes makes of ``g``: it is applied to
    the NumPy array inside.
    """
    levels = []
    value: Any = g
    while type(value) is BatchedArray:
        levels.append(value.level)
        value = value.value
    levels.reverse()

    def wrapped(found: Any) -> Any:
        if found is not None:
            for level in levels:
                found = BatchedArray(found, level)
        return found

    found = pull(node, value)
    return [wrapped(f) for f in found] if isinstance(found, list | tuple) else wrapped(found)


def straight(
    kernel: Callable[..., Any], a: Array, b: Array, a_desc: Any, b_desc: Any
) -> tuple[Array, Any] | None:
    """``kernel``, element by element, of one array or of two (``b`` may be None): the result, and
    its descriptor where that is an operand's.

    None where they do not broadcast as they are, a level is over, or tiles pay.
    """
    if type(a) is BatchedArray:
        level, value = a.level, a.value
        if type(b) is BatchedArray:
            other = b.value
            if b.level is not level or other.ndim != value.ndim:
                return None
        else:
            other = b
            if b is not None and b.ndim >= value.ndim:
                return None
        desc = a_desc
    else:
        if type(b) is not BatchedArray:
            return None
        level, value, other, desc = b.level, a, b.value, b_desc
        if value.ndim >= other.ndim:
            return None
    if not level.open:
        return None
    if type(value) is BatchedArray or type(other) is BatchedArray:
        made = _deeper(kernel, value, other)
        return None if made is None else (BatchedArray(made, level), None)
    whole = value if desc is a_desc else other
    if whole.size >= LARGE:
        return None
    made = kernel(value) if other is None else kernel(value, other)
    same = made.shape == whole.shape and made.dtype is whole.dtype
    return BatchedArray(made, level), desc if same else None


def _deeper(kernel: Callable[..., Any], a: Array, b: Array) -> Array | None:
    """The same below the innermost level, where both may be NumPy's."""
    if type(a) is BatchedArray or type(b) is BatchedArray:
        found = straight(kernel, a, b, None, None)
        return None if found is None else found[0]
    if a.size >= LARGE or (b is not None and b.size >= LARGE):
        return None
    return kernel(a) if b is None else kernel(a, b)
