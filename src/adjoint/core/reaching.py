"""Which nodes lead where: what a walk has to run, looked up before it starts.

In: the edges of the roots, and the inputs whose gradients are asked for.  Out: the numbers of the
nodes that lead to them; for walks that are watched, how many edges enter each leaf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from adjoint.core.node import AccumulateGrad, Node

if TYPE_CHECKING:
    from adjoint.core.engine import Walk

__all__ = ["leading", "prepare"]


def leading(roots: list[Any], wanted: set[Any]) -> set[int] | None:
    """The numbers of the leaves ``wanted`` and of the nodes that lead to them; None if all do."""
    nodes: dict[int, Node] = {}
    beside = False
    todo = [edge.node for edge in roots if not edge.leaf]
    while todo:
        node = todo.pop()
        seq = node.seq
        if seq in nodes:
            continue
        nodes[seq] = node
        ends = True
        for edge in node.edges:
            if edge is None:
                continue
            ends = False
            if not edge.leaf:
                todo.append(edge.node)
            elif edge not in wanted:
                beside = True
        beside = beside or ends
    if not beside:
        return None
    return _on_the_way(nodes, wanted, {leaf.seq for leaf in wanted})


def _on_the_way(nodes: dict[int, Node], ends: set[Any], needed: set[int]) -> set[int]:
    """``needed`` and the numbers of the ``nodes`` that lead there or to one of ``ends``."""
    for seq in sorted(nodes):
        for edge in nodes[seq].edges:
            if edge is not None and (edge.node in ends or edge.node.seq in needed):
                needed.add(seq)
                break
    return needed


def prepare(
    walk: Walk, roots: list[Any], inputs: list[tuple[Any, int]] | None, watched_leaves: bool
) -> None:
    """Look at the reachable graph: which nodes lead to ``inputs``, how many edges enter each
    leaf.
    """
    nodes: dict[int, Node] = {}
    counts: dict[AccumulateGrad, int] | None = {} if watched_leaves else None
    todo = []
    for edge in roots:
        if not edge.leaf:
            todo.append(edge.node)
        elif counts is not None:
            counts[edge] = counts.get(edge, 0)
    while todo:
        node = todo.pop()
        seq = node.seq
        if seq in nodes:
            continue
        nodes[seq] = node
        for edge in node.edges:
            if edge is None:
                continue
            if not edge.leaf:
                todo.append(edge.node)
            elif counts is not None:
                counts[edge] = counts.get(edge, 0) + 1
    walk.counts = counts
    if inputs is None:
        return
    watched = walk.watched
    for index, (node, nr) in enumerate(inputs):
        walk.captures.setdefault((node, nr), []).append(index)
        watched.add(node)
    # `backward(inputs=[...])` also runs the nodes that made these tensors, though nothing beyond
    # them
    needed = {n.seq for n in watched if not n.leaf} if walk.accumulate else set()
    walk.needed = _on_the_way(nodes, watched, needed)
