"""The modes that change what an operator call does, all in one context variable.

In: set by the context managers of `autograd/grad_mode.py`, `autograd/graph.py` and others.  Out:
one integer. 1 (plain recording) and 0 (plain, not recording) allow the straight path of an
operator; any other bit sends every call through the general path, which looks at each of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

__all__ = ["get_mode", "grad_enabled", "mode_bits", "pauses", "set_grad", "set_mode"]

GRAD: Final = 1
INFERENCE: Final = 2
SAVED_HOOKS: Final = 4
ANOMALY: Final = 8
OVERRIDES_OFF: Final = 16
LIBRARIES: Final = 32  # arrays of other libraries than NumPy may be among the operands
MASKED: Final = 128  # zero cotangents contribute nothing
SINGLY: Final = 256  # samples and rows are computed one by one: arrays cannot be batched

mode: ContextVar[int] = ContextVar("adjoint_mode", default=GRAD)
get_mode = mode.get
set_mode = mode.set


# How often recording was off for a while: who counts can tell whether a function did it.
pauses = [0]


def grad_enabled() -> bool:
    """Whether operators are recorded now."""
    return bool(get_mode() & GRAD)


def set_grad(enabled: bool) -> int:
    """Switch recording on or off; return the mode before."""
    before = get_mode()
    set_mode(before | GRAD if enabled else before & ~GRAD)
    if not enabled:
        pauses[0] += 1
    return before


@contextmanager
def mode_bits(on: int = 0, off: int = 0) -> Iterator[None]:
    """Set and clear bits of the mode for a block."""
    before = get_mode()
    set_mode((before | on) & ~off)
    if off & GRAD:
        pauses[0] += 1
    try:
        yield
    finally:
        set_mode(before)
