"""What `import adjoint` leaves for later: which modules it loads, and that nothing is missed.

Each program runs in an interpreter of its own. Counts and names are compared, never times.
"""

import ast
import importlib
import json
import os
import pickle
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import adjoint
import adjoint.ops
from adjoint._later import Later, Method
from adjoint.core.op import OPERATORS

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "adjoint"

# What a program that adds, multiplies and differentiates does without.
LATER = """
    array.batched.blocks array.batched.library array.kernels.compiled array.kernels.convolution
    array.kernels.flat_pooling array.kernels.padding array.kernels.pooling
    array.kernels.pooling_taps array.kernels.small_images array.kernels.threads
    array.kernels.unfolding array.kernels.windows array.namespace array.patterns
    array.random_families array.random_normal array.random_rejection array.traced
    autograd.differences autograd.forward_ad autograd.function_forward autograd.function_pattern
    autograd.function_vmap autograd.functional autograd.gradcheck_jacobians
    autograd.gradcheck_report autograd.graph core.anomaly core.anomaly_report core.tiled cuda
    derivatives func functorch nn ops.activation ops.adaptive_pool ops.classes ops.conv
    ops.create_legacy ops.einsum ops.embedding ops.ledger ops.loss ops.norm ops.pad ops.pool
    ops.random_sampling ops.unfold optim printing sparse testing utils viz
""".split()

# Of the standard library and beyond; NumPy may have loaded some, and then they cost nothing.
FOREIGN = "copy dataclasses queue scipy tempfile traceback typing_extensions".split()


def fresh(program: str) -> list[str]:
    """Run ``program`` in a new interpreter; return the list that it prints as JSON."""
    paths = f"import sys; sys.path[:0] = {[str(ROOT / 'src'), str(ROOT)]!r}\n"
    done = subprocess.run(
        [sys.executable, "-c", paths + program],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "ADJOINT_NO_NATIVE": "1"},  # the compiled core has modules of its own
    )
    found: list[str] = json.loads(done.stdout)
    return found


LOADED = """
import json, sys, numpy
before = set(sys.modules)
import adjoint
{then}
print(json.dumps(sorted(set(sys.modules) - before)))
"""


def test_few_programs_need_these_modules():
    loaded = fresh(LOADED.format(then=""))
    assert sorted({f"adjoint.{name}" for name in LATER} & set(loaded)) == []
    assert sorted(set(FOREIGN) & set(loaded)) == []


def test_there_are_not_many_modules():
    loaded = fresh(LOADED.format(then=""))
    assert sum(name.split(".")[0] == "adjoint" for name in loaded) <= 113
    assert sum(name.split(".")[0] != "adjoint" for name in loaded) <= 6


def test_a_usual_program_needs_none_of_them_either():
    program = """
x = adjoint.ones(2, 3, requires_grad=True)
y = adjoint.tensor([[1.0], [2.0], [3.0]], requires_grad=True)
((x @ y).tanh().exp() * 2 + x[0].sum()).mean().backward()
with adjoint.no_grad():
    x.sub_(x.grad)
x.grad.zero_()
adjoint.autograd.grad((x * x).sum(), x, create_graph=True)[0].sum().backward()
"""
    loaded = fresh(LOADED.format(then=program))
    assert sorted({f"adjoint.{name}" for name in LATER} & set(loaded)) == []


# ---- nothing is missed ---------------------------------------------------------------------------


@pytest.mark.parametrize("module", ["adjoint", "adjoint.autograd", "adjoint.array.kernels"])
def test_all_public_names_are_there(module):
    program = f"""
import json, {module} as module
names = [*module.__all__, *dir(module)]
print(json.dumps([name for name in names if not hasattr(module, name)]))
"""
    assert fresh(program) == []


def test_each_name_is_there_when_it_is_the_first():
    for name in ("conv2d", "FloatTensor", "normal", "set_printoptions", "einsum", "vmap", "nn"):
        assert fresh(f"import json; from adjoint import {name}; print(json.dumps([]))") == []


def test_the_star_gives_everything():
    program = """
import json, adjoint as door
from adjoint import *
print(json.dumps([name for name in door.__all__ if name not in globals()]))
"""
    assert fresh(program) == []


def test_a_name_is_looked_up_once():
    assert adjoint.conv2d is adjoint.ops.conv.conv2d
    assert vars(adjoint)["conv2d"] is adjoint.conv2d


def test_names_that_are_nowhere():
    with pytest.raises(AttributeError, match=r"module 'adjoint' has no attribute 'nothing'"):
        adjoint.nothing
    with pytest.raises(AttributeError, match=r"module 'adjoint.autograd' has no attribute 'no'"):
        adjoint.autograd.no


def test_functions_that_come_later_can_be_pickled():
    program = """
import json, pickle, adjoint
again = pickle.loads(pickle.dumps([adjoint.conv2d, adjoint.einsum, adjoint.poisson]))
print(json.dumps([f.__name__ for f in again]))
"""
    assert fresh(program) == ["conv2d", "einsum", "poisson"]
    assert pickle.loads(pickle.dumps(adjoint.batch_norm)) is adjoint.batch_norm


def test_the_ledger_knows_operators_that_were_not_needed():
    program = """
import json, adjoint
from adjoint.core.op import OPERATORS
print(json.dumps(sorted(OPERATORS)))
"""
    named = fresh(program)
    for found in pkgutil.iter_modules(adjoint.ops.__path__):
        if not found.name.startswith("__"):
            importlib.import_module(f"adjoint.ops.{found.name}")
    assert "add" in named and any(OPERATORS[name].node_name == "Im2ColBackward0" for name in named)
    ours = {name for name, op in OPERATORS.items() if op.forward.__module__.startswith("adjoint.")}
    assert sorted(ours - set(named)) == []


# ---- the stand-ins -------------------------------------------------------------------------------


def test_a_module_is_loaded_when_something_in_it_is_named():
    program = """
import json, sys
from adjoint._later import Later
module = Later("adjoint.array.kernels.windows")
before = "adjoint.array.kernels.windows" in sys.modules
Window = module.Window
after = sys.modules["adjoint.array.kernels.windows"].Window is Window is vars(module)["Window"]
print(json.dumps([before, after]))
"""
    assert fresh(program) == [False, True]


def test_a_stand_in_has_no_dunder_of_its_own():
    with pytest.raises(AttributeError):
        Later("adjoint.no_such_module").__wrapped__


def test_a_method_becomes_the_function():
    class Holder:
        erf = Method("adjoint.array.special")

    function = importlib.import_module("adjoint.array.special").erf
    bound = Holder().erf
    assert bound.__func__ is function
    assert vars(Holder)["erf"] is Holder.erf is function


def homes() -> list[tuple[str, str]]:
    """Return the modules that use `_later`, with each module of adjoint that they name."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        if "_later" in text and path.name != "_later.py":
            named = {
                node.value
                for node in ast.walk(ast.parse(text))
                if isinstance(node, ast.Constant) and isinstance(node.value, str)
            }
            user = path.relative_to(PACKAGE).as_posix()
            found += [(user, n) for n in sorted(named) if re.fullmatch(r"adjoint(\.\w+)+", n)]
    return found


@pytest.mark.parametrize(("user", "home"), homes())
def test_what_comes_later_exists_and_keeps_to_the_floors(user, home):
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ((?:`\w+` ?)+)\|", text, flags=re.MULTILINE)
    floors = {name: int(number) for number, row in rows for name in re.findall(r"`(\w+)`", row)}
    importlib.import_module(home)
    below = home.removeprefix("adjoint.").split(".")[0]
    assert floors[below] <= floors[re.split(r"[/.]", user)[0].replace("__init__", "adjoint")]
