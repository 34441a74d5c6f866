"""What the tape knows of a tensor: five slots, a version counter, and rare state on the side.

In: raw arrays with their descriptors.  Out: `TensorBase`, which `adjoint.tensor.Tensor` extends by
the public names.  This module is also the one late binding of the house: the core makes instances
of the class that `tensor.py` registers.

Note [Edges]
    ``_edge`` says how a gradient travels on: None (no gradient wanted), a `Node` with one output,
    an `OutEdge` (output number ``nr`` of a node with several), or the `AccumulateGrad` of a leaf,
    which owns ``.grad``. "Requires grad" is "has an edge".

Note [Versions]
    Tensors that share memory share a `Counter`; None stands for a counter at 0 that nobody needed
    yet. A node that saved its own output holds the output's array, not the tensor (that would be a
    cycle); the tensor's counter is handed to the node when it comes into being.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import numpy as np

from adjoint.array.descriptor import SCALAR, Descriptor, describe

__all__ = [
    "Counter",
    "Side",
    "TensorBase",
    "birthplace",
    "make_tensor",
    "needs_tensor_class",
    "register_tensor_class",
    "show_cotangent",
]


class Counter:
    """How often a piece of memory was written in place, and which views look at it."""

    __slots__ = ("site", "value", "views")

    def __init__(self, value: int = 0) -> None:
        self.value = value
        self.views: list[weakref.ref[TensorBase]] | None = None
        self.site: Any = None  # the user's code and line of the last in-place write

    def add_view(self, view: TensorBase) -> None:
        """Remember a differentiable view, so that a write to its base can give it a new history."""
        views = self.views
        if views is None:
            self.views = [weakref.ref(view)]
            return
        count = len(views)
        if count > 8 and not count & (count - 1):
            # at every power of two: forget views that are gone
            views[:] = [v for v in views if v() is not None]
        views.append(weakref.ref(view))


class Side:
    """Rare state of a tensor. ``base`` and ``steps``: the tensor it is a view of, and how.

    ``made`` tells under which circumstances a view was made (see core/inplace.py);
    ``grad``: the gradient of a tensor that is not a leaf; ``accumulator``: that of a leaf which at
    the moment does not require grad; ``inference``: made in inference mode.
    """

    # Defaults on the class, not in slots: a view sets four of them, most never change.
    base: TensorBase | None = None
    steps: tuple[Any, ...] = ()
    made: int = 0
    node: str = ""
    grad: TensorBase | None = None
    retain = False
    accumulator: Any = None
    inference = False
    tangents: Any = None
    cotangent = False  # see core/masked.py, Note [Cotangents that users see]
    source: TensorBase | None = None  # inside vmap: what it shares memory with, off the tape,
    aliases: tuple[weakref.ref[TensorBase], ...] = ()  # and who with it
    born = 0  # the innermost transform in which it was made, where its descriptor does not tell


class TensorBase:
    """A raw array, its descriptor, and its place on the tape."""

    __slots__ = ("__dict__", "__weakref__", "_array", "_counter", "_desc", "_edge", "_side")

    # What a subclass may override (PyTorch's protocol); None: nothing.
    __torch_function__: Any = None

    _array: Any
    _desc: Descriptor
    _edge: Any
    _counter: Counter | None
    _side: Side | None

    def _memory(self) -> Any:
        """The tensor's array, made addressable: a scalar becomes a 0-d array (Note [Three
        storages]).
        """
        if self._desc.storage == SCALAR and isinstance(self._array, np.generic):
            self._array = np.array(self._array)
            self._desc = self._desc.type.zero_d
            edge = self._edge
            if edge is not None and edge.leaf:
                edge.adopt(self)
        return self._array

    def _version_counter(self) -> Counter:
        """The version counter, made (and handed to the node that saved this output) on first
        use.
        """
        counter = self._counter
        if counter is None:
            counter = self._counter = Counter()
            edge = self._edge
            if edge is not None:
                edge.watch(counter)
        return counter

    def _mark_inference(self) -> None:
        """Note that it was made in inference mode; its calls take the path that asks for that."""
        self._rare().inference = True
        self._desc = slow_descriptor(self._desc)

    def _rare(self) -> Side:
        """The side record, made on first use."""
        side = self._side
        if side is None:
            side = self._side = Side()
        return side


_new = object.__new__

# The number of the innermost open transform that wants to know its tensors; 0: none.
birthplace: ContextVar[int] = ContextVar("adjoint_birthplace", default=0)
_born_in = birthplace.get
_tensor_class: type[TensorBase] = TensorBase
_receivers: list[Callable[[type[TensorBase]], None]] = []


def needs_tensor_class(
    receiver: Callable[[type[TensorBase]], None],
) -> Callable[[type[TensorBase]], None]:
    """Decorator: ``receiver(cls)`` is called once the public class is known."""
    _receivers.append(receiver)
    return receiver


def register_tensor_class(cls: type[TensorBase]) -> None:
    """Make ``cls`` the class of every tensor that the core creates."""
    global _tensor_class
    _tensor_class = cls
    for receiver in _receivers:
        receiver(cls)


def slow_descriptor(desc: Any) -> Any:
    """A descriptor equal to ``desc`` that keeps a tensor off the straight path."""
    made = object.__new__(type(desc))
    for name in type(desc).__slots__:
        setattr(made, name, getattr(desc, name))
    made.fast = 0
    made.result = made
    return made


def show_cotangent(raw: Any) -> Any:
    """A raw cotangent as a tensor that users may write to."""
    if type(raw) is np.ndarray and not raw.flags.writeable:
        raw = raw.copy()  # one number repeated
    return make_tensor(raw)


def make_tensor(raw: Any, edge: Any = None, desc: Descriptor | None = None) -> Any:
    """A tensor over a raw array."""
    made = _new(_tensor_class)
    made._array = raw
    made._desc = describe(raw) if desc is None else desc
    made._edge = edge
    made._counter = None
    made._side = None
    number = _born_in()
    if number:
        levels = made._desc.type.levels
        if not levels or levels[0].number != number:  # else its levels tell
            made._rare().born = number
    return made
