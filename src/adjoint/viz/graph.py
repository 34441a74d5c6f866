"""The graph of a computation: what a tensor was computed from, as a picture.

In: a tensor (or several) that requires a gradient.  Out: a `Graph`, which shows itself in a
notebook and can be written as SVG, HTML, Graphviz DOT, Mermaid or text.
"""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.viz import formats
from adjoint.viz.collapse import collapse
from adjoint.viz.collect import collect, names_in_frame, names_of
from adjoint.viz.diagram import Diagram, Edge, Vertex
from adjoint.viz.svg import html_page, svg

__all__ = ["Graph", "graph"]

_NOUNS = {
    "leaf": ("leaf", "leaves"),
    "op": ("operator", "operators"),
    "output": ("result", "results"),
    "group": ("group", "groups"),
}


class Graph:
    """A recorded computation as a picture: vertices, edges, and ways to write them down."""

    def __init__(self, whole: Diagram, limit: int | None) -> None:
        self.whole = whole
        self.shown = whole if limit is None else collapse(whole, limit)

    @property
    def vertices(self) -> list[Vertex]:
        """The boxes of the picture."""
        return self.shown.vertices

    @property
    def edges(self) -> list[Edge]:
        """The arrows of the picture, by the numbers of the vertices they join."""
        return self.shown.edges

    def to_svg(self) -> str:
        """Return the picture as SVG."""
        return svg(self.shown)

    def to_html(self) -> str:
        """Return an HTML page that holds the picture."""
        return html_page(self.to_svg(), "Graph of a computation")

    def to_dot(self) -> str:
        """Return the graph in Graphviz' language."""
        return formats.dot(self.shown)

    def to_mermaid(self) -> str:
        """Return the graph as a Mermaid flowchart."""
        return formats.mermaid(self.shown)

    def to_text(self) -> str:
        """Return the graph as an indented tree, from the results down to the leaves."""
        return formats.tree(self.shown)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file, as its name ends: .svg, .html, .dot, .gv, .mmd or .txt.

        Raises: ValueError for another ending.
        """
        target = Path(path)
        writers = {
            ".svg": self.to_svg,
            ".html": self.to_html,
            ".dot": self.to_dot,
            ".gv": self.to_dot,
            ".mmd": self.to_mermaid,
            ".txt": self.to_text,
        }
        writer = writers.get(target.suffix.lower())
        if writer is None:
            raise ValueError(
                f"cannot tell the format of '{target.name}': its name should end in one of "
                + ", ".join(writers)
            )
        target.write_text(writer().rstrip("\n") + "\n", encoding="utf-8")

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        def count(diagram: Diagram) -> str:
            kinds = Counter(vertex.kind for vertex in diagram.vertices)
            return ", ".join(
                f"{kinds[kind]} {nouns[kinds[kind] != 1]}"
                for kind, nouns in _NOUNS.items()
                if kinds[kind]
            )

        drawn = f"; drawn as {count(self.shown)}" if self.shown is not self.whole else ""
        return f"<Graph of {count(self.whole)}{drawn}>"

    def _repr_svg_(self) -> str:
        return self.to_svg()

    def _repr_html_(self) -> str:
        return f'<div style="overflow: auto; max-height: 80vh">{self.to_svg()}</div>'


def graph(
    t: TensorBase | Iterable[TensorBase] | Mapping[str, TensorBase],
    params: Any = None,
    *,
    limit: int | None = 80,
) -> Graph:
    """Return the graph of everything that ``t`` was computed from.

    Args:
        t: a tensor that requires a gradient, several, or a mapping from names to tensors.
        params: names for tensors: a mapping, a module, or pairs as ``module.named_parameters()``
            gives them. When left out, the names of the caller's variables.
        limit: a picture of more vertices is collapsed: chains of operators become one vertex, then
            modules (known by the dotted names of their parameters), then stretches of the
            computation. None draws everything.

    Raises: ValueError if a tensor does not require a gradient: nothing was recorded for it.

    Example:
        >>> import adjoint
        >>> x, y = adjoint.ones(2, requires_grad=True), adjoint.ones(2, requires_grad=True)
        >>> a = x + y.exp()
        >>> print(graph(a))
        a  (2,)
        └─ Add  (2,)
           ├─ x  (2,)
           └─ Exp  (2,)
              └─ y  (2,)
    """
    if isinstance(t, TensorBase):
        outputs: dict[str, Any] = {"": t}
    elif isinstance(t, Mapping):
        outputs = dict(t)
    else:
        outputs = {f"output {i}": tensor for i, tensor in enumerate(t)}
    for name, tensor in outputs.items():
        if tensor._edge is None:
            raise ValueError(
                f"graph() needs a tensor that requires a gradient, and {name or 'this one'} (shape "
                f"{tuple(tensor._desc.shape)}) does not: nothing was recorded for it. It was "
                "computed without requires_grad, under no_grad(), or cut off by detach()."
            )
    names = names_in_frame(sys._getframe(1)) if params is None else names_of(params)
    return Graph(collect(outputs, names), limit)
