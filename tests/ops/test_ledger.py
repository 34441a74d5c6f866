"""The ledger has every operator, and no operator lacks a rule."""

from __future__ import annotations

import runpy

import pytest

from adjoint.core.op import OPERATORS
from adjoint.ops.ledger import Line, ledger, table
from tests.ops.table import TABLE  # which loads all operators

ORIGINS = {"own", "family", "derived", "none"}


def test_every_operator_is_in_it() -> None:
    lines = ledger()
    assert [line.operator for line in lines] == sorted(OPERATORS)
    assert len(lines) >= len(TABLE)


@pytest.mark.parametrize("line", ledger(), ids=lambda line: line.operator)
def test_there_is_no_gap(line: Line) -> None:
    assert {line.vjp, line.jvp} <= ORIGINS
    assert (line.vjp == "none") == (line.jvp == "none"), "a rule of one mode without the other"


def test_families_give_what_the_mathematics_gives() -> None:
    origin = {line.operator: line.jvp for line in ledger()}
    for name in ("exp", "mul", "sum", "mm", "cat", "transpose", "prod", "where"):
        assert origin[name] == "family", name
    assert origin["softmax"] == origin["fill"] == "own"
    assert origin["cumprod"] == "derived"
    assert origin["eq"] == "none"


def test_the_command_prints_it(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_module("adjoint.ops", run_name="__main__")
    shown = capsys.readouterr().out
    assert shown.splitlines()[: len(OPERATORS) + 1] == table(ledger()).splitlines()[:-2]
    assert shown.splitlines()[0].split() == ["operator", "family", "vjp", "jvp"]
    assert "gap" not in shown
