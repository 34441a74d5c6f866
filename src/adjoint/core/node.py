"""Nodes: what the tape is made of, with PyTorch's public protocol.

In: created by the call of an operator (core/call.py), by `autograd.Function`, by in-place writes.
Out: the graph that `core/engine.py` walks: `Node`, `OutEdge` for outputs beyond a single one, and
`AccumulateGrad`, the end of the line at a leaf.

Note [Attributes]
    ``node._saved_<name>`` are properties of the base class, one per name that any operator uses;
    the plan says whether this node has it. ``__getattr__`` would be shorter, but a class that has
    one reads all its slots ten times slower, and the walk back reads little else.
"""

from __future__ import annotations

import functools
import itertools
import weakref
from typing import Any, ClassVar

import numpy as np

from adjoint.array.descriptor import Descriptor
from adjoint.core.hooks import Hook, HookTable, NodeHooks, RemovableHandle, add_hook
from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = [
    "AccumulateGrad",
    "Node",
    "OutEdge",
    "Place",
    "next_seq",
    "node_of",
    "sequence",
    "show_saved",
]

sequence = itertools.count(1)
next_seq = sequence.__next__

_SAVED = ("_saved_", "_raw_saved_")


class Node:
    """One recorded operation: edges to where its operands came from, and what its rules need.

    ``desc`` describes the output (a tuple of descriptors when there are several); ``saved`` is
    what the rules named, None once freed; ``versions`` are the saved tensors' versions, None when
    all are 0; ``counter`` is the version counter of a saved output.
    """

    __slots__ = (
        *("__weakref__", "counter", "desc", "edges", "hooks", "plan", "saved", "seq"),
        "versions",
    )

    leaf: ClassVar[bool] = False
    nr: ClassVar[int] = 0
    op: ClassVar[Any] = None
    namespace: ClassVar[str] = ""  # of nodes that PyTorch names with one, before the class's name

    edges: tuple[Any, ...]
    saved: Any
    versions: tuple[int, ...] | None
    plan: Any
    seq: int
    desc: Any
    hooks: NodeHooks | None
    counter: Any

    @property
    def node(self) -> Node:
        """The node itself: so that an edge of any kind answers to ``edge.node``."""
        return self

    def watch(self, counter: Any) -> None:
        """Take the version counter of the output (see Note [Versions])."""
        self.counter = counter

    def name(self) -> str:
        """The name of the operation; without namespace it is printed in ``grad_fn=<...>``."""
        return self.namespace + type(self).__name__

    @property
    def next_functions(self) -> tuple[tuple[Node | None, int], ...]:
        """The nodes that gradients go to from here, each with the number of its output."""
        edges = self.edges
        if self.op is not None and not self.op.joint:
            # operands that never have a derivative (a condition, an index) are not shown
            edges = tuple(e for e, rule in zip(edges, self.op.rules) if rule is not None)
        shown = [e.beyond() if type(e) is Place else e for e in edges]
        return tuple(
            (None, 0) if e is None or type(e) is ViewSink else (e.node, e.nr) for e in shown
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """A dictionary for the user's own notes on this node."""
        return self.hook_state().metadata

    @property
    def _input_metadata(self) -> list[Any]:
        return list(self.desc) if isinstance(self.desc, tuple) else [self.desc]

    def _sequence_nr(self) -> int:
        return self.seq

    def hook_state(self) -> NodeHooks:
        """The node's hooks, made on first use."""
        if self.hooks is None:
            self.hooks = NodeHooks()
        return self.hooks

    def register_hook(self, fn: Hook) -> RemovableHandle:
        """Call ``fn(grad_inputs, grad_outputs)`` after this node ran; a result replaces
        ``grad_inputs``.
        """
        state = self.hook_state()
        if state.post is None:
            state.post = HookTable()
        return add_hook(state.post, fn)

    def register_prehook(self, fn: Hook) -> RemovableHandle:
        """Call ``fn(grad_outputs)`` before this node runs; a result replaces ``grad_outputs``."""
        state = self.hook_state()
        if state.pre is None:
            state.pre = HookTable()
        return add_hook(state.pre, fn)

    def add_tensor_hook(self, nr: int, fn: Hook) -> RemovableHandle:
        """Call ``fn(grad)`` with the gradient of output ``nr`` before this node runs."""
        return add_hook(self.hook_state().tensor.setdefault(nr, HookTable()), fn)

    def __call__(self, *grad_outputs: Any) -> Any:
        """Return the gradients of the operands, recorded: a tuple, or bare if there is one operand.

        ``grad_outputs``: one gradient (or None) per output of the node.
        Raises: TypeError for another number of gradients, or something that is no tensor.
        """
        several = type(self.desc) is tuple
        expected = len(self.desc) if several else 1
        if len(grad_outputs) != expected:
            raise TypeError(f"expected {expected} arguments, got {len(grad_outputs)} instead")
        for i, g in enumerate(grad_outputs):
            if g is not None and not isinstance(g, TensorBase):
                raise TypeError(f"argument {i} is not a Variable")
        results: tuple[Any, ...] = (None,) * len(self.edges)
        if self.plan.runs_undefined or any(g is not None for g in grad_outputs):
            found = self.plan.pull_tensors(self, list(grad_outputs) if several else grad_outputs[0])
            at = self.plan.bare
            results = found if at < 0 else (*results[:at], found, *results[at + 1 :])
        return results[0] if len(results) == 1 else tuple(results)

    def __dir__(self) -> list[str]:
        shown = getattr(self.plan, "saved_attributes", list)
        others = [name for name in super().__dir__() if not name.startswith(_SAVED)]
        return sorted([*others, *shown()])

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object at {id(self):#x}>"


def show_saved(name: str) -> None:
    """Give nodes the attributes for a value that some operator saves; see Note [Attributes]."""
    for prefix in _SAVED:
        attribute = prefix + name
        if attribute not in Node.__dict__:
            setattr(Node, attribute, property(functools.partial(_saved_value, attribute)))


def _saved_value(attribute: str, node: Node) -> Any:
    if node.plan is None:
        raise AttributeError(f"'{type(node).__name__}' object has no attribute '{attribute}'")
    return node.plan.saved_attribute(node, attribute)


class OutEdge:
    """The edge to one output of a node that has several."""

    __slots__ = ("desc", "node", "nr")

    leaf: ClassVar[bool] = False
    plan: ClassVar[Any] = None  # the walk cannot go on from here before all outputs have theirs

    def __init__(self, node: Node, nr: int, desc: Descriptor) -> None:
        self.node = node
        self.nr = nr
        self.desc = desc

    def watch(self, counter: Any) -> None:
        """Take the version counter of the output (see Note [Versions])."""
        if self.node.counter is None:
            self.node.counter = {}
        self.node.counter[self.nr] = counter


_new = object.__new__


class AccumulateGrad(Node):
    """The end of the line at a leaf: owns the leaf's gradient.

    The leaf refers to it; it refers to the leaf weakly, so that there is no cycle, and to the
    leaf's memory, so that ``variable`` can still be shown when only the graph is left.
    """

    __slots__ = ("_ref", "grad", "in_rows", "memory")

    leaf: ClassVar[bool] = True
    namespace: ClassVar[str] = "torch::autograd::"

    def __init__(self, tensor: TensorBase) -> None:
        self.edges = ()
        self.saved = ()
        self.versions = None
        self.plan = None
        self.seq = (
            next_seq()
        )  # when the tensor became a leaf; leaves do not wait in the walk's heap
        self.hooks = None
        self.counter = None
        self.grad: Any = None
        self._ref = weakref.ref(tensor)
        self.adopt(tensor)

    def adopt(self, tensor: TensorBase) -> None:
        """Follow the leaf to new memory."""
        self.memory = memory = tensor._array
        self.in_rows = type(memory) is not np.ndarray or memory.flags.c_contiguous
        self.desc = tensor._desc

    @property
    def variable(self) -> Any:
        """The leaf."""
        found = self._ref()
        if found is None:
            found = make_tensor(self.memory, self, self.desc)
            self._ref = weakref.ref(found)
        return found

    def _sequence_nr(self) -> int:
        return (1 << 64) - 1

    def variable_requires_grad(self) -> bool:
        """Whether the leaf still wants its gradient."""
        found = self._ref()
        return found is None or found._edge is self

    def watch(self, counter: Any) -> None:
        """A leaf saves nothing; nobody needs its counter here."""


class ViewSink(AccumulateGrad):
    """Where the gradient of a view goes that was made without recording: nowhere.

    PyTorch shows no node there, and the view's ``.grad`` stays None.
    """

    __slots__ = ()

    @property
    def grad(self) -> Any:
        """Always None."""
        return None

    @grad.setter
    def grad(self, value: Any) -> None:
        """What arrives is dropped."""


class _Onward:
    """The plan of an open way: what arrives goes on as it is."""

    bare = 0
    fitting = True
    exact = frees = runs_undefined = False
    names: ClassVar[tuple[str, ...]] = ()

    def pull(self, node: Node, g: Any) -> Any:
        """The cotangent itself."""
        return g

    pull_tensors = pull

    def saved_attribute(self, node: Node, attribute: str) -> Any:
        """There is none."""
        raise AttributeError(f"'{type(node).__name__}' object has no attribute '{attribute}'")


class Place(AccumulateGrad):
    """Where a function's argument stands on the tape while the function runs: a leaf there.

    When the call is over it lets gradients through to ``outer``, the edge of the tensor outside
    that was the argument; where there was none they end here. Users do not see a place: an edge to
    one is shown as the edge beyond it.
    """

    __slots__ = ("leaf", "outer", "over")

    def __init__(self, tensor: TensorBase, outer: Any) -> None:
        super().__init__(tensor)
        self.leaf = True  # type: ignore[misc]
        self.outer = outer
        self.over = False

    def close(self) -> None:
        """Note that the call is over."""
        self.over = True
        if self.outer is not None:
            self.leaf = False  # type: ignore[misc]
            self.edges = (self.outer,)
            self.plan = _ONWARD

    def variable_requires_grad(self) -> bool:
        """Whether a gradient that ends here is wanted."""
        return not self.over and super().variable_requires_grad()

    def beyond(self) -> Any:
        """The edge that stands for this one to users."""
        edge: Any = self
        while type(edge) is Place and edge.over:
            edge = edge.outer
        return edge


_ONWARD = _Onward()


def node_of(edge: Any) -> Node | None:
    """The ``grad_fn`` that an edge stands for: None for leaves."""
    if type(edge) is Place:
        edge = edge.beyond()
    return None if edge is None or edge.leaf else edge.node
