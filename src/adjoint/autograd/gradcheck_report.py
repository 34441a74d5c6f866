"""What `gradcheck` says when gradients are wrong: PyTorch's text, and then where and why.

In: the two Jacobians and where they come from.  Out: text: the worst element, the operator that
made the output, and the cause where it can be seen: rounding, a kink, a graph that was cut.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from adjoint.array import dtypes
from adjoint.autograd.differences import moved
from adjoint.autograd.function_node import BackwardCFunction
from adjoint.core.node import node_of
from adjoint.core.tensor_base import make_tensor

__all__ = ["NOT_REENTRANT", "GradcheckError", "Mismatch", "describe"]

Array = Any

NOT_REENTRANT = (
    "Backward is not reentrant, i.e., running backward with same input and grad_output multiple "
    "times gives different values, although analytical gradient matches numerical gradient."
    "The tolerance for nondeterminism was {}.\n\n(Something in backward depends on more than its "
    "arguments: a random number, a counter, a value that is overwritten. If that is intended, "
    "allow for it with nondet_tol=.)"
)

_FAST = (
    "\nThe above quantities relating the numerical and analytical jacobians are computed \n"
    "in fast mode. See: https://github.com/pytorch/pytorch/issues/53876 for more background \n"
    "about fast mode. Below, we recompute numerical and analytical jacobians in slow mode:\n\n"
    "Numerical:\n {}\nAnalytical:\n{}\n\nThe max per-element difference (slow mode) is: {}.\n"
)

_SMALL = (
    "Fast gradcheck failed but element-wise differences are small. This means that the\n"
    "test might've passed in slow_mode! (Pass fast_mode=False.)"
)

_NODES = 10_000  # how much of a graph is searched for custom functions


class GradcheckError(RuntimeError):
    """A gradient is not what finite differences say, or breaks a rule of the tape."""


class Mismatch(NamedTuple):
    """Two Jacobians that differ, of output ``i`` and input ``j``; both transposed: a row for each
    element of the input, a column for each element of the output.

    ``shown_*``: what fast mode compared, else None; ``evaluate``: the output's value at the
    input's present one.
    """

    prefix: str
    what: str
    i: int
    j: int
    shown_numerical: Any
    shown_analytical: Any
    numerical: Array
    analytical: Array
    output: Any
    input: Any
    eps: float
    atol: float
    rtol: float
    evaluate: Callable[[], Array]


def describe(m: Mismatch) -> str:
    """Return the whole message."""
    numerical, analytical = make_tensor(m.numerical), make_tensor(m.analytical)
    fast = m.shown_numerical is not None
    text = (
        f"{m.prefix}{m.what} mismatch for output {m.i} with respect to input {m.j},\n"
        f"numerical:{m.shown_numerical if fast else numerical}\n"
        f"analytical:{m.shown_analytical if fast else analytical}\n"
    )
    with np.errstate(all="ignore"):
        difference = np.abs(m.numerical - m.analytical)
        allowed = m.atol + m.rtol * np.abs(m.numerical)
    if fast:
        text += _FAST.format(numerical, analytical, difference.max(initial=0))
    wrong = ~(difference <= allowed)
    if not wrong.any():
        return text + _SMALL
    return f"{text}\n{_located(m, difference, allowed, wrong)}"


def _located(m: Mismatch, difference: Array, allowed: Array, wrong: Array) -> str:
    with np.errstate(all="ignore"):
        ratio = np.where(np.isfinite(difference), difference, np.inf) / allowed
    row, column = np.unravel_index(int(np.argmax(np.where(wrong, ratio, -1))), ratio.shape)
    at = np.unravel_index(int(row), m.input._desc.shape)
    n, a = m.numerical[row, column], m.analytical[row, column]
    by_tape = "forward mode" if "forward" in m.what else "backward"
    of_output = _element("output", np.unravel_index(int(column), m.output._desc.shape))
    of_input = _element("input", at)
    lines = [
        f"{np.count_nonzero(wrong)} of {wrong.size} derivatives are wrong. The worst is that of "
        f"{of_output} with respect to {of_input}: {n:.6g} by finite differences, {a:.6g} by "
        f"{by_tape} (difference {difference[row, column]:.3g}, allowed "
        f"{allowed[row, column]:.3g}).",
        _made_by(m, by_tape),
        _cause(m, int(row), int(column), float(difference[row, column])),
    ]
    return "\n".join(line for line in lines if line)


def _element(name: str, at: Any) -> str:
    return f"{name}[{', '.join(str(int(k)) for k in at)}]" if at else name


def _made_by(m: Mismatch, by_tape: str) -> str:
    node = node_of(m.output._edge)
    if node is None:
        return "The output is a leaf: no operator made it."
    custom = _custom_functions(node)
    text = f"The output was made by {node.name()}."
    if custom:
        subject = "its own" if custom == [node.name()] else "that of"
        names = "" if subject == "its own" else f" {' and '.join(custom)}"
        text += f" Where to look first: {subject}{names} {by_tape}, written by hand."
    if not m.analytical.any():
        text += (
            " All derivatives by the tape are 0: the graph is cut between the two (detach(), "
            ".data, .item(), numpy(), no_grad(), once_differentiable), or a gradient is None."
        )
    return text


def _custom_functions(root: Any) -> list[str]:
    """The names of the functions in a graph whose derivatives a user wrote."""
    names: list[str] = []
    seen, pending = {root}, [root]
    while pending and len(seen) < _NODES:
        node = pending.pop()
        if isinstance(node, BackwardCFunction) and node.name() not in names:
            names.append(node.name())
        for child, _ in node.next_functions:
            if child is not None and child not in seen:
                seen.add(child)
                pending.append(child)
    return names[:4]


def _cause(m: Mismatch, row: int, column: int, difference: float) -> str:
    """Why finite differences may be wrong here; empty if nothing speaks against them."""
    rounding = _rounding(m, row, column, difference)
    if rounding or m.input._array.dtype.kind == "c" or m.numerical.dtype.kind == "c":
        return rounding
    at = np.unravel_index(row, m.input._desc.shape)
    here, below, above = (_value(m, at, column, step) for step in (0.0, -m.eps, m.eps))
    if not np.isfinite([here, below, above]).all():
        return f"The function is not finite here: {below}, {here}, {above} around this point."
    left, right = float((here - below) / m.eps), float((above - here) / m.eps)
    if abs(right - left) > 1e-3 + 0.05 * max(abs(left), abs(right)):
        return (
            f"The function has a kink or a jump here: its slope is {left:.4g} to the left and "
            f"{right:.4g} to the right. Check at another point."
        )
    return ""


def _value(m: Mismatch, at: Any, column: int, step: float) -> Any:
    with moved(m.input, at, step, 1.0):
        return np.asarray(m.evaluate()).reshape(-1)[column].astype(np.float64)


def _rounding(m: Mismatch, row: int, column: int, difference: float) -> str:
    slope = abs(m.numerical[row, column])
    for name, kind in (("input", m.input._desc.dtype), ("output", m.output._desc.dtype)):
        if kind in (dtypes.float64, dtypes.complex128):
            continue
        # half a unit in the last place of both values, and of both moved inputs
        value = abs(np.asarray(m.evaluate()).reshape(-1)[column])
        place = abs(np.asarray(m.input._array).reshape(-1)[row])
        noise = dtypes.finfo(kind).eps * float(value + place * slope) / (2 * m.eps)
        if difference <= 2 * noise:
            return (
                f"The cause may be precision: the {name} is {kind.name}, and with eps={m.eps:g} "
                f"rounding alone makes finite differences uncertain by about {noise:.2g}. Check "
                "in double precision: x.double()."
            )
    return ""
