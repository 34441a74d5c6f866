"""Where the compiled core lies, and how it is loaded.

In: the C sources of this package.  Out: the path of the library that belongs to exactly these
sources and this Python, and the loaded module. A library that does not fit is never loaded: the
name of its file has the hash of the sources, Python's version and the machine's kind.
"""

from __future__ import annotations

import importlib.machinery
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from adjoint.array import silence

__all__ = ["NO_NATIVE", "cache_folder", "library_path", "load", "sources", "state"]

NAME = "adjoint_native"
NO_NATIVE = "ADJOINT_NO_NATIVE"

_state = "not built"


def state() -> str:
    """Whether the compiled core is in use, in a few words."""
    return _state


def cache_folder() -> Path:
    """The folder that built libraries are kept in: ``ADJOINT_CACHE``, else the user's cache."""
    given = os.environ.get("ADJOINT_CACHE")
    if given:
        return Path(given)
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(base) / "adjoint"


def sources() -> list[Path]:
    """The C files, headers first."""
    here = Path(__file__).parent
    return [*sorted(here.glob("*.h")), *sorted(here.glob("*.c"))]


def library_path() -> Path:
    """The file that the library of these sources has for this Python."""
    text = b"".join([path.read_bytes() for path in sources()])
    tag = importlib.util.source_hash(text).hex()
    return cache_folder() / f"{NAME}-{tag}{importlib.machinery.EXTENSION_SUFFIXES[0]}"


def load() -> Any:
    """The compiled core, or None where it is not built, not wanted, or not to be had."""
    global _state
    if os.environ.get(NO_NATIVE, "") not in ("", "0"):
        _state = f"off ({NO_NATIVE} is set)"
        return None
    if not cache_folder().is_dir() or silence.setting() is None:
        return None
    path = library_path()
    if not path.exists():
        return None
    try:
        loader = importlib.machinery.ExtensionFileLoader(NAME, str(path))
        spec = importlib.machinery.ModuleSpec(NAME, loader, origin=str(path))
        module = importlib.util.module_from_spec(spec)
        loader.exec_module(module)
    except ImportError as error:  # built against another NumPy: say so, and do without
        _state = f"cannot be loaded: {error}"
        return None
    _state = f"in use ({path})"
    return module
