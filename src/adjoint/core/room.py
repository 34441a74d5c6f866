"""Making room for samples in memory that is to be written (array/batched).

In: a tensor and the values that are to be written into it.  Out: the same tensor, its base and its
views over memory that can hold them.
"""

from __future__ import annotations

import weakref
from typing import Any

from adjoint.array.descriptor import cut_off, describe, library_of
from adjoint.core.views import living_views, replay

__all__ = ["ANYWHERE", "born_in", "link_alias", "make_room", "owner_of"]

ANYWHERE = 1 << 62  # the place of birth of what may have any samples


def born_in(t: Any) -> int:
    """The number of the innermost transform in which ``t`` was made; 0: outside of all."""
    levels = t._desc.type.levels
    found: int = 0 if t._side is None else t._side.born
    return max(found, levels[0].number) if levels else found


def make_room(t: Any, values: tuple[Any, ...], born: int | None = None) -> None:
    """Give ``t`` memory that can hold ``values``, if these are arrays of another library.

    All that shares its memory moves with it. ``born``: the innermost transform in which it may
    be counted as made (None: in which it was).
    """
    library = library_of(values)
    if library is None:
        return
    base = owner_of(t)
    before = base._memory()
    array = library.promote(before, t._array, values, born_in(base) if born is None else born)
    if array is before:
        return
    _move(base, array, library)
    remember = getattr(library, "remember", None)  # by who will want the old memory back
    if remember is not None:
        remember(base, before)


def owner_of(t: Any) -> Any:
    """The tensor whose memory ``t`` looks at: its base, or what it was detached from."""
    while t._side is not None:
        side = t._side
        above = side.source if side.base is None else side.base
        if above is None:
            break
        t = above
    return t


def _move(t: Any, array: Any, library: Any) -> None:
    """Give ``t`` other memory, and with it the views and detached tensors that share it."""
    t._array = array
    t._desc = describe(array)
    if t._edge is not None and t._edge.leaf:
        t._edge.adopt(t)
    if t._counter is not None and t._counter.views:
        for view in living_views(t):
            _move(view, replay(library, array, view._side.steps), library)
    for reference in () if t._side is None else t._side.aliases:
        alias = reference()
        if alias is not None:
            _move(alias, cut_off(array), library)


def link_alias(source: Any, alias: Any) -> None:
    """Note inside `vmap` that ``alias``, detached from ``source``, shares its memory."""
    alias._rare().source = source
    side = source._rare()
    side.aliases = (*side.aliases, weakref.ref(alias))
