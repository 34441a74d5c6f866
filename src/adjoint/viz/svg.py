"""SVG: draws a diagram without any program beside this one.

In: a `Diagram`.  Out: the text of an SVG picture, complete in itself (no scripts, no fonts).
"""

from __future__ import annotations

from html import escape
from itertools import pairwise

from adjoint.viz.diagram import Diagram, Vertex
from adjoint.viz.layout import Point, lay_out

__all__ = ["html_page", "svg"]

_FONT = "'Segoe UI', 'Helvetica Neue', Helvetica, Arial, 'DejaVu Sans', sans-serif"
_TITLE, _DETAIL = 13.0, 11.0  # font sizes
_MARGIN = 18.0
_LONGEST = 44  # characters in a line of a box
_TOLD = 40  # lines of a tooltip
_STACK = 4.0

# fill, border, text
_COLOURS = {
    "leaf": ("#e6f0fd", "#5a8fd8", "#1d3f72"),
    "op": ("#ffffff", "#a3acb9", "#222b38"),
    "output": ("#e5f5e8", "#4fa364", "#1d5a2e"),
    "group": ("#f3effb", "#9a83cf", "#43307a"),
}
_LINE, _QUIET = "#8b95a5", "#667080"

_NARROW = frozenset("iIjl.,:;'|![]()/ ftr-·")
_WIDE = frozenset("mwMW@%…×")


def svg(diagram: Diagram) -> str:
    """Return the SVG text of a diagram."""
    sizes = [_size(v) for v in diagram.vertices]
    layout = lay_out(sizes, [(e.source, e.target) for e in diagram.edges])
    width, height = layout.width + 2 * _MARGIN, layout.height + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}"'
        f' viewBox="{-_MARGIN:.0f} {-_MARGIN:.0f} {width:.0f} {height:.0f}"'
        f' font-family="{_FONT}" text-anchor="middle" role="img"'
        ' aria-label="Graph of a computation">',
        f'<rect x="{-_MARGIN:.0f}" y="{-_MARGIN:.0f}" width="100%" height="100%" fill="#ffffff"/>',
        f'<g fill="none" stroke="{_LINE}" stroke-width="1.3" stroke-linecap="round">',
    ]
    parts += [f'<path d="{_curve(line)}"/>' for line in layout.lines]
    parts.append(f'</g>\n<g fill="{_LINE}">')
    parts += [f'<path d="{_arrowhead(line[-1])}"/>' for line in layout.lines]
    parts.append("</g>")
    for edge, line in zip(diagram.edges, layout.lines):
        if edge.label:
            x, y = line[0]
            parts.append(_text(x + 10, y + 11, edge.label, _DETAIL - 1, _QUIET))
    for vertex, size, centre in zip(diagram.vertices, sizes, layout.centres):
        parts.append(_box(vertex, size, centre))
    parts.append("</svg>")
    return "\n".join(parts)


def html_page(picture: str, title: str) -> str:
    """Return an HTML page around an SVG picture."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<meta charset="utf-8">\n'
        f"<title>{escape(title)}</title>\n"
        '<body style="margin: 16px; background: #ffffff">\n'
        f"{picture}\n</body>\n</html>\n"
    )


# ---- boxes ---------------------------------------------------------------------------------------


def _size(vertex: Vertex) -> tuple[float, float]:
    details = vertex.detail.splitlines()
    wide = [_width(_short(line), _DETAIL) for line in details]
    wide.append(_width(_short(vertex.title), _TITLE * 1.05))
    stack = _STACK if vertex.kind == "group" else 0.0
    return max(max(wide) + 26.0, 52.0) + stack, 30.0 + 14.0 * len(details) + stack


def _width(text: str, size: float) -> float:
    """About how wide a text is drawn; on the safe side, since every system has other fonts."""
    total = 0.0
    for c in text:
        if c in _NARROW:
            total += 0.36
        elif c in _WIDE:
            total += 0.95
        else:
            total += 0.68 if c.isupper() or ord(c) > 0x2E80 else 0.61
    return total * size


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _box(vertex: Vertex, size: tuple[float, float], centre: Point) -> str:
    fill, border, ink = _COLOURS[vertex.kind]
    details = vertex.detail.splitlines()
    lines = vertex.members or (vertex.line(),)
    told = "\n".join(lines[:_TOLD])
    if len(lines) > _TOLD:
        told += f"\n… {len(lines) - _TOLD} more"
    parts = [f"<g><title>{escape(told)}</title>"]
    stack = _STACK if vertex.kind == "group" else 0.0  # a group looks like a stack of boxes
    width, height = size[0] - stack, size[1] - stack
    left, top = centre[0] - size[0] / 2, centre[1] - size[1] / 2
    round_ = min(15.0, height / 2) if vertex.kind == "op" else 6.0
    for shift in (stack, 0.0) if stack else (0.0,):
        parts.append(
            f'<rect x="{left + shift:.1f}" y="{top + stack - shift:.1f}" width="{width:.1f}"'
            f' height="{height:.1f}" rx="{round_:g}" fill="{fill}" stroke="{border}"'
            ' stroke-width="1.2"/>'
        )
    x, y = left + width / 2, top + stack + (18.5 if details else 19.5)
    weight = "400" if vertex.kind == "op" else "600"
    parts.append(_text(x, y, _short(vertex.title), _TITLE, ink, weight))
    for line in details:
        y += 15.0
        parts.append(_text(x, y, _short(line), _DETAIL, _QUIET))
    return "".join(parts) + "</g>"


def _text(x: float, y: float, text: str, size: float, ink: str, weight: str = "400") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" font-weight="{weight}"'
        f' fill="{ink}">{escape(text)}</text>'
    )


# ---- lines ---------------------------------------------------------------------------------------


def _curve(line: list[Point]) -> str:
    """A line that leaves and passes every point vertically; it ends where the arrowhead begins."""
    *rest, (end_x, end_y) = line
    points = [*rest, (end_x, end_y - 5.0)]
    text = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (ax, ay), (bx, by) in pairwise(points):
        if abs(ax - bx) < 0.05:
            text += f"V{by:.1f}"
        else:
            middle = (ay + by) / 2
            text += f"C{ax:.1f} {middle:.1f} {bx:.1f} {middle:.1f} {bx:.1f} {by:.1f}"
    return text


def _arrowhead(tip: Point) -> str:
    x, y = tip
    return f"M{x:.1f} {y:.1f}l-3.6 -7.2l3.6 1.6l3.6 -1.6z"
