"""Making room for samples in memory that is to be written (array/batched).

In: a tensor and the values that are to be written into it.  Out: the same tensor, its base and its
views over memory that can hold them.
"""

from __future__ import annotations

from typing import Any

from adjoint.array.descriptor import describe, library_of
from adjoint.core.views import living_views, replay

__all__ = ["ANYWHERE", "born_in", "make_room"]

ANYWHERE = 1 << 62  # the place of birth of what may have any samples


def born_in(t: Any) -> int:
    """The number of the innermost transform in which ``t`` was made; 0: outside of all."""
    levels = t._desc.type.levels
    found: int = 0 if t._side is None else t._side.born
    return max(found, levels[0].number) if levels else found


def make_room(t: Any, values: tuple[Any, ...], born: int | None = None) -> None:
    """Give ``t`` memory that can hold ``values``, if these are arrays of another library.

    Its base and all living views move with it. ``born``: the innermost transform in which it may
    be counted as made (None: in which it was).
    """
    library = library_of(values)
    if library is None:
        return
    side = t._side
    base = t if side is None or side.base is None else side.base
    before = base._memory()
    array = library.promote(before, t._array, values, born_in(base) if born is None else born)
    if array is before:
        return
    if base._counter is not None and base._counter.views:
        for view in living_views(base):
            view._array = replay(library, array, view._side.steps)
            view._desc = describe(view._array)
    base._array = array
    base._desc = describe(array)
    if base._edge is not None and base._edge.leaf:
        base._edge.adopt(base)
    remember = getattr(library, "remember", None)  # by who will want the old memory back
    if remember is not None:
        remember(base, before)
