"""Random programs of views, in-place writes and reads, as plain data that any library can run.

A program is a list of (kind, a, b, c) numbers. What they mean depends on the shapes at hand: every
list is a valid program, and shrinking a failing one gives a small valid one. Tensors of both
libraries run them, and so does `Dual` (tests/property/dual.py), a model over NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import strategies as st

Step = tuple[int, int, int, int]

SAFE_VIEWS = ("select", "slice", "step", "transpose", "unsqueeze", "diagonal", "flatten", "detach")
ALL_VIEWS = (*SAFE_VIEWS, "unbind", "split", "expand", "squeeze", "no_grad", "narrow", "unfold")
WRITES = ("mul", "add", "mul_leaf", "copy", "zero", "neg", "sin", "item", "add_other", "row")


def programs(max_steps: int = 10) -> Any:
    """Return the strategy of programs."""
    number = st.integers(0, 11)
    return st.lists(st.tuples(number, number, number, number), min_size=1, max_size=max_steps)


def view_of(t: Any, which: str, b: int, c: int, no_grad: Callable[[], Any]) -> Any:
    """Return a view of ``t``, or None where that kind of view does not exist."""
    shape = tuple(t.shape)
    if which == "detach":
        return t.detach()
    if which == "unsqueeze":
        return t.unsqueeze(b % (len(shape) + 1)) if len(shape) < 4 else None
    if not shape or 0 in shape:
        return None
    dim = b % len(shape)
    size = shape[dim]
    lead = (slice(None),) * dim
    if which == "select":
        return t[(*lead, c % size)]
    if which == "slice":
        return t[(*lead, slice(c % size, None))]
    if which == "step":
        return t[(*lead, slice(None, None, 2))]
    if which == "narrow":
        return t.narrow(dim, 0, 1 + c % size)
    if which == "transpose":
        return t.transpose(dim, c % len(shape))
    if which == "diagonal":
        return t.diagonal(0, 0, 1) if len(shape) >= 2 else None
    if which == "flatten":
        return t.view(-1) if t.is_contiguous() else None
    if which == "squeeze":
        return t.squeeze()
    if which == "unbind":
        return t.unbind(dim)[c % size]
    if which == "split":
        return t.split(1 + c % size, dim)[0]
    if which == "expand":
        return t.unsqueeze(0).expand(2, *shape) if len(shape) < 3 else None
    if which == "unfold":
        length = 1 + c % size  # windows that do not overlap: writing to others is undefined
        return t.unfold(dim, length, length) if len(shape) < 3 else None
    with no_grad():
        return t[(*lead, slice(c % size, None))]


def write(t: Any, which: str, w: Any, other: Any, b: int, c: int) -> None:
    """Overwrite ``t`` in place."""
    if which == "mul":
        t.mul_(0.5 + b / 4)
    elif which == "add":
        t.add_(c / 8)
    elif which == "mul_leaf":
        t.mul_(w)
    elif which == "copy":
        t.copy_(other.clone() * 0.5)
    elif which == "add_other":
        t.add_(other.clone() * w)
    elif which == "zero":
        t.zero_()
    elif which == "neg":
        t.neg_()
    elif which == "sin":
        t.sin_()
    elif which == "item":
        t[...] = c / 4
    elif t.shape and t.shape[0]:
        t[b % t.shape[0]] = w * (1 + c)
    else:
        t[...] = w


def fits(source: tuple[int, ...], target: tuple[int, ...]) -> bool:
    """Whether an array of one shape broadcasts to another."""
    if len(source) > len(target):
        return False
    return all(n in (1, m) for n, m in zip(source[::-1], target[::-1]))
