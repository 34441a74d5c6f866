"""Hooks of modules on the backward pass, and the handle that every registration returns.

In: the user's hooks and the tensors that enter and leave a module.  Out: the same tensors, passed
through an identity whose node calls the hooks when gradients come by.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from adjoint.autograd.function import Function
from adjoint.core.hooks import RemovableHandle
from adjoint.core.mode import grad_enabled
from adjoint.core.tensor_base import TensorBase

__all__ = ["BackwardHook", "RemovableHandle"]

Hook = Callable[..., Any]


class BackwardHookFunction(Function):
    """The identity on several tensors: its node stands where a module begins or ends."""

    @staticmethod
    def forward(ctx: Any, *args: Any) -> Any:
        """Return the tensors; those that need no gradient stay without one."""
        ctx.mark_non_differentiable(*[arg for arg in args if not arg.requires_grad])
        return args

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        """Return the cotangents unchanged."""
        return args


class BackwardHook:
    """Calls the backward hooks of one module for one forward.

    ``user_pre_hooks`` run with the gradients of the outputs before those flow into the module,
    ``user_hooks`` with the gradients of inputs and outputs when those of the inputs are known.
    """

    def __init__(
        self, module: Any, user_hooks: Iterable[Hook], user_pre_hooks: Iterable[Hook]
    ) -> None:
        self.module = module
        self.user_hooks = list(user_hooks)
        self.user_pre_hooks = list(user_pre_hooks)
        self.grad_outputs: Any = None
        self.n_inputs = -1
        self.n_outputs = -1
        self.input_places: list[int] | None = None
        self.output_places: list[int] = []

    def setup_input_hook(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return ``args`` with the tensors passed through the entrance."""
        self.n_inputs = len(args)
        args, self.input_places = _through_identity(args, self._at_entrance)
        return args

    def setup_output_hook(self, result: Any) -> Any:
        """Return the module's result with the tensors passed through the exit."""
        single = not isinstance(result, tuple)
        outputs = (result,) if single else result
        self.n_outputs = len(outputs)
        outputs, places = _through_identity(outputs, self._at_exit)
        self.output_places = places or []
        return outputs[0] if single else outputs

    def _at_entrance(self, grad_inputs: Any, _: Any) -> Any:
        """The gradients of the inputs are known: call the hooks; what they return replaces them."""
        if self.grad_outputs is None:
            # No gradient came out of the outputs: this module was not part of the backward.
            return None
        places = self.input_places or []
        gradients: Sequence[Any] = _spread(places, grad_inputs, self.n_inputs)
        for hook in self.user_hooks:
            result = hook(self.module, gradients, self.grad_outputs)
            if result is None:
                continue
            if len(result) != len(gradients):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(result)}, but expected {len(gradients)}"
                )
            gradients = result
        self.grad_outputs = None
        return tuple(gradients[i] for i in places)

    def _at_exit(self, _: Any, grad_outputs: Any) -> Any:
        """The outputs' gradients arrived: pre-hooks, and hooks if no input wants a gradient."""
        self.grad_outputs = _spread(self.output_places, grad_outputs, self.n_outputs)
        for pre_hook in self.user_pre_hooks:
            result = pre_hook(self.module, self.grad_outputs)
            if result is None:
                continue
            if len(result) != self.n_outputs:
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(result)}, but expected {self.n_outputs}"
                )
            self.grad_outputs = result
        replaced = tuple(self.grad_outputs[i] for i in self.output_places)
        if self.input_places is None:
            self._without_inputs()
        return replaced

    def _without_inputs(self) -> None:
        if self.user_hooks:
            warnings.warn(
                "Full backward hook is firing when gradients are computed with respect to module "
                "outputs since no inputs require gradients. (The hook gets None for each of them.)",
                UserWarning,
                stacklevel=5,
            )
        nothing = (None,) * self.n_inputs
        for hook in self.user_hooks:
            result = hook(self.module, nothing, self.grad_outputs)
            if result is not None and not (
                isinstance(result, tuple) and all(element is None for element in result)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always "
                    "return "
                    "None or None for all gradients."
                )
        self.grad_outputs = None


def _spread(places: Sequence[int], values: Sequence[Any], n: int) -> tuple[Any, ...]:
    """A tuple of length ``n`` with ``values`` at ``places`` and None elsewhere."""
    row: list[Any] = [None] * n
    for place, value in zip(places, values):
        row[place] = value
    return tuple(row)


def _through_identity(
    args: tuple[Any, ...], hook: Hook
) -> tuple[tuple[Any, ...], list[int] | None]:
    """Pass the tensors among ``args`` through a node with ``hook``; say where they were.

    The second result is None where none of them wants a gradient, and then nothing is done.
    """
    places = [i for i, arg in enumerate(args) if isinstance(arg, TensorBase)]
    tensors: list[Any] = [args[i] for i in places]
    if not (grad_enabled() and any(t.requires_grad for t in tensors)):
        return args, None
    passed = BackwardHookFunction.apply(*tensors)
    node = next(t.grad_fn for t in passed if t.grad_fn is not None)
    node.register_hook(hook)
    row = list(args)
    for place, tensor in zip(places, passed):
        row[place] = tensor
    kind: Any = type(args)
    return (kind(*row) if hasattr(kind, "_fields") else tuple(row)), places
