"""class Optimizer: parameters in groups with their options, state per parameter, saving and hooks.

In: parameters, or dictionaries of parameters and options.  Out: the base on which every method
builds its `step`. A step changes raw arrays in place, unrecorded, and counts it in the tensors'
versions.
"""

from __future__ import annotations

import functools
import warnings
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, Final

from adjoint.core.hooks import HookTable, RemovableHandle, add_hook
from adjoint.core.mode import GRAD, mode_bits
from adjoint.core.tensor_base import TensorBase
from adjoint.optim.raw import Slot, Slots
from adjoint.tensor import Tensor

__all__ = [
    "Optimizer",
    "ParamsT",
    "check_at_least_zero",
    "check_betas",
    "check_learning_rate",
    "check_modes",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]

ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


class _Required:
    """Stands for an option without a default."""

    def __repr__(self) -> str:
        return "<required parameter>"


required: Final = _Required()

_step_pre_hooks: Final = HookTable()
_step_post_hooks: Final = HookTable()


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` before the step of any optimizer."""
    return add_hook(_step_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """Call ``hook(optimizer, args, kwargs)`` after the step of any optimizer."""
    return add_hook(_step_post_hooks, hook)


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    """A step that runs the registered hooks around it."""

    @functools.wraps(step)
    def hooked(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        self._opt_called = True
        before, after = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        if not (before or after or _step_pre_hooks or _step_post_hooks):
            return step(self, *args, **kwargs)
        everything: tuple[Any, ...] = (self, *args)
        for hook in chain(_step_pre_hooks.values(), before.values()):
            changed = hook(self, everything, kwargs)
            if changed is None:
                continue
            if not (isinstance(changed, tuple) and len(changed) == 2):
                raise RuntimeError(
                    f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{changed}."
                )
            everything, kwargs = changed
        result = step(*everything, **kwargs)
        for hook in chain(after.values(), _step_post_hooks.values()):
            hook(self, everything, kwargs)
        return result

    hooked.hooked = True  # type: ignore[attr-defined]
    return hooked


class Optimizer:
    """The base of all optimizers.

    Args: ``params``: tensors, (name, tensor) pairs, or dictionaries with "params" and options of
    their own; ``defaults``: the options of groups that do not say otherwise.
    Raises: TypeError or ValueError for parameters that cannot be optimised.
    """

    param_groups: list[dict[str, Any]]
    state: defaultdict[Tensor, Any]
    defaults: dict[str, Any]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__ and not getattr(cls.step, "hooked", False):
            cls.step = _with_hooks(cls.step)  # type: ignore[method-assign]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        if isinstance(params, TensorBase):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {_type_of(params)}"
            )
        self.defaults = defaults
        self._prepare()
        self.state = defaultdict(dict)
        self.param_groups = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _prepare(self) -> None:
        for name in _HOOK_TABLES:
            self.__dict__.setdefault(name, HookTable())
        self._slots = Slots()
        self._opt_called = False

    def __getstate__(self) -> dict[str, Any]:
        return {
            "defaults": self.defaults,
            "state": self.state,
            "param_groups": self.param_groups,
        }

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._prepare()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for key in sorted(group):
                if key != "params":
                    text += f"    {key}: {group[key]}\n"
        return text + ")"

    # ---- stepping --------------------------------------------------------------------------------

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update the parameters; return what ``closure`` (the loss, computed anew) returned."""
        raise NotImplementedError

    def _loss_of(self, closure: Callable[[], Any] | None) -> Any:
        """Call the closure with recording on."""
        if closure is None:
            return None
        with mode_bits(on=GRAD):
            return closure()

    def _for_each(
        self,
        closure: Callable[[], Any] | None,
        update: Callable[[dict[str, Any], Slot, Any], None],
    ) -> Any:
        """Call ``update(group, slot, gradient)`` for each parameter that has a gradient."""
        loss = None if closure is None else self._loss_of(closure)
        slots = self._slots
        slots.begin(self.state)
        for group in self.param_groups:
            for param in group["params"]:
                edge = param._edge
                grad = edge.grad if edge is not None and edge.leaf else param.grad
                if grad is None:
                    continue
                slot = slots.of(param)
                if slot.state is None:
                    slots.bind(slot, self.state)
                update(group, slot, grad)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or overwrite them with zeros."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    edge = p._edge
                    if edge is not None and edge.leaf:
                        edge.grad = None
                        continue
                grad = p.grad
                if grad is None:
                    continue
                if set_to_none:
                    p.grad = None
                    continue
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    # ---- groups ----------------------------------------------------------------------------------

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a group of parameters, with options of its own where it has any.

        Raises: TypeError if it is no dictionary or holds what is no Tensor; ValueError for a tensor
        that is no leaf, that another group has already, or a missing option.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        params = param_group["params"]
        if isinstance(params, TensorBase):
            param_group["params"] = [params]
        elif isinstance(params, set):
            raise TypeError(
                "optimizer parameters need to be organized in ordered collections, but the "
                "ordering "
                "of tensors in sets will change between runs. Please use a list instead."
            )
        else:
            param_group["params"] = list(params)
        self._split_names(param_group)
        for param in param_group["params"]:
            if not isinstance(param, TensorBase):
                raise TypeError(
                    f"optimizer can only optimize Tensors, but one of the params is {_name(param)}"
                )
            if not self.defaults.get("differentiable") and not (
                param.is_leaf or param.retains_grad  # type: ignore[attr-defined]
            ):
                raise ValueError("can't optimize a non-leaf Tensor")
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        own = param_group["params"]
        if len(own) != len(set(own)):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                UserWarning,
                stacklevel=3,
            )
        known = set(chain.from_iterable(group["params"] for group in self.param_groups))
        if not known.isdisjoint(own):
            raise ValueError("some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def _split_names(self, group: dict[str, Any]) -> None:
        """Take (name, tensor) pairs apart."""
        named = [isinstance(param, tuple) for param in group["params"]]
        if not any(named):
            if self.param_groups and "param_names" in self.param_groups[0]:
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    "group "
                    "without names to the optimizer"
                )
            return
        if not all(named):
            raise ValueError(
                "all optimizer params should be with/without names. Some param names are missing"
            )
        if self.param_groups and "param_names" not in self.param_groups[0]:
            raise ValueError(
                "all optimizer param groups should be with/without names. cannot add param group "
                "with names to the optimizer"
            )
        group["param_names"] = [name for name, _ in group["params"]]
        group["params"] = [param for _, param in group["params"]]

    # ---- saving ----------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return the state and the options, with the parameters numbered in their order."""
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[Any, int] = {}
        groups = []
        for group in self.param_groups:
            for p in group["params"]:
                numbers.setdefault(p, len(numbers))
            packed = {key: value for key, value in group.items() if key != "params"}
            packed["params"] = [numbers[p] for p in group["params"]]
            groups.append(packed)
        state = {
            (numbers[key] if isinstance(key, TensorBase) else key): value
            for key, value in self.state.items()
        }
        result: dict[str, Any] = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            if changed is not None:
                result = changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the state and the options of another optimizer of the same groups.

        Raises: ValueError if the groups are others.
        """
        state_dict = dict(state_dict)
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            if changed is not None:
                state_dict = changed
        mine = self.param_groups
        given = deepcopy(state_dict["param_groups"])
        if len(mine) != len(given):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(len(m["params"]) != len(g["params"]) for m, g in zip(mine, given)):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )
        params = dict(
            zip(
                chain.from_iterable(g["params"] for g in given),
                chain.from_iterable(m["params"] for m in mine),
            )
        )
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in params:
                state[params[key]] = _fitted(params[key], value)
            else:
                state[key] = value
        groups = []
        for own, new in zip(mine, given):
            new["params"] = own["params"]
            if "param_names" in own and "param_names" not in new:
                new["param_names"] = own["param_names"]
            groups.append(new)
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    # ---- hooks -----------------------------------------------------------------------------------

    _slots: Slots
    _opt_called: bool  # whether there was a step: what schedules ask
    _optimizer_step_pre_hooks: HookTable
    _optimizer_step_post_hooks: HookTable
    _optimizer_state_dict_pre_hooks: HookTable
    _optimizer_state_dict_post_hooks: HookTable
    _optimizer_load_state_dict_pre_hooks: HookTable
    _optimizer_load_state_dict_post_hooks: HookTable

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` before each step; a result replaces both."""
        return add_hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(optimizer, args, kwargs)`` after each step."""
        return add_hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` before `state_dict`."""
        return add_hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` after `state_dict`; a result replaces it."""
        return add_hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer, state_dict)`` before `load_state_dict`; a result replaces it."""
        return add_hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """Call ``hook(optimizer)`` after `load_state_dict`."""
        return add_hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)


_HOOK_TABLES = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


def check_learning_rate(lr: Any) -> None:
    """Raise ValueError for a learning rate that is negative or a tensor of several elements."""
    if isinstance(lr, TensorBase) and lr._array.size != 1:
        raise ValueError("Tensor lr must be 1-element")
    if lr < 0.0:
        raise ValueError(f"Invalid learning rate: {lr}")


def check_at_least_zero(**options: float) -> None:
    """Raise ValueError for an option that is negative: ``eps=...`` says Invalid eps value."""
    for name, value in options.items():
        if not value >= 0.0:
            raise ValueError(f"Invalid {name} value: {value}")


def check_betas(betas: tuple[float, float]) -> None:
    """Raise ValueError for a beta outside of [0, 1)."""
    for i in (0, 1):
        if not 0.0 <= betas[i] < 1.0:
            raise ValueError(f"Invalid beta parameter at index {i}: {betas[i]}")


def check_modes(foreach: bool | None, differentiable: bool, fused: bool | None) -> None:
    """Raise RuntimeError for implementations that exclude each other.

    All of them are the same here, but one: a step cannot be recorded.
    """
    if fused and differentiable:
        raise RuntimeError("`fused` does not support `differentiable`")
    if fused and foreach:
        raise RuntimeError("`fused` and `foreach` cannot be `True` together.")
    if differentiable:
        raise NotImplementedError(
            "differentiable=True is not supported: a step is not recorded. Write the update with "
            "tensors (new = param - lr * grad) and use functional_call to differentiate through it."
        )


def _type_of(tensor: Any) -> str:
    return str(tensor.type())


def _name(value: Any) -> str:
    """The name of the type of ``value``, as PyTorch's messages have it."""
    cls = type(value)
    module = cls.__module__
    return cls.__qualname__ if module == "builtins" else f"{module}.{cls.__qualname__}"


def _fitted(param: Any, value: Any, key: Hashable = None) -> Any:
    """Loaded state in the dtype of its parameter; counts of steps keep theirs."""
    if isinstance(value, TensorBase):
        loaded: Any = value
        if key != "step" and param.is_floating_point():
            return loaded.to(dtype=param.dtype, device=param.device)
        return loaded
    if isinstance(value, dict):
        return {k: _fitted(param, v, k) for k, v in value.items()}
    if isinstance(value, list | tuple):
        kind: Any = type(value)
        return kind(_fitted(param, v) for v in value)
    return value
