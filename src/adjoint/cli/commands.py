"""The commands of the command line, and the reading of its words.

In: a list of words. Out: text on standard output, complaints on standard error, an exit status (0
done, 1 the script failed, 2 wrong words, 130 Ctrl-C). ``info`` says what is installed; ``run`` runs
a program written for PyTorch with adjoint in PyTorch's place; ``build`` compiles the core.
"""

import argparse
import platform
import sys
import traceback
from collections.abc import Iterable, Sequence
from importlib import metadata
from pathlib import Path
from types import ModuleType

import numpy as np

from adjoint._version import __version__
from adjoint.array import native as array_native
from adjoint.array.native.library import NO_NATIVE
from adjoint.cli.as_torch import as_torch
from adjoint.core import native as core_native
from adjoint.core.native import build as native

__all__ = ["main"]

WHAT = "PyTorch's automatic differentiation as a readable, fast, pure Python library over NumPy."

# Distribution, and what it is good for here.
OPTIONAL = (
    ("tqdm", "progress bars in the examples"),
    ("ml_dtypes", "the dtype bfloat16"),
    ("torch", "the reference of tests/torch_parity"),
)


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _blas() -> str:
    try:
        blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
        return f"{blas['name']} {blas['version']}"
    except (KeyError, TypeError):  # the report of NumPy's build is no fixed interface
        return "unknown"


def describe() -> str:
    """Return the version, what adjoint is, and the environment it runs in, as lines of text.

    Example:
        >>> print(describe().splitlines()[0].split()[0])
        adjoint
    """
    python = f"{platform.python_version()} ({platform.python_implementation()}, "
    lines = [
        f"adjoint {__version__}",
        WHAT,
        "",
        f"Python     {python}{platform.system()} {platform.machine()})",
        f"NumPy      {np.__version__} (BLAS: {_blas()})",
        f"SciPy      {_version('scipy') or 'not installed'}",
    ]
    array_native.kernels()
    lines.append(f"core       Python; compiled: {core_native.library.state()}")
    lines.append(f"kernels    NumPy; compiled: {array_native.library.state()}")
    for name, purpose in OPTIONAL:
        lines.append(f"{name:<10} {_version(name) or 'not installed'} (optional: {purpose})")
    return "\n".join(lines)


def info() -> int:
    """Print the description; return the exit status."""
    print(describe())
    return 0


def build(remove: bool = False) -> int:
    """Compile the core and the kernels for this machine, or delete what was compiled; return the
    exit status.
    """
    if remove:
        count = native.remove()
        print(
            f"removed {count} built librar{'y' if count == 1 else 'ies'}; the core is Python again"
        )
        return 0
    print("compiling the core and the kernels (some seconds) ...", flush=True)
    try:
        paths = native.build()
    except native.BuildError as error:
        print(f"adjoint build: {error}", file=sys.stderr)
        return 1
    print(*paths, sep="\n")
    print("The next program that imports adjoint uses them. Back to Python's core:")
    print(f"adjoint build --remove, or {NO_NATIVE}=1 in the environment")
    return 0


def run(script: str, arguments: Sequence[str]) -> int:
    """Run the file ``script`` as a program in which ``import torch`` gives adjoint.

    Returns: 0, or 1 after printing the traceback of what the program raised.
    Raises: SystemExit as the program does.
    """
    path = Path(script)
    try:
        source = path.read_bytes()
        code = compile(source, script, "exec", dont_inherit=True)
    except OSError as error:
        print(f"adjoint run: cannot read {script!r}: {error.strerror}", file=sys.stderr)
        return 2
    except (SyntaxError, ValueError) as error:
        print("".join(traceback.format_exception_only(error)), end="", file=sys.stderr)
        return 1

    module = ModuleType("__main__")
    module.__file__ = script
    before = sys.argv, sys.path[:], sys.modules.get("__main__")
    sys.argv = [script, *arguments]
    sys.path.insert(0, str(path.resolve().parent))
    sys.modules["__main__"] = module
    try:
        with as_torch():
            exec(code, module.__dict__)
    except Exception as error:
        print("".join(_traceback(error)), end="", file=sys.stderr)
        return 1
    finally:
        sys.argv, sys.path[:] = before[0], before[1]
        if before[2] is not None:
            sys.modules["__main__"] = before[2]
    return 0


def _traceback(error: BaseException) -> Iterable[str]:
    """Return the traceback of ``error`` without the frames that served the program."""
    report = traceback.TracebackException.from_exception(error)
    own = str(Path(__file__).parent)
    pending: list[traceback.TracebackException | None] = [report]
    while pending:
        part = pending.pop()
        if part is not None:
            part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(own)]
            pending += [part.__cause__, part.__context__]
    return report.format()


def _parser(program: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program, description=WHAT)
    parser.add_argument("--version", action="version", version=f"adjoint {__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    commands.add_parser("info", help="print the version and what is installed")
    builder = commands.add_parser(
        "build",
        help="compile the core with this machine's C compiler: small operators become faster, and "
        "large products",
        description="Compile the tape's two hottest paths, and kernels for large arrays; results "
        "stay the same, to the last bit.",
    )
    builder.add_argument("--remove", action="store_true", help="delete what was built")
    runner = commands.add_parser(
        "run",
        help="run a program written for PyTorch on adjoint",
        description="Run a program in which `import torch` gives adjoint.",
    )
    runner.add_argument("script", help="a Python file")
    runner.add_argument("arguments", nargs=argparse.REMAINDER, help="the program's own arguments")
    return parser


def main(argv: Sequence[str] | None = None, program: str = "adjoint") -> int:
    """Do what the words ``argv`` (default: the command line's) say; return the exit status.

    Raises: SystemExit for ``--help``, ``--version`` and wrong words, and as a run program does.
    """
    parser = _parser(program)
    options = parser.parse_args(argv)
    try:
        if options.command == "run":
            return run(options.script, options.arguments)
        if options.command == "build":
            return build(options.remove)
        status = info()
        if options.command is None:
            print()
            parser.print_help()
        return status
    except KeyboardInterrupt:
        print("\nstopped by Ctrl-C", file=sys.stderr)
        return 130
