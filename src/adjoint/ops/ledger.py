"""The ledger: which rules every operator has, and where they come from.

In: the operators as declared.  Out: one line for each: its family, its vjp, its jvp. A rule is the
operator's ``own``, follows from its ``family``, or is ``derived`` from another rule (a jvp by
transposing the vjp). ``none`` stands for operators without a derivative; a rule that is missing is
a ``gap``. ``python -m adjoint.ops`` shows it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from adjoint.core.forward import rule_of
from adjoint.core.op import OPERATORS, Op

__all__ = ["Line", "ledger", "table"]


class Line(NamedTuple):
    """One operator and where its rules come from."""

    operator: str
    family: str
    vjp: str
    jvp: str


def line(op: Op) -> Line:
    """Return the line of one operator."""
    return Line(op.name, op.family, _vjp(op), _jvp(op))


def _vjp(op: Op) -> str:
    return "own" if op.differentiable else "none"


def _jvp(op: Op) -> str:
    if not op.differentiable:
        return "none" if op.jvp is None else "gap"  # a jvp alone: reverse mode would be wrong
    way = rule_of(op)
    return way if way in ("own", "derived") else "family"


def ledger() -> list[Line]:
    """Return the lines of all operators, by name."""
    return [line(OPERATORS[name]) for name in sorted(OPERATORS)]


def table(lines: Iterable[Line]) -> str:
    """Return the lines as text in columns, and how often each origin occurs."""
    rows = [*lines]
    texts = [Line("operator", "family", "vjp", "jvp"), *rows]
    widths = [max(len(text[i]) for text in texts) for i in range(len(Line._fields))]
    shown = ["  ".join(c.ljust(w) for c, w in zip(text, widths)).rstrip() for text in texts]
    for rule in ("vjp", "jvp"):
        counts = Counter(getattr(row, rule) for row in rows)
        said = ", ".join(f"{counts[origin]} {origin}" for origin in sorted(counts))
        shown.append(f"{rule}: {said}")
    return "\n".join(shown)
