"""The contract of array libraries: what rules use, what it lists and what libraries have agree."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import adjoint
from adjoint.array import numpy_
from adjoint.array.namespace import Namespace
from adjoint.ops import families, vocabulary

FLOORS = [Path(adjoint.__file__).parent / floor for floor in ("ops", "core")]
MODULES = {path.stem: ast.parse(path.read_text()) for path in sorted(FLOORS[0].glob("*.py"))}
TAPE = [ast.parse(path.read_text()) for path in sorted(FLOORS[1].glob("*.py"))]
DECORATORS = set(families.__all__)

CONTRACT: dict[str, Callable[..., Any]] = {
    name: value
    for group in Namespace.__mro__
    for name, value in vars(group).items()
    if group.__module__ == Namespace.__module__ and not name.startswith("_")
}


def _words(tree: ast.AST) -> set[str]:
    """Every ``name`` of an ``xp.name`` in the tree."""
    return {
        n.attr
        for n in ast.walk(tree)
        if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == "xp"
    }


USED = set().union(*(_words(tree) for tree in [*MODULES.values(), *TAPE]))


# ---- what the rules use, with the helpers they call ----------------------------------------------


def _is_family(node: ast.AST) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Name) and called.id in DECORATORS


def _definitions(module: str) -> dict[str, ast.AST]:
    """What each name at the top of a module stands for; operators stand for nothing."""
    found: dict[str, ast.AST] = {}
    for n in MODULES[module].body:
        if isinstance(n, ast.FunctionDef) and not any(map(_is_family, n.decorator_list)):
            found[n.name] = n
        elif isinstance(n, ast.Assign):
            found.update((t.id, n.value) for t in n.targets if isinstance(t, ast.Name))
    return found


def _imports(module: str) -> dict[str, tuple[str, str]]:
    """Where each name imported from other modules of ops lives: (module, "" or name in it)."""
    found = {}
    for n in ast.walk(MODULES[module]):
        if isinstance(n, ast.ImportFrom) and (n.module or "").startswith("adjoint.ops"):
            home = (n.module or "").removeprefix("adjoint.ops").strip(".")
            for a in n.names:
                found[a.asname or a.name] = (home, a.name) if home else (a.name, "")
    return found


DEFINED = {module: _definitions(module) for module in MODULES}
IMPORTED = {module: _imports(module) for module in MODULES}


def _follow(module: str, tree: ast.AST, seen: set[tuple[str, str]]) -> set[str]:
    """The words of a rule and of all functions of ops that it names."""
    found = _words(tree)
    for n in ast.walk(tree):
        if isinstance(n, ast.Name):
            home, name = IMPORTED[module].get(n.id, (module, n.id))
        elif isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name):
            home, inside = IMPORTED[module].get(n.value.id, ("", "-"))
            name = n.attr if not inside else ""
        else:
            continue
        target = DEFINED.get(home, {}).get(name)
        if target is not None and (home, name) not in seen:
            seen.add((home, name))
            found |= _follow(home, target, seen)
    return found


def _rules() -> Iterator[tuple[str, ast.AST]]:
    for module, tree in MODULES.items():
        for n in ast.walk(tree):
            if isinstance(n, ast.Call) and _is_family(n):
                yield from ((module, rule) for rule in n.args)
                yield from ((module, k.value) for k in n.keywords if k.arg in ("vjp", "jvp"))


IN_RULES = set().union(*(_follow(module, rule, set()) for module, rule in _rules()))


# ---- the tests -----------------------------------------------------------------------------------


def _parameters(function: Callable[..., Any]) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name != "self"]


def _parameter_kinds(function: Callable[..., Any]) -> list[tuple[str, Any]]:
    given = inspect.signature(function).parameters.values()
    return [(p.name, p.kind) for p in given if p.name != "self"]


def test_the_contract_lists_what_is_used() -> None:
    assert sorted(USED - set(CONTRACT)) == []


def test_the_contract_lists_nothing_else() -> None:
    assert sorted(set(CONTRACT) - USED) == []


def test_the_contract_stays_small() -> None:
    assert len(CONTRACT) <= 150


def test_every_group_says_what_it_is() -> None:
    groups = [g for g in Namespace.__mro__ if g.__module__ == Namespace.__module__]
    assert len(groups) > 8
    assert all(g.__doc__ for g in groups)


def test_rules_are_found() -> None:
    assert (
        {"matmul", "where", "conv_weight", "max_pool_put", "index_add", "exp"} <= IN_RULES <= USED
    )


@pytest.mark.parametrize("name", sorted(CONTRACT))
def test_numpy_keeps_the_contract(name: str) -> None:
    function, promised = getattr(numpy_, name), CONTRACT[name]
    if isinstance(function, np.ufunc):
        assert function.nin == len(_parameters(promised))
    elif not function.__module__.startswith("adjoint"):  # NumPy's own takes more than is promised
        offered = inspect.signature(function).parameters
        named = [n for n, kind in _parameter_kinds(promised) if kind.name != "POSITIONAL_ONLY"]
        assert set(named) <= set(offered)
        assert len(_parameters(promised)) <= len(offered)
    else:
        assert _parameters(function) == _parameters(promised)


@pytest.mark.parametrize("name", sorted(IN_RULES))
def test_tensors_keep_the_contract_of_rules(name: str) -> None:
    function, promised = getattr(vocabulary, name), CONTRACT[name]
    if function.__module__ == vocabulary.__name__:
        kept = [n for n in _parameters(function) if n != "settings"]  # keywords handed on
        assert kept == _parameters(promised)[: len(kept)]
        assert len(kept) == len(_parameters(promised)) or "settings" in _parameters(function)
    else:  # an operator, called by position; of a primitive, ``xp`` and the keywords are left out
        offered = list(inspect.signature(function, follow_wrapped=True).parameters.values())
        here = [p for p in offered if p.name != "xp" and p.kind.name != "KEYWORD_ONLY"]
        required = [p for p in here if p.default is inspect.Parameter.empty]
        given = [p for p, kind in _parameter_kinds(promised) if kind.name != "KEYWORD_ONLY"]
        assert len(required) <= len(given) <= len(here)


def test_the_vocabulary_has_no_other_words() -> None:
    own = {
        name
        for name, value in vars(vocabulary).items()
        if callable(value) and not name.startswith("_") and not inspect.isclass(value)
    }
    helpers = {"Array", "Shape", "make_tensor", "to_dtype"}
    assert sorted(own - set(CONTRACT) - helpers - {"accumulated"}) == []
