"""``as_torch``: what ``import torch`` gives inside the block, and what is left after it."""

import importlib
import sys
from types import ModuleType

import pytest

import adjoint
from adjoint.cli import as_torch


def test_torch_is_adjoint_inside_the_block():
    with as_torch() as torch:
        assert importlib.import_module("torch") is torch
        assert torch.Tensor is adjoint.Tensor
        assert torch.nn.Linear is adjoint.nn.Linear
        assert torch.__name__ == "torch"
        assert torch.__version__.split("+")[0] == "2.13.0"


def test_every_spelling_of_an_import_works():
    names: dict[str, object] = {}
    program = """
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor, nn as again
from torch.autograd import Function, grad
from torch.autograd.functional import jacobian
from torch.optim import SGD
from torch.utils.data import DataLoader, Dataset, TensorDataset
from torch.func import functional_call, grad as gradient, vmap
from functorch import make_functional
"""
    with as_torch():
        exec(program, names)
    assert names["nn"] is names["again"] is names["torch"].nn
    assert names["F"] is names["nn"].functional
    assert names["SGD"] is adjoint.optim.SGD
    assert names["jacobian"] is adjoint.autograd.functional.jacobian
    assert names["gradient"] is adjoint.func.grad
    assert names["make_functional"] is adjoint.functorch.make_functional
    assert names["DataLoader"] is adjoint.utils.data.DataLoader


def test_star_import_gives_the_door():
    names: dict[str, object] = {}
    with as_torch():
        exec("from torch import *", names)
    assert names["tensor"] is adjoint.tensor


def test_a_missing_name_fails_with_its_name():
    with as_torch() as torch:
        with pytest.raises(AttributeError, match=r"^adjoint has no torch\.no_such_name$"):
            torch.no_such_name
        with pytest.raises(AttributeError, match=r"^adjoint has no torch\.nn\.NoSuchLayer$"):
            torch.nn.NoSuchLayer
        assert not hasattr(torch, "no_such_name")


@pytest.mark.parametrize(
    ("statement", "name"),
    [
        ("import torch.no_such_module", "torch.no_such_module"),
        ("from torch import no_such_name", "torch.no_such_name"),
        ("from torch.nn import NoSuchLayer", "torch.nn.NoSuchLayer"),
        ("import torch.nn.no_such.deeper", "torch.nn.no_such"),
    ],
)
def test_a_missing_import_fails_with_its_name(statement, name):
    with as_torch(), pytest.raises(ImportError, match=f"^adjoint has no {name}$"):
        exec(statement, {})


def test_other_modules_are_left_alone():
    with as_torch():
        with pytest.raises(ModuleNotFoundError, match="No module named 'torchnowhere'"):
            importlib.import_module("torchnowhere")
        assert importlib.import_module("json").dumps([1]) == "[1]"


def test_everything_is_put_back(monkeypatch):
    real, part = ModuleType("torch"), ModuleType("torch.nn")
    monkeypatch.setitem(sys.modules, "torch", real)
    monkeypatch.setitem(sys.modules, "torch.nn", part)
    finders = list(sys.meta_path)
    with pytest.raises(ZeroDivisionError), as_torch() as torch:
        assert torch is not real and torch.nn is not part
        raise ZeroDivisionError
    assert sys.modules["torch"] is real and sys.modules["torch.nn"] is part
    assert sys.meta_path == finders


def test_blocks_nest():
    with as_torch() as outer:
        with as_torch() as inner:
            assert inner is not outer and inner.Tensor is outer.Tensor
        assert sys.modules["torch"] is outer
        assert importlib.import_module("torch.nn").Module is adjoint.nn.Module
