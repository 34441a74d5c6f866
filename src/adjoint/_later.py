"""What few programs need is loaded when it is first named: `import adjoint` does not wait for it.

In: where something is.  Out: what stands in for it until then: a `Later` for a module that another
one uses, `names` for the names that a module only passes on, a `Method` for one of a class.  After
the first use they are out of the way.  For the type checker the module is imported, under ``if
TYPE_CHECKING``.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["Later", "Method", "names"]


class Later:
    """The module ``home``, loaded when something in it is first named."""

    def __init__(self, home: str) -> None:
        self.__home = home

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # who looks at modules asks for these, and does not mean it
            raise AttributeError(name)
        found = getattr(import_module(self.__home), name)
        setattr(self, name, found)
        return found


class Method:
    """A method of the same name as the function of the module ``home`` that it is."""

    def __init__(self, home: str) -> None:
        self.home = home

    def __set_name__(self, owner: type, name: str) -> None:
        self.owner, self.name = owner, name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        function = getattr(import_module(self.home), self.name)
        setattr(self.owner, self.name, function)  # the next time it is an ordinary method
        return function if instance is None else function.__get__(instance, owner)


def names(module: str, homes: dict[str, str]) -> Callable[[str], Any]:
    """The ``__getattr__`` of ``module``: it finds each name of ``homes`` in the module there.

    A home that is the name itself, below ``module``, is the submodule.
    """

    def find(name: str) -> Any:
        home = homes.get(name)
        if home is None:
            raise AttributeError(f"module '{module}' has no attribute '{name}'")
        found = import_module(home)
        if home != f"{module}.{name}":
            found = getattr(found, name)
        setattr(sys.modules[module], name, found)  # the next time it is an ordinary name
        return found

    return find
