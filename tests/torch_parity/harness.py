"""One program, two libraries: run it in PyTorch and in adjoint, and compare what it observed.

A *program* is a function of the library's namespace, ``def p_name(torch)``, that returns a list of
observations. Observations are canonicalised (tensors to dtype, shape and values; nodes to their
name; exceptions to class and first sentence; text with addresses masked) and compared one by one.
``both(program)`` fails with a readable table; ``collect(module)`` makes a test of each program.
"""

from __future__ import annotations

import importlib
import inspect
import math
import os
import re
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import ModuleType
from typing import Any

import numpy as np
import pytest

Program = Callable[[Any], Sequence[Any]]

SELF = os.environ.get("ADJOINT_PARITY_SELF", "") == "1"
_TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "complex64": 2e-5}


def libraries() -> tuple[Any, Any]:
    """Return (PyTorch, this library); PyTorch twice when ``ADJOINT_PARITY_SELF=1``."""
    oracle = importlib.import_module("torch")
    return oracle, (oracle if SELF else importlib.import_module("adjoint"))


class Raised:
    """What a call raised: the class's name and the whole message; ``None`` when nothing was."""

    def __init__(self, error: BaseException | None) -> None:
        self.kind = None if error is None else type(error).__name__
        self.text = "" if error is None else _masked(str(error))

    def __repr__(self) -> str:
        return "nothing raised" if self.kind is None else f"{self.kind}({self.text!r})"

    @property
    def sentence(self) -> str:
        """The first sentence: up to the first ``". "`` or line break."""
        return re.split(r"\.\s|\n", self.text.lstrip("\n"), maxsplit=1)[0].rstrip(". ")


def raises(call: Callable[[], Any]) -> Raised:
    """Return what ``call()`` raised, as an observation; a call that raises nothing says so."""
    try:
        call()
    except Exception as error:
        return Raised(error)
    return Raised(None)


def warned(call: Callable[[], Any]) -> list[Any]:
    """Return the warnings that ``call()`` gave, as (category, first sentence) pairs."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        call()
    return [(item.category.__name__, Raised(Warning(str(item.message))).sentence) for item in seen]


def in_threads(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls in one thread each, all at once, and return their results in order."""
    results: list[Any] = [None] * len(calls)

    def work(place: int, call: Callable[[], Any]) -> None:
        try:
            results[place] = call()
        except Exception as error:
            results[place] = Raised(error)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def name(node: Any) -> str | None:
    """Return the name of a ``grad_fn`` (or None)."""
    return None if node is None else str(node.name())


def graph(node: Any, depth: int = 6) -> Any:
    """Return a graph as nested [name, [child, output number], ...] lists."""
    if node is None:
        return None
    if depth == 0:
        return [name(node), "..."]
    return [
        name(node),
        *([graph(child, depth - 1), number] for child, number in node.next_functions),
    ]


def variants(**values: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Make one program of each keyword: ``@variants(a=1, b=2)`` on ``def p(torch, value)``."""

    def decorate(program: Callable[..., Any]) -> Callable[..., Any]:
        program.variants = values  # type: ignore[attr-defined]
        return program

    return decorate


def differs(reason: str, *labels: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Mark a program (or some of its variants) that differs from PyTorch on purpose.

    Such a test must fail: where it begins to agree, the mark is to go.
    """

    def decorate(program: Callable[..., Any]) -> Callable[..., Any]:
        known = dict(getattr(program, "differs", {}))
        program.differs = known | dict.fromkeys(labels or ("",), reason)  # type: ignore[attr-defined]
        return program

    return decorate


def collect(*modules: ModuleType) -> list[Any]:
    """Return one ``pytest.param`` for each program ``p_*`` of the modules, with its name as id."""
    return [
        pytest.param(
            program,
            id=f"{module.__name__.rpartition('programs_')[2]}.{name}",
            marks=[pytest.mark.xfail(reason=reason, strict=not SELF)] if reason else [],
        )
        for module in modules
        for key, function in vars(module).items()
        if key.startswith("p_") and inspect.isfunction(function)
        for name, program, reason in _expanded(key[2:], function)
    ]


def _expanded(key: str, function: Callable[..., Any]) -> Iterator[tuple[str, Program, str]]:
    reasons = getattr(function, "differs", {})
    values = getattr(function, "variants", None)
    if values is None:
        yield key, function, reasons.get("", "")
        return
    for label, value in values.items():
        reason = reasons.get(label, reasons.get("", ""))
        yield f"{key}[{label}]", lambda torch, value=value: function(torch, value), reason


# ------------------------------------------------------------------------------ canonical form


def _masked(text: str) -> str:
    text = re.sub(r"0x[0-9a-fA-F]+", "0x...", text)
    text = re.sub(r"\badjoint(?=[.\w])", "torch", text)
    return re.sub(r"<([\w.]*\.)?(\w+) object at", r"<\2 object at", text)


class Values:
    """A tensor as seen from outside: dtype, shape, requires_grad and its values."""

    def __init__(self, tensor: Any) -> None:
        self.dtype = str(tensor.dtype)
        self.shape = tuple(tensor.shape)
        self.requires_grad = bool(tensor.requires_grad)
        try:
            self.values = np.asarray(tensor.detach().tolist())
        except RuntimeError:  # PyTorch's symbolic zeros have no storage
            self.values = np.asarray(tensor.detach().numpy(force=True).tolist())
        self.rtol = _TOLERANCE.get(self.dtype.removeprefix("torch."), 1e-9)

    def __repr__(self) -> str:
        flag = ", requires_grad" if self.requires_grad else ""
        return f"tensor{self.shape} {self.dtype}{flag} {np.array2string(self.values)}"

    def agrees(self, other: Values) -> bool:
        """Whether dtype, shape and flag are equal and the values within the dtype's tolerance."""
        if (self.dtype, self.shape, self.requires_grad) != (
            other.dtype,
            other.shape,
            other.requires_grad,
        ):
            return False
        if self.values.dtype.kind in "fc":
            return bool(
                np.allclose(
                    self.values, other.values, rtol=self.rtol, atol=self.rtol, equal_nan=True
                )
            )
        return bool(np.array_equal(self.values, other.values))


def canonical(item: Any, library: Any) -> Any:
    """Return an observation in a form in which those of two libraries can be compared."""
    if isinstance(item, (Raised, bool, int, float, complex, type(None))):
        return item
    if isinstance(item, library.Tensor):
        return Values(item)
    if isinstance(item, str):
        return _masked(item)
    if isinstance(item, type):
        return f"class {item.__name__}"
    if isinstance(item, library.Size):
        return ("Size", *item)
    if isinstance(item, (library.dtype, library.device)):
        return str(item)
    if hasattr(item, "next_functions") and hasattr(item, "name"):
        return f"node {item.name()}"
    if isinstance(item, Mapping):
        return {canonical(key, library): canonical(value, library) for key, value in item.items()}
    if isinstance(item, (tuple, list)):
        return type(item).__name__, [canonical(part, library) for part in item]
    if isinstance(item, (np.ndarray, np.generic)):
        return "numpy", str(item.dtype), [float(number) for number in np.ravel(item)]
    return _masked(repr(item))


def agree(expected: Any, got: Any) -> bool:
    """Whether two canonical observations say the same."""
    if isinstance(expected, Raised) and isinstance(got, Raised):
        if expected.kind != got.kind:
            return False
        return got.text.lstrip("\n").startswith(expected.sentence)
    if isinstance(expected, Values) and isinstance(got, Values):
        return expected.agrees(got)
    if isinstance(expected, dict) and isinstance(got, dict):
        return list(expected) == list(got) and all(agree(expected[k], got[k]) for k in expected)
    if isinstance(expected, (tuple, list)) and isinstance(got, (tuple, list)):
        return len(expected) == len(got) and all(map(agree, expected, got))
    if type(expected) is not type(got):
        return False
    if isinstance(expected, (float, complex)):
        same_nan = expected != expected and got != got
        return same_nan or expected == got or _close(expected, got)
    return bool(expected == got)


def _close(expected: complex, got: complex) -> bool:
    return math.isclose(abs(expected - got), 0.0, abs_tol=1e-6 * max(1.0, abs(expected)))


# ------------------------------------------------------------------------------------ running


def run(program: Program, library: Any) -> list[Any]:
    """Return the canonical observations of a program run from a fresh state in one library."""
    if hasattr(library, "manual_seed"):
        library.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with library.enable_grad():
            observations = list(program(library))
        return [canonical(item, library) for item in observations]


def both(program: Program) -> None:
    """Run a program in PyTorch and in adjoint and fail with a table where they differ."""
    oracle, ours = libraries()
    expected = run(program, oracle)
    assert expected, "a program must observe something"
    try:
        got = run(program, ours)
    except Exception:
        shown = "\n".join(_lines("PyTorch", expected))
        pytest.fail(f"{traceback.format_exc(limit=-6)}\n{shown}", pytrace=False)
    wrong = [
        (place, left, right)
        for place, (left, right) in enumerate(zip(expected, got))
        if not agree(left, right)
    ]
    if wrong or len(expected) != len(got):
        text = [f"{len(wrong)} of {len(expected)} observations differ ({len(got)} were made)"]
        for place, left, right in wrong:
            text += [f"  [{place}] PyTorch {left!r}", f"      adjoint {right!r}"]
        pytest.fail("\n".join(text), pytrace=False)


def _lines(title: str, observations: Iterable[Any]) -> Iterator[str]:
    yield f"{title} observed:"
    for place, item in enumerate(observations):
        yield f"  [{place}] {item!r}"
