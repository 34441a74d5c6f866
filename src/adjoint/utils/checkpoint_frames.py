"""Behind `utils.checkpoint`: what stands for the saved tensors of a call, and how they come back.

In: a function to run again, and the saved-tensor hooks of `autograd.graph`.  Out: a `Frame`, whose
hooks keep nothing but a number for each saved tensor, and compute all of them anew when a backward
asks for the first.

Note [Frames]
    The nodes of a checkpointed call hold `Holder`s in the place of what they would have saved; a
    holder owns the frame, the frame knows its holders weakly. So the frame, and with it the call's
    arguments, goes when the last node of the call goes, and nothing refers in a circle.

Note [One recomputation for each walk]
    What a recomputation gives belongs to the backward that asked for it: each value is handed out
    once and then forgotten, so memory falls as the walk proceeds, and whatever it did not ask for
    goes when it ends. A second backward computes again. Outside of a backward
    (``grad_fn._saved_x``) every question is answered by a recomputation of its own.

Note [Gradients inside]
    A function that takes gradients of its own inside asks for saved tensors before it is over. Then
    it is run again as far as it has come; where it can not be stopped there (``early_stop=False``),
    what it saves beyond that is not compared with anything.

Note [Overwritten while it is computed again]
    A function that overwrites what one of its operations saved has no right gradient. Without a
    checkpoint the version counters tell; here they are looked at when the recomputation is over.
"""

from __future__ import annotations

import linecache
import sys
import weakref
from collections.abc import Callable
from typing import Any

from adjoint.autograd.graph import saved_tensors_hooks
from adjoint.core import engine, errors
from adjoint.core.duals import usual_descriptor
from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = ["CheckpointError", "Frame", "Holder", "default_facts", "site"]

Tensor = Any

_NAME = "torch.utils.checkpoint"


class CheckpointError(RuntimeError):
    """A checkpointed function did not do in its recomputation what it did before."""

    __module__ = "adjoint.utils.checkpoint"  # where users find it


class Stop(BaseException):
    """Ends a recomputation that has given all that is asked of it.

    No `Exception`: the function's own ``except Exception`` is not to catch it.
    """


class Holder:
    """Stands in a node's place of the tensor number ``index`` that a checkpointed call saved."""

    __slots__ = ("__weakref__", "frame", "index")

    def __init__(self, frame: Frame, index: int) -> None:
        self.frame = frame
        self.index = index


class _Value:
    """A tensor that was computed again, and what tells whether it was overwritten since."""

    __slots__ = ("expected", "node", "nr", "problem", "tensor")

    def __init__(self, tensor: Tensor) -> None:
        edge = tensor._edge
        self.tensor = tensor
        self.expected = tensor._version
        # of a result, the node learns when it is overwritten: what is shown to hooks is a copy
        self.node = None if edge is None or edge.leaf else edge.node
        self.nr = None if edge is None else edge.nr
        self.problem = ""

    def settle(self) -> None:
        """The recomputation is over: note whether the value is still what was saved."""
        node, tensor = self.node, self.tensor
        counter = tensor._counter
        if node is not None and (counter is None or counter.value == self.expected):
            watched = node.counter
            counter = watched.get(self.nr) if isinstance(watched, dict) else watched
        origin = errors.output_of(tensor._edge)
        if counter is not None and counter.value != self.expected:
            name = _Name("checkpoint" if node is None else node.name())
            wanted = self.expected
            error = errors.modified(name, "result", tensor._desc, counter, wanted, origin)
            self.problem = str(error)
        self.tensor = make_tensor(tensor._array, None, usual_descriptor(tensor._desc))
        self.node = None


class _Name:
    """Stands for a node in a message."""

    def __init__(self, name: str) -> None:
        self._name = name

    def name(self) -> str:
        return self._name


def default_facts(tensor: Tensor) -> dict[str, Any]:
    """What must be the same of a tensor when it is computed again."""
    return {"shape": tensor.shape, "dtype": tensor.dtype, "device": tensor.device}


def no_facts(tensor: Tensor) -> None:
    """Nothing: the user answers for the function."""


FACTS: dict[str, Callable[[Tensor], Any]] = {"default": default_facts, "none": no_facts}


class Frame:
    """One checkpointed call: how to run it again, and who waits for what it saved.

    ``rerun``: calls the function once more, in the circumstances of the first time; ``facts``: what
    to compare of the tensors; ``log``: keep the lines that saved them, for messages; ``over``: set
    once the function has returned.
    """

    __slots__ = (
        *("__weakref__", "early_stop", "facts", "holders", "known", "lines", "over", "rerun"),
        "values",
    )

    def __init__(
        self, rerun: Callable[[], Any], facts: Callable[[Tensor], Any], early_stop: bool, log: bool
    ) -> None:
        self.rerun = rerun
        self.facts = facts
        self.early_stop = early_stop
        self.lines: list[str] | None = [] if log else None
        self.over = False  # whether the function has returned
        self.holders: list[weakref.ref[Holder]] = []
        self.known: list[Any] = []
        self.values: weakref.WeakKeyDictionary[engine.Walk, dict[int, _Value]] = (
            weakref.WeakKeyDictionary()
        )

    def hooks(self) -> saved_tensors_hooks:
        """The hooks under which the function runs for the first time."""
        return saved_tensors_hooks(self.pack, unpack)

    def pack(self, tensor: Tensor) -> Holder:
        """Keep a number, and the facts."""
        holder = Holder(self, len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.known.append(self.facts(tensor))
        if self.lines is not None:
            self.lines.append(_line(tensor))
        return holder

    # ---- computing again ---------------------------------------------------------------------

    def recompute(self) -> dict[int, _Value]:
        """Run the function again; return what it saved, for the holders that are alive.

        Raises: CheckpointError if it saved more, less or other tensors than the first time.
        """
        wanted = len(self.holders)
        values: dict[int, _Value] = {}
        seen: list[Any] = []
        lines: list[str] = []

        def pack(tensor: Tensor) -> Tensor:
            place = len(seen)
            if place >= wanted and not self.over:
                return tensor  # see Note [Gradients inside]
            if place >= wanted:
                raise self._error(
                    f"{_NAME}: trying to save more tensors during recomputation than during the "
                    "original forward pass.",
                    lines,
                )
            seen.append(self.facts(tensor))
            if self.lines is not None:
                lines.append(_line(tensor))
            if self.holders[place]() is not None:
                values[place] = _Value(tensor)
            if self.early_stop and len(seen) == wanted:
                raise Stop
            return tensor

        try:
            with saved_tensors_hooks(pack, _as_it_is):
                self.rerun()
        except Stop:
            pass
        for value in values.values():
            value.settle()
        if len(seen) != wanted:
            raise self._error(
                f"{_NAME}: A different number of tensors was saved during the original forward and "
                f"recomputation.\nNumber of tensors saved during forward: {wanted}\nNumber of "
                f"tensors saved during recomputation: {len(seen)}.",
                lines,
            )
        self._compare(seen, lines)
        return values

    def _compare(self, seen: list[Any], lines: list[str]) -> None:
        differences = [
            f"tensor at position {i}:\nsaved metadata: {was}\nrecomputed metadata: {now}"
            for i, (was, now) in enumerate(zip(self.known, seen))
            if was != now and self.holders[i]() is not None
        ]
        if differences:
            raise self._error(
                f"{_NAME}: Recomputed values for the following tensors have different metadata "
                "than during the forward pass.\n" + "\n".join(differences),
                lines,
            )

    def _error(self, text: str, lines: list[str]) -> CheckpointError:
        if self.lines is None:
            return CheckpointError(
                f"{text}\n\nThe function must do the same when it runs again: look for conditions "
                "on counters, global state or random numbers of other libraries. `debug=True` (or "
                "`with set_checkpoint_debug_enabled(True):`) shows the lines that saved tensors."
            )
        return CheckpointError(
            " An error happened while unpacking tensors; dumping logs of latest computation\n"
            "because you passed `debug=True` to `torch.utils.checkpoint.checkpoint()`.\n\n"
            f"Saved in the original forward:\n{_numbered(self.lines)}\n\n"
            f"Saved in the recomputation:\n{_numbered(lines)}\n\n{text}"
        )


def unpack(holder: Holder) -> Tensor:
    """The tensor that a holder stands for; see Note [One recomputation for each walk].

    Raises: CheckpointError if one walk asks twice, or if the function did something else;
    RuntimeError if the function overwrote the tensor.
    """
    frame, walk = holder.frame, engine.running.get()
    values = None if walk is None else frame.values.get(walk)
    if values is None:
        values = frame.recompute()
        if walk is not None:
            frame.values[walk] = values
    found = values.pop(holder.index, None)
    if found is None:
        raise CheckpointError(
            f"{_NAME}: Unpack is being triggered for a tensor that was already unpacked once. If "
            "you are calling ctx.saved_tensors in backward, make sure to do so only once. "
            "(Each recomputed value is handed out once and then forgotten: keep it in a variable.)"
        )
    if found.problem:
        raise RuntimeError(found.problem)
    return found.tensor


def _as_it_is(tensor: Tensor) -> Tensor:
    """The graph of a recomputation is an ordinary one: the function may walk it itself."""
    return tensor


# ---- where the user is ---------------------------------------------------------------------------


def site() -> tuple[str, int, str]:
    """The file, line and function outside this library that led to here."""
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__", "").split(".")[0] == "adjoint":
        frame = frame.f_back
    if frame is None:
        return "<unknown>", 0, "<unknown>"
    return frame.f_code.co_filename, frame.f_lineno, frame.f_code.co_name


def _line(tensor: TensorBase) -> str:
    """One line of a log: what was saved, and where."""
    file, number, function = site()
    text = linecache.getline(file, number).strip()
    kind = str(tensor.dtype).removeprefix("torch.")  # type: ignore[attr-defined]
    shape = list(tensor._desc.shape)
    return f"{kind} {shape} at {file}:{number}, in {function}: {text}"


def _numbered(lines: list[str]) -> str:
    return "\n".join(f"  {i}. {line}" for i, line in enumerate(lines)) or "  nothing"
