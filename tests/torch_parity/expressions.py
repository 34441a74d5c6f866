"""One expression, two libraries: evaluated with each as ``torch``, the answers compared as text.

In: expressions that may use ``torch``, ``t`` (``torch.tensor``), ``np`` and the test's own.
Out: an assertion that value, warnings or exception (class and first sentence) are the same.
"""

from __future__ import annotations

import array
import re
import types
import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

import adjoint
from adjoint.array import layout
from adjoint.ops import create, create_legacy, random, random_inplace, random_sampling


def library() -> Any:
    """This library's names, with those of the modules that make tensors."""
    names: dict[str, Any] = {k: v for k, v in vars(adjoint).items() if not k.startswith("__")}
    for module in (create, create_legacy, random, random_sampling, layout):
        names |= {name: getattr(module, name) for name in module.__all__}
    names["range"] = create.range_
    names["random"] = random
    return types.SimpleNamespace(**names)


METHODS = {
    **{name: getattr(random_inplace, name) for name in random_inplace.__all__},
    **{name: getattr(create, name) for name in create.__all__ if name.startswith("new")},
}


def add_methods(monkeypatch: Any) -> None:
    """Give `Tensor` the methods of the modules that make tensors, where it has not got them."""
    for name, function in METHODS.items():
        if not hasattr(adjoint.Tensor, name):
            monkeypatch.setattr(adjoint.Tensor, name, function, raising=False)


class Answer:
    """What came of an expression: text, the warnings, the exception's class."""

    def __init__(self, expression: str, torch_: Any, names: Mapping[str, Any]) -> None:
        scope = {"torch": torch_, "t": torch_.tensor, "np": np, "array": array, **names}
        self.error = ""
        torch_.manual_seed(11)
        torch.set_warn_always(True)  # else PyTorch gives many of its warnings once in a process
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                self.text = _masked(repr(eval(expression, scope)))
            except Exception as error:
                self.error, self.text = type(error).__name__, str(error)
        torch.set_warn_always(False)
        self.warnings = [_sentence(str(item.message)) for item in seen]

    def __repr__(self) -> str:
        return f"{self.error or 'value'}: {self.text} {self.warnings or ''}"


def _masked(text: str) -> str:
    return re.sub(r"<(?:[\w.]*\.)?(\w+) object at 0x[0-9a-f]+>", r"<\1>", text)


def _sentence(text: str) -> str:
    """The first sentence, without what PyTorch adds about itself."""
    first = re.split(r"\.\s|\n| \(Triggered| - got |, but expected", text.strip(), maxsplit=1)[0]
    return first.rstrip(". ")


def compare(expression: str, **names: Any) -> None:
    """Fail unless both libraries answer the same."""
    theirs = Answer(expression, torch, names)
    ours = Answer(expression, library(), names)
    shown = f"\n{expression}\nPyTorch {theirs}\nadjoint {ours}"
    assert ours.error == theirs.error, shown
    if theirs.error:
        assert ours.text.startswith(_sentence(theirs.text)), shown
    else:
        assert ours.text == theirs.text, shown
    assert ours.warnings == theirs.warnings, shown
