"""Text formats: a diagram as Graphviz DOT, as Mermaid, and as an indented tree.

In: a `Diagram`.  Out: text in the format's own syntax.
"""

from __future__ import annotations

from adjoint.viz.diagram import Diagram, Vertex

__all__ = ["dot", "mermaid", "tree"]

_DOT_STYLE = {
    "leaf": 'shape=box style="rounded,filled" fillcolor="#e6f0fd" color="#5a8fd8"',
    "op": 'shape=box style="rounded,filled" fillcolor="#ffffff" color="#a3acb9"',
    "output": 'shape=box style="rounded,filled" fillcolor="#e5f5e8" color="#4fa364"',
    "group": 'shape=box3d style=filled fillcolor="#f3effb" color="#9a83cf"',
}
_MERMAID_SHAPE = {
    "leaf": ('["', '"]'),
    "op": ('(["', '"])'),
    "output": ('["', '"]'),
    "group": ('[["', '"]]'),
}
_MERMAID_STYLE = {
    "leaf": "fill:#e6f0fd,stroke:#5a8fd8,color:#1d3f72",
    "op": "fill:#ffffff,stroke:#a3acb9,color:#222b38",
    "output": "fill:#e5f5e8,stroke:#4fa364,color:#1d5a2e",
    "group": "fill:#f3effb,stroke:#9a83cf,color:#43307a",
}
_DEEPEST = 24


def dot(diagram: Diagram) -> str:
    """Return the diagram as Graphviz DOT."""
    lines = ["digraph {", '  node [fontname="Helvetica" fontsize=11]', '  edge [color="#8b95a5"]']
    for i, vertex in enumerate(diagram.vertices):
        label = "\\n".join(_dot_escape(part) for part in _parts(vertex))
        lines.append(f'  n{i} [label="{label}" {_DOT_STYLE[vertex.kind]}]')
    for edge in diagram.edges:
        label = f' [label="{_dot_escape(edge.label)}"]' if edge.label else ""
        lines.append(f"  n{edge.source} -> n{edge.target}{label}")
    return "\n".join([*lines, "}"]) + "\n"


def _dot_escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def mermaid(diagram: Diagram) -> str:
    """Return the diagram as a Mermaid flowchart."""
    lines = ["flowchart TB"]
    for i, vertex in enumerate(diagram.vertices):
        before, after = _MERMAID_SHAPE[vertex.kind]
        label = "<br>".join(_mermaid_escape(part) for part in _parts(vertex))
        lines.append(f"  n{i}{before}{label}{after}:::{vertex.kind}")
    for edge in diagram.edges:
        label = f'|"{_mermaid_escape(edge.label)}"|' if edge.label else ""
        lines.append(f"  n{edge.source} -->{label} n{edge.target}")
    used = {vertex.kind for vertex in diagram.vertices}
    lines += [
        f"  classDef {kind} {style}" for kind, style in _MERMAID_STYLE.items() if kind in used
    ]
    return "\n".join(lines) + "\n"


def _mermaid_escape(text: str) -> str:
    for sign, code in (("&", "amp"), ('"', "quot"), ("<", "lt"), (">", "gt"), ("|", "124")):
        text = text.replace(sign, f"#{code};")
    return text


def tree(diagram: Diagram) -> str:
    """Return the diagram as an indented tree, from the results down to the leaves.

    What is used more than once is written out at its first place only and has a number there;
    branches that would be indented too far are written out further below.
    """
    vertices = diagram.vertices
    operands = diagram.predecessors()
    users = diagram.successors()
    numbers: dict[int, int] = {}
    written: set[int] = set()
    lines: list[str] = []
    roots = [i for i, found in enumerate(users) if not found]
    for root in roots:  # grows by branches put off
        stack = [(root, "", "", 0)]
        while stack:
            i, lead, indent, depth = stack.pop()
            again = i in written
            put_off = not again and depth >= _DEEPEST and bool(operands[i])
            shared = bool(operands[i]) and (len(users[i]) > 1 or put_off or i in numbers)
            if shared:
                numbers.setdefault(i, len(numbers) + 1)
            mark = f"  [{numbers[i]}]" if shared else ""
            note = " see above" if again and shared else " see below" if put_off else ""
            lines.append(lead + _line(vertices[i]) + mark + note)
            if put_off:
                if i not in roots:
                    roots.append(i)
            elif not again:
                written.add(i)
                stack += reversed(
                    [
                        (j, indent + branch, indent + rest, depth + 1)
                        for j, branch, rest in _branches(operands[i])
                    ]
                )
    return "\n".join(lines)


def _branches(operands: list[int]) -> list[tuple[int, str, str]]:
    last = len(operands) - 1
    return [
        (j, "└─ " if k == last else "├─ ", "   " if k == last else "│  ")
        for k, j in enumerate(operands)
    ]


def _line(vertex: Vertex) -> str:
    title, *details = _parts(vertex)
    return f"{title}  {' · '.join(details)}".rstrip()


def _parts(vertex: Vertex) -> list[str]:
    return [vertex.title, *vertex.detail.splitlines()]
