"""Pictures of recorded computations: as SVG, HTML, Graphviz DOT, Mermaid or plain text.

In: tensors that require a gradient.  Out: a `Graph`, which a notebook shows as a picture.
"""

from adjoint.viz.graph import Graph, graph

__all__ = ["Graph", "graph"]
