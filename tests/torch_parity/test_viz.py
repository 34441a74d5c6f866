"""The same program leaves the same graph in both libraries, as our pictures show it."""

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="compares with PyTorch")

import adjoint
from adjoint.viz.collect import Names, collect
from adjoint.viz.formats import tree


def text(result: Any, **tensors: Any) -> str:
    names = Names()
    for name, tensor in tensors.items():
        names.add(tensor, name)
    return tree(collect({"result": result}, names))


def first_picture(library: Any) -> str:
    x = library.tensor([2.0, 1.0], requires_grad=True)
    y = library.tensor([1.0, 3.0], requires_grad=True)
    z = library.tensor([5.0, 2.0], requires_grad=True)
    a = x + y * 2
    b = a + z / 2
    return text(b, x=x, y=y, z=z, a=a)


def squares(library: Any) -> str:
    x = library.ones(2, 2, requires_grad=True)
    return text((3 * (x + 2) ** 2).mean(), x=x)


def shared(library: Any) -> str:
    x = library.ones(2, requires_grad=True)
    y = x.exp()
    return text(y * y + y, x=x, y=y)


def recurrent(library: Any) -> str:
    w = library.ones(3, 3, requires_grad=True)
    h = library.ones(2, 3)
    for _ in range(5):
        h = library.tanh(h @ w)
    return text(h.sum(), w=w)


def views(library: Any) -> str:
    x = library.ones(4, requires_grad=True)
    p, q = x.view(2, 2).unbind(0)
    return text(p * q[0] + x.reshape(2, 2).t().sum(0), x=x)


def written_in_place(library: Any) -> str:
    x = library.ones(3, requires_grad=True)
    y = library.zeros(3)
    y[0] = x[1] * 2
    y[1] = x[0]
    return text(y, x=x)


PROGRAMS = [first_picture, squares, shared, recurrent, views, written_in_place]


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda f: f.__name__)
def test_graphs_agree(program):
    assert program(adjoint) == program(torch)
