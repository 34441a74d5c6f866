"""How every operator is declared: names, documentation, what its rules may ask for."""

from __future__ import annotations

import inspect
import re

import pytest

from adjoint.core.op import OPERATORS, Op
from tests.ops.table import TABLE

FAMILIES = {"elementwise", "linear", "bilinear", "reduction", "movement", "general"}
OPS = [pytest.param(OPERATORS[name], id=name) for name in sorted(TABLE) if name in OPERATORS]


@pytest.mark.parametrize("op", OPS)
def test_forward_is_a_function_of_the_array_library(op: Op) -> None:
    parameters = list(inspect.signature(op.forward).parameters.values())
    assert parameters[0].name == "xp"
    assert op.operands, "an operator has at least one operand"
    for parameter in parameters[1:]:
        assert parameter.default is inspect.Parameter.empty, "defaults belong to the door"
        assert parameter.name not in {"g", "t", "out", "needs", "shapes", "xp"}
    assert not {"dim", "keepdim"} & set(op.parameters), "behind the door it is axis and keepdims"


@pytest.mark.parametrize("op", OPS)
def test_documentation_says_what_is_returned(op: Op) -> None:
    text = inspect.getdoc(op.forward) or ""
    assert text.startswith("Return "), f"{op!r} needs a docstring 'Return ...'"
    assert text.splitlines()[0].endswith((".", ",", ";")) or "\n" in text
    assert inspect.getdoc(op.call) == text  # type: ignore[attr-defined]
    assert op.call.__name__ == op.name  # type: ignore[attr-defined]


@pytest.mark.parametrize("op", OPS)
def test_family_and_node(op: Op) -> None:
    assert op.family in FAMILIES
    assert re.fullmatch(r"[A-Z]\w*(Backward\d+(_\w*)?|Backwards)|Identity", op.node_name)
    if op.family in ("linear", "bilinear", "movement"):
        assert op.linear
    if op.view:
        assert op.family in ("movement", "general", "linear")


@pytest.mark.parametrize("op", OPS)
def test_rules_name_only_what_exists(op: Op) -> None:
    for rule in op.rules:
        if rule is None:
            continue
        first = list(inspect.signature(rule.function).parameters)[:2]
        assert first == ["xp", "g"], "a rule begins with xp and the cotangent g"
        for name in rule.names:
            assert op.kind_of(name) >= 0
    if not op.joint and not op.variadic and op.differentiable:
        assert len(op.rules) == len(op.operands), "one rule (or None) per operand"
    if op.linear and op.rules and not op.joint:
        operands = {op.operands[0]} if op.family != "bilinear" else set()
        named = set(op.rules[0].names) if op.rules[0] is not None else set()
        assert not operands & named, (
            "the derivative of a linear operator has no use for its operand"
        )
