"""Behind `autograd.Function`: the context that users write to, and the node that asks their
``backward``.

In: what ``forward`` saved and marked.  Out: a node of the tape whose cotangents come from the
user's function.

Note [Context and node]
    In PyTorch the ``ctx`` that users write to *is* the node. Here a node has state of its own
    (``seq``, ``edges``, ...), which names of the user's must not overwrite; so the context is an
    object beside it. Node and context answer for each other's attributes; the node owns the
    context, the context knows the node weakly.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from adjoint._later import Later
from adjoint.array.batched.levels import BatchedValueError
from adjoint.core import errors
from adjoint.core import mode as modes
from adjoint.core.duals import ceiling, copy_tangents, usual_descriptor, without
from adjoint.core.looping import without_frames
from adjoint.core.masked import mark, unmarked
from adjoint.core.mode import get_mode, mode_bits
from adjoint.core.node import Node, OutEdge
from adjoint.core.saved import PackedValue, pack, saved_hooks
from adjoint.core.tensor_base import TensorBase, make_tensor, show_cotangent
from adjoint.ops.batching import for_each_sample
from adjoint.ops.create import zeros

if TYPE_CHECKING:
    from adjoint.autograd import function_pattern, function_vmap
else:
    function_pattern = Later("adjoint.autograd.function_pattern")
    function_vmap = Later("adjoint.autograd.function_vmap")

__all__ = [
    "BackwardCFunction",
    "FunctionCtx",
    "FunctionPlan",
    "among",
    "function_plan",
    "out_edge",
    "save",
]

_NODE_ATTRIBUTES = frozenset({"metadata", "next_functions", "register_hook", "register_prehook"})


class _SavedOutput:
    """A saved tensor that the Function itself returned: its array and number, not the tensor (a
    cycle).
    """

    __slots__ = ("desc", "dual", "nr", "raw", "version")

    def __init__(self, tensor: TensorBase, nr: int) -> None:
        self.raw = tensor._array
        self.desc = tensor._desc
        self.nr = nr
        self.version = _version_of(tensor)
        self.dual: Any = None  # a tensor with the output's tangents


class FunctionCtx:
    """What ``forward`` hands to ``backward``: saved tensors, marks, and the user's own
    attributes.
    """

    __slots__ = ("__dict__", "__weakref__", "_function", "_tensors", "needs_input_grad")

    needs_input_grad: tuple[bool, ...]  # for each argument, whether its gradient is wanted
    _function: Any
    _tensors: tuple[bool, ...]  # for each argument, whether it is a tensor

    _accessed = False
    _depends: Any = None  # under sparsity detection: the union of all that the inputs depend on
    _dirty: tuple[Any, ...] = ()
    _in_jvp = False
    _materialize = True
    _node: weakref.ref[BackwardCFunction] | None = None
    _non_differentiable: tuple[Any, ...] = ()
    _saved: tuple[Any, ...] | None = ()
    _to_save: tuple[Any, ...] = ()
    _to_save_forward: tuple[Any, ...] = ()

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep tensors (or None) for ``saved_tensors``; inputs, outputs and others alike."""
        self._to_save = tensors

    def save_for_forward(self, *tensors: Any) -> None:
        """Keep tensors for the ``jvp`` method."""
        self._to_save_forward = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Say which inputs ``forward`` overwrote; each must also be returned."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Say which outputs have no gradient."""
        self._non_differentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Choose what ``backward`` receives for outputs that got no gradient: zeros (True) or
        None.
        """
        self._materialize = value

    materialize_grads = property(lambda self: self._materialize, set_materialize_grads)

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """The tensors given to `save_for_backward`; inside ``jvp`` those given to
        `save_for_forward`.

        Raises: RuntimeError if they were freed by an earlier backward or overwritten since.
        """
        if self._in_jvp:
            return tuple([without(t, ceiling.get()) for t in self._to_save_forward])
        saved = self._saved
        if saved is None:
            raise errors.freed(self)
        if self._function.clear_saved_tensors_on_access and self._node is not None:
            if self._accessed:
                raise RuntimeError(
                    "saved_tensors can only be accessed once when "
                    "clear_saved_tensors_on_access=True is set on the autograd.Function. Either "
                    "access saved_tensors only once, or set clear_saved_tensors_on_access=False."
                )
            self._accessed = True
        return tuple([None if entry is None else self._unpack(entry) for entry in saved])

    def _with_tensors(self, change: Callable[[Any], Any]) -> FunctionCtx:
        """A copy with other tensors: ``change`` of those saved, and of the user's attributes."""
        made = object.__new__(FunctionCtx)
        made.__dict__.update({key: change(value) for key, value in self.__dict__.items()})
        made._function, made._tensors = self._function, self._tensors
        made.needs_input_grad, made._node = self.needs_input_grad, self._node
        tensors = change(self.saved_tensors)
        made._saved = tuple([None if t is None else (t, _version_of(t)) for t in tensors])
        return made

    def name(self) -> str:
        """The name of the node, as printed in ``grad_fn=<...>``."""
        return f"{self._function.__name__}Backward"

    def _unpack(self, entry: Any) -> Any:
        node = None if self._node is None else self._node()
        if isinstance(entry, tuple):  # an input or an intermediate result, and its version
            tensor, version = entry
            if type(tensor) is PackedValue:
                return tensor.unpack(self, "saved tensor")
            counter = tensor._counter
            if counter is not None and counter.value != version:
                origin = errors.output_of(tensor._edge)
                raise errors.modified(self, "saved tensor", tensor._desc, counter, version, origin)
            return tensor
        edge = None if node is None else out_edge(node, entry.nr)
        if type(entry.raw) is PackedValue:
            found = entry.raw.unpack(self, "saved tensor")
            made = make_tensor(found._array, edge, usual_descriptor(found._desc))
            copy_tangents(found if entry.dual is None else entry.dual, made)
            return made
        counter = None if node is None else node.counter
        if isinstance(counter, dict):
            counter = counter.get(entry.nr)
        if counter is not None and counter.value != entry.version:
            origin = errors.output_of(edge)
            raise errors.modified(self, "saved tensor", entry.desc, counter, entry.version, origin)
        made = make_tensor(entry.raw, edge, entry.desc)
        made._counter = counter
        if entry.dual is not None:
            copy_tangents(entry.dual, made)
        return made

    def __getattr__(self, attribute: str) -> Any:
        node = None if self._node is None else self._node()
        if node is not None and (attribute in _NODE_ATTRIBUTES or attribute in node.__dict__):
            return object.__getattribute__(node, attribute)
        raise AttributeError(f"'{self.name()}' object has no attribute '{attribute}'")


def _version_of(tensor: TensorBase) -> int:
    return 0 if tensor._counter is None else tensor._counter.value


def out_edge(node: Node, nr: int) -> Any:
    """The edge to output ``nr`` of ``node``."""
    return OutEdge(node, nr, node.desc[nr]) if type(node.desc) is tuple else node


# ---- the node ------------------------------------------------------------------------------------


class FunctionPlan:
    """How a node of a Function turns cotangents into those of its inputs: by asking
    ``backward``.
    """

    bare = -1
    exact = fitting = False
    frees = True
    names: tuple[str, ...] = ()
    runs_undefined = True

    masked: Any = None

    def pull(self, node: BackwardCFunction, g: Any) -> tuple[Any, ...]:
        """On raw arrays: the user's function sees Tensors all the same."""
        several = type(node.desc) is tuple
        grads = [None if x is None else show_cotangent(x) for x in (g if several else (g,))]
        before = function_pattern.decisions(grads) if get_mode() & modes.LIBRARIES else -1
        results = _call_backward(node, grads)
        if before >= 0:
            results = function_pattern.depending_gradients(node.context, grads, results, before)
        return tuple([None if r is None else r._array for r in results])

    def pull_tensors(self, node: BackwardCFunction, g: Any) -> tuple[Any, ...]:
        """On Tensors: what the user's function does is recorded."""
        return _call_backward(node, list(g) if type(node.desc) is tuple else [g])

    def saved_attribute(self, node: Node, attribute: str) -> Any:
        """A Function shows what it saved only as ``saved_tensors``."""
        raise AttributeError(f"'{node.name()}' object has no attribute '{attribute}'")


class MaskedFunctionPlan(FunctionPlan):
    """The same under masked gradients: the function's products leave out zero cotangents."""

    def pull(self, node: BackwardCFunction, g: Any) -> tuple[Any, ...]:
        """On raw arrays."""
        several = type(node.desc) is tuple
        grads = [None if x is None else make_tensor(x) for x in (g if several else (g,))]
        results = self.pull_tensors(node, grads if several else grads[0])
        return tuple([None if r is None else r._array for r in results])

    def pull_tensors(self, node: BackwardCFunction, g: Any) -> tuple[Any, ...]:
        """On Tensors: cotangents are marked on the way in, gradients unmarked on the way out."""
        several = type(node.desc) is tuple
        grads = [None if x is None else mark(x) for x in (g if several else (g,))]
        with mode_bits(on=modes.MASKED):
            results = _call_backward(node, grads)
        return tuple([unmarked(r) for r in results])


function_plan: Any = FunctionPlan()
function_plan.masked = MaskedFunctionPlan()


class BackwardCFunction(Node):
    """The node of a Function. Each Function has a subclass of its own, ``<Name>Backward``."""

    __slots__ = ("__dict__", "context")

    context: FunctionCtx

    @property
    def saved(self) -> Any:
        """What the context saved; the engine frees it by setting None."""
        return self.context._saved

    @saved.setter
    def saved(self, value: Any) -> None:
        self.context._saved = value

    def __getattr__(self, attribute: str) -> Any:
        return getattr(object.__getattribute__(self, "context"), attribute)


def _call_backward(node: BackwardCFunction, grads: list[Any]) -> tuple[Any, ...]:
    """Run the user's ``backward`` and return one gradient (or None) per input tensor."""
    context = node.context
    descs = node.desc if type(node.desc) is tuple else (node.desc,)
    if context._materialize:
        for i, desc in enumerate(descs):
            if grads[i] is None and desc is not None:
                grads[i] = zeros(desc.shape, dtype=desc.dtype)
    try:
        results = _ask(node, context, grads)
    except BatchedValueError as error:
        reason = without_frames(error)
        results = function_vmap.backward_by_sample(
            reason, context, grads, lambda c, g: _ask(node, c, g)
        )
    found: list[Any] = []
    for i, (result, is_tensor) in enumerate(zip(results, context._tensors)):
        if not is_tensor:
            if result is not None:
                raise RuntimeError(
                    f"function {node.name()} returned a gradient different than None at position "
                    f"{i + 1}, but the corresponding forward input was not a Variable"
                )
            continue
        edge = node.edges[len(found)]
        if result is not None:
            _check_gradient(result, edge)
            for desc in descs:
                if desc is not None and desc.type.levels and edge is not None:
                    result = for_each_sample(result, desc.type.levels)
        found.append(None if edge is None else result)
    return tuple(found)


def _ask(node: BackwardCFunction, context: FunctionCtx, grads: list[Any]) -> tuple[Any, ...]:
    """What the user's ``backward`` returns, one for each argument."""
    results = context._function._backward()(context, *grads)
    if not isinstance(results, tuple):
        results = (results,)
    expected = len(context._tensors)
    if len(results) > expected and all(r is None for r in results[expected:]):
        results = results[:expected]
    if len(results) != expected:
        raise RuntimeError(
            f"function {node.name()} returned an incorrect number of gradients (expected "
            f"{expected}, got {len(results)}). (backward() returns one gradient, or None, for each "
            "argument of forward() after ctx.)"
        )
    return results


def _check_gradient(result: Any, edge: Any) -> None:
    if not isinstance(result, TensorBase):
        raise RuntimeError(f"expected Variable or None (got {type(result).__name__})")
    if edge is not None and result._desc.dtype.is_complex and not edge.desc.dtype.is_complex:
        raise RuntimeError(
            "Expected isFloatingType(grad.scalar_type()) || (input_is_complex == grad_is_complex) "
            "to be true, but got false. (The gradient of a real input must be real: return its "
            ".real part.)"
        )


def save(node: BackwardCFunction, tensor: Any, mode: int) -> Any:
    """What the context keeps for one saved tensor."""
    if tensor is None:
        return None
    if tensor._side is not None and tensor._side.inference:
        raise RuntimeError(
            "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
            "inference mode in computation tracked by autograd. To work around this, you can make "
            "a clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` "
            "instead of `torch.inference_mode()`."
        )
    edge = tensor._edge
    packing = mode & modes.SAVED_HOOKS and saved_hooks.get()
    if edge is not None and edge.node is node:
        entry = _SavedOutput(tensor, edge.nr)
        if packing:
            entry.raw = pack(tensor, True, edge)
        return entry
    return (pack(tensor, False) if packing else tensor), _version_of(tensor)


def among(tensor: Any, tensors: Any) -> bool:
    """Whether the very object is among ``tensors``, or None (`in` would compare elements)."""
    return id(tensor) in map(id, tensors or ())
