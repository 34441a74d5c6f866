"""Pulling a cotangent of another array library through a node whose values are NumPy's.

In: a node of the straight path, and a cotangent that may be a batched array.  Out: the operands'
cotangents.  Where the rules are elementwise, on equal shapes, they are applied to the NumPy array
inside: its hidden axes are in front, and broadcasting does the rest.
"""

from __future__ import annotations

from typing import Any

from adjoint.core.node import Node
from adjoint.core.plan import Plan

__all__ = ["pull_any"]


def pull_any(plan: Plan, node: Node, g: Any) -> Any:
    """What ``plan.pull`` gives, for a cotangent of any library."""
    if type(g) is list:
        return plan.pull_general(node, g)
    library = getattr(g, "array_library", None)
    if library is None:
        return plan.pull(node, g)
    if plan.fitting and plan.op.family == "elementwise" and not plan.whole:
        lift = getattr(library, "lift", None)
        if lift is not None:
            return lift(plan.pull, node, g)
    return plan.pull_general(node, g)
