"""Looking at the graph and changing what it keeps: PyTorch's `autograd.graph`.

In: tensors, nodes, the user's hooks.  Out: gradient edges, contexts that decide how saved tensors
are kept, and hooks on the gradients of several tensors at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar, Token
from typing import Any, NamedTuple

from adjoint.core import engine
from adjoint.core import mode as modes
from adjoint.core.hooks import RemovableHandle
from adjoint.core.inplace import bump
from adjoint.core.mode import get_mode, mode_bits, set_mode
from adjoint.core.node import Node
from adjoint.core.saved import saved_hooks
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.view import clone

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class GradientEdge(NamedTuple):
    """Where the gradient of a tensor goes: a node, and the number of that node's output."""

    node: Node
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Any) -> GradientEdge:
    """Return the edge of ``tensor``; it stands for the tensor in ``inputs`` of `grad` and
    `backward`.

    Raises: RuntimeError if the tensor does not require grad.
    """
    if not tensor.requires_grad:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    return GradientEdge(tensor._edge.node, tensor._edge.nr)


def increment_version(tensor: Any) -> None:
    """Count a write to ``tensor`` (or to each of several) that the tape did not see.

    Raises: RuntimeError for anything else.
    """
    tensors = (tensor,) if isinstance(tensor, TensorBase) else tensor
    if not isinstance(tensors, Iterable):
        raise RuntimeError("increment_version expect a Iterable[Tensor] as input")
    for item in tensors:
        bump(item)


@contextmanager
def _unsafe_preserve_version_counter(tensor: Any) -> Iterator[None]:
    """A block after which the version of ``tensor`` (or of each of several) is what it was
    before.
    """
    tensors = (tensor,) if isinstance(tensor, TensorBase) else tuple(tensor)
    counters = [(item._version_counter(), item._version) for item in tensors]
    try:
        yield
    finally:
        for counter, value in counters:
            counter.value = value


# ---- saved tensors -------------------------------------------------------------------------------


class saved_tensors_hooks:
    """A block in which what operators save is replaced by ``pack_hook(tensor)``.

    ``unpack_hook`` gets that back when the value is needed, and returns a tensor.

    >>> import adjoint as torch
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: t.tolist(), torch.tensor):
    ...     y = x.exp()
    >>> y.grad_fn._saved_result
    tensor([2.7183, 7.3891], grad_fn=<ExpBackward0>)
    """

    def __init__(self, pack_hook: Callable[[Any], Any], unpack_hook: Callable[[Any], Any]) -> None:
        self.pack_hook = pack_hook
        self.unpack_hook = unpack_hook
        self._entered: list[tuple[Token[tuple[Any, ...]], int]] = []

    def __enter__(self) -> None:
        stack = saved_hooks.get()
        if stack and isinstance(stack[-1], str):
            raise RuntimeError(stack[-1])
        token = saved_hooks.set((*stack, (self.pack_hook, self.unpack_hook)))
        self._entered.append((token, get_mode() & modes.SAVED_HOOKS))
        set_mode(get_mode() | modes.SAVED_HOOKS)

    def __exit__(self, *exception: Any) -> None:
        token, bit = self._entered.pop()
        saved_hooks.reset(token)
        set_mode(get_mode() & ~modes.SAVED_HOOKS | bit)


class save_on_cpu(saved_tensors_hooks):
    """A block in which saved tensors are moved to the CPU, and back to their device when needed."""

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        super().__init__(
            lambda tensor: (tensor.device, tensor.cpu()),
            lambda packed: packed[1].to(packed[0]),
        )


@contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """A block (or decorated function) in which using saved-tensor hooks raises
    ``error_message``.
    """
    stack = saved_hooks.get()
    if stack and not isinstance(stack[-1], str):
        raise RuntimeError(error_message)
    token = saved_hooks.set((*stack, error_message))
    try:
        yield
    finally:
        saved_hooks.reset(token)


class _Mutation:
    """The context of one `allow_mutation_on_saved_tensors` block."""

    def __init__(self) -> None:
        self.open = True

    def clear(self) -> None:
        """Forget the copies; a backward of this block is no longer possible."""
        self.open = False


_mutation: ContextVar[_Mutation | None] = ContextVar("adjoint_mutation", default=None)


@contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Mutation]:
    """A block in which saved tensors may be overwritten: the graph keeps copies of its own.

    The copies are made when values are saved. Backward must run inside the block.
    Raises: RuntimeError if blocks are nested.
    """
    if _mutation.get() is not None:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    mutation = _Mutation()

    def pack(tensor: Any) -> Any:
        with mode_bits(off=modes.GRAD | modes.SAVED_HOOKS):
            return clone(tensor)

    def unpack(copy: Any) -> Any:
        if not mutation.open:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"
                "in which the graph was originally recorded."
            )
        return copy

    token = _mutation.set(mutation)
    try:
        with saved_tensors_hooks(pack, unpack):
            yield mutation
    finally:
        mutation.clear()
        _mutation.reset(token)


# ---- hooks on several tensors --------------------------------------------------------------------


class _MultiHandle(RemovableHandle):
    """What `register_multi_grad_hook` returns: ``remove()`` takes all its hooks off."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = tuple(handles)

    def remove(self) -> None:
        """Take the hooks off; a second call does nothing."""
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(
    tensors: Sequence[Any], fn: Callable[[Any], None], *, mode: str = "all"
) -> RemovableHandle:
    """Call ``fn`` once per backward, when the gradients of ``tensors`` are known.

    ``mode="all"``: ``fn(gradients)``, None for tensors that this backward does not reach, when the
    last one arrived; ``mode="any"``: ``fn(gradient)`` with the first one.
    Returns: a handle whose ``remove()`` takes the hook off.
    Raises: ValueError for another mode.
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if any(tensor._edge is None for tensor in tensors):
        raise AssertionError("Expected gradient function to be set")
    collect = _all_hook(tensors, fn) if mode == "all" else _any_hook(fn)
    return _MultiHandle([tensor.register_hook(collect(i)) for i, tensor in enumerate(tensors)])


def _any_hook(fn: Callable[[Any], None]) -> Callable[[int], Callable[[Any], None]]:
    lock = threading.Lock()
    seen: list[Any] = [None]  # the walk that was answered last

    def hook(gradient: Any) -> None:
        walk = engine.running.get()
        with lock:
            first = seen[0] is not walk
            seen[0] = walk
        if first:
            fn(gradient)

    return lambda index: hook


def _all_hook(
    tensors: Sequence[Any], fn: Callable[[Any], None]
) -> Callable[[int], Callable[[Any], None]]:
    edges = [tensor._edge for tensor in tensors]
    lock = threading.Lock()
    collected: dict[Any, tuple[list[int], list[Any]]] = {}  # walk -> calls missing, gradients

    def make(index: int) -> Callable[[Any], None]:
        def hook(gradient: Any) -> None:
            walk = engine.running.get()
            with lock:
                if walk not in collected:
                    collected[walk] = ([_count_reached(walk, edges)], [None] * len(edges))
                missing, gradients = collected[walk]
                gradients[index] = gradient
                missing[0] -= 1
                complete = not missing[0]
                if complete:
                    del collected[walk]
            if complete:
                fn(gradients)

        return hook

    return make


def _count_reached(walk: Any, edges: Sequence[Any]) -> int:
    """How many of ``edges`` the running walk delivers a gradient to."""
    if walk.captures and not walk.accumulate and any(edge.leaf for edge in edges):
        raise RuntimeError(
            "A leaf node was passed to _will_engine_execute_node but we are currently running "
            "autograd.grad(). This is currently not supported."
        )
    wanted = {node for node, _ in walk.captures}
    reached: set[Any] = set()
    todo = [edge.node for edge in walk.roots]
    while todo:
        node = todo.pop()
        if node in reached:
            continue
        if walk.needed is not None and node not in wanted and node.seq not in walk.needed:
            continue
        reached.add(node)
        todo += [edge.node for edge in node.edges if edge is not None]
    return sum(edge.node in reached for edge in edges)
