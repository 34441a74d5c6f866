"""What optimizers do to raw arrays: flat views, scaled additions, step counts.

In: parameters, their gradients, their state.  Out: updates in place.  ``y += a * x`` goes to BLAS,
which rounds once (fused multiply-add), as PyTorch's kernels do: the numbers agree to the last bit.

Note [Slots]
    What a step needs of a parameter - its memory in one dimension, scratch of its size, its state -
    is found once and kept in a `Slot`. A slot is good as long as the parameter has the same memory
    and ``optimizer.state`` holds the same dictionaries; both are looked at in every step.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.core.tensor_base import make_tensor

__all__ = [
    "Slot",
    "Slots",
    "add_quotient",
    "approach",
    "average_square",
    "axpy_for",
    "count_step",
]

Array = Any
Axpy = Callable[[Array, Array, int, float], Any]


@functools.cache
def axpy_for(dtype: Any, small: bool = False) -> Axpy:
    """The function ``axpy(x, y, n, a)`` that adds ``a * x`` to ``y``, both flat, of one dtype;
    ``small``: they are at most one piece.
    """
    name = {"float32": "saxpy", "float64": "daxpy"}.get(dtype.name)
    if name is None:
        return _plain_axpy
    axpy: Axpy = getattr(importlib.import_module("scipy.linalg.blas"), name)
    return axpy if small else _in_pieces(axpy)


_PIECE = 8192
_TILE = 4 * _PIECE  # elements of a piece of a step: six arrays of them stay in the cache


def _in_pieces(axpy: Callable[..., Any]) -> Axpy:
    """``axpy`` over pieces that stay in the cache, and below the length from which SciPy's BLAS
    starts threads of its own: they would spin beside those of NumPy's BLAS, on the same cores.
    """

    def apply(x: Array, y: Array, n: int, a: float) -> None:
        if n <= _PIECE:
            axpy(x, y, n, a)
            return
        for start in range(0, n, _PIECE):
            axpy(x, y, min(_PIECE, n - start), a, start, 1, start, 1)

    return apply


def _plain_axpy(x: Array, y: Array, n: int, a: float) -> None:
    y += x * y.dtype.type(a)


def _nothing(x: Array, y: Array, n: int, a: float) -> None:
    """An update of no elements."""


class Slot:
    """One parameter as the update sees it; see Note [Slots].

    ``flat`` is a view of ``array``, the parameter's, in one dimension (of a complex one: of its
    real and imaginary parts). Where there is no such view it is a copy: `fetch` reads it, `commit`
    writes.
    """

    __slots__ = (
        *("array", "axpy", "buffers", "changes", "constants", "copied", "flat", "n", "param"),
        *("scratch", "scratch2", "state"),
    )

    def __init__(self, param: Any) -> None:
        self.param = param
        self.state: Any = None
        self.array = raw = param._array
        param._version_counter()
        memory = raw if isinstance(raw, np.ndarray) else np.array(raw)
        self.copied = memory is not raw or not memory.flags.c_contiguous
        self.flat = _flat(memory)
        self.n = self.flat.size
        self.axpy = axpy_for(self.flat.dtype, self.n <= _PIECE) if self.n else _nothing
        self.scratch = np.empty_like(self.flat)
        self.scratch2: Array = None
        self.buffers: dict[str, tuple[Array, Array]] = {}
        self.constants: dict[float, Array] = {}
        self.changes = (np.empty((), self.flat.dtype), np.empty((), self.flat.dtype))

    def fetch(self) -> None:
        """Read the parameter into the copy."""
        if self.copied:
            self.flat[...] = _flat(np.asarray(self.array))

    def commit(self) -> None:
        """Write the copy back to the parameter, and count the write."""
        param = self.param
        if self.copied:
            value = self.flat.view(self.array.dtype).reshape(self.array.shape)
            if isinstance(self.array, np.ndarray):
                self.array[...] = value
            else:  # a 0-d tensor holds a NumPy scalar, which cannot be written to: it gets another
                param._array = self.array = value[()]
                if param._edge is not None and param._edge.leaf:
                    param._edge.adopt(param)
        param._counter.value += 1

    def gradient(self, grad: Any) -> Array:
        """The gradient, flat; not to be written to."""
        return _flat(np.asarray(grad._array))

    def second_scratch(self) -> Array:
        """Another array to compute in."""
        if self.scratch2 is None:
            self.scratch2 = np.empty_like(self.flat)
        return self.scratch2

    def constant(self, number: float) -> Array:
        """A 0-d array for a number: the quickest operand that a ufunc can have."""
        made = self.constants.get(number)
        if made is None:
            if len(self.constants) > 64:
                self.constants.clear()
            made = self.constants[number] = np.array(number, self.flat.dtype)
        return made

    def changing(self, i: int, number: float) -> Array:
        """The same for a number that is another in every step: one of two 0-d arrays."""
        made = self.changes[i]
        made[()] = number
        return made

    def buffer(self, name: str, fill: float = 0.0) -> Array:
        """The memory of a state tensor, flat, to be written to; made when there is none.

        Counts a write to it.
        """
        tensor = self.state.get(name)
        if tensor is None:
            raw = np.full(self.array.shape, fill, self.array.dtype)
            tensor = self.state[name] = make_tensor(raw)
        tensor._version_counter().value += 1
        raw = tensor._array
        kept = self.buffers.get(name)
        if kept is not None and kept[0] is raw:
            return kept[1]
        raw = tensor._memory()
        if not raw.flags.c_contiguous:
            tensor._array = raw = np.ascontiguousarray(raw)
        flat = _flat(raw)
        self.buffers[name] = (raw, flat)
        return flat

    # ---- steps that several methods take ---------------------------------------------------------

    def adjusted(self, g: Array, maximize: bool, decay: float) -> Array:
        """The gradient, turned round to go uphill, plus ``decay`` times the parameter."""
        if maximize:
            g = np.negative(g)
        elif decay:
            g = np.array(g)
        if decay:
            self.axpy(self.flat, g, self.n, decay)
        return g

    def approach(self, m: Array, g: Array, part: float) -> None:
        """Move ``m`` towards ``g`` by a part of the way, from the nearer end."""
        approach(self.axpy, m, g, part, self.scratch)

    def average_square(self, name: str, v: Array, g: Array, beta: float) -> None:
        """``v = beta v + (1 - beta) g g``: the state called ``name``, written to twice."""
        average_square(v, g, self.constant(beta), self.constant(1 - beta), self.scratch)
        self.state[name]._counter.value += 1

    def add_quotient(self, numerator: Array, denominator: Array, factor: Array) -> None:
        """Add ``factor * numerator / denominator`` to the parameter."""
        add_quotient(self.flat, numerator, denominator, factor, self.second_scratch())

    def in_pieces(self, work: Callable[..., None], *arrays: Array) -> None:
        """Call ``work(*pieces, scratch, other)`` on pieces of flat arrays: what one call leaves in
        the cache the next finds there. (On several threads they would wait for each other: SciPy's
        BLAS keeps the interpreter's lock.)
        """
        scratch, other = self.scratch[:_TILE], self.second_scratch()[:_TILE]
        for start in range(0, self.n, _TILE):
            pieces = [array[start : start + _TILE] for array in arrays]
            size = pieces[0].size
            work(*pieces, scratch[:size], other[:size])


def approach(axpy: Axpy, m: Array, g: Array, part: float, scratch: Array) -> None:
    """Move ``m`` towards ``g`` by a part of the way, from the nearer end."""
    np.subtract(g, m, scratch)
    if part < 0.5:
        axpy(scratch, m, m.size, part)
    else:
        np.copyto(m, g)
        axpy(scratch, m, m.size, part - 1)


def average_square(v: Array, g: Array, beta: Array, rest: Array, scratch: Array) -> None:
    """``v = beta v + rest g g``."""
    np.multiply(v, beta, v)
    np.multiply(g, rest, scratch)
    np.multiply(scratch, g, scratch)
    np.add(v, scratch, v)


def add_quotient(
    param: Array, numerator: Array, denominator: Array, factor: Array, other: Array
) -> None:
    """``param += factor * numerator / denominator``."""
    np.multiply(numerator, factor, other)
    np.divide(other, denominator, other)
    np.add(param, other, param)


def _flat(memory: Array) -> Array:
    flat = memory.reshape(-1)
    return flat.view(flat.real.dtype) if flat.dtype.kind == "c" else flat


class Slots:
    """The slots of an optimizer, by the id of their parameter."""

    __slots__ = ("_seen", "table")

    def __init__(self) -> None:
        self.table: dict[int, Slot] = {}
        self._seen: list[int] = []

    def begin(self, state: Any) -> dict[int, Slot]:
        """The table, at the beginning of a step; the slots' states are unbound if they changed."""
        if [*map(id, state.values())] != self._seen:
            for slot in self.table.values():
                slot.state = None
        return self.table

    def of(self, param: Any) -> Slot:
        """The slot of a parameter, made anew when its memory is another."""
        slot = self.table.get(id(param))
        if slot is None or slot.array is not param._array or slot.param is not param:
            slot = self.table[id(param)] = Slot(param)
        return slot

    def bind(self, slot: Slot, state: Any) -> dict[str, Any]:
        """The state of the slot's parameter, looked up and kept."""
        slot.state = state[slot.param]
        self._seen = [*map(id, state.values())]
        return slot.state


def count_step(state: dict[str, Any]) -> float:
    """Add one to ``state["step"]``, a 0-d float32 tensor (made when there is none); return it."""
    step = state.get("step")
    if step is None:
        step = state["step"] = make_tensor(np.float32(0))
    raw = step._array
    if isinstance(raw, np.ndarray):
        raw += 1
    else:
        step._array = raw = raw + np.float32(1)
    step._version_counter().value += 1
    return float(raw)
