"""Printing: the text of a tensor, letter for letter PyTorch's.

In: a tensor, or a raw array and the column it starts in.  Out: the strings behind ``repr(t)``,
``str(t)`` and ``format(t, spec)``, by the options that `set_printoptions` has set.

Note [One style for all elements]
    All floating-point elements that are shown share one style: integers ("2."), fixed point
    ("2.5000") or scientific ("2.5000e+00"). Zeros, infinities and nan take no part in choosing it,
    nor in the column's width; neither do the elements that a long tensor leaves out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from adjoint._later import Later
from adjoint.array import descriptor
from adjoint.array.dtypes import bool_, get_default_dtype, int64
from adjoint.core import tensor_base
from adjoint.core.duals import levels_of, tangent_of

if TYPE_CHECKING:
    from adjoint.array.batched import blocks
else:
    blocks = Later("adjoint.array.batched.blocks")

__all__ = [
    "PrintOptions",
    "format_array",
    "get_printoptions",
    "parameter_repr",
    "printoptions",
    "set_printoptions",
    "tensor_format",
    "tensor_repr",
]

# ---- options -------------------------------------------------------------------------------------


class PrintOptions:
    """How tensors are printed; `set_printoptions` says what each option means."""

    __slots__ = ("edgeitems", "linewidth", "precision", "sci_mode", "threshold")

    def __init__(
        self,
        precision: int = 4,
        threshold: float = 1000,
        edgeitems: int = 3,
        linewidth: int = 80,
        sci_mode: bool | None = None,
    ) -> None:
        self.precision = precision
        self.threshold = threshold
        self.edgeitems = edgeitems
        self.linewidth = linewidth
        self.sci_mode = sci_mode


_PROFILES: Final[dict[str, dict[str, Any]]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}

_options: Final = PrintOptions()


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Choose how tensors are printed from now on; what is None stays as it is.

    Args:
        precision: digits after the point (4).
        threshold: a tensor with more elements is shown without its middle (1000).
        edgeitems: how many items such a tensor shows at each end of each dimension (3).
        linewidth: after how many characters a line is broken (80).
        profile: "default", "short" or "full": values for all of these; any given beside it wins.
        sci_mode: scientific notation always (True), never (False), or as the values ask for it
            (None; so it becomes, too, when the argument is left out).

    Example:
        >>> set_printoptions(precision=2)
        >>> print(format_array(np.array([1.0, 2.5])))
        [1.00, 2.50]
        >>> set_printoptions(profile="default")
    """
    chosen = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    chosen.update((name, value) for name, value in given.items() if value is not None)
    for name, value in chosen.items():
        setattr(_options, name, value)
    _options.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """Return the options in force, by name."""
    names = ("precision", "threshold", "edgeitems", "linewidth", "sci_mode")
    return {name: getattr(_options, name) for name in names}


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Print with other options inside a ``with`` block; arguments as for `set_printoptions`."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


# ---- elements ------------------------------------------------------------------------------------


def _fixed_width(values: Sequence[Any]) -> tuple[list[str], int]:
    """Integers and truth values: as Python writes them, in one width."""
    texts = [str(value) for value in values]
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts], width


def _real_texts(values: Sequence[float], options: PrintOptions) -> tuple[list[str], int]:
    """The texts of floats, right-aligned, and their width (Note [One style for all elements])."""
    isfinite = math.isfinite
    counted = [value for value in values if value and isfinite(value)]
    style = _float_style(counted, options)
    width = max((len(style(value)) for value in counted), default=1)
    return [
        (style(value) if isfinite(value) else str(value)).rjust(width) for value in values
    ], width


def _float_style(counted: Sequence[float], options: PrintOptions) -> Callable[[float], str]:
    """The way to write floats whose finite values other than zero are ``counted``."""
    if not counted:
        return "{:.0f}.".format
    integers = all(map(float.is_integer, counted))
    scientific = options.sci_mode
    if scientific is None:
        sizes = list(map(abs, counted))
        smallest, largest = min(sizes), max(sizes)
        scientific = largest / smallest > 1000 or largest > 1e8 or smallest < 1e-4
    if scientific:
        return f"{{:.{options.precision}e}}".format
    if integers:
        return "{:.0f}.".format
    return f"{{:.{options.precision}f}}".format


def _complex_texts(values: Sequence[complex], options: PrintOptions) -> tuple[list[str], int]:
    """Complex numbers: each part has its own style; only the real parts are aligned."""
    reals, real_width = _real_texts([value.real for value in values], options)
    imags, imag_width = _real_texts([value.imag for value in values], options)
    texts = []
    for real, imag in zip(reals, imags):
        imag = imag.lstrip()
        sign = "" if imag.startswith("-") else "+"
        texts.append(f"{real}{sign}{imag}j")
    return texts, real_width + imag_width + 1


def _texts(values: list[Any], options: PrintOptions) -> tuple[list[str], int]:
    first = type(values[0])
    if first is float:
        return _real_texts(values, options)
    return _complex_texts(values, options) if first is complex else _fixed_width(values)


# ---- arrays --------------------------------------------------------------------------------------


def format_array(array: Any, indent: int = 0, options: PrintOptions | None = None) -> str:
    """Return the bracketed text of a NumPy array (or NumPy scalar).

    Args:
        array: elements of any dtype that a tensor may have.
        indent: the column in which the text begins; later lines are indented to match.
        options: instead of the options in force.

    Example:
        >>> print(format_array(np.array([[1.0, 2.0], [3.0, -4.5]])))
        [[ 1.0000,  2.0000],
         [ 3.0000, -4.5000]]
    """
    options = options or _options
    array = np.asarray(array)
    if not array.size:
        return "[]"
    if array.dtype.kind == "V":  # bfloat16: not a type that NumPy can turn into Python's
        array = array.astype(np.float32)
    edge = options.edgeitems
    cut = [array.size > options.threshold and n > 2 * edge for n in array.shape]
    for axis, is_cut in enumerate(cut):
        if is_cut:
            ends = [*range(edge), *range(array.shape[axis] - edge, array.shape[axis])]
            array = array.take(ends, axis)
    texts, width = _texts(array.ravel().tolist(), options)
    return _brackets(texts, width, array.shape, cut, indent, options.linewidth)


def _brackets(
    texts: list[str],
    width: int,
    shape: tuple[int, ...],
    cut: list[bool],
    indent: int,
    linewidth: int,
) -> str:
    """Join the texts of elements, from the last axis to the first, into nested brackets."""
    last = len(shape) - 1
    for axis in range(last, -1, -1):
        n = shape[axis]
        rows = [texts[i : i + n] for i in range(0, len(texts), n)]
        margin = " " * (indent + axis + 1)
        if cut[axis]:
            dots = [" ..." if axis == last else "..."]
            rows = [[*row[: n // 2], *dots, *row[n // 2 :]] for row in rows]
        if axis == last:
            per_line = max(1, (linewidth - indent - axis) // (width + 2))
            texts = [f"[{_lines(row, per_line, margin)}]" for row in rows]
        else:
            separator = "," + "\n" * (last - axis) + margin
            texts = [f"[{separator.join(row)}]" for row in rows]
    return texts[0]


def _lines(row: list[str], per_line: int, margin: str) -> str:
    if len(row) <= per_line:
        return ", ".join(row)
    lines = [", ".join(row[i : i + per_line]) for i in range(0, len(row), per_line)]
    return f",\n{margin}".join(lines)


# ---- tensors -------------------------------------------------------------------------------------


def tensor_repr(t: Any, tensor_contents: str | None = None) -> str:
    """Return ``repr(t)``: the elements, then what is not as usual (device, size, dtype, gradient).

    A subclass of Tensor prints its own name. ``tensor_contents`` replaces the elements when given.
    """
    if t._desc.type.levels and tensor_contents is None:
        return _batched_repr(t)
    name = "tensor" if _is_plain(t) else type(t).__name__
    return _named(t, f"{name}(", name, ")", tensor_contents)


def _batched_repr(t: Any) -> str:
    """A tensor inside `vmap`: its level, and all samples as they are seen outside of it."""
    array = blocks.dense(t._array)
    whole = tensor_base.make_tensor(array.value, t._edge)
    text = "\n".join(f"    {line}" if line else "" for line in tensor_repr(whole).split("\n"))
    return f"BatchedTensor(lvl={array.level.depth}, bdim=0, value=\n{text}\n)"


def parameter_repr(p: Any, plain: type[Any]) -> str:
    """Return the ``repr`` of a parameter; ``plain`` is the class that is not printed by name."""
    kind = type(p)
    if kind is plain:
        return "Parameter containing:\n" + _named(p, "tensor(", "tensor", ")")
    name = kind.__name__
    return "Parameter containing:\n" + _named(p, f"Parameter({name}(", name, "))")


def tensor_format(t: Any, spec: str) -> str:
    """Return ``format(t, spec)``: of a 0-d tensor its number's, otherwise the printed tensor.

    Raises: TypeError for a ``spec`` where there is no single number to apply it to.
    """
    if not t.shape and _is_plain(t):
        return format(t.item(), spec)
    return object.__format__(t, spec)


def _is_plain(t: object) -> bool:
    return type(t) is tensor_base._tensor_class


def _named(t: Any, opening: str, name: str, closing: str, contents: str | None = None) -> str:
    options = _options
    indent = len(name) + 1  # continuation lines ignore what stands before the name
    if contents is None:
        contents = _contents(t, indent, options)
    return _append(opening + contents, _suffixes(t, options), indent, options.linewidth) + closing


def _contents(t: Any, indent: int, options: PrintOptions) -> str:
    shape = t.shape
    if shape and not options.edgeitems and math.prod(shape) > options.threshold:
        return "[...]"
    return format_array(descriptor.plain(t._array), indent, options)


def _suffixes(t: Any, options: PrintOptions) -> list[str]:
    """What follows the elements, one text for each point."""
    found: list[str] = []
    shape, dtype, where = t.shape, t.dtype, t.device
    usual = get_default_dtype()
    if where.type != "cpu":
        found.append(f"device='{where}'")
    if 0 in shape:
        sized = len(shape) != 1
        unusual = dtype is not usual
    else:
        sized = not options.edgeitems
        unusual = dtype not in (usual, usual.to_complex(), int64, bool_)
    if sized:
        found.append(f"size={tuple(shape)}")
    if unusual:
        found.append(f"dtype={dtype}")
    node = t.grad_fn
    if node is not None:
        found.append(f"grad_fn=<{node.name().rpartition('::')[2]}>")
    elif t.requires_grad:
        found.append("requires_grad=True")
    levels = levels_of((t,))
    if levels:
        found.append(f"tangent={tangent_of(t, levels[-1])}")
    return found


def _append(text: str, suffixes: list[str], indent: int, linewidth: int) -> str:
    """``text`` and its suffixes, each on the same line while there is room."""
    length = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if length + len(suffix) + 2 > linewidth:
            text += ",\n" + " " * indent + suffix
            length = indent + len(suffix)
        else:
            text += ", " + suffix
            length += len(suffix) + 2
    return text
