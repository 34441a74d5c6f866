"""Switching recording on and off: contexts that are also decorators and, some, functions.

In: nothing, or a bool.  Out: the mode of the current thread (core/mode.py), restored on leaving.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from adjoint.core import mode as modes
from adjoint.core.mode import get_mode, pauses, set_mode

__all__ = [
    "enable_grad",
    "inference_mode",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "no_grad",
    "set_grad_enabled",
]

F = TypeVar("F", bound=Callable[..., Any])


class _ModeContext:
    """A block in which the mode differs; also a decorator of functions, generators and classes'
    methods.
    """

    __slots__ = ("_before",)

    _before: int

    def __enter__(self) -> None:
        raise NotImplementedError

    def __exit__(self, *exception: Any) -> None:
        set_mode(self._before)

    def fresh(self) -> _ModeContext:
        """A new context of the same kind, for one call of a decorated function."""
        return type(self)()

    def __call__(self, function: F) -> F:
        if inspect.isclass(function):
            function.__init__ = self(function.__init__)  # type: ignore[method-assign]
            return function
        if inspect.isgeneratorfunction(function):
            return _decorate_generator(self.fresh, function)
        fresh = self.fresh

        @functools.wraps(function)
        def decorated(*args: Any, **kwargs: Any) -> Any:
            with fresh():
                return function(*args, **kwargs)

        return decorated  # type: ignore[return-value]


def _decorate_generator(fresh: Callable[[], _ModeContext], function: Callable[..., Any]) -> Any:
    @functools.wraps(function)
    def decorated(*args: Any, **kwargs: Any) -> Any:
        generator = function(*args, **kwargs)
        with fresh():
            try:
                response = next(generator)
            except StopIteration as stop:
                return stop.value
        while True:
            try:
                request = yield response
            except GeneratorExit:
                with fresh():
                    generator.close()
                raise
            except BaseException as error:
                with fresh():
                    try:
                        response = generator.throw(error)
                    except StopIteration as stop:
                        return stop.value
            else:
                with fresh():
                    try:
                        response = generator.send(request)
                    except StopIteration as stop:
                        return stop.value

    return decorated


class no_grad(_ModeContext):
    """A block (or decorated function) in which nothing is recorded.

    >>> import adjoint
    >>> x = adjoint.ones(2, requires_grad=True)
    >>> with adjoint.no_grad():
    ...     print((x * 2).requires_grad)
    False
    """

    __slots__ = ()

    def __new__(cls, function: Any = None) -> Any:
        made = object.__new__(cls)
        return made if function is None else made(function)

    def __enter__(self) -> None:
        self._before = before = get_mode()
        set_mode(before & ~1)
        pauses[0] += 1


class enable_grad(_ModeContext):
    """A block (or decorated function) in which operations are recorded, whatever was outside."""

    __slots__ = ()

    def __new__(cls, function: Any = None) -> Any:
        made = object.__new__(cls)
        return made if function is None else made(function)

    def __enter__(self) -> None:
        self._before = before = get_mode()
        set_mode(before | 1)


class set_grad_enabled(_ModeContext):
    """Switch recording on or off: at once as a function, for the block as a context."""

    __slots__ = ("mode",)

    def __init__(self, mode: bool) -> None:
        if not isinstance(mode, bool):
            raise TypeError(
                f"set_grad_enabled(): argument 'enabled' must be bool, not {type(mode).__name__}"
            )
        self.mode = mode
        self._before = modes.set_grad(mode)

    def __enter__(self) -> None:
        modes.set_grad(self.mode)

    def __call__(self, function: F) -> F:
        set_mode(self._before)
        return super().__call__(function)

    def fresh(self) -> _ModeContext:
        """A new context of the same kind, for one call of a decorated function."""
        return set_grad_enabled(self.mode)


class inference_mode(_ModeContext):  # PyTorch's name
    """A block in which nothing is recorded, ever: its tensors can not enter a graph later."""

    __slots__ = ("mode",)

    mode: bool

    def __new__(cls, mode: Any = True) -> Any:
        made = object.__new__(cls)
        if isinstance(mode, bool):
            made.mode = mode
            return made
        made.mode = True
        return made(mode)

    def __enter__(self) -> None:
        self._before = before = get_mode()
        if self.mode:
            set_mode((before | modes.INFERENCE) & ~modes.GRAD)
            pauses[0] += 1
        else:
            set_mode((before & ~modes.INFERENCE) | modes.GRAD)

    def fresh(self) -> _ModeContext:
        """A new context of the same kind, for one call of a decorated function."""
        made: _ModeContext = inference_mode(self.mode)
        return made


def is_grad_enabled() -> bool:
    """Return whether operations are recorded now."""
    return bool(get_mode() & modes.GRAD)


def is_inference_mode_enabled() -> bool:
    """Return whether inference mode is on."""
    return bool(get_mode() & modes.INFERENCE)
