"""How much memory a plan may take, and how many rows at a time fit into it.

In: a budget as users state it, sizes.  Out: bytes, and numbers of rows.
"""

from __future__ import annotations

import os
import time
from typing import Any

__all__ = ["budget_of", "check_result", "readable", "rows_at_a_time"]

_DEFAULT = 1 << 30  # bytes, or a quarter of what is free if that is less

# A row of a walk holds a few arrays of the largest size at once: the cotangent, what a rule makes
# on its way, its result.
_ALIVE = 4


_SMALL = 1 << 26  # bytes that are there without asking: asking takes longer than small matrices
_HOLDS = 0.5  # seconds
_last: list[Any] = [-_HOLDS, None]  # when memory was last asked for, and what was free then


def _free() -> int | None:
    """The bytes of memory that are free, where the system tells."""
    try:
        with open("/proc/meminfo", encoding="ascii") as lines:
            for line in lines:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2
    except (AttributeError, ValueError, OSError):
        return None


def _free_lately() -> int | None:
    """The same, as it was half a second ago or less."""
    now = time.monotonic()
    if now - _last[0] >= _HOLDS:
        _last[:] = now, _free()
    found: int | None = _last[1]
    return found


def budget_of(memory: int | float | None) -> int:
    """The bytes that intermediate results may take; None: 1 GiB, or a quarter of what is free.

    Raises: ValueError if it is not positive.
    """
    if memory is None:
        free = _free_lately()
        return _DEFAULT if free is None else min(_DEFAULT, free // 4)
    if not memory > 0:
        raise ValueError(f"memory is a positive number of bytes, got {memory}")
    return int(memory)


def check_result(rows: int, columns: int, itemsize: int) -> None:
    """Raise MemoryError if a dense result is larger than the memory that is free."""
    needed = rows * columns * itemsize
    free = None if needed <= _SMALL else _free()
    if free is not None and needed > free:
        raise MemoryError(
            f"a dense {rows} x {columns} matrix takes {readable(needed)}, and {readable(free)} "
            "are free: ask for sparse=True, or for products with vectors (hvp, func.jvp, func.vjp)"
        )


def rows_at_a_time(rows: int, largest: int, itemsize: int, budget: int) -> int:
    """How many rows of a walk, whose largest tensor has ``largest`` elements, fit into a budget."""
    each = max(1, largest * itemsize * _ALIVE)
    return max(1, min(rows, budget // each))


def readable(size: float) -> str:
    """A number of bytes for people.

    >>> readable(1536)
    '1.5 kB'
    """
    for unit in ("bytes", "kB", "MB", "GB"):
        if size < 1024:
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TB"
