"""Run the example programs inside a test, with adjoint or with PyTorch under them.

``script_output(name, library)`` runs ``examples/<name>.py`` as a program and returns what it
printed, memory addresses masked. ``load_example(name)`` imports it as a module. ``expected(name)``
is the stored output; ``python -m tests.examples.runner`` writes those anew from PyTorch.
"""

import contextlib
import importlib.util
import io
import re
import sys
from pathlib import Path
from types import ModuleType

EXAMPLES = Path(__file__).parents[2] / "examples"
EXPECTED = Path(__file__).parent / "expected"

DOCUMENTS = (
    "jacobians",
    "leaves_and_gradients",
    "matrix_calculus",
    "vector_jacobian_products",
)
PROGRAMS = ("freeze_part", "network_twice")


def script_output(name: str, library: str = "adjoint") -> str:
    """Return what ``examples/<name>.py`` prints with ``library`` in the place of adjoint."""
    path = EXAMPLES / f"{name}.py"
    text = path.read_text(encoding="utf-8")
    if library != "adjoint":
        text = re.sub(r"^(import|from) adjoint\b", rf"\1 {library}", text, flags=re.MULTILINE)
        text = re.sub(r"= adjoint\b", f"= {library}", text)
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        # A program of its own, named as `python examples/<name>.py` would name it.
        exec(compile(text, str(path), "exec"), {"__name__": "__main__", "__file__": str(path)})
    return re.sub(r"0x[0-9a-f]+", "0x...", output.getvalue())


def load_example(name: str) -> ModuleType:
    """Return ``examples/<name>.py`` imported afresh as a module."""
    spec = importlib.util.spec_from_file_location(f"example_{name}", EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def expected(name: str) -> str:
    """Return the output of ``name`` under PyTorch 2.13, as stored beside the tests."""
    return (EXPECTED / f"{name}.txt").read_text(encoding="utf-8")


def main() -> None:
    """Store the output of every script under PyTorch."""
    for name in DOCUMENTS + PROGRAMS:
        (EXPECTED / f"{name}.txt").write_text(script_output(name, "torch"), encoding="utf-8")
        print(f"wrote {name}.txt", file=sys.stderr)


if __name__ == "__main__":
    main()
