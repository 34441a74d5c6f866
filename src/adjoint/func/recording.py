"""One evaluation of a function, recorded, so that results can be pulled back to arguments.

In: a function and its arguments.  Out: its results as the world outside sees them, and gradients.
`grad`, `vjp` and the Jacobians are made of this.

Note [Inside and outside]
    While the function runs, the tensors that it is differentiated by are stand-ins: the same memory
    at a `Place` of its own on the tape, a leaf. A gradient goes no further than the places, so
    calls nest without confusing whose derivative is taken. Afterwards what leads to tensors outside
    (the function used something that requires grad, or a stand-in's tensor does) stays on the tape;
    all else is cut off, and then gradients are walked on raw arrays.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.array import dtypes
from adjoint.array.batched.levels import BatchedArray, BatchedValueError, Level, has_level, spread
from adjoint.array.batched.levels import leave as leave_raw
from adjoint.array.batched.levels import stack as stack_of_levels
from adjoint.core import mode as modes
from adjoint.core.backward import root_pairs
from adjoint.core.duals import copy_tangents, open_levels, usual_descriptor
from adjoint.core.engine import run_backward
from adjoint.core.mode import get_mode, grad_enabled, set_mode
from adjoint.core.node import OutEdge, Place, next_seq
from adjoint.core.plan import tensor_world
from adjoint.core.rows import open_rows
from adjoint.core.straight_rows import walk_rows
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import forget_history, new_histories
from adjoint.ops.batching import enter, leave
from adjoint.ops.join import stack
from adjoint.ops.view import select

__all__ = ["Recording"]


class Recording:
    """A call of a function with stand-ins for ``points``, which it is differentiated by.

    Raises: ValueError if a point is no tensor, RuntimeError if it is of integers.
    """

    __slots__ = ("_clean", "_own", "_start", "_written", "places", "points", "stand_ins")

    def __init__(self, points: Sequence[Any]) -> None:
        self._start = next_seq()
        self._clean: set[Any] = set()  # nodes known to lead nowhere outside
        self._written: list[weakref.ref[Any]] = []
        self.points = points
        self.places: list[Place] = []
        self.stand_ins = [self._stand_in(x) for x in points]
        self._own = set(self.places)

    def _stand_in(self, tensor: Any) -> Any:
        if not isinstance(tensor, TensorBase):
            raise ValueError(f"Thing passed to transform API must be Tensor, got {type(tensor)}")
        if tensor._desc.dtype.category < dtypes.FLOATING:
            raise RuntimeError(
                "only Tensors of floating point dtype can require gradients. (Differentiated by: a "
                f"tensor of {tensor._desc.dtype!r}; convert it with .to(), or choose other "
                "arguments with argnums.)"
            )
        made = make_tensor(tensor._array)
        made._counter = tensor._version_counter()
        made._edge = place = Place(made, tensor._edge)
        self.places.append(place)
        copy_tangents(tensor, made)
        return made

    def run(self, func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:
        """Call the function, recording whatever the mode outside is."""
        before = get_mode()
        set_mode((before | modes.GRAD) & ~modes.INFERENCE)
        log = new_histories.set(self._written)
        try:
            return func(*args, **kwargs)
        finally:
            new_histories.reset(log)
            set_mode(before)

    def close(self) -> None:
        """Note that all was found that is to be found while the places are leaves.

        What the function wrote into tensors from outside stays there, as its results do: on the
        tape where it leads outside.
        """
        for place in self.places:
            place.close()
        if self._written:
            outer = new_histories.get()
            for reference in self._written:
                tensor = reference()
                if tensor is None or tensor._edge is None:
                    continue
                if not self.escapes((tensor,)):
                    forget_history(tensor)
                elif outer is not None:
                    outer.append(reference)

    # ---- what leads where ------------------------------------------------------------------------

    def _leads_outside(self, edge: Any) -> bool:
        """Whether a gradient that enters ``edge`` could reach a tensor outside."""
        start, clean = self._start, self._clean
        seen: set[Any] = set()
        todo = [edge]
        while todo:
            edge = todo.pop()
            if type(edge) is OutEdge:
                edge = edge.node
            if edge in seen or edge in clean:
                continue
            if edge.seq < start:
                return True
            if edge.leaf:
                if type(edge) is Place and not self._ends_at(edge):
                    return True
            else:
                seen.add(edge)
                for further in edge.edges:
                    if further is not None:
                        todo.append(further)
        clean |= seen
        return False

    def _ends_at(self, place: Place) -> bool:
        """Whether a gradient goes no further than to a place that is a leaf now."""
        return place.outer is None and (place.over or place in self._own)

    def _is_outside(self, tensor: Any) -> bool:
        """Whether ``tensor``, or a tangent that it carries, depends on what is outside."""
        edge = tensor._edge
        if edge is not None and self._leads_outside(edge):
            return True
        return bool(open_levels) and any(map(self._is_outside, _tangents(tensor)))

    def leads_outside(self, tensors: Sequence[Any]) -> bool:
        """Whether one of ``tensors`` (None is none) depends on what is outside."""
        return any(t is not None and self._is_outside(t) for t in tensors)

    def escapes(self, tensors: Sequence[Any]) -> bool:
        """Whether one of ``tensors`` is to stay on the tape, for a world outside that records."""
        return grad_enabled() and self.leads_outside(tensors)

    def release(self, tensor: Any) -> Any:
        """A result of the function as the world outside sees it."""
        edge = tensor._edge
        if edge is None and not (open_levels and _tangents(tensor)):
            return tensor
        for stand_in, point in zip(self.stand_ins, self.points):
            if tensor is stand_in:
                return point
        if (edge is not None and self._is_older(edge)) or self.escapes((tensor,)):
            return tensor
        return self._cut(tensor)

    def _is_older(self, edge: Any) -> bool:
        """Whether what has this edge was there before the call."""
        return bool(edge.node.seq < self._start)

    def _cut(self, tensor: Any) -> Any:
        """``tensor`` without its place on the tape: over the same memory, with its tangents."""
        made = make_tensor(tensor._array, None, usual_descriptor(tensor._desc))
        made._counter = tensor._version_counter()
        side = tensor._side
        if side is None:
            return made
        for stand_in, point in zip(self.stand_ins, self.points):
            if side.base is stand_in:
                mine = made._rare()
                mine.base, mine.steps, mine.node = point, side.steps, side.node
                made._counter.add_view(made)
        if side.tangents is not None:
            copy_tangents(tensor, made)
            for number, tangent in list(made._rare().tangents.items()):
                made._rare().tangents[number] = self.release(tangent)
        return made

    # ---- gradients -------------------------------------------------------------------------------

    def pull(
        self,
        outputs: Sequence[Any],
        cotangents: Sequence[Any],
        *,
        keep: bool,
        create: bool,
        released: bool = True,
    ) -> list[Any]:
        """The gradient by each point of the weighted sum of ``outputs``.

        ``cotangents``: their weights (None: 1, for a single element); ``keep``: for another time;
        ``create``: record it, for gradients of gradients; ``released``: as the world outside sees
        it.
        """
        outs = tuple(o for o in outputs if o._edge is not None)
        given = tuple(c for o, c in zip(outputs, cotangents) if o._edge is not None)
        roots = root_pairs(outs, given, create or bool(open_levels))
        inputs: list[tuple[Any, int]] = [(place, 0) for place in self.places]
        whole = not (create or any(self._leads_outside(edge) for edge, _ in roots))
        found = run_backward(
            roots, keep=keep, create=create, inputs=inputs, accumulate=False, whole=whole
        )
        return [self._gradient(found.get(i), x, released) for i, x in enumerate(self.points)]

    def _walk(self, roots: list[Any], keep: bool, create: bool) -> dict[int, Any]:
        inputs: list[tuple[Any, int]] = [(place, 0) for place in self.places]
        whole = not (create or any(self._leads_outside(edge) for edge, _ in roots))
        return run_backward(
            roots, keep=keep, create=create, inputs=inputs, accumulate=False, whole=whole
        )

    def pull_rows(self, outputs: Sequence[Any], rows: Sequence[Any], *, create: bool) -> list[Any]:
        """The gradients by each point for all rows of cotangents at once, along a new dim 0.

        ``rows``: for each output a tensor (rows, *output), over NumPy's arrays.
        """
        if get_mode() & modes.SINGLY:
            return self._pull_singly(outputs, rows, create)
        try:
            return self._pull_together(outputs, rows, create)
        except BatchedValueError:  # something on the way wants a value
            if stack_of_levels.get():
                raise
        return self._pull_singly(outputs, rows, create)

    def _pull_singly(self, outputs: Sequence[Any], rows: Sequence[Any], create: bool) -> list[Any]:
        single = [
            self.pull(outputs, [select(row, 0, i) for row in rows], keep=True, create=create)
            for i in range(rows[0]._desc.shape[0])
        ]
        return [stack(column) for column in zip(*single)]

    def _pull_together(
        self, outputs: Sequence[Any], rows: Sequence[Any], create: bool
    ) -> list[Any]:
        with open_rows(rows[0]._desc.shape[0], "same") as level:
            if create or open_levels:
                cotangents = [enter(row, 0, level) for row in rows]
                found = self.pull(outputs, cotangents, keep=True, create=create)
                return [leave(g, 0, level) for g in found]
            roots = [
                (out._edge, row._array) for out, row in zip(outputs, rows) if out._edge is not None
            ]
            arrived = self._walk_straight(roots, level)
            if arrived is not None:
                return [_rows_at(place, arrived.get(place), level) for place in self.places]
            hidden = [(edge, BatchedArray(row, level)) for edge, row in roots]
            raws = self._walk(hidden, True, False)
            return [self._row_values(raws.get(i), x, level) for i, x in enumerate(self.points)]

    def _walk_straight(self, roots: list[Any], level: Level) -> dict[Any, Any] | None:
        """What arrives at the places, if nothing on the way is out of the ordinary."""
        if get_mode() & ~modes.GRAD != modes.LIBRARIES or stack_of_levels.get() != (level,):
            return None
        if any(self._leads_outside(edge) for edge, _ in roots):
            return None
        found: dict[Any, Any] = {}
        return found if walk_rows(roots, level, found) else None

    def _row_values(self, found: Any, point: Any, level: Level) -> Any:
        if found is None:
            raw = tensor_world().zeros_like(point)._array
        elif has_level(found, level):
            return make_tensor(leave_raw(found, 0, level))
        else:
            raw = found
        return make_tensor(leave_raw(spread(raw, level), 0, level))

    def _gradient(self, found: Any, point: Any, released: bool) -> Any:
        if found is None:
            return tensor_world().zeros_like(point)
        if not isinstance(found, TensorBase):
            return make_tensor(found)
        return self.release(found) if released else found


def _rows_at(place: Place, found: Any, level: Level) -> Any:
    """The rows that arrived at a place, as a tensor; zeros for none."""
    if found is None:
        desc = place.desc
        found = desc.type.xp.zeros((level.size, *desc.shape), desc.numpy)
    return make_tensor(found)


def _tangents(tensor: Any) -> list[Any]:
    side = tensor._side
    return [] if side is None or side.tangents is None else list(side.tangents.values())
