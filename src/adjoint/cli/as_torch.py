"""``with as_torch():`` makes ``import torch`` give adjoint, explicitly and for a while.

In: nothing. Out: modules named ``torch``, ``torch.nn``, ... that hold the names of ``adjoint``,
``adjoint.nn``, ...; a name that adjoint lacks fails as ``adjoint has no torch.<name>``. At the end
of the block the finder is taken away again and a real PyTorch that was loaded before is put back.
"""

import importlib
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

__all__ = ["as_torch"]

# What programs that ask for a version may rely on, marked as not being PyTorch itself.
VERSION = "2.13.0+adjoint"

# The import system gives each module its own.
_OWN_NAMES = {"__builtins__", "__cached__", "__doc__", "__file__", "__getattr__"}
_OWN_NAMES |= {"__loader__", "__name__", "__package__", "__path__", "__spec__"}


def _is_torch(name: str) -> bool:
    return name in ("torch", "functorch") or name.startswith("torch.")


def _is_own_module(value: object) -> bool:
    return isinstance(value, ModuleType) and value.__name__.split(".")[0] == "adjoint"


def _resolve(name: str) -> ModuleType | None:
    """Return the module of adjoint that serves the module ``name`` of torch, None without one."""
    own = "adjoint" + name.removeprefix("torch")
    try:
        return importlib.import_module(own)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{own}.".startswith(f"{error.name}."):
            raise  # adjoint has it, but something that it needs is missing
    parent = _resolve(name.rpartition(".")[0])
    value = getattr(parent, name.rpartition(".")[2], None)
    return value if isinstance(value, ModuleType) else None


class _Finder(MetaPathFinder, Loader):
    """Finds and fills the modules named torch."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None = None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        if not _is_torch(fullname):
            return None
        if _resolve(fullname) is None:
            # A name other than `fullname`, or `from torch import x` would swap the message.
            raise ModuleNotFoundError(
                f"adjoint has no {fullname}", name="adjoint" + fullname.removeprefix("torch")
            )
        return ModuleSpec(fullname, self, is_package=True)

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        source = _resolve(name)
        assert source is not None  # find_spec has seen it

        def missing_or_late(attribute: str) -> Any:
            try:
                value = getattr(source, attribute)
            except AttributeError:
                raise AttributeError(
                    f"adjoint has no {name}.{attribute}", name=attribute, obj=module
                ) from None
            if _is_own_module(value):  # so that names missing in there are named torch..., too
                return importlib.import_module(f"{name}.{attribute}")
            return value

        module.__doc__ = source.__doc__
        module.__dict__.update(
            (key, value)
            for key, value in vars(source).items()
            if key not in _OWN_NAMES and not _is_own_module(value)
        )
        module.__dict__["__getattr__"] = missing_or_late
        if name == "torch":
            module.__dict__["__version__"] = VERSION


def _take_torch_modules() -> dict[str, ModuleType]:
    return {name: sys.modules.pop(name) for name in list(sys.modules) if _is_torch(name)}


@contextmanager
def as_torch() -> Iterator[ModuleType]:
    """Return a ``with`` block in which ``import torch`` gives adjoint; it yields that module.

    Modules imported inside the block keep the ``torch`` they were given.

    Raises: ImportError or AttributeError, naming ``torch.<name>``, for what adjoint does not have.

    Example:
        >>> from adjoint.cli import as_torch
        >>> with as_torch():
        ...     import torch
        >>> x = torch.ones(2, requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 2.])
        >>> torch.no_such_name
        Traceback (most recent call last):
        AttributeError: adjoint has no torch.no_such_name
    """
    finder = _Finder()
    before = _take_torch_modules()
    sys.meta_path.insert(0, finder)
    try:
        yield importlib.import_module("torch")
    finally:
        sys.meta_path.remove(finder)
        _take_torch_modules()
        sys.modules.update(before)
