"""Arrays that write down what is computed with them.

In: NumPy arrays that stand for what will be different the next time.  Out: `TracedArray`s, which
compute as the arrays do, and hand every step to their `Trace`.

Note [Nothing escapes]
    Whatever is computed from a traced array goes through its `Trace`: an operator, a method, a
    function of the contract, a universal function. Everything else that NumPy would do with it
    (take its values, write into it, turn it into a number) raises `Untraceable`, so that what is
    not written down cannot happen. What is computed from other arrays alone is the same every time,
    and is a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from adjoint.array.descriptor import Descriptor

if TYPE_CHECKING:
    from adjoint.array.traced.trace import Trace

__all__ = ["METHODS", "Attribute", "Method", "Step", "TracedArray", "Untraceable", "item"]

Array = Any


class Untraceable(Exception):
    """Something asked for the values of a traced array."""


class Method:
    """``x.name(*arguments)`` as a function."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, x: Array, *arguments: Any) -> Any:
        return getattr(x, self.name)(*arguments)


class Attribute:
    """``x.name`` as a function."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(self, x: Array) -> Any:
        return getattr(x, self.name)


def item(x: Any, index: Any) -> Any:
    """``x[index]``: part of an array, or one of several results."""
    return x[index]


class Step(NamedTuple):
    """``out = function(*args, **kwargs)``; ``out`` is the number of a traced array."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    out: int


METHODS = {
    name: Method(name)
    for name in ("astype", "copy", "dot", "reshape", "squeeze", "swapaxes", "transpose", "view")
}
_ATTRIBUTES = {name: Attribute(name) for name in ("T", "imag", "real")}


class TracedArray(np.lib.mixins.NDArrayOperatorsMixin):
    """An array ``value`` that is number ``number`` of a trace."""

    __slots__ = ("number", "trace", "value")

    def __init__(self, value: Array, number: int, trace: Trace) -> None:
        self.value = value
        self.number = number
        self.trace = trace

    # ---- facts -------------------------------------------------------------------------------

    @property
    def array_library(self) -> Any:
        """The contract over traced arrays."""
        return self.trace.library

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes of the axes."""
        return np.shape(self.value)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return np.ndim(self.value)

    @property
    def size(self) -> int:
        """The number of elements."""
        return np.size(self.value)

    @property
    def dtype(self) -> Any:
        """NumPy's type of the elements."""
        return self.value.dtype

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        n: int = self.value.dtype.itemsize
        return n

    def describe(self) -> Descriptor:
        """What it is, for the tape: a type of its own, which takes no straight path."""
        return self.trace.descriptor(self.shape, self.dtype)

    def __len__(self) -> int:
        return len(self.value)

    def __iter__(self) -> Iterator[TracedArray]:
        return (self[i] for i in range(len(self.value)))

    def __repr__(self) -> str:
        return f"TracedArray({self.number}, {self.value!r})"

    # ---- computing ---------------------------------------------------------------------------

    def _method(self, name: str, *arguments: Any) -> Any:
        return self.trace.call(METHODS[name], (self, *arguments))

    def reshape(self, *shape: Any) -> Any:
        """The same elements in another shape."""
        wanted = tuple(shape[0]) if len(shape) == 1 and isinstance(shape[0], tuple) else shape
        return self._method("reshape", wanted)

    def transpose(self, *axes: Any) -> Any:
        """The axes in another order."""
        return self._method("transpose", *axes)

    def squeeze(self, axis: Any = None) -> Any:
        """Without axes of size 1."""
        return self._method("squeeze", axis)

    def swapaxes(self, axis1: int, axis2: int) -> Any:
        """Two axes exchanged."""
        return self._method("swapaxes", axis1, axis2)

    def copy(self, order: Any = "C") -> Any:
        """The array itself: nobody writes into it."""
        return self

    def astype(self, dtype: Any, copy: bool = True) -> Any:
        """The same values in another dtype."""
        return self if self.dtype == dtype else self._method("astype", dtype)

    def dot(self, other: Any) -> Any:
        """The matrix product."""
        return self._method("dot", other)

    def view(self, dtype: Any) -> Any:
        """The same memory as another dtype."""
        return self._method("view", dtype)

    @property
    def T(self) -> Any:
        """The axes reversed."""
        return self.trace.call(_ATTRIBUTES["T"], (self,))

    @property
    def real(self) -> Any:
        """The real parts."""
        return self.trace.call(_ATTRIBUTES["real"], (self,))

    @property
    def imag(self) -> Any:
        """The imaginary parts."""
        return self.trace.call(_ATTRIBUTES["imag"], (self,))

    def __getitem__(self, index: Any) -> Any:
        return self.trace.call(item, (self, index))

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        """Any universal function, and its sums along axes."""
        if any(type(x) is not TracedArray and hasattr(x, "array_library") for x in inputs):
            return NotImplemented  # batched arrays have traced ones inside
        if kwargs.pop("out", None) is not None:
            raise Untraceable(f"np.{ufunc.__name__} into an array that is there")
        if method == "__call__":
            return self.trace.call(ufunc, inputs, kwargs)
        if method != "reduce":
            raise Untraceable(f"np.{ufunc.__name__}.{method}")
        return self.trace.call(ufunc.reduce, inputs, kwargs)

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        """Those of NumPy's functions that compute a new array and no more."""
        if function is np.shape:
            return self.shape
        if function not in _FUNCTIONS:
            raise Untraceable(f"np.{function.__name__}")
        return self.trace.call(function, args, kwargs)

    # ---- what would need the values ----------------------------------------------------------

    def _refuse(self, *_: Any, **__: Any) -> Any:
        raise Untraceable("the values of a traced array")

    __array__ = __bool__ = __complex__ = __float__ = __index__ = __int__ = __setitem__ = _refuse
    all = any = fill = item = max = min = tolist = _refuse


_FUNCTIONS = {
    np.argmax,
    np.argmin,
    np.broadcast_to,
    np.concatenate,
    np.cumprod,
    np.cumsum,
    np.diagonal,
    np.matmul,
    np.moveaxis,
    np.nan_to_num,
    np.roll,
    np.rot90,
    np.stack,
    np.tile,
    np.tril,
    np.triu,
    np.where,
}
