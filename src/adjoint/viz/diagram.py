"""Diagrams: the plain data behind every picture, vertices and edges in the direction of the data.

In: whatever `collect` found on the tape, and partitions of it from `collapse`.  Out: a `Diagram`,
which `layout`, `svg` and `formats` read; none of them knows what a tensor is.
"""

from __future__ import annotations

import dataclasses
import heapq

__all__ = ["Diagram", "Edge", "Vertex"]


@dataclasses.dataclass(slots=True)
class Vertex:
    """A box of the picture.

    ``kind`` is "leaf", "op", "output" or "group" (several of the others drawn as one); ``detail``
    is small text in one or more lines; ``step`` tells the order in which the computation ran;
    ``members`` are the lines of what a group stands for.
    """

    kind: str
    title: str
    detail: str = ""
    step: int = 0
    members: tuple[str, ...] = ()

    def line(self) -> str:
        """The vertex in one line of text."""
        return f"{self.title} {self.detail}".rstrip()


@dataclasses.dataclass(slots=True, frozen=True)
class Edge:
    """Data flowing from the vertex numbered ``source`` to the one numbered ``target``."""

    source: int
    target: int
    label: str = ""


@dataclasses.dataclass(slots=True)
class Diagram:
    """Vertices and edges; edges that arrive at one vertex stand in the order of its operands."""

    vertices: list[Vertex]
    edges: list[Edge]

    def predecessors(self) -> list[list[int]]:
        """For each vertex the vertices that its operands come from."""
        found: list[list[int]] = [[] for _ in self.vertices]
        for edge in self.edges:
            found[edge.target].append(edge.source)
        return found

    def successors(self) -> list[list[int]]:
        """For each vertex the vertices that use it."""
        found: list[list[int]] = [[] for _ in self.vertices]
        for edge in self.edges:
            found[edge.source].append(edge.target)
        return found

    def sorted_steps(self) -> list[int]:
        """All vertices, each after those it depends on and otherwise as they were computed."""
        successors = self.successors()
        waiting = [0] * len(self.vertices)
        for edge in self.edges:
            waiting[edge.target] += 1
        ready = [(v.step, i) for i, v in enumerate(self.vertices) if not waiting[i]]
        heapq.heapify(ready)
        order = []
        while ready:
            _, i = heapq.heappop(ready)
            order.append(i)
            for j in successors[i]:
                waiting[j] -= 1
                if not waiting[j]:
                    heapq.heappush(ready, (self.vertices[j].step, j))
        return order

    def contracted(self, group_of: list[int], groups: list[Vertex]) -> Diagram:
        """The diagram with one vertex per group; edges inside a group go, parallel ones are one.

        ``group_of[i]`` is the number of vertex i's group. A group that is a single vertex keeps
        parallel edges, which are its operands.
        """
        edges: list[Edge] = []
        seen: set[tuple[int, int]] = set()
        for edge in self.edges:
            source, target = group_of[edge.source], group_of[edge.target]
            if source == target:
                continue
            if "group" in (groups[source].kind, groups[target].kind):
                if (source, target) in seen:
                    continue
                seen.add((source, target))
            label = edge.label if groups[source].kind != "group" else ""
            edges.append(Edge(source, target, label))
        return Diagram(groups, edges)
