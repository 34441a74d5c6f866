"""functorch: the names that `adjoint.func` had before it was a part of PyTorch, all deprecated.

In: functions, or models as objects that hold their parameters.  Out: what `adjoint.func` gives,
with a FutureWarning; models as functions of their parameters.
"""

from __future__ import annotations

import copy
import functools
import warnings
from collections.abc import Callable, Sequence
from typing import Any

from adjoint import func
from adjoint.core.tensor_base import TensorBase
from adjoint.func.modules import check_alike, reparametrized
from adjoint.nn.modules.module import Module
from adjoint.ops.create import zeros
from adjoint.ops.join import stack
from adjoint.parameter import Parameter

__all__ = [
    "FunctionalModule",
    "FunctionalModuleWithBuffers",
    "combine_state_for_ensemble",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "make_functional",
    "make_functional_with_buffers",
    "vjp",
    "vmap",
]

Tensors = tuple[Any, ...]


def _deprecated(function: Callable[..., Any], instead: str = "") -> Callable[..., Any]:
    """``function`` with a warning that names its place in `adjoint.func`."""
    name = function.__name__.strip("_")
    new = instead or f"func.{name}"

    @functools.wraps(function)
    def warned(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            "We've integrated functorch into PyTorch. As the final step of the integration, "
            f"`functorch.{name}` is deprecated as of PyTorch 2.0 and will be deleted in a future "
            f"version of PyTorch >= 2.3. Please use `torch.{new}` instead; see the PyTorch 2.0 "
            "release notes and/or the `torch.func` migration guide for more details "
            "https://pytorch.org/docs/main/func.migrating.html",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    return warned


# ---- models --------------------------------------------------------------------------------------


class FunctionalModule(Module):
    """A model as a function of its parameters: ``f(params, *args, **kwargs)``.

    ``stateless_model`` is a copy of the model without values.
    """

    def __init__(
        self, stateless_model: Module, param_names: tuple[str, ...], names_map: dict[str, list[str]]
    ) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names = param_names
        self.names_map = dict(names_map)

    @staticmethod
    def _create_from(model: Module, disable_autograd_tracking: bool = False) -> tuple[Any, Tensors]:
        stateless = copy.deepcopy(model)
        params, names = _taken_out(stateless, "named_parameters")
        if disable_autograd_tracking:
            for param in params:
                param.requires_grad_(False)
        return FunctionalModule(stateless, tuple(names), names), params

    def forward(self, params: Sequence[Any], *args: Any, **kwargs: Any) -> Any:
        """Return what the model computes with these parameters."""
        with _holding(self.stateless_model, self.names_map, params):
            return self.stateless_model(*args, **kwargs)


class FunctionalModuleWithBuffers(Module):
    """A model as a function of its parameters and buffers: ``f(params, buffers, *args)``."""

    def __init__(
        self,
        stateless_model: Module,
        param_names: tuple[str, ...],
        buffer_names: tuple[str, ...],
        param_names_map: dict[str, list[str]],
        buffer_names_map: dict[str, list[str]],
    ) -> None:
        super().__init__()
        self.stateless_model = stateless_model
        self.param_names = param_names
        self.buffer_names = buffer_names
        self.all_names_map = {**param_names_map, **buffer_names_map}

    @staticmethod
    def _create_from(
        model: Module, disable_autograd_tracking: bool = False
    ) -> tuple[Any, Tensors, Tensors]:
        stateless = copy.deepcopy(model)
        params, param_names = _taken_out(stateless, "named_parameters")
        buffers, buffer_names = _taken_out(stateless, "named_buffers")
        if disable_autograd_tracking:
            for param in params:
                param.requires_grad_(False)
        made = FunctionalModuleWithBuffers(
            stateless, tuple(param_names), tuple(buffer_names), param_names, buffer_names
        )
        return made, params, buffers

    def forward(
        self, params: Sequence[Any], buffers: Sequence[Any], *args: Any, **kwargs: Any
    ) -> Any:
        """Return what the model computes with these parameters and buffers."""
        with _holding(self.stateless_model, self.all_names_map, (*params, *buffers)):
            return self.stateless_model(*args, **kwargs)


def _taken_out(model: Module, members: str) -> tuple[Tensors, dict[str, list[str]]]:
    """The parameters or buffers of ``model`` and all names of each; their shapes stay there."""
    names: dict[int, list[str]] = {}
    tensors: dict[int, Any] = {}
    for path, tensor in list(getattr(model, members)(remove_duplicate=False)):
        names.setdefault(id(tensor), []).append(path)
        tensors[id(tensor)] = tensor
        prefix, _, name = path.rpartition(".")
        empty = zeros((), dtype=tensor.dtype).expand(tensor.shape)
        owner = model.get_submodule(prefix)
        if members == "named_parameters":
            owner._parameters[name] = Parameter(empty, tensor.requires_grad)
        else:
            owner._buffers[name] = empty
    return tuple(tensors.values()), {paths[0]: paths for paths in names.values()}


def _holding(model: Module, names: dict[str, list[str]], tensors: Sequence[Any]) -> Any:
    """A block in which ``model`` holds ``tensors``."""
    held: dict[str, Any] = {}
    if len(tensors) < len(names):
        raise RuntimeError(
            "Tensor on device meta is not on the expected device cpu! (The model has "
            f"{len(names)} tensors, and {len(tensors)} were given.)"
        )
    for paths, tensor in zip(names.values(), tensors):
        if not isinstance(tensor, TensorBase):
            raise TypeError(f"{tensor} is not an instance of torch.Tensor")
        held.update(dict.fromkeys(paths, tensor))
    return reparametrized(model, held, tie_weights=False, strict=False)


def _make_functional(model: Any, disable_autograd_tracking: bool = False) -> Any:
    """Return ``model`` as a function of its parameters, and these: ``f(params, *args)``.

    Raises: RuntimeError if it has buffers.
    """
    if len(list(model.buffers())) > 0:
        raise RuntimeError(
            "make_functional(model): `model` has buffers. Please use "
            "make_functional_with_buffers(model) instead."
        )
    return FunctionalModule._create_from(model, disable_autograd_tracking)


def _make_functional_with_buffers(model: Any, disable_autograd_tracking: bool = False) -> Any:
    """Return ``model`` as a function of parameters and buffers, and both: ``f(p, b, *args)``."""
    return FunctionalModuleWithBuffers._create_from(model, disable_autograd_tracking)


def _combine_state_for_ensemble(models: Any) -> Any:
    """Return models of one class as one function, with their parameters and buffers stacked.

    Raises: RuntimeError if there is no model, or they differ in class or mode.
    """
    check_alike(models, "combine_state_for_ensemble")
    functions, params, buffers = zip(*map(_parts, models))
    return functions[0], _stacked(params), _stacked(buffers)


def _parts(model: Any) -> tuple[Any, Tensors, Tensors]:
    return FunctionalModuleWithBuffers._create_from(model)


def _stacked(rows: Sequence[Tensors]) -> Tensors:
    return tuple(stack(list(column)).detach() for column in zip(*rows))


make_functional = _deprecated(_make_functional, "func.functional_call")
make_functional_with_buffers = _deprecated(_make_functional_with_buffers, "func.functional_call")
combine_state_for_ensemble = _deprecated(_combine_state_for_ensemble, "func.stack_module_state")
functionalize = _deprecated(func.functionalize)
grad = _deprecated(func.grad)
grad_and_value = _deprecated(func.grad_and_value)
hessian = _deprecated(func.hessian)
jacfwd = _deprecated(func.jacfwd)
jacrev = _deprecated(func.jacrev)
jvp = _deprecated(func.jvp)
vjp = _deprecated(func.vjp)
vmap = _deprecated(func.vmap, "vmap")
