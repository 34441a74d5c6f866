"""Large elementwise work in tiles: each piece stays in the cache, and several threads take pieces.

In: a function of arrays that computes each element from those at the same place. Out: its result,
element for element the same as in one go, whatever the number of threads.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later
from adjoint.array.kernels.ufuncs import COMPILED, quick

if TYPE_CHECKING:
    from adjoint.array.kernels import threads
else:
    threads = Later("adjoint.array.kernels.threads")

__all__ = ["LARGE", "add_to", "elementwise"]

Array = Any

# Note: what was measured (float32, 4 million elements, two cores)
#
# In one go NumPy writes every intermediate result to memory. In tiles of 64K elements, on two
# threads: add 1.88 -> 1.08 ms, tanh 1.29 -> 0.84, the rule of tanh 4.1 -> 2.0, of a quotient
# 5.6 -> 3.1, x * x * x 2.5 -> 1.5. Smaller tiles lose time to calls, larger ones leave the cache.

LARGE = 1 << 21  # elements from which tiles pay
_TILE = 1 << 16
_COST = 4e-10  # seconds per element, roughly


def elementwise(function: Callable[..., Array], operands: Sequence[Any]) -> Array:
    """Return ``function(*operands)``; operands are arrays of one shape, or numbers and scalars.

    A single call in one go where the arrays are small, of several shapes, or not contiguous. An
    array that repeats one number counts as that number.
    """
    shape, given = None, operands
    for i, operand in enumerate(given):
        if isinstance(operand, np.ndarray) and operand.ndim:
            if operand.shape != (shape or operand.shape):
                return function(*given)
            shape = operand.shape
            if not operand.flags.c_contiguous:
                if operand.size < LARGE or any(operand.strides):
                    return function(*given)
                operands = [*operands[:i], operand[(0,) * operand.ndim], *operands[i + 1 :]]
    if shape is None or not any(isinstance(o, np.ndarray) and o.ndim for o in operands):
        return function(*given)
    flat = [
        operand.reshape(-1) if isinstance(operand, np.ndarray) and operand.ndim else operand
        for operand in operands
    ]
    arrays = [i for i, f in enumerate(flat) if isinstance(f, np.ndarray) and f.ndim]
    count = flat[arrays[0]].size
    if count < LARGE:
        return function(*given)

    if type(function) is COMPILED:  # it takes several threads itself
        return function(*operands)
    tiles = count // _TILE

    def piece(first: int, last: int) -> list[Any]:
        parts = list(flat)
        for i in arrays:
            parts[i] = flat[i][first:last]
        return parts

    start = function(*piece(0, 1))  # what dtype comes out
    if not isinstance(start, np.ndarray) or start.shape != (1,):
        return function(*given)
    result = np.empty(shape, start.dtype)
    made = result.reshape(-1)
    direct = isinstance(function, np.ufunc)

    def work(first: int, last: int) -> None:
        first, last = first * _TILE, count if last == tiles else last * _TILE
        with np.errstate(all="ignore"):  # a thread of the pool does not inherit it
            if direct:
                function(*piece(first, last), out=made[first:last])
                return
            while first < last:  # the last tile takes what is left over
                b = first + _TILE if last - first >= 2 * _TILE else last
                made[first:b] = function(*piece(first, b))
                first = b

    threads.split(work, tiles, count * _COST)
    return result


def add_to(target: Array, term: Array) -> bool:
    """Add ``term`` to ``target`` in place; False, and nothing done, where that is not plain."""
    if type(target) is not np.ndarray or type(term) is not np.ndarray or target.base is not None:
        return False
    if target.shape != term.shape or target.dtype != term.dtype or not target.flags.writeable:
        return False
    count = target.size
    if not (target.flags.c_contiguous and term.flags.c_contiguous):
        with np.errstate(all="ignore"):
            np.add(target, term, out=target)
        return True
    add = quick(np.add)
    if type(add) is COMPILED:
        add(target, term, target)
        return True
    flat, other = target.reshape(-1), term.reshape(-1)

    def work(first: int, last: int) -> None:
        first, last = first * _TILE, min(last * _TILE, count)
        with np.errstate(all="ignore"):
            np.add(flat[first:last], other[first:last], out=flat[first:last])

    threads.split(work, -(-count // _TILE), count * _COST)
    return True
