"""Where the compiled core lies, and how it is loaded.

In: the C sources of this package.  Out: the path of the library that belongs to exactly these
sources and this Python, and the loaded module. A library that does not fit is never loaded: the
name of its file has the hash of the sources, Python's version and the machine's kind.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import zlib
from typing import Any

from adjoint.array import silence

__all__ = ["NAME", "NO_NATIVE", "cache_folder", "library_path", "load", "sources", "state"]

NAME = "adjoint_native"
NO_NATIVE = "ADJOINT_NO_NATIVE"

_state = "not built"


def state() -> str:
    """Whether the compiled core is in use, in a few words."""
    return _state


def cache_folder() -> str:
    """The folder that built libraries are kept in: ``ADJOINT_CACHE``, else the user's cache."""
    given = os.environ.get("ADJOINT_CACHE")
    if given:
        return given
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or os.path.expanduser("~")
    elif sys.platform == "darwin":
        base = os.path.expanduser("~/Library/Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return os.path.join(base, "adjoint")


def sources() -> list[str]:
    """The paths of the C files, headers included."""
    here = os.path.dirname(__file__)
    return [os.path.join(here, n) for n in sorted(os.listdir(here)) if n.endswith((".c", ".h"))]


def library_path() -> str:
    """The file that the library of these sources has for this Python."""
    checksum, length = 0, 0
    for path in sources():
        with open(path, "rb") as file:
            text = file.read()
        checksum, length = zlib.crc32(text, checksum), length + len(text)
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    return os.path.join(cache_folder(), f"{NAME}-{checksum:08x}{length:x}{suffix}")


def load() -> Any:
    """The compiled core, or None where it is not built, not wanted, or not to be had."""
    global _state
    if os.environ.get(NO_NATIVE, "") not in ("", "0"):
        _state = f"off ({NO_NATIVE} is set)"
        return None
    if not os.path.isdir(cache_folder()) or silence.setting() is None:
        return None
    path = library_path()
    if not os.path.exists(path):
        return None
    try:
        loader = importlib.machinery.ExtensionFileLoader(NAME, path)
        spec = importlib.machinery.ModuleSpec(NAME, loader, origin=path)
        module = loader.create_module(spec)
        loader.exec_module(module)
    except ImportError as error:  # built against another NumPy: say so, and do without
        _state = f"cannot be loaded: {error}"
        return None
    _state = f"in use ({path})"
    return module
