"""The text of an anomaly: which line, which element, which numbers were multiplied, what to do.

In: the facts of the node at which nan showed, and those of where it came from (core/anomaly.py).
Out: a message that begins with PyTorch's sentence.
"""

from __future__ import annotations

import linecache
from typing import Any

import numpy as np

from adjoint.core.anomaly import Earlier, Facts, Site, earliest, is_bad
from adjoint.core.node import Node

__all__ = ["report"]

# Operations with a derivative that is not finite at 0, at the edge of their domain, or that
# overflow; what keeps the operand away from there.
_AT_ZERO = frozenset(
    "sqrt rsqrt log log2 log10 log1p reciprocal div pow xlogy hypot atan2 addcdiv dist "
    "vector_norm std var logit".split()
)
_AT_EDGE = frozenset("acos asin acosh atanh logit erfinv".split())
_OVERFLOW = frozenset("exp exp2 expm1 sinh cosh".split())


def report(facts: Facts, origin: Facts | None) -> str:
    """The message for a node whose gradient is nan (or inf, where that is asked for)."""
    node = facts.node
    lines = [
        f"Function '{node.name()}' returned {facts.worst} values in its {facts.position}th output."
    ]
    source = facts if origin is None else origin
    first = earliest(source)
    if first is not None:
        lines += ["", *_earlier_lines(first)]
    if source is not facts:
        lines += ["", *_facts_lines(source, first is None)]
    lines += ["", *_facts_lines(facts, first is None and source is facts)]
    if origin is None:
        lines.append("  The cotangent was not finite when the walk began: look at the gradient")
        lines.append("  that backward() was given.")
    lines += ["", *_cures(source, first)]
    return "\n".join(lines)


# ---- parts ---------------------------------------------------------------------------------------


def _name(node: Node) -> str:
    """The public name of a node's operation."""
    if node.op is None:
        return node.name()
    name: str = node.op.name
    for ending in ("_number", "_base", "_general", "_scaled", "_rounded", "_all", "_dim"):
        name = name.removesuffix(ending)
    return name


def _where(node: Node) -> list[str]:
    """The user's line."""
    site: Site | None = None if node.hooks is None else node.hooks.site
    if site is None:
        return ["  (recorded outside of anomaly detection: its line is not known)"]
    text = linecache.getline(site.file, site.line).strip()
    place = f"  {site.file}:{site.line}, in {site.function}"
    return [place, f"    {text}"] if text else [place]


def _operands(node: Node) -> str:
    """The names, dtypes and shapes of the operands, as far as the edges tell."""
    names = () if node.op is None or node.op.variadic else node.op.operands
    site: Site | None = None if node.hooks is None else node.hooks.site
    shown = []
    for i, edge in enumerate(node.edges):
        name = names[i] if i < len(names) else f"operand {i}"
        if edge is not None:
            shown.append(f"{name} {edge.desc.dtype.name} {list(edge.desc.shape)}")
        elif site is not None and site.shape(i) is not None:
            shown.append(f"{name} {list(site.shape(i) or ())} (needs no gradient)")
    return ", ".join(shown)


def _values(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} = {number}" for name, number in values.items())


def _at(index: tuple[int, ...] | None) -> str:
    return f" at {list(index)}" if index else ""


def _earlier_lines(first: Earlier) -> list[str]:
    lines = [
        "The first operation of the forward whose derivative is not finite there is "
        f"{_name(first.node)}:",
        *_where(first.node),
        f"  operands: {_operands(first.node)}",
    ]
    if first.values:
        lines.append(f"  there{_at(first.index)}: {_values(first.values)}")
    lines.append(f"  local derivative: {first.local}")
    return lines


def _facts_lines(facts: Facts, is_first: bool) -> list[str]:
    node = facts.node
    if is_first:
        start = "The first operation of the forward whose derivative is not finite there is "
        lines = [f"{start}{_name(node)}:" if facts.own else f"It showed at {_name(node)}:"]
    else:
        what = "inf" if facts.worst == "inf" else "nan"
        lines = [f"In the backward, {what} came up first at {_name(node)}:"]
        if not facts.own:
            lines = [f"In the backward, {what} showed at {_name(node)}:"]
    lines += [*_where(node), f"  operands: {_operands(node)}"]
    names = () if node.op is None or node.op.variadic else node.op.operands
    position = facts.position
    name = names[position] if position < len(names) else f"operand {position}"
    count = f"{facts.count} of {facts.size} elements"
    place = f"first{_at(facts.index)}" if facts.plain else "in all samples together"
    lines.append(f"  {count} of the gradient of {name} are {facts.worst}, {place}")
    if facts.values:
        lines.append(f"  there: {_values(facts.values)}")
    if facts.cotangent is not None:
        told = f"  incoming cotangent{_at(facts.behind)}: {facts.cotangent}"
        if facts.local is not None:
            with np.errstate(all="ignore"):
                product = np.multiply(facts.cotangent, facts.local)
            told += f"; local derivative: {facts.local}; product: {product}"
        lines.append(told)
    return lines


def _cures(source: Facts, first: Earlier | None) -> list[str]:
    node = source.node if first is None else first.node
    values = source.values if first is None else first.values
    name = _name(node)
    lines = ["What helps:"]
    if source.cotangent is None or source.cotangent == 0:
        start = "The cotangent is 0" if source.cotangent == 0 else "If the cotangent is 0"
        lines.append(
            f"  {start}: the element was not selected (by where, a mask, an index, clamp, ...).\n"
            "  Record the operation, or run the backward, inside "
            "`with adjoint.masked_gradients():`, in which\n  a cotangent of 0 contributes nothing; "
            "or make the operand safe before it: x = torch.where(ok, x, 1)."
        )
    if any(is_bad(v) for k, v in values.items() if k != "result"):
        lines.append(
            "  An operand is not finite itself: look at what made it, before this line, or at the "
            "data."
        )
    elif name in _AT_ZERO:
        operand = "divisor" if "div" in name else "operand"
        lines.append(
            f"  {name} has no finite derivative at 0 (or below): keep its {operand} away from "
            "there, with\n  x.clamp(min=eps) or x + eps."
        )
    elif name in _AT_EDGE:
        lines.append(
            f"  {name} has no finite derivative at the edge of its domain: x.clamp(-1 + eps, "
            "1 - eps) keeps inside."
        )
    elif name in _OVERFLOW:
        lines.append(
            f"  {name} overflows: clamp(max=...) its operand, or use a form that does not "
            "(logsumexp,\n  log_softmax, softplus, log1p)."
        )
    if len(lines) == 1:
        lines.append(
            "  Keep the operands of this operation away from where its derivative is not finite."
        )
    return lines
