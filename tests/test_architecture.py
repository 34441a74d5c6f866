"""The plan of the house, enforced: floors, imports, file sizes, documentation, hygiene.

Everything is read from the syntax tree; nothing is imported. The floors are those of
``docs/architecture.md``: a module imports from lower floors, or from its own floor where that
makes no circle.
"""

import ast
import re
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "adjoint"
LONGEST = 500


def read_floors() -> dict[str, int]:
    """Return the floor of each top-level module, as the table of ``docs/architecture.md`` has it.

    The front door, ``adjoint/__init__.py``, goes by the name "".
    """
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (\d+) \| ((?:`\w+` ?)+)\|", text, flags=re.MULTILINE)
    floors = {name: int(number) for number, row in rows for name in re.findall(r"`(\w+)`", row)}
    floors[""] = floors.pop("adjoint")
    return floors


FLOORS = read_floors()

# What is loaded on first use, inside the function that needs it: `import adjoint` does not wait for
# it, and all but SciPy may be absent.
LATE = {"cupy", "llvmlite", "ml_dtypes", "mpi4py", "scipy"}

MAY_PRINT = ("cli/", "printing.py", "viz/")


def module_name(path: Path) -> str:
    """Return the dotted name below adjoint: ``core.node``, ``array``, ``""`` for the door."""
    parts = list(path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def modules() -> dict[str, tuple[Path, ast.Module]]:
    """Return every module of the package: its file and its syntax tree."""
    return {
        module_name(path): (path, ast.parse(path.read_text(encoding="utf-8"), str(path)))
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def floor(name: str) -> int | None:
    """Return the floor of the module ``name`` (below adjoint), None where none is written down."""
    return FLOORS.get(name.split(".")[0])


def for_the_type_checker_only(tree: ast.Module) -> set[ast.AST]:
    """Return the nodes under ``if TYPE_CHECKING:``, which no program executes."""
    return {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for statement in node.body
        for inner in ast.walk(statement)
    }


def imports(name: str) -> list[tuple[int, str]]:
    """Return the line and the target, below adjoint, of each import of adjoint's own modules."""
    path, tree = modules()[name]
    unexecuted = for_the_type_checker_only(tree)
    package = name.split(".") if path.stem == "__init__" else name.split(".")[:-1]
    package = [part for part in package if part]
    found = []
    for node in ast.walk(tree):
        if node in unexecuted:
            continue
        if isinstance(node, ast.Import):
            targets = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (node.module or "").split(".") if node.module else []
            if node.level:
                base = ["adjoint", *package[: len(package) - node.level + 1], *base]
            # `from package import module` imports the module, `from module import name` does not.
            targets = [".".join([*base, alias.name]) for alias in node.names]
            below = [target.removeprefix("adjoint.") for target in targets]
            targets = [
                target if short in modules() else ".".join(base)
                for target, short in zip(targets, below, strict=True)
            ]
        else:
            continue
        for target in targets:
            if target == "adjoint" or target.startswith("adjoint."):
                found.append((node.lineno, target.removeprefix("adjoint").removeprefix(".")))
    return found


ALL = sorted(modules())


def test_every_module_has_a_floor():
    homeless = {name.split(".")[0] for name in ALL if floor(name) is None}
    assert not homeless, "add these to the table of floors in docs/architecture.md"


def test_every_floor_has_its_modules():
    written_down = set(FLOORS) - {name.split(".")[0] for name in ALL}
    assert not written_down, "take these off the table of floors in docs/architecture.md"


@pytest.mark.parametrize("name", ALL)
def test_imports_never_go_up(name):
    wrong = [
        f"line {line}: {name or 'adjoint'} (floor {floor(name)}) imports {target or 'adjoint'}"
        for line, target in imports(name)
        if (floor(target) is None) or floor(target) > floor(name)
    ]
    assert wrong == []


def test_imports_make_no_circle():
    graph: dict[str, set[str]] = {name: set() for name in ALL}
    for name in ALL:
        for _, target in imports(name):
            # A package's front door may gather its own rooms, and they may not use the door.
            if target != name and target in graph:
                graph[name].add(target)
    try:
        order = list(TopologicalSorter(graph).static_order())
    except CycleError as error:
        pytest.fail("imports in a circle: " + " -> ".join(map(str, error.args[1])))
    assert len(order) == len(ALL)


def late_and_early(tree: ast.Module) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """Return the imports inside functions, and those that run when the module is imported."""
    unexecuted = for_the_type_checker_only(tree)
    late = {
        node
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Import | ast.ImportFrom)
    }
    early = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        and node not in late
        and node not in unexecuted
    ]
    return sorted(late, key=lambda node: node.lineno), early


def packages(node: ast.stmt) -> set[str]:
    """Return the top-level packages that an import statement names; "." for a relative one."""
    if isinstance(node, ast.Import):
        return {alias.name.split(".")[0] for alias in node.names}
    assert isinstance(node, ast.ImportFrom)
    return {(node.module or "").split(".")[0] if not node.level else "."}


@pytest.mark.parametrize("name", ALL)
def test_functions_import_late_back_ends_and_nothing_else(name):
    late, _ = late_and_early(modules()[name][1])
    assert [f"line {node.lineno}" for node in late if not packages(node) <= LATE] == []


@pytest.mark.parametrize("name", ALL)
def test_back_ends_are_not_imported_early(name):
    _, early = late_and_early(modules()[name][1])
    assert [f"line {node.lineno}" for node in early if packages(node) & LATE] == []


@pytest.mark.parametrize("name", ALL)
def test_no_star_import(name):
    _, tree = modules()[name]
    stars = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names)
    ]
    assert stars == []


@pytest.mark.parametrize("name", ALL)
def test_nothing_fills_a_namespace_at_run_time(name):
    _, tree = modules()[name]
    wrong = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in ("update", "setdefault", "__setitem__")
        and ast.unparse(node.func.value) in ("globals()", "locals()", "vars()")
    ]
    assert wrong == []


@pytest.mark.parametrize("name", ALL)
def test_all_is_sorted_and_true(name):
    _, tree = modules()[name]
    lists = [
        [ast.literal_eval(element) for element in node.value.elts]
        for node in tree.body
        if isinstance(node, ast.Assign)
        and any(ast.unparse(target) == "__all__" for target in node.targets)
        and isinstance(node.value, ast.List | ast.Tuple)
    ]
    for names in lists:
        assert names == sorted(names, key=_isort_key)
        assert len(names) == len(set(names))
        assert set(names) <= bound_names(tree)


def _isort_key(name: str) -> tuple[object, ...]:
    # The order that ruff's RUF022 keeps: CONSTANTS, Classes, functions; numbers by their value.
    kind = 0 if name.isupper() and len(name) > 1 else 1 if name[:1].isupper() else 2
    parts = re.findall(r"\d+|\D", name)
    return kind, [(0, int(part)) if part.isdigit() else (1, ord(part)) for part in parts]


def bound_names(tree: ast.Module) -> set[str]:
    """Return the names that the statements of a module bind at its top level."""
    bound: set[str] = set()
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        match node:
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                bound.add(name)
            case ast.Import(names=names):
                bound |= {(alias.asname or alias.name).split(".")[0] for alias in names}
            case ast.ImportFrom(names=names):
                bound |= {alias.asname or alias.name for alias in names}
            case ast.If() | ast.Try() | ast.With() | ast.For():
                for field in ("body", "orelse", "finalbody"):
                    pending += getattr(node, field, [])
                pending += [s for h in getattr(node, "handlers", []) for s in h.body]
            case _:
                bound |= {
                    inner.id
                    for inner in ast.walk(node)
                    if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store)
                }
    return bound


@pytest.mark.parametrize("name", ALL)
def test_files_are_short_and_say_what_they_are_for(name):
    path, tree = modules()[name]
    text = path.read_text(encoding="utf-8")
    lines = text.count("\n")
    assert lines <= LONGEST
    assert ast.get_docstring(tree), "no docstring: what is it for, what comes in, what goes out?"
    assert text[:3] == '"""', "the docstring comes first"


SILENT = [
    name
    for name, (path, _) in modules().items()
    if path.name != "__main__.py" and not path.relative_to(PACKAGE).as_posix().startswith(MAY_PRINT)
]


@pytest.mark.parametrize("name", SILENT)
def test_only_the_talking_parts_print(name):
    _, tree = modules()[name]
    calls = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id == "print"
    ]
    assert calls == []


# Absolute paths of a machine, in whatever words a file has.
ABSOLUTE = re.compile(r"(?<![\w.~<\"'/:-])/(?:home|root|Users|work|opt|tmp|mnt|srv)/\w|[A-Z]:\\\\")
TEXT = {".py", ".md", ".toml", ".txt", ".cfg", ".yml", ".yaml"}
FOLDERS = ("src", "tests", "docs", "examples", "benchmarks")


def texts() -> list[Path]:
    """Return every text file of the project, apart from what tools made."""
    found = [path for path in ROOT.iterdir() if path.is_file() and path.suffix in TEXT]
    for folder in FOLDERS:
        found += [path for path in (ROOT / folder).rglob("*") if path.suffix in TEXT]
    return sorted(path for path in found if "__pycache__" not in path.parts)


@pytest.mark.parametrize("path", texts(), ids=lambda path: str(path.relative_to(ROOT)))
def test_text_is_clean(path):
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    assert "\r" not in text and "\t" not in text
    assert text[-2:].count("\n") == (1 if text else 0), "one line end at the end"
    assert [n for n, line in enumerate(lines, 1) if line != line.rstrip()] == []
    assert [n for n, line in enumerate(lines, 1) if ABSOLUTE.search(line)] == []
    if path.suffix == ".py" and path != Path(__file__):
        notes = re.compile(r"#\s*(TODO|FIXME|XXX|HACK)\b")
        assert [n for n, line in enumerate(lines, 1) if notes.search(line)] == []
