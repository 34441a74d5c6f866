"""Optional compiled libraries: where one lies, whether it fits, and loading it.

In: the name of a library and the folder of its C sources.  Out: the path that belongs to exactly
these sources and this Python, and the loaded module. A library that does not fit is never loaded:
the name of its file has the hash of the sources, Python's version and the machine's kind.
"""

from __future__ import annotations

import importlib.machinery
import os
import sys
import zlib
from typing import Any

__all__ = ["NO_NATIVE", "Library", "cache_folder"]

NO_NATIVE = "ADJOINT_NO_NATIVE"


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


class Library:
    """The library ``name``, an extension module, made of the C files in ``folder``."""

    def __init__(self, name: str, folder: str) -> None:
        self.name, self._folder = name, folder
        self._state = "not looked for yet"

    def state(self) -> str:
        """Whether the library is in use, in a few words."""
        return self._state

    def sources(self) -> list[str]:
        """The paths of the C files, headers included."""
        names = sorted(os.listdir(self._folder))
        return [os.path.join(self._folder, n) for n in names if n.endswith((".c", ".h"))]

    def path(self) -> str:
        """The file that the library of these sources has for this Python."""
        checksum, length = 0, 0
        for path in self.sources():
            with open(path, "rb") as file:
                text = file.read()
            checksum, length = zlib.crc32(text, checksum), length + len(text)
        suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
        return os.path.join(cache_folder(), f"{self.name}-{checksum:08x}{length:x}{suffix}")

    def load(self) -> Any:
        """The module, or None where it is not built, not wanted, or not to be had."""
        if os.environ.get(NO_NATIVE, "") not in ("", "0"):
            self._state = f"off ({NO_NATIVE} is set)"
            return None
        self._state = "not built"
        if not os.path.isdir(cache_folder()):
            return None
        path = self.path()
        if not os.path.exists(path):
            return None
        try:
            loader = importlib.machinery.ExtensionFileLoader(self.name, path)
            spec = importlib.machinery.ModuleSpec(self.name, loader, origin=path)
            module = loader.create_module(spec)
            loader.exec_module(module)
        except ImportError as error:  # built against another NumPy: say so, and do without
            self._state = f"cannot be loaded: {error}"
            return None
        self._state = f"in use ({path})"
        return module
