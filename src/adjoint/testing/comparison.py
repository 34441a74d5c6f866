"""`assert_close`: compare tensors, numbers and containers of them, and say where they differ.

In: two things of one structure.  Out: nothing, or an AssertionError with PyTorch's text.  First
both structures are taken apart into pairs (`_pairs`), then the pairs are compared one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from adjoint.array import dtypes
from adjoint.core.tensor_base import TensorBase

__all__ = ["assert_close"]

Message = str | Callable[[str], str] | None
Path = tuple[Any, ...]

# rtol and atol; exact for what is not here
_TOLERANCES = {
    "float16": (1e-3, 1e-5),
    "bfloat16": (1.6e-2, 1e-5),
    "float32": (1.3e-6, 1e-5),
    "float64": (1e-7, 1e-7),
    "complex64": (1.3e-6, 1e-5),
    "complex128": (1e-7, 1e-7),
}
_NUMBER = {int: "int64", float: "float64", complex: "complex128", bool: "bool"}


class _Options(NamedTuple):
    allow_subclasses: bool
    rtol: float | None
    atol: float | None
    equal_nan: bool
    check_device: bool
    check_dtype: bool
    check_layout: bool
    check_stride: bool


def assert_close(
    actual: Any,
    expected: Any,
    *,
    allow_subclasses: bool = True,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = False,
    check_device: bool = True,
    check_dtype: bool = True,
    check_layout: bool = True,
    check_stride: bool = False,
    msg: Message = None,
) -> None:
    """Raise AssertionError unless ``abs(actual - expected) <= atol + rtol * abs(expected)`` holds
    for all elements, and the shapes, devices and dtypes (unless switched off) are the same.

    Tensors, arrays, numbers, bools and None are compared; sequences and mappings of them, nested,
    too. ``rtol`` and ``atol`` come both or not at all: then they go by the dtype, and whole
    numbers must be equal. ``equal_nan``: nan is close to nan. ``allow_subclasses``: a subclass of
    tensor may be compared with its parent. ``msg``: the text to raise, or a function that makes it
    from the text that would be raised.

    Raises: AssertionError; TypeError for things that cannot be compared; ValueError for one of
    ``rtol`` and ``atol`` without the other.

    >>> import adjoint as torch
    >>> assert_close(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.0 + 1e-6]))
    >>> assert_close({"a": [1.0]}, {"a": [1.5]})
    Traceback (most recent call last):
    AssertionError: Scalars are not close!
    <BLANKLINE>
    Expected 1.5 but got 1.0.
    Absolute difference: 0.5 (up to 1e-07 allowed)
    Relative difference: 0.3333333333333333 (up to 1e-07 allowed)
    <BLANKLINE>
    The failure occurred for item ['a'][0]
    """
    __tracebackhide__ = True  # pytest shows the test's line, not ours
    if (rtol is None) != (atol is None):
        missing = "rtol" if rtol is None else "atol"
        raise ValueError(
            f"Both 'rtol' and 'atol' must be either specified or omitted, but got no {missing}."
        )
    options = _Options(
        *(allow_subclasses, rtol, atol, equal_nan),
        *(check_device, check_dtype, check_layout, check_stride),
    )
    pairs = list(_pairs(actual, expected, (), options))
    for compare, a, b, path in pairs:
        text = compare(a, b, options)
        if text is not None:
            text = _placed(text, path)
            raise AssertionError(_worded(text, msg))


def _placed(text: str, path: Path) -> str:
    if not path:
        return text
    return f"{text}\n\nThe failure occurred for item {''.join(f'[{key!r}]' for key in path)}"


def _worded(text: str, msg: Message) -> Any:
    if callable(msg):
        return msg(text)
    return msg if isinstance(msg, str) else text


# ---- taking structures apart ---------------------------------------------------------------------

Pair = tuple[Callable[[Any, Any, _Options], str | None], Any, Any, Path]


def _pairs(actual: Any, expected: Any, path: Path, options: _Options) -> Iterator[Pair]:
    """Every pair of leaves with the comparison that fits them; raises where the structures or the
    kinds differ.
    """
    if _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            lengths = f"{len(actual)} != {len(expected)}"
            text = f"The length of the sequences mismatch: {lengths}"
            raise AssertionError(_placed(text, path))
        for i, (a, b) in enumerate(zip(actual, expected)):
            yield from _pairs(a, b, (*path, i), options)
    elif isinstance(actual, Mapping) and isinstance(expected, Mapping):
        missing, additional = set(expected) - set(actual), set(actual) - set(expected)
        if missing or additional:
            text = (
                "The keys of the mappings do not match:\n"
                f"Missing keys in the actual mapping: {_in_order(missing)}\n"
                f"Additional keys in the actual mapping: {_in_order(additional)}"
            )
            raise AssertionError(_placed(text, path))
        for key in _in_order(set(actual)):
            yield from _pairs(actual[key], expected[key], (*path, key), options)
    else:
        yield _leaf(actual, expected, path, options)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _in_order(keys: set[Any]) -> list[Any]:
    try:
        return sorted(keys)
    except TypeError:  # of several types
        return list(keys)


def _leaf(actual: Any, expected: Any, path: Path, options: _Options) -> Pair:
    if actual is None or expected is None:
        return _compare_none, actual, expected, path
    if _is_bool(actual) and _is_bool(expected):
        return _compare_bools, bool(actual), bool(expected), path
    if _is_number(actual) and _is_number(expected):
        return _compare_numbers, _plain(actual), _plain(expected), path
    if _related(actual, expected, options.allow_subclasses):
        tensors = _seen(actual), _seen(expected)
        if None not in tensors:
            return _compare_tensors, *tensors, path
    text = (
        f"No comparison pair was able to handle inputs of type {type(actual)} and {type(expected)}."
    )
    raise TypeError(_placed(text, path))


def _is_bool(value: Any) -> bool:
    return isinstance(value, (bool, np.bool_))


def _is_number(value: Any) -> bool:
    return isinstance(value, (bool, int, float, complex, np.number, np.bool_))


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _related(actual: Any, expected: Any, allow_subclasses: bool) -> bool:
    if type(actual) is type(expected):
        return True
    related = isinstance(actual, type(expected)) or isinstance(expected, type(actual))
    return allow_subclasses and related


# ---- comparing pairs -----------------------------------------------------------------------------


def _compare_none(actual: Any, expected: Any, options: _Options) -> str | None:
    if actual is None and expected is None:
        return None
    return f"None mismatch: {actual} is not {expected}"


def _compare_bools(actual: bool, expected: bool, options: _Options) -> str | None:
    return None if actual is expected else f"Booleans mismatch: {actual} is not {expected}"


def _compare_numbers(actual: Any, expected: Any, options: _Options) -> str | None:
    if options.check_dtype and type(actual) is not type(expected):
        return f"The (d)types do not match: {type(actual)} != {type(expected)}."
    rtol, atol = _tolerances(options, _NUMBER[type(actual)], _NUMBER[type(expected)])
    if _numbers_close(actual, expected, rtol, atol, options.equal_nan):
        return None
    return _scalar_text(actual, expected, rtol, atol)


def _numbers_close(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> bool:
    if a == b:
        return True
    if equal_nan and a != a and b != b:
        return True
    difference = abs(a - b)
    return bool(difference < float("inf") and difference <= atol + rtol * abs(b))


def _tolerances(options: _Options, *kinds: str) -> tuple[float, float]:
    """Those given, or the wider ones of two dtypes."""
    if options.rtol is not None and options.atol is not None:
        return options.rtol, options.atol
    found = [_TOLERANCES.get(kind, (0.0, 0.0)) for kind in kinds]
    return max(rtol for rtol, _ in found), max(atol for _, atol in found)


class _Seen(NamedTuple):
    """A tensor or array, as it is compared."""

    raw: Any
    kind: str
    device: Any
    layout: Any
    stride: tuple[int, ...]


def _seen(value: Any) -> _Seen | None:
    """How a tensor or array is compared; None for anything else."""
    if isinstance(value, TensorBase):
        tensor: Any = value
        kind = tensor.dtype.name
        return _Seen(tensor._array, kind, tensor.device, tensor.layout, tuple(tensor.stride()))
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "biufc":
        return None
    stride = tuple(step // value.itemsize for step in value.strides)
    return _Seen(value, value.dtype.name, "cpu", "torch.strided", stride)


def _compare_tensors(actual: _Seen, expected: _Seen, options: _Options) -> str | None:
    a, b = actual.raw, expected.raw
    attributes = (
        ("shape", f"torch.Size({list(a.shape)})", f"torch.Size({list(b.shape)})", True),
        ("layout", actual.layout, expected.layout, options.check_layout),
        ("device", actual.device, expected.device, options.check_device),
        ("dtype", f"torch.{actual.kind}", f"torch.{expected.kind}", options.check_dtype),
        ("stride()", actual.stride, expected.stride, options.check_stride),
    )
    for name, left, right, checked in attributes:
        if checked and str(left) != str(right):
            return f"The values for attribute {name!r} do not match: {left} != {right}."
    rtol, atol = _tolerances(options, actual.kind, expected.kind)
    a, b = _of_one_type(actual), _of_one_type(expected)
    if a.dtype != b.dtype:
        joined = dtypes.promote_types(*(dtypes.from_numpy_dtype(raw.dtype) for raw in (a, b)))
        a, b = a.astype(joined.numpy), b.astype(joined.numpy)
    with np.errstate(all="ignore"):
        close = _elements_close(a, b, rtol, atol, options.equal_nan)
        if close.all():
            return None
        if not a.shape:
            return _scalar_text(_value(a, actual.kind), _value(b, expected.kind), rtol, atol)
        return _tensor_text(a, b, close, rtol, atol)


def _of_one_type(seen: _Seen) -> Any:
    """Whole numbers as int64, in which differences do not overflow."""
    raw = np.asarray(seen.raw)
    return raw.astype(np.int64) if raw.dtype.kind in "biu" else raw


def _value(raw: Any, kind: str) -> Any:
    if kind == "bool" and raw.dtype.kind == "i":
        return bool(raw)
    return float(raw) if raw.dtype.name == "bfloat16" else raw.item()


def _elements_close(a: Any, b: Any, rtol: float, atol: float, equal_nan: bool) -> Any:
    difference = np.abs(a - b)
    close = (a == b) | (np.isfinite(difference) & (difference <= atol + np.abs(rtol * b)))
    if equal_nan and a.dtype.kind not in "iu":
        close = close | (np.isnan(a) & np.isnan(b))
    return np.asarray(close)


# ---- text ----------------------------------------------------------------------------------------


def _headline(kind: str, rtol: float, atol: float) -> str:
    return f"{kind} are not {'equal' if rtol == 0 and atol == 0 else 'close'}!\n\n"


def _allowed(tolerance: float, rtol: float, atol: float) -> str:
    return "" if rtol == 0 and atol == 0 else f" (up to {tolerance} allowed)"


def _scalar_text(actual: Any, expected: Any, rtol: float, atol: float) -> str:
    absolute = abs(actual - expected)
    relative = float("inf") if expected == 0 else absolute / abs(expected)
    return (
        f"{_headline('Scalars', rtol, atol)}"
        f"Expected {expected} but got {actual}.\n"
        f"Absolute difference: {absolute}{_allowed(atol, rtol, atol)}\n"
        f"Relative difference: {relative}{_allowed(rtol, rtol, atol)}"
    )


def _tensor_text(a: Any, b: Any, close: Any, rtol: float, atol: float) -> str:
    absolute = np.where(close, np.zeros((), np.abs(a).dtype), np.abs(a - b))
    size = np.abs(b)
    if a.dtype.kind == "i":
        relative = absolute.astype(np.float32) / size.astype(np.float32)
    else:
        relative = absolute / size
    relative = np.where(close, np.zeros((), relative.dtype), relative)
    wrong = int(np.count_nonzero(~close))
    return (
        f"{_headline('Tensor-likes', rtol, atol)}"
        f"Mismatched elements: {wrong} / {close.size} ({wrong / close.size:.1%})\n"
        f"Greatest absolute difference: {_greatest(absolute)}{_allowed(atol, rtol, atol)}\n"
        f"Greatest relative difference: {_greatest(relative)}{_allowed(rtol, rtol, atol)}"
    )


def _greatest(differences: Any) -> str:
    if differences.dtype.name == "bfloat16":
        differences = differences.astype(np.float32)
    at = np.unravel_index(int(np.argmax(differences)), differences.shape)
    return f"{differences[at].item()} at index {tuple(int(k) for k in at)}"
