"""What is made for graphs that come a second time, and kept.

In: marks of graphs, what was made for them.  Out: `KeptTwice`, for `Derivation` (programs) and
`Structures` (patterns): whether a graph was met before, and the things kept, the last used first.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, ClassVar

__all__ = ["KeptTwice"]


class KeptTwice:
    """Things worth making the second time: at most ``most`` of them, for ``marks`` graphs met."""

    most: ClassVar[int]
    marks: ClassVar[int]

    def __init__(self) -> None:
        self._kept: dict[Any, list[Any]] = {}
        self._seen: dict[Any, bool] = {}
        self._count = 0

    def again(self, mark: Hashable) -> bool:
        """Note a graph; whether it was met once before, and nothing was tried for it yet."""
        again = self._seen.get(mark)
        if again is None and len(self._seen) >= self.marks:
            self._seen.clear()
        self._seen[mark] = again is None
        return bool(again)

    def keep(self, key: Any, made: Any) -> None:
        """Keep what was made, to be tried first among those of one key."""
        if self._count >= self.most:
            self._kept.clear()
            self._seen.clear()
            self._count = 0
        self._count += 1
        self._kept.setdefault(key, []).insert(0, made)
