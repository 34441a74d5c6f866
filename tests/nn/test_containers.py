"""Containers of modules and parameters."""

from __future__ import annotations

from collections import OrderedDict

import pytest

import adjoint as torch
from adjoint import nn


def test_sequential_is_a_list_of_layers() -> None:
    net = nn.Sequential(nn.Linear(2, 3), nn.ReLU())
    net.append(nn.Linear(3, 1)).insert(1, nn.Tanh())
    assert [type(m).__name__ for m in net] == ["Linear", "Tanh", "ReLU", "Linear"]
    assert list(net._modules) == ["0", "1", "2", "3"]
    assert len(net[1:]) == 3
    assert net[-1] is net[3]
    del net[1]
    assert [type(m).__name__ for m in net] == ["Linear", "ReLU", "Linear"]
    x = torch.ones(2, 2)
    assert torch.equal(net(x), net[2](net[1](net[0](x))))


def test_sequential_keeps_given_names() -> None:
    net = nn.Sequential(OrderedDict(a=nn.ReLU(), b=nn.Linear(1, 1)))
    assert net.b is net[1]
    assert list(net.state_dict()) == ["b.weight", "b.bias"]


def test_lists_and_dicts_register_their_modules() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rows = nn.ModuleList([nn.Linear(1, 1) for _ in range(2)])
            self.names = nn.ModuleDict({"x": nn.Linear(1, 1)})

    names = [name for name, _ in Net().named_parameters()]
    assert names == [
        *("rows.0.weight", "rows.0.bias", "rows.1.weight", "rows.1.bias"),
        *("names.x.weight", "names.x.bias"),
    ]


def test_equal_neighbours_are_printed_once() -> None:
    rows = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Tanh()])
    assert repr(rows) == "ModuleList(\n  (0-1): 2 x ReLU()\n  (2): Tanh()\n)"


def test_parameter_containers_make_parameters() -> None:
    rows = nn.ParameterList([torch.zeros(2)])
    rows.append(torch.ones(1))
    assert all(isinstance(p, nn.Parameter) for p in rows)
    assert [name for name, _ in rows.named_parameters()] == ["0", "1"]
    names = nn.ParameterDict({"b": torch.zeros(1)})
    names["a"] = torch.zeros(2)
    assert list(names) == ["b", "a"]
    assert [name for name, _ in names.named_parameters()] == ["b", "a"]
    del names["b"]
    assert "b" not in names
    assert not hasattr(names, "b")


def test_what_cannot_be_contained() -> None:
    with pytest.raises(TypeError, match="int is not a Module subclass"):
        nn.Sequential(nn.ReLU(), 3)  # type: ignore[arg-type]
    with pytest.raises(IndexError, match="index 5 is out of range"):
        nn.ModuleList([nn.ReLU()])[5]
    with pytest.raises(RuntimeError, match="ParameterList should not be called"):
        nn.ParameterList()(1)
