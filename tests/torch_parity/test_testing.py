"""`testing.assert_close` and `testing.make_tensor` in PyTorch and here: the same text and numbers.

Each case is a function of one library's names (see `_names`); it returns something or raises.
"""

from __future__ import annotations

import importlib
import warnings
from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tests.torch_parity.harness import libraries

pytest.importorskip("torch", reason="compares with PyTorch 2.13")

NAN, INF = float("nan"), float("inf")


def _names(library: Any) -> Any:
    testing = importlib.import_module(f"{library.__name__}.testing")
    subclass = type("Sub", (library.Tensor,), {})
    return SimpleNamespace(
        torch=library,
        close=testing.assert_close,
        make=testing.make_tensor,
        t=library.tensor,
        sub=lambda values: library.tensor(values).as_subclass(subclass),
    )


def _observed(library: Any, case: Any) -> tuple[str, list[str]]:
    library.manual_seed(7)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        try:
            text = repr(case(_names(library)))
        except Exception as error:
            text = f"{type(error).__name__}: {error}"
    text = text.replace("adjoint.tensor.", "torch.").replace("adjoint", "torch")
    return text, [f"{w.category.__name__}: {w.message}" for w in seen]


CASES: dict[str, Any] = {
    # tensors
    "equal": lambda n: n.close(n.t([1.0, 2.0]), n.t([1.0, 2.0])),
    "one of two": lambda n: n.close(n.t([1.0, 2.0]), n.t([1.0, 2.5])),
    "a matrix": lambda n: n.close(n.t([[1.0, 2.0], [3, 4]]), n.t([[1.0, 2.5], [7, 4]])),
    "a cube": lambda n: n.close(n.torch.zeros(2, 2, 2), n.torch.ones(2, 2, 2)),
    "ten of a hundred": lambda n: n.close(n.torch.zeros(10, 10), n.torch.eye(10)),
    "0-d": lambda n: n.close(n.t(1.0), n.t(1.1)),
    "0-d whole": lambda n: n.close(n.t(1), n.t(2)),
    "0-d whole, tolerant": lambda n: n.close(n.t(1), n.t(5), rtol=0.0, atol=1.0),
    "0-d bool": lambda n: n.close(n.t(True), n.t(False)),
    "0-d complex": lambda n: n.close(n.t(1 + 1j), n.t(1 + 2j)),
    "0-d half": lambda n: n.close(n.t(1.0).half(), n.t(1.1).half()),
    "0-d bfloat16": lambda n: n.close(n.t(1.0).bfloat16(), n.t(2.0).bfloat16()),
    "0-d of two types": lambda n: n.close(n.t(1), n.t(1.5), check_dtype=False),
    "whole": lambda n: n.close(n.t([10, 20, 30]), n.t([11, 22, 30])),
    "whole, tolerant": lambda n: n.close(n.t([1, 2]), n.t([1, 3]), rtol=0.1, atol=0.0),
    "whole, close": lambda n: n.close(n.t([100]), n.t([101]), rtol=0, atol=1),
    "large whole": lambda n: n.close(n.t([2**62]), n.t([2**62 + 1])),
    "bytes": lambda n: n.close(n.t([1]).to(n.torch.uint8), n.t([255]).to(n.torch.uint8)),
    "bools": lambda n: n.close(n.t([True, False]), n.t([True, True])),
    "bools, tolerant": lambda n: n.close(n.t([True]), n.t([False]), rtol=0.0, atol=1.0),
    "complex": lambda n: n.close(n.t([1 + 1j]), n.t([1 + 2j])),
    "half": lambda n: n.close(n.t([1.0]).half(), n.t([1.02]).half()),
    "half, too far": lambda n: n.close(n.t([60000.0]).half(), n.t([-60000.0]).half()),
    "bfloat16": lambda n: n.close(n.t([1.0]).bfloat16(), n.t([1.2]).bfloat16()),
    "double": lambda n: n.close(n.t([1.0]).double(), n.t([1.0]).double() + 2e-7),
    "empty": lambda n: n.close(n.torch.zeros(0), n.torch.zeros(0)),
    "zero expected": lambda n: n.close(n.t([1e-3, 2.0]), n.t([0.0, 2.0])),
    "ties": lambda n: n.close(n.t([1.0, 2.0, 4.0]), n.t([2.0, 4.0, 8.0])),
    "requires grad": lambda n: n.close(n.t([1.0], requires_grad=True), n.t([1.0])),
    "nan": lambda n: n.close(n.t([NAN, 1.0]), n.t([NAN, 2.0])),
    "nan, equal": lambda n: n.close(n.t([NAN]), n.t([NAN]), equal_nan=True),
    "nan, equal, not all": lambda n: n.close(n.t([NAN, 1.0]), n.t([NAN, 2.0]), equal_nan=True),
    "nan, complex": lambda n: n.close(
        n.t([complex(1, NAN)]), n.t([complex(NAN, 1)]), equal_nan=True
    ),
    "infinite": lambda n: n.close(n.t([INF, 1.0]), n.t([INF, 2.0])),
    "opposite": lambda n: n.close(n.t([INF, 1.0]), n.t([-INF, 2.0])),
    # attributes
    "shape": lambda n: n.close(n.t([1.0]), n.t([1.0, 2.0])),
    "shape of nothing": lambda n: n.close(n.torch.zeros(0, 2), n.torch.zeros(0, 3)),
    "shape before dtype": lambda n: n.close(n.t([1]), n.t([1.0, 2.0])),
    "dtype": lambda n: n.close(n.t([1]), n.t([1.0])),
    "dtype unchecked": lambda n: n.close(n.t([1.0]), n.t([2]), check_dtype=False),
    "half beside single": lambda n: n.close(n.t([1.0]), n.t([1.005]).half(), check_dtype=False),
    "real beside complex": lambda n: n.close(n.t([1.0]), n.t([2j]), check_dtype=False),
    "stride": lambda n: n.close(n.torch.ones(2, 3), n.torch.ones(3, 2).t(), check_stride=True),
    "stride unchecked": lambda n: n.close(n.torch.ones(2, 3), n.torch.ones(3, 2).t()),
    "subclass": lambda n: n.close(n.sub([1.0]), n.t([1.0])),
    "two of a subclass": lambda n: n.close(n.sub([1.0]), n.sub([1.0]), allow_subclasses=False),
    # tolerances
    "one tolerance": lambda n: n.close(1.0, 1.0, rtol=0.1),
    "the other": lambda n: n.close(1.0, 1.0, atol=0.1),
    "no tolerance": lambda n: n.close(n.t([1.0, 2.0]), n.t([1.0, 2.5]), rtol=0, atol=0),
    "rtol": lambda n: n.close(n.t([1.0, 2.0]), n.t([1.0, 2.5]), rtol=1 / 3, atol=0),
    "rtol, too small": lambda n: n.close(n.t([1.0, 2.0]), n.t([1.0, 2.5]), rtol=0.1, atol=0),
    "atol": lambda n: n.close(n.t([1.0]), n.t([2.0]), rtol=0.0, atol=1e-12),
    # numbers
    "numbers": lambda n: n.close(1, 1),
    "floats": lambda n: n.close(1.0, 1.5),
    "ints": lambda n: n.close(1, 2),
    "large ints": lambda n: n.close(2**70, 2**70),
    "int and float": lambda n: n.close(1, 1.0),
    "int and float, unchecked": lambda n: n.close(1, 1.1, check_dtype=False),
    "complex numbers": lambda n: n.close(1 + 1j, 1 + 2j),
    "number nan": lambda n: n.close(NAN, NAN),
    "number nan, equal": lambda n: n.close(NAN, NAN, equal_nan=True),
    "number infinite": lambda n: n.close(INF, INF),
    "got infinite": lambda n: n.close(INF, 1.0),
    "expected infinite": lambda n: n.close(1.0, INF),
    "expected zero": lambda n: n.close(1.0, 0.0),
    "expected zero, got nan": lambda n: n.close(NAN, 0.0),
    "within": lambda n: n.close(1.0, 1.0 + 5e-8),
    "True": lambda n: n.close(True, False),
    "NumPy's True": lambda n: n.close(np.True_, False),
    "None": lambda n: n.close(None, None),
    "None and a number": lambda n: n.close(1.0, None),
    "None and a tensor": lambda n: n.close(n.t([1.0, 2.0]), None),
    "NumPy numbers": lambda n: n.close(np.float32(1), np.float64(2)),
    # NumPy
    "arrays": lambda n: n.close(np.ones(2), np.zeros(2)),
    "arrays of two types": lambda n: n.close(np.ones(2, np.float32), np.ones(2)),
    "arrays of int32": lambda n: n.close(np.array([1], np.int32), np.array([2], np.int32)),
    "arrays of uint16": lambda n: n.close(np.array([1], np.uint16), np.array([3], np.uint16)),
    "arrays, strides": lambda n: n.close(np.ones((2, 3)).T, np.ones((3, 2)), check_stride=True),
    "arrays of text": lambda n: n.close(np.array(["a"]), np.array(["a"])),
    # containers
    "lists": lambda n: n.close([n.t([1.0]), n.t(2.0)], [n.t([1.0]), n.t(3.0)]),
    "lists of two lengths": lambda n: n.close([1], [1, 2]),
    "a tuple and a list": lambda n: n.close((1.0,), [1.0]),
    "nested": lambda n: n.close([[1.0, {"a": n.t([2.0])}]], [[1.0, {"a": n.t([3.0])}]]),
    "the first of two": lambda n: n.close([n.t([1.0]), 1.0], [n.t([2.0]), 2.0]),
    "structure first": lambda n: n.close([1.0, [1]], [2.0, [1, 2]]),
    "kind first": lambda n: n.close([1.0, "a"], [2.0, "a"]),
    "dictionaries": lambda n: n.close({"a": 1.0}, {"a": 2.0}),
    "keys": lambda n: n.close({"a": 1.0, "c": 2}, {"b": 1.0}),
    "keys, nested": lambda n: n.close({"a": {"b": 1}}, {"a": {}}),
    "keys of two types": lambda n: n.close({"a": 1.0, 3: 2}, {"a": 1.0}),
    "another mapping": lambda n: n.close(OrderedDict(a=1.0), {"a": 1.0}),
    "bytes objects": lambda n: n.close(b"a", b"b"),
    "ranges": lambda n: n.close(range(3), range(3)),
    "None in a dictionary": lambda n: n.close({"a": None}, {"a": 3}),
    # what cannot be compared
    "strings": lambda n: n.close("a", "a"),
    "objects": lambda n: n.close({1}, {1}),
    "a tensor and a number": lambda n: n.close(n.t(1.0), 1.0),
    "a tensor and an array": lambda n: n.close(n.t([1.0]), np.ones(1)),
    "a tensor and a list": lambda n: n.close([n.t([1.0])], n.t([[1.0]])),
    "positional": lambda n: n.close(1, 1, True),
    # messages
    "message": lambda n: n.close(n.t([1.0]), n.t([2.0]), msg="hello"),
    "empty message": lambda n: n.close(1.0, 2.0, msg=""),
    "message of another type": lambda n: n.close(1.0, 2.0, msg=3),
    "made message": lambda n: n.close([1.0], [2.0], msg=lambda text: f"<{text}>"),
    "made message for a shape": lambda n: n.close(
        n.t([1.0]), n.t([1.0, 2.0]), msg=lambda text: f"<{text}>"
    ),
    "message, but a structure": lambda n: n.close([1], [1, 2], msg="hello"),
    "message, but a kind": lambda n: n.close("a", "a", msg="hello"),
    "message not asked for": lambda n: n.close(1, 1, msg=lambda text: 1 / 0),
}


@pytest.mark.parametrize("name", CASES)
def test_assert_close(name: str) -> None:
    """The same result, or the same error with the same text."""
    oracle, ours = libraries()
    assert _observed(ours, CASES[name]) == _observed(oracle, CASES[name])


DTYPES = ("float16", "bfloat16", "float32", "float64", "complex64", "complex128", "bool")
WHOLE = ("int8", "uint8", "int16", "int32", "int64")
SHAPES: tuple[Any, ...] = ((), (0,), (1,), (2, 3), (20,))
OPTIONS: dict[str, dict[str, Any]] = {
    "plain": {},
    "bounds": {"low": -1, "high": 1},
    "low": {"low": 0.5},
    "fractions": {"low": 1.5, "high": 3.2},
    "wide": {"low": -1e9, "high": 1e9},
    "beyond bytes": {"low": -5, "high": 300},
    "gaps": {"noncontiguous": True},
    "requires grad": {"requires_grad": True},
    "no zeros": {"exclude_zero": True, "low": 0, "high": 2},
    "swapped": {"low": 3, "high": 1},
    "one value": {"low": 3, "high": 3},
    "nan": {"low": NAN},
}


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("dtype", DTYPES + WHOLE)
def test_make_tensor(dtype: str, options: str) -> None:
    """The same elements for the same seed, or the same refusal."""
    for shape in SHAPES:

        def case(names: Any, shape: Any = shape) -> Any:
            kind = getattr(names.torch, dtype)
            made = names.make(shape, dtype=kind, device="cpu", **OPTIONS[options])
            facts = made.dtype, tuple(made.shape), made.is_contiguous(), made.requires_grad
            return *facts, made.tolist()

        oracle, ours = libraries()
        assert _observed(ours, case) == _observed(oracle, case)


def test_make_tensor_takes_sizes_or_a_shape() -> None:
    """``make_tensor(2, 3)`` is ``make_tensor((2, 3))``; gaps and a memory format exclude each
    other.
    """
    for library in libraries():
        names = _names(library)
        options = {"dtype": library.float32, "device": "cpu"}
        assert tuple(names.make(2, 3, **options).shape) == (2, 3)
        with pytest.raises(ValueError, match="`noncontiguous` and `memory_format` are mutually"):
            names.make(2, noncontiguous=True, memory_format=object(), **options)
