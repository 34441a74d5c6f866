"""Collapsing: small pictures of large graphs, in which everything is still accounted for."""

import random
from collections import Counter

import pytest

from adjoint.viz.collapse import collapse, summary
from adjoint.viz.diagram import Diagram, Edge, Vertex


def chain(titles, leaf="q"):
    vertices = [Vertex("leaf", leaf, "()", -1)]
    vertices += [Vertex("op", title, "()", step) for step, title in enumerate(titles)]
    vertices.append(Vertex("output", "out", "()", len(titles)))
    return Diagram(vertices, [Edge(i, i + 1) for i in range(len(titles) + 1)])


def random_diagram(seed, n):
    rng = random.Random(seed)
    vertices, edges = [], []
    for i in range(n):
        if i < 3 or rng.random() < 0.2:
            vertices.append(Vertex("leaf", f"w{i}", "", -1))
            continue
        vertices.append(Vertex("op", rng.choice(["Add", "Mul", "Tanh"]), f"#{i}", i))
        for _ in range(rng.choice([1, 1, 2, 2, 3])):
            edges.append(Edge(rng.randrange(max(0, i - rng.choice([2, 10, n])), i), i))
    used = {edge.source for edge in edges}
    for i in range(n):
        if i not in used:
            edges.append(Edge(i, len(vertices)))
            vertices.append(Vertex("output", f"out{i}", "", n))
    return Diagram(vertices, edges)


def with_modules(layers, weights=2):
    """Layers of a bend around which the input is added, so that chains alone do not suffice."""
    vertices, edges = [Vertex("leaf", "x", "", -1)], []
    last = 0
    for layer in range(layers):
        used = []
        for part in range(weights):
            vertices.append(Vertex("leaf", f"net.{layer}.part{part}.weight", "", -1))
            vertices.append(Vertex("op", "Mm", "", len(vertices)))
            at = len(vertices) - 1
            edges += [Edge(used[-1] if used else last, at), Edge(at - 1, at)]
            vertices.append(Vertex("op", "Add", "", len(vertices)))
            edges += [Edge(at, at + 1), Edge(last, at + 1)]
            used.append(at + 1)
        last = used[-1]
    vertices.append(Vertex("output", "out", "", len(vertices)))
    edges.append(Edge(last, len(vertices) - 1))
    return Diagram(vertices, edges)


def lines_of(diagram):
    return Counter(line for v in diagram.vertices for line in v.members or (v.line(),))


def test_a_small_graph_is_left_alone():
    diagram = chain(["Exp", "Sum"])
    assert collapse(diagram, 4) is diagram


def test_a_chain_becomes_one_vertex():
    shown = collapse(chain(["Mul", "Add"] * 1000), 20)
    assert [(v.kind, v.title, v.detail) for v in shown.vertices] == [
        ("group", "1000 × (Mul, Add)", "q → ()"),
        ("output", "out", "()"),
    ]
    assert shown.edges == [Edge(0, 1)]


@pytest.mark.parametrize("limit", [4, 20, 60])
@pytest.mark.parametrize("seed", range(8))
def test_random_graphs(seed, limit):
    diagram = random_diagram(seed, 400)
    shown = collapse(diagram, limit)
    kinds = Counter(v.kind for v in shown.vertices)
    assert kinds["op"] + kinds["group"] + kinds["leaf"] <= limit + 1
    assert len(shown.sorted_steps()) == len(shown.vertices)  # no cycle
    assert lines_of(shown) == lines_of(diagram)
    assert all(edge.source != edge.target for edge in shown.edges)


def test_what_depends_on_what_is_kept():
    diagram = random_diagram(5, 200)
    shown = collapse(diagram, 60)
    group_of = {}
    for number, vertex in enumerate(shown.vertices):
        group_of.update((line, number) for line in vertex.members or (vertex.line(),))
    expected = set()
    for edge in diagram.edges:
        ends = (edge.source, edge.target)
        source, target = (group_of[diagram.vertices[i].line()] for i in ends)
        if source != target:
            expected.add((source, target))
    assert {(edge.source, edge.target) for edge in shown.edges} == expected


def test_modules_become_vertices():
    shown = collapse(with_modules(12), 40)
    titles = [v.title for v in shown.vertices if v.kind == "group"]
    assert titles == [f"net.{layer}.part{part}" for layer in range(12) for part in range(2)]
    assert shown.vertices[titles.index("net.3.part0")].detail == "Mm, Add\nweight"


def test_deeper_modules_are_joined_when_they_are_too_many():
    shown = collapse(with_modules(12), 20)
    titles = [v.title for v in shown.vertices if v.kind == "group"]
    assert titles == [f"net.{layer}" for layer in range(12)]


def test_stretches_when_nothing_else_helps():
    diagram = with_modules(100)
    for vertex in diagram.vertices:
        vertex.title = vertex.title.replace(".", "_")
    shown = collapse(diagram, 20)
    assert len(shown.vertices) <= 20
    assert lines_of(shown) == lines_of(diagram)
    groups = [v.title for v in shown.vertices if v.kind == "group"]
    assert groups == ["20 × (Mm, Add)"] * 10  # whole repetitions, not pieces of them


def test_many_leaves_become_one_vertex():
    n = 50
    vertices = [Vertex("leaf", f"w{i}", "(2,)", -1) for i in range(n)]
    vertices += [Vertex("op", "Add", "", i) for i in range(n)]
    edges = [Edge(i, n + j) for i in range(n) for j in (i, (i + n // 2) % n)]
    edges += [Edge(n + i, n + i + k) for k in (1, 2) for i in range(n - k)]
    shown = collapse(Diagram(vertices, edges), 10)
    assert [v.title for v in shown.vertices if "leaves" in v.title] == ["50 leaves"]
    assert len(shown.vertices) == 6


@pytest.mark.parametrize(
    ("titles", "text"),
    [
        (["Exp"], "Exp"),
        (["Exp", "Sum"], "Exp, Sum"),
        (["Exp", "Exp", "Sum"], "2 × Exp, Sum"),
        (["Mul"] * 7, "7 × Mul"),
        (["Mul", "Add"] * 5, "5 × (Mul, Add)"),
        (["A", "B", "C", "D", "E", "A"], "6 operators: 2 × A, B, C, …"),
    ],
)
def test_summary(titles, text):
    assert summary(titles) == text


def test_large_graphs_are_collapsed():
    diagram = random_diagram(1, 20_000)
    shown = collapse(diagram, 60)
    assert len([v for v in shown.vertices if v.kind != "output"]) <= 61
