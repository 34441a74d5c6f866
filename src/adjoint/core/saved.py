"""Saved-tensor hooks: what stands in a node's place for a value that the user's hooks packed.

In: a tensor about to be saved, and the hooks in force (`autograd.graph.saved_tensors_hooks`).
Out: a `PackedValue`, which gives the tensor back when the node runs.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

import numpy as np

from adjoint.core.duals import copy_tangents, usual_descriptor
from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = ["PackedValue", "SavedTensor", "as_tensor", "pack", "pack_with", "saved_hooks"]

# The stack of (pack, unpack) pairs of this thread, innermost last; a string forbids hooks, with
# that message.
saved_hooks: ContextVar[tuple[Any, ...]] = ContextVar("adjoint_saved_hooks", default=())


class PackedValue:
    """A saved tensor after the user's pack hook. ``edge`` is the graph position it had; ``dual``
    has the tangents that it had, and nothing else of it.
    """

    __slots__ = ("dual", "edge", "is_output", "packed", "unpack_hook")

    def __init__(self, packed: Any, unpack_hook: Any, edge: Any, is_output: bool) -> None:
        self.packed = packed
        self.unpack_hook = unpack_hook
        self.edge = edge
        self.is_output = is_output
        self.dual: Any = None

    def keep_tangents(self, tensor: Any) -> None:
        """Remember the tangents of the tensor, which hooks know nothing of."""
        side = tensor._side
        if side is not None and side.tangents is not None:
            self.dual = make_tensor(np.empty(0, tensor._desc.numpy))
            copy_tangents(tensor, self.dual)

    def unpack(self, node: Any, name: str) -> Any:
        """The tensor, at its old place in the graph."""
        found = self.unpack_hook(self.packed)
        if not isinstance(found, TensorBase):
            raise TypeError(
                "Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(found).__name__} ('{name}' of {node.name()})"
            )
        edge = node if self.is_output else self.edge
        if self.dual is not None:
            made = make_tensor(found._array, edge, usual_descriptor(found._desc))
            copy_tangents(self.dual, made)
            return made
        if edge is None or found._edge is edge:
            return found
        return make_tensor(found._array, edge, found._desc)


def pack(value: Any, is_output: bool, edge: Any = None) -> Any:
    """``value`` as the innermost hooks want it saved; ``edge`` is that of an output."""
    stack = saved_hooks.get()
    if not stack or isinstance(stack[-1], str):
        return value
    return pack_with(stack[-1], value, is_output, edge if is_output else value._edge)


def pack_with(hooks: tuple[Any, Any], value: Any, is_output: bool, edge: Any) -> PackedValue:
    """``value`` as one pair of hooks wants it saved."""
    pack_hook, unpack_hook = hooks
    shown = make_tensor(value._array, edge, value._desc) if is_output else value
    version = shown._version
    packed = pack_hook(shown)
    if shown._version != version:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input "
            "to pack hook cannot be modified by in-place operations as this can lead to unexpected "
            "side-effects. Please open an issue if you need to perform in-place operations on the "
            "input to a pack hook."
        )
    if is_output and packed is shown:
        # A node that keeps a tensor which knows the node would be a cycle.
        packed = make_tensor(value._array, None, value._desc)
    made = PackedValue(packed, unpack_hook, None if is_output else edge, is_output)
    made.keep_tangents(value)
    return made


class SavedTensor:
    """A value that a node saved, before it is unpacked: the user may give it hooks of its own."""

    __slots__ = ("_at", "_node")

    def __init__(self, node: Any, at: int | None) -> None:
        self._node = node
        self._at = at

    def register_hooks(self, pack_hook: Any, unpack_hook: Any) -> None:
        """Replace the value by ``pack_hook(tensor)``, which ``unpack_hook`` turns into it again.

        Raises: RuntimeError if it was freed, has hooks, or there is no tensor.
        """
        node, at = self._node, self._at
        if node.saved is None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor after it has been freed. Saved "
                "intermediate values of the graph are freed when you call .backward() or "
                "autograd.grad(). Specify retain_graph=True if you need to backward through the "
                "graph a second time or if you need to access saved variables after calling "
                "backward."
            )
        if at is None:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor with value None is forbidden"
            )
        if type(node.saved[at]) is PackedValue:
            raise RuntimeError(
                "Calling register_hooks on a saved tensor whose hooks have already been set. Hint: "
                "only one pair of hooks is allowed at a time."
            )
        value = as_tensor(node.plan.saved_value(node, at))
        edge = value._edge
        is_output = edge is not None and edge.node is node
        plain = make_tensor(value._array, None, value._desc)
        packed = pack_with((pack_hook, unpack_hook), plain, False, None)
        packed.edge, packed.is_output = None if is_output else edge, is_output
        node.saved = (*node.saved[:at], packed, *node.saved[at + 1 :])


def as_tensor(value: Any) -> Any:
    """A saved value as users see it: constants, kept as NumPy scalars, become tensors."""
    return make_tensor(value) if isinstance(value, np.generic) else value
