"""Calling a module with its hooks: what runs before and after `forward`, and on the way back.

In: functions that users register on one module or on all.  Out: `Hooked`, the part of `Module` that
keeps them and runs them around `forward`; a module without hooks never comes here.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Final

from adjoint.core.hooks import HookTable, RemovableHandle
from adjoint.core.tensor_base import TensorBase
from adjoint.nn.modules.registry import Registry
from adjoint.utils.hooks import BackwardHook

__all__ = [
    "Hooked",
    "register_module_backward_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
]

Hook = Callable[..., Any]

MIXED: Final = (
    "Cannot use both regular backward hooks and full backward hooks on a single Module. "
    "Please use only one of them."
)


def _add(
    table: HookTable, hook: Any, prepend: bool = False, marks: tuple[HookTable, ...] = ()
) -> RemovableHandle:
    """Put ``hook`` into ``table`` and its number into each table of marks."""
    handle = RemovableHandle(table, extra_dict=list(marks))
    table[handle.id] = hook
    for mark in marks:
        mark[handle.id] = _marked
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


def _marked() -> bool:
    return True


# ---- hooks of all modules ------------------------------------------------------------------------

forward_pre_hooks: Final = HookTable()
forward_hooks: Final = HookTable()
forward_hooks_with_kwargs: Final = HookTable()
forward_hooks_always_called: Final = HookTable()
backward_pre_hooks: Final = HookTable()
backward_hooks: Final = HookTable()


def register_module_forward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, args)`` before the forward of any module; a result replaces ``args``."""
    return _add(forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Hook, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """Call ``hook(module, args, output)`` after the forward of any module; a result replaces it."""
    marks = (forward_hooks_with_kwargs,) * with_kwargs + (
        forward_hooks_always_called,
    ) * always_call
    return _add(forward_hooks, hook, marks=marks)


def register_module_full_backward_pre_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_output)`` before the backward of any module."""
    return _add(backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` in the backward of any module."""
    if _global_kind["full"] is False:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _global_kind["full"] = True
    return _add(backward_hooks, hook)


def register_module_backward_hook(hook: Hook) -> RemovableHandle:
    """Call ``hook(module, grad_input, grad_output)`` with what the module's last node sees."""
    if _global_kind["full"] is True:
        raise RuntimeError(
            "Cannot use both regular backward hooks and full backward hooks as a "
            "global Module hook. Please use only one of them."
        )
    _global_kind["full"] = False
    return _add(backward_hooks, hook)


# Whether the backward hooks of all modules are full ones; None until there was one.
_global_kind: dict[str, bool | None] = {"full": None}


class Hooked(Registry):
    """The hooks of one module."""

    _backward_pre_hooks: HookTable
    _backward_hooks: HookTable
    _is_full_backward_hook: bool | None
    _forward_hooks: HookTable
    _forward_hooks_with_kwargs: HookTable
    _forward_hooks_always_called: HookTable
    _forward_pre_hooks: HookTable
    _forward_pre_hooks_with_kwargs: HookTable

    forward: Callable[..., Any]

    # ---- registration ----------------------------------------------------------------------------

    def register_forward_pre_hook(
        self, hook: Hook, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, args)`` before `forward`; what it returns replaces ``args``.

        Args: ``prepend``: before the other hooks of this module; ``with_kwargs``: call
        ``hook(module, args, kwargs)``, which returns None or both.
        """
        marks = (self._forward_pre_hooks_with_kwargs,) if with_kwargs else ()
        return _add(self._forward_pre_hooks, hook, prepend, marks)

    def register_forward_hook(
        self,
        hook: Hook,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """Call ``hook(module, args, output)`` after `forward`; what it returns replaces ``output``.

        Args: ``prepend``: before the other hooks of this module; ``with_kwargs``: call
        ``hook(module, args, kwargs, output)``; ``always_call``: also when `forward` raises.
        """
        marks = (self._forward_hooks_with_kwargs,) if with_kwargs else ()
        if always_call:
            marks = (*marks, self._forward_hooks_always_called)
        return _add(self._forward_hooks, hook, prepend, marks)

    def register_full_backward_pre_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_output)`` before gradients flow into the module from its end.

        What it returns, a tuple as long as ``grad_output``, replaces it.
        """
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_full_backward_hook(self, hook: Hook, prepend: bool = False) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` when the inputs' gradients are known.

        What it returns, a tuple as long as ``grad_input``, replaces it.
        Raises: RuntimeError if the module has a regular backward hook.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(MIXED)
        self._is_full_backward_hook = True
        return _add(self._backward_hooks, hook, prepend)

    def register_backward_hook(self, hook: Hook) -> RemovableHandle:
        """Call ``hook(module, grad_input, grad_output)`` with what the module's last node sees.

        Prefer `register_full_backward_hook`. Raises: RuntimeError if the module has one of those.
        """
        if self._is_full_backward_hook is True:
            raise RuntimeError(MIXED)
        self._is_full_backward_hook = False
        return _add(self._backward_hooks, hook)

    # ---- the call --------------------------------------------------------------------------------

    def _call_with_hooks(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run hooks, `forward`, hooks."""
        called: set[int] = set()
        try:
            return self._around_forward(args, kwargs, called)
        except Exception:
            self._after_failure(args, kwargs, called)
            raise

    def _around_forward(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]
    ) -> Any:
        for number, hook in [*forward_pre_hooks.items(), *self._forward_pre_hooks.items()]:
            if number in self._forward_pre_hooks_with_kwargs:
                changed = hook(self, args, kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {changed}."
                    )
                args, kwargs = changed
            else:
                changed = hook(self, args)
                if changed is not None:
                    args = changed if isinstance(changed, tuple) else (changed,)

        full = [*backward_hooks.values()] if _global_kind["full"] else []
        regular = [] if _global_kind["full"] else [*backward_hooks.values()]
        (full if self._is_full_backward_hook else regular).extend(self._backward_hooks.values())
        before = [*backward_pre_hooks.values(), *self._backward_pre_hooks.values()]
        watch = BackwardHook(self, full, before) if full or before else None
        if watch is not None:
            args = watch.setup_input_hook(args)

        result = self.forward(*args, **kwargs)

        for number, hook in [*forward_hooks.items(), *self._forward_hooks.items()]:
            called.add(number)
            changed = self._call_forward_hook(number, hook, args, kwargs, result)
            if changed is not None:
                result = changed
        if watch is not None:
            if not isinstance(result, TensorBase | tuple):
                warnings.warn(
                    "For backward hooks to be called, module output should be a Tensor or a "
                    "tuple of "
                    f"Tensors but received {type(result)}",
                    UserWarning,
                    stacklevel=4,
                )
            result = watch.setup_output_hook(result)
        if regular:
            _hook_last_node(self, regular, result, args)
        return result

    def _call_forward_hook(
        self, number: int, hook: Hook, args: Any, kwargs: dict[str, Any], result: Any
    ) -> Any:
        if number in self._forward_hooks_with_kwargs or number in forward_hooks_with_kwargs:
            return hook(self, args, kwargs, result)
        return hook(self, args, result)

    def _after_failure(
        self, args: tuple[Any, ...], kwargs: dict[str, Any], called: set[int]
    ) -> None:
        """Run the hooks that are always called and were not yet, with no result."""
        for number, hook in [*forward_hooks.items(), *self._forward_hooks.items()]:
            always = number in self._forward_hooks_always_called
            if (always or number in forward_hooks_always_called) and number not in called:
                try:
                    self._call_forward_hook(number, hook, args, kwargs, None)
                except Exception as error:
                    kind = "module" if always else "global module"
                    warnings.warn(
                        f"{kind} forward hook with ``always_call=True`` raised an exception that "
                        "was "
                        f"silenced as another error was raised in forward: {error!s}",
                        UserWarning,
                        stacklevel=4,
                    )


def _hook_last_node(module: Any, hooks: list[Hook], result: Any, args: Any) -> None:
    """Regular backward hooks: on the node that made the first tensor of ``result``."""
    found = result
    while not isinstance(found, TensorBase):
        if isinstance(found, dict):
            found = next(value for value in found.values() if isinstance(value, TensorBase))
        else:
            found = found[0]
    node = found.grad_fn  # type: ignore[attr-defined]
    if node is None:
        return
    for hook in hooks:
        node.register_hook(lambda gi, go, hook=hook: hook(module, gi, go))
    _warn_of_regular_hooks(node, result, args)


def _warn_of_regular_hooks(node: Any, result: Any, args: tuple[Any, ...]) -> None:
    """Say why a regular backward hook will not see what its name promises."""
    outputs = result if isinstance(result, tuple) else (result,)
    if not all(isinstance(output, TensorBase) for output in outputs):
        text = (
            "Using non-full backward hooks on a Module that does not return a single Tensor or a "
            "tuple of Tensors is deprecated and will be removed in future versions. This hook "
            "will be "
            "missing some of the grad_output."
        )
    elif not all(isinstance(arg, TensorBase) for arg in args):
        text = (
            "Using non-full backward hooks on a Module that does not take as input a single "
            "Tensor or "
            "a tuple of Tensors is deprecated and will be removed in future versions. This hook "
            "will "
            "be missing some of the grad_input."
        )
    elif len({output.grad_fn for output in outputs}) > 1:
        text = (
            "Using a non-full backward hook when outputs are generated by different autograd "
            "Nodes is "
            "deprecated and will be removed in future versions. This hook will be missing some "
            "grad_output."
        )
    else:
        inputs = {arg.grad_fn for arg in args if arg.grad_fn is not None}
        fed = {after for after, _ in node.next_functions}
        if inputs == fed or (not inputs and len(fed) <= len(args)):
            return
        text = (
            "Using a non-full backward hook when the forward contains multiple autograd Nodes is "
            "deprecated and will be removed in future versions. This hook will be missing some "
            "grad_input."
        )
    warnings.warn(
        f"{text} Please use register_full_backward_hook to get the documented behavior.",
        FutureWarning,
        stacklevel=5,
    )
