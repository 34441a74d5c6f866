"""Saved-tensor hooks: what stands in a node's place for a value that the user's hooks packed.

In: a tensor about to be saved, and the hooks in force (`autograd.graph.saved_tensors_hooks`).  Out: a
`PackedValue`, which gives the tensor back when the node runs.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from adjoint.core.tensor_base import TensorBase, make_tensor

__all__ = ["PackedValue", "pack", "saved_hooks"]

# The stack of (pack, unpack) pairs of this thread, innermost last; a string forbids hooks, with that message.
saved_hooks: ContextVar[tuple[Any, ...]] = ContextVar("adjoint_saved_hooks", default=())


class PackedValue:
    """A saved tensor after the user's pack hook. ``edge`` is the graph position it had."""

    __slots__ = ("edge", "is_output", "packed", "unpack_hook")

    def __init__(self, packed: Any, unpack_hook: Any, edge: Any, is_output: bool) -> None:
        self.packed = packed
        self.unpack_hook = unpack_hook
        self.edge = edge
        self.is_output = is_output

    def unpack(self, node: Any, name: str) -> Any:
        """The tensor, at its old place in the graph."""
        found = self.unpack_hook(self.packed)
        if not isinstance(found, TensorBase):
            raise TypeError(
                f"Output of saved tensor unpack_hook expected to be a Tensor but got result of type "
                f"{type(found).__name__} ('{name}' of {node.name()})"
            )
        edge = node if self.is_output else self.edge
        if edge is None or found._edge is edge:
            return found
        return make_tensor(found._array, edge, found._desc)


def pack(value: Any, is_output: bool) -> Any:
    """``value`` as the innermost hooks want it saved."""
    stack = saved_hooks.get()
    if not stack or isinstance(stack[-1], str):
        return value
    pack_hook, unpack_hook = stack[-1]
    counter = value._counter
    before = counter.value if counter is not None else 0
    packed = pack_hook(make_tensor(value._array, None, value._desc) if is_output else value)
    if (value._counter.value if value._counter is not None else 0) != before:
        raise RuntimeError(
            "A saved tensor pack hook is modifying its input in place. Tensors provided as input to "
            "pack hook can not be modified by in-place operations as this can lead to unexpected "
            "side-effects. Please open an issue if you need to perform in-place operations on the "
            "input to a pack hook."
        )
    return PackedValue(packed, unpack_hook, None if is_output else value._edge, is_output)
