"""The contract over batched arrays, element by element: samples align, then broadcast.

In: arrays at least one of which may be batched, numbers.  Out: the same function of the library
below on the values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.array import numpy_
from adjoint.array.batched.levels import BatchedArray, aligned, library, top

__all__ = ["below", "elementwise", "lift", "make_elementwise"]

Array = Any


def below(values: Any) -> Any:
    """The array library for these values: batched arrays among them, or NumPy's alone."""
    return library[0] if any(type(v) is BatchedArray for v in values) else numpy_


def elementwise(name: str) -> Callable[..., Any]:
    """The function ``name`` of the contract over batched arrays."""
    plain = getattr(numpy_, name)

    def call(*arrays: Any, **parameters: Any) -> Any:
        if top(arrays) is None:
            return plain(*arrays, **parameters)
        level, values = aligned(arrays)
        return BatchedArray(getattr(below(values), name)(*values, **parameters), level)

    call.__name__ = name
    call.__doc__ = plain.__doc__
    return call


def make_elementwise(names: tuple[str, ...]) -> dict[str, Callable[..., Any]]:
    """These functions by name."""
    return {name: elementwise(name) for name in names}


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
