"""The compiled call of an operator: what C is told about it.

In: an `Op` and which of the straight paths of `core/call.py` fits it.  Out: the function that users
call, which makes the same tensors and nodes as the Python it stands for.
"""

from __future__ import annotations

import functools
from typing import Any

from adjoint.array.descriptor import EXACT_NUMBERS, REAL_NUMBERS
from adjoint.core.native import core
from adjoint.core.native.steps import ARITHMETIC, forward_steps

__all__ = ["make_compiled"]

_KINDS = ("UNARY", "BINARY", "PREDICATE", "WHOLE", "NUMBER", "ONE", "THREE")  # as in calls.c

_OTHER, _POWER = 5, 6  # as in state.h


def make_compiled(op: Any, kind: str) -> Any:
    """The compiled call of ``op``; ``kind``: the straight path that it takes."""
    alone = kind not in ("NUMBER", "ONE", "THREE")  # a function of raw arrays, without parameters
    direct = op.direct is not None
    function = op.kernel if alone else op.direct if direct else op.forward
    code = ARITHMETIC.get(function, _OTHER)
    if kind == "NUMBER":
        function, arithmetic = op.with_number
        code = ARITHMETIC[function] if arithmetic else _POWER
    level = op.level
    if kind == "WHOLE" or (kind == "ONE" and op.family == "elementwise"):
        level = REAL_NUMBERS
    elif kind == "PREDICATE":
        level = EXACT_NUMBERS
    wants = sum(1 << i for i, rule in enumerate(op.rules) if rule is not None)
    return core.Call(
        op=op,
        function=function,
        kind=_KINDS.index(kind),
        code=code,
        # Python functions of the library warn in its name, and are not heard; NumPy's own are
        quiet=kind == "NUMBER" or (alone and not isinstance(function, functools.partial)),
        level=level,
        operands=len(op.operands),
        differentiable=op.differentiable,
        wants=wants,
        alike=sum(1 << i for i in op.promoted),
        view=op.view,
        direct=direct,
        parameters=op.parameters,
    )


if core is not None:
    core.setup(forward_steps=forward_steps)
