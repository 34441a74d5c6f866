"""Graphs of recorded computations, as users ask for them."""

from xml.etree import ElementTree

import pytest

import adjoint
from adjoint import viz


def edges(graph):
    """The edges by title and detail, sorted."""
    lines = [v.line() for v in graph.vertices]
    return sorted((lines[e.source], lines[e.target]) for e in graph.edges)


def titles(graph, kind):
    return sorted(v.title for v in graph.vertices if v.kind == kind)


@pytest.fixture
def example():
    """The first picture: ``a = x + 2 y; b = a + z / 2``."""
    x = adjoint.tensor([2.0, 1.0], requires_grad=True)
    y = adjoint.tensor([1.0, 3.0], requires_grad=True)
    z = adjoint.tensor([5.0, 2.0], requires_grad=True)
    a = x + y * 2
    b = a + z / 2
    return viz.graph(b), b, {"x": x, "y": y, "z": z}


def test_the_first_picture(example):
    graph, _, _ = example
    assert titles(graph, "leaf") == ["x", "y", "z"]
    assert titles(graph, "op") == ["Add", "Add", "Div", "Mul"]
    assert edges(graph) == [
        ("Add (2,)", "b (2,)"),
        ("Add a · (2,)", "Add (2,)"),
        ("Div / 2 · (2,)", "Add (2,)"),
        ("Mul × 2 · (2,)", "Add a · (2,)"),
        ("x (2,)", "Add a · (2,)"),
        ("y (2,)", "Mul × 2 · (2,)"),
        ("z (2,)", "Div / 2 · (2,)"),
    ]
    assert repr(graph) == "<Graph of 3 leaves, 4 operators, 1 result>"


def test_the_first_picture_as_text(example):
    graph, _, _ = example
    assert (
        str(graph)
        == graph.to_text()
        == (
            "b  (2,)\n"
            "└─ Add  (2,)\n"
            "   ├─ Add  a · (2,)\n"
            "   │  ├─ x  (2,)\n"
            "   │  └─ Mul  × 2 · (2,)\n"
            "   │     └─ y  (2,)\n"
            "   └─ Div  / 2 · (2,)\n"
            "      └─ z  (2,)"
        )
    )


def test_names_that_are_given(example):
    _, b, leaves = example
    graph = viz.graph(b, {f"leaf_{name}": leaf for name, leaf in leaves.items()})
    assert titles(graph, "leaf") == ["leaf_x", "leaf_y", "leaf_z"]
    assert titles(graph, "output") == ["output"]
    assert titles(viz.graph(b, leaves.items()), "leaf") == ["x", "y", "z"]
    assert titles(viz.graph({"energy": b}, {}), "output") == ["energy"]
    assert titles(viz.graph({"energy": b}, {}), "leaf") == ["leaf", "leaf", "leaf"]


def test_pictures_are_drawn_without_other_programs(example):
    graph, _, _ = example
    assert ElementTree.fromstring(graph.to_svg()).tag.endswith("svg")
    assert graph._repr_svg_() == graph.to_svg()
    assert graph.to_svg() in graph._repr_html_()


@pytest.mark.parametrize("ending", ["svg", "html", "dot", "gv", "mmd", "txt", "SVG"])
def test_save(example, tmp_path, ending):
    graph, _, _ = example
    path = tmp_path / f"picture.{ending}"
    graph.save(path)
    start = {"svg": "<svg", "html": "<!DOC", "dot": "digraph", "gv": "digraph"}
    start |= {"mmd": "flowchart", "txt": "b  (2,)"}
    assert path.read_text(encoding="utf-8").startswith(start[ending.lower()])


def test_save_with_an_unknown_ending(example, tmp_path):
    graph, _, _ = example
    with pytest.raises(ValueError, match=r"should end in one of \.svg, \.html"):
        graph.save(str(tmp_path / "picture.png"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_used_twice_is_drawn_once():
    x = adjoint.ones(2, requires_grad=True)
    y = x.exp()
    z = y * y + y
    graph = viz.graph(z)
    assert titles(graph, "op") == ["Add", "Exp", "Mul"]
    assert edges(graph).count(("Exp y · (2,)", "Mul (2,)")) == 2
    assert graph.to_text().count("[1] see above") == 2


def test_a_tensor_without_history_is_refused():
    with pytest.raises(ValueError, match=r"needs a tensor that requires a gradient"):
        viz.graph(adjoint.ones(2))


def test_a_leaf_is_a_picture_of_itself():
    x = adjoint.ones(2, requires_grad=True)
    graph = viz.graph(x)
    assert [(v.kind, v.line()) for v in graph.vertices] == [("leaf", "x (2,)")]


def test_several_results():
    x = adjoint.ones(2, requires_grad=True)
    u, v = x.exp(), x.sin()
    assert titles(viz.graph([u, v]), "output") == ["output 0", "output 1"]
    assert titles(viz.graph({"first": u, "second": v}), "output") == ["first", "second"]
    assert titles(viz.graph([u, v]), "leaf") == ["x"]


def test_outputs_of_one_operator_are_told_apart():
    x = adjoint.ones(2, requires_grad=True)
    p, q = x.unbind(0)
    graph = viz.graph(p * q)
    assert sorted(e.label for e in graph.edges if e.label) == ["[0]", "[1]"]


def test_drawing_after_backward():
    x = adjoint.ones(2, requires_grad=True)
    y = (x * 3).sum()
    y.backward()
    assert titles(viz.graph(y), "op") == ["Mul", "Sum"]


def test_second_derivatives():
    x = adjoint.ones(2, requires_grad=True)
    (g,) = adjoint.autograd.grad((x.exp() * x).sum(), x, create_graph=True)
    graph = viz.graph(g.sum())
    assert titles(graph, "leaf") == ["x"]
    assert len(graph.vertices) > 4


def test_functions_of_users_have_their_own_name():
    class Twice(adjoint.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = adjoint.ones(2, requires_grad=True)
    assert titles(viz.graph(Twice.apply(x)), "op") == ["Twice"]


def test_names_of_parameters_of_the_callers_modules():
    net = adjoint.nn.Linear(3, 2)
    loss = net(adjoint.ones(1, 3)).sum()
    assert titles(viz.graph(loss), "leaf") == ["bias", "weight"]
    assert titles(viz.graph(loss, net), "leaf") == ["bias", "weight"]


def test_thousands_of_operators_are_collapsed():
    q = adjoint.tensor(1.0, requires_grad=True)
    r = q
    for _ in range(3000):
        r = r * 1.01
    graph = viz.graph(r)
    assert repr(graph).endswith("3000 operators, 1 result; drawn as 1 result, 1 group>")
    assert "3000 × Mul" in graph.to_text()
    assert len(graph.to_svg()) < 5000


def test_everything_is_drawn_without_a_limit():
    q = adjoint.tensor(1.0, requires_grad=True)
    r = q
    for _ in range(500):
        r = r * 1.01 + q
    graph = viz.graph(r, limit=None)
    assert len(graph.vertices) == 1002
    for text in (graph.to_svg(), graph.to_dot(), graph.to_mermaid(), graph.to_text()):
        assert text.count("Mul") >= 500
