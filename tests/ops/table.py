"""The operator table: one row per primitive operator, gathered from the ``rows_*`` modules.

A new operator needs a row here (tests/ops/test_complete.py says which are missing); every rule test
then covers it without another line.
"""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import adjoint.ops
import tests.ops
from tests.ops.cases import OpCase

for _module in pkgutil.iter_modules(adjoint.ops.__path__):
    if not _module.name.startswith("__"):
        importlib.import_module(f"adjoint.ops.{_module.name}")

ROWS: list[OpCase] = [
    case
    for module in sorted(m.name for m in pkgutil.iter_modules(tests.ops.__path__))
    if module.startswith("rows_")
    for case in importlib.import_module(f"tests.ops.{module}").ROWS
]

TABLE: dict[str, OpCase] = {case.op: case for case in ROWS}


def cases(rule: str) -> list[object]:
    """Return a ``pytest.param`` for each sample of each row to which a rule applies."""
    return [
        pytest.param(case, sample, id=f"{case.op}-{place}")
        for case in ROWS
        if rule not in case.skip
        for place, sample in enumerate(case.samples)
    ]
