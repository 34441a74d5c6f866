"""``python -m adjoint.ops``: the ledger of all operators on the standard output."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import adjoint.ops
from adjoint.ops.ledger import ledger, table

for found in pkgutil.iter_modules(adjoint.ops.__path__):
    if not found.name.startswith("__"):
        importlib.import_module(f"adjoint.ops.{found.name}")

sys.stdout.write(table(ledger()) + "\n")
