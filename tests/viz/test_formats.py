"""Formats: what is written is well formed, complete and escaped."""

import re
from xml.etree import ElementTree

import pytest

from adjoint.viz import formats
from adjoint.viz.diagram import Diagram, Edge, Vertex
from adjoint.viz.svg import html_page, svg

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def diagram():
    return Diagram(
        [
            Vertex("leaf", "x", "(2,)", -1),
            Vertex("op", "Unbind", "", 0),
            Vertex("group", "2 × Mul", "weight\n(3, 4)", 1, ("Mul × 2", "Mul × 3")),
            Vertex("output", "y", "(3, 4)", 2),
        ],
        [Edge(0, 1), Edge(1, 2, "[0]"), Edge(1, 2, "[1]"), Edge(2, 3)],
    )


def test_dot(diagram):
    lines = formats.dot(diagram).splitlines()
    assert lines[0] == "digraph {" and lines[-1] == "}"
    assert '  n0 [label="x\\n(2,)" shape=box style="rounded,filled"' in lines[3]
    assert lines[-5:-1] == [
        "  n0 -> n1",
        '  n1 -> n2 [label="[0]"]',
        '  n1 -> n2 [label="[1]"]',
        "  n2 -> n3",
    ]


def test_mermaid(diagram):
    lines = formats.mermaid(diagram).splitlines()
    assert lines[0] == "flowchart TB"
    assert lines[1] == '  n0["x<br>(2,)"]:::leaf'
    assert lines[2] == '  n1(["Unbind"]):::op'
    assert lines[3] == '  n2[["2 × Mul<br>weight<br>(3, 4)"]]:::group'
    assert '  n1 -->|"[0]"| n2' in lines
    assert sum(line.startswith("  classDef") for line in lines) == 4


def test_names_are_escaped():
    nasty = 'a"b\\c<d>&|e'
    diagram = Diagram([Vertex("leaf", nasty)], [])
    assert 'label="a\\"b\\\\c<d>&|e"' in formats.dot(diagram)
    assert 'n0["a#quot;b\\c#lt;d#gt;#amp;#124;e"]' in formats.mermaid(diagram)
    texts = [e.text for e in ElementTree.fromstring(svg(diagram)).iter(f"{SVG}text")]
    assert texts == [nasty]


def test_tree(diagram):
    assert formats.tree(diagram) == (
        "y  (3, 4)\n"
        "└─ 2 × Mul  weight · (3, 4)\n"
        "   ├─ Unbind  [1]\n"
        "   │  └─ x  (2,)\n"
        "   └─ Unbind  [1] see above"
    )


def test_deep_trees_continue_further_below():
    n = 60
    vertices = [Vertex("op", f"step{i}", "", i) for i in range(n)]
    text = formats.tree(Diagram(vertices, [Edge(i, i + 1) for i in range(n - 1)]))
    lines = text.splitlines()
    assert sorted(re.findall(r"step\d+(?!.*see below)", text)) == sorted(v.title for v in vertices)
    assert max(map(len, lines)) < 100
    assert next(line for line in lines if not line.startswith(" ")) == "step59"
    assert "[1] see below" in text and re.search(r"(?m)^step\d+  \[1\]$", text)


def test_svg_is_complete(diagram):
    root = ElementTree.fromstring(svg(diagram))
    assert root.tag == f"{SVG}svg"
    texts = [e.text for e in root.iter(f"{SVG}text")]
    assert texts == [
        "[0]",
        "[1]",
        "x",
        "(2,)",
        "Unbind",
        "2 × Mul",
        "weight",
        "(3, 4)",
        "y",
        "(3, 4)",
    ]
    assert len(list(root.iter(f"{SVG}path"))) == 2 * len(diagram.edges)
    tooltips = [e.text for e in root.iter(f"{SVG}title")]
    assert tooltips == ["x (2,)", "Unbind", "Mul × 2\nMul × 3", "y (3, 4)"]
    assert "script" not in svg(diagram) and "href" not in svg(diagram)


def test_long_names_are_cut_in_the_box_and_whole_in_the_tooltip():
    name = "encoder." * 20 + "weight"
    root = ElementTree.fromstring(svg(Diagram([Vertex("leaf", name)], [])))
    (text,) = [e.text for e in root.iter(f"{SVG}text")]
    assert len(text) < 50 and text.endswith("…") and name.startswith(text[:-1])
    assert [e.text for e in root.iter(f"{SVG}title")] == [name]
    assert float(root.get("width")) < 500


def test_html(diagram):
    page = html_page(svg(diagram), "a <title>")
    assert page.startswith("<!DOCTYPE html>") and "<title>a &lt;title&gt;</title>" in page
    assert page.count("<svg") == page.count("</svg>") == 1
