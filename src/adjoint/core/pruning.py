"""Pruning a recorded graph to the ways that lead to some leaves.

In: the edges of results, and leaves.  Out: the same graph without what leads elsewhere: nodes that
pull back less, and keep less alive.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from adjoint.core.node import Node, OutEdge
from adjoint.core.plan import Plan
from adjoint.core.pulls import NEEDS

__all__ = ["prune"]


def prune(roots: Sequence[Any], leaves: Sequence[Any]) -> None:
    """Let the nodes behind ``roots`` pull back towards ``leaves`` only."""
    nodes: dict[int, Node] = {}
    todo = [edge for edge in roots if not edge.leaf]
    while todo:
        edge = todo.pop()
        node = edge.node if type(edge) is OutEdge else edge
        if node.seq not in nodes:
            nodes[node.seq] = node
            todo += [e for e in node.edges if e is not None and not e.leaf]
    alive: set[Any] = set(leaves)
    for seq in sorted(nodes):  # a node is younger than all it leads to
        node = nodes[seq]
        edges = tuple([e if e is not None and _target(e) in alive else None for e in node.edges])
        if any(e is not None for e in edges):
            alive.add(node)
            if edges != node.edges:
                _restrict(node, edges)


def _target(edge: Any) -> Any:
    return edge.node if type(edge) is OutEdge else edge


def _restrict(node: Node, edges: tuple[Any, ...]) -> None:
    """Leave a node the edges that are not None, and of what it saved what they need."""
    node.edges = edges
    plan = node.plan
    if type(plan) is not Plan or plan.op.joint or node.saved is None:
        return
    needs = tuple([e is not None for e in edges])
    made = plan.op.plan(needs, plan.exact, plan.fitting)
    at = [plan.names.index(name) for name in made.names]
    saved, versions = node.saved, node.versions
    node.saved = tuple([needs if made.kinds[k] == NEEDS else saved[i] for k, i in enumerate(at)])
    node.versions = None if versions is None else tuple([versions[i] for i in at])
    node.plan = made
