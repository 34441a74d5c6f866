"""NumPy's elementwise functions and sums, or the compiled ones that give the same bits.

In: a ufunc.  Out: what computes it here: where the compiled kernels are built an `Elementwise`,
which needs a quarter of the time for small arrays and takes several threads for large ones, else
the ufunc itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later
from adjoint.array.native import kernels

if TYPE_CHECKING:
    from adjoint.array.kernels import threads
else:
    threads = Later("adjoint.array.kernels.threads")

__all__ = [
    "COMPILED",
    "add_reduce",
    "arithmetic",
    "compiled",
    "is_ufunc",
    "max_reduce",
    "min_reduce",
    "quick",
    "threshold_backward",
]

Array = Any

compiled: Any = kernels()  # the module in C, or None
_numpy_add_reduce: Any = np.add.reduce

# The class of compiled functions; a class without instances where there are none.
COMPILED: Any = type("Elementwise", (), {}) if compiled is None else compiled.Elementwise

_made: dict[Any, Any] = {}


def quick(ufunc: Any) -> Any:
    """What computes ``ufunc``: one object for each, so that it may be compared by identity."""
    if compiled is None:
        return ufunc
    made = _made.get(ufunc)
    if made is None:
        made = _made[ufunc] = compiled.Elementwise(ufunc)
    return made


# Sum, difference, product, quotient and negative, by the codes of core/native/state.h.
arithmetic = tuple(map(quick, (np.add, np.subtract, np.multiply, np.divide, np.negative)))


def is_ufunc(function: Any) -> bool:
    """Whether a function is NumPy's elementwise kind, compiled or not."""
    return isinstance(function, np.ufunc) or type(function) is COMPILED


def _compiled_add_reduce(
    x: Array, axis: Any = None, dtype: Any = None, out: None = None, keepdims: bool = False
) -> Array:
    made = compiled.add_reduce(x, axis, keepdims) if dtype is None or dtype is x.dtype else None
    return _numpy_add_reduce(x, axis, dtype, out, keepdims) if made is None else made


def _compiled_extreme(reduce: Any, sign: int) -> Callable[..., Array]:
    """``reduce``, the maximum or minimum, with the compiled one before it."""
    find = compiled.extreme

    def extreme(
        x: Array, axis: Any = None, dtype: None = None, out: None = None, keepdims: bool = False
    ) -> Array:
        made = find(x, axis, keepdims, sign)
        return reduce(x, axis, dtype, out, keepdims) if made is None else made

    return extreme


def _compiled_threshold_backward(g: Array, out: Array) -> Array:
    made = compiled.threshold_backward(g, out)
    return _threshold_backward(g, out) if made is None else made


def _threshold_backward(g: Array, out: Array) -> Array:
    """The cotangent of the argument of ``out = max(x, 0)``: where that is 0, no ``g`` passes, be it
    infinite or nan. The bits are multiplied, which takes half the time of a choice.
    """
    return (g.view(_BITS[g.itemsize]) * (out != 0)).view(g.dtype)


_BITS = {size: np.dtype(f"i{size}") for size in (1, 2, 4, 8)}


def _adds_in_the_same_order() -> bool:
    """Whether the compiled sums have the bits of this NumPy's, whose order of additions may change
    from one release to the next.
    """
    for dtype in (np.float32, np.float64):
        numbers = np.sin(np.arange(3 * 1003, dtype=dtype))
        for x, axis in ((numbers, None), (numbers.reshape(3, -1), 1), (numbers.reshape(-1, 3), 0)):
            made = compiled.add_reduce(x, axis, False)
            if made is None or made.tobytes() != _numpy_add_reduce(x, axis).tobytes():
                return False
    return True


# ``add_reduce(x, axis, dtype, None, keepdims)``: as `numpy.add.reduce`.
add_reduce: Callable[..., Array] = _numpy_add_reduce
max_reduce: Callable[..., Array] = np.maximum.reduce  # likewise
min_reduce: Callable[..., Array] = np.minimum.reduce
threshold_backward: Callable[[Array, Array], Array] = _threshold_backward

if compiled is not None:
    compiled.ask_threads(lambda: threads.threads_for(threads.WORTH))
    threshold_backward = _compiled_threshold_backward
    max_reduce = _compiled_extreme(np.maximum.reduce, 1)
    min_reduce = _compiled_extreme(np.minimum.reduce, -1)
    if _adds_in_the_same_order():
        add_reduce = _compiled_add_reduce
