"""Hooks: functions that users attach to tensors and nodes, and the handles that take them off.

In: callables.  Out: ordered tables of hooks, `RemovableHandle`s, and the hook state of a `Node`.
"""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

__all__ = ["HookTable", "NodeHooks", "RemovableHandle", "add_hook"]

Hook = Callable[..., Any]


class HookTable(OrderedDict[int, Hook]):
    """Hooks by number, in the order in which they were registered."""


_next_id = itertools.count().__next__


class RemovableHandle:
    """What registering a hook returns: ``remove()`` takes the hook off, as does leaving a ``with``
    block.
    """

    id: int

    def __init__(self, hooks: Any, *, extra_dict: Any = None) -> None:
        self.id = _next_id()
        self._tables = [weakref.ref(hooks)]
        for extra in [extra_dict] if isinstance(extra_dict, dict) else extra_dict or ():
            self._tables.append(weakref.ref(extra))

    def remove(self) -> None:
        """Take the hook off; a second call does nothing."""
        for ref in self._tables:
            table = ref()
            if table is not None:
                table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exception: Any) -> None:
        self.remove()


def add_hook(table: HookTable, hook: Hook, prepend: bool = False) -> RemovableHandle:
    """Put ``hook`` into ``table`` and return its handle."""
    handle = RemovableHandle(table)
    table[handle.id] = hook
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class NodeHooks:
    """All that is rarely attached to a node.

    ``tensor``: hooks of the tensors it made, by output number; ``retain``: the side records of
    outputs that keep their gradient; ``pre``/``post``: the node's own; ``accumulated``: called with
    the leaf after its gradient was accumulated; ``metadata``: the user's dictionary.
    """

    __slots__ = ("accumulated", "metadata", "post", "pre", "retain", "site", "tensor")

    def __init__(self) -> None:
        self.tensor: dict[int, HookTable] = {}
        self.retain: dict[int, Any] = {}
        self.pre: HookTable | None = None
        self.post: HookTable | None = None
        self.accumulated: HookTable | None = None
        self.metadata: dict[str, Any] = {}
        self.site: Any = None

    def idle(self) -> bool:
        """Whether there is nothing to call."""
        return not (self.tensor or self.retain or self.pre or self.post or self.accumulated)
