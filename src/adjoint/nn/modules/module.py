"""class Module: the base of everything that has parameters and computes something.

In: what `registry.py` (parameters, buffers, submodules), `state.py` (state dicts) and `hooked.py`
(hooks) provide.  Out: `Module`, which adds the call, training mode, conversions and the printed
form.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Self

from adjoint.array import dtypes
from adjoint.array.device import as_device, device
from adjoint.core.hooks import HookTable
from adjoint.core.mode import GRAD, mode_bits
from adjoint.core.tensor_base import TensorBase
from adjoint.nn.modules.hooked import (
    Hooked,
    backward_hooks,
    backward_pre_hooks,
    forward_hooks,
    forward_pre_hooks,
    register_module_backward_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
)
from adjoint.nn.modules.registry import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from adjoint.nn.modules.state import Stateful
from adjoint.tensor import Tensor

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_HOOK_TABLES = (
    *("_backward_pre_hooks", "_backward_hooks", "_forward_hooks", "_forward_hooks_with_kwargs"),
    *("_forward_hooks_always_called", "_forward_pre_hooks", "_forward_pre_hooks_with_kwargs"),
    *("_state_dict_hooks", "_state_dict_pre_hooks", "_load_state_dict_pre_hooks"),
    "_load_state_dict_post_hooks",
)


class Module(Stateful, Hooked):
    """The base of all neural network modules: a tree of parameters with a ``forward``.

    Example:
        >>> import adjoint as torch
        >>> class Line(torch.nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.slope = torch.nn.Parameter(torch.tensor(2.0))
        ...     def forward(self, x):
        ...         return self.slope * x
        >>> line = Line()
        >>> line(torch.tensor(3.0))
        tensor(6., grad_fn=<MulBackward0>)
        >>> [name for name, _ in line.named_parameters()]
        ['slope']
    """

    dump_patches: ClassVar[bool] = False
    call_super_init: ClassVar[bool] = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if not self.call_super_init:
            if kwargs:
                raise TypeError(
                    f"{type(self).__name__}.__init__() got an unexpected keyword argument "
                    f"'{next(iter(kwargs))}'"
                )
            if args:
                raise TypeError(
                    f"{type(self).__name__}.__init__() takes 1 positional argument but "
                    f"{len(args) + 1} were given"
                )
        attributes = self.__dict__
        attributes["training"] = True
        attributes["_parameters"] = {}
        attributes["_buffers"] = {}
        attributes["_non_persistent_buffers_set"] = set()
        attributes["_is_full_backward_hook"] = None
        for table in _HOOK_TABLES:
            attributes[table] = HookTable()
        attributes["_modules"] = {}
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        for table in _HOOK_TABLES:
            self.__dict__.setdefault(table, HookTable())
        self.__dict__.setdefault("_non_persistent_buffers_set", set())
        self.__dict__.setdefault("_is_full_backward_hook", None)

    # ---- the call --------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        attributes = self.__dict__
        try:
            hooked = (
                attributes["_forward_hooks"]
                or attributes["_forward_pre_hooks"]
                or attributes["_backward_hooks"]
                or attributes["_backward_pre_hooks"]
                or forward_hooks
                or forward_pre_hooks
                or backward_hooks
                or backward_pre_hooks
            )
        except KeyError:
            hooked = self._backward_hooks  # raises AttributeError: Module.__init__() was not called
        if hooked:
            return self._call_with_hooks(args, kwargs)
        return self.forward(*args, **kwargs) if kwargs else self.forward(*args)

    _call_impl = __call__

    def _forward_unimplemented(self, *input: Any) -> None:
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function'
        )

    forward: Callable[..., Any] = _forward_unimplemented

    # ---- modes -----------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> Self:
        """Set training mode, which Dropout and BatchNorm look at; return the module.

        Raises: ValueError if ``mode`` is no bool.
        """
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Leave training mode; return the module."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Let all parameters record what is done with them, or freeze them; return the module."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or overwrite them with zeros."""
        for param in self.parameters():
            grad = param.grad
            if grad is None:
                continue
            if set_to_none:
                param.grad = None
            else:
                if grad.grad_fn is not None:
                    grad.detach_()
                else:
                    grad.requires_grad_(False)
                grad.zero_()

    def apply(self, fn: Callable[[Module], None]) -> Self:
        """Call ``fn`` on every module below, then on this one; return the module.

        Example:
            >>> from adjoint import nn
            >>> net = nn.Sequential(nn.ReLU(), nn.Tanh())
            >>> seen = []
            >>> _ = net.apply(lambda module: seen.append(type(module).__name__))
            >>> seen
            ['ReLU', 'Tanh', 'Sequential']
        """
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    # ---- conversions -----------------------------------------------------------------------------

    def _apply(self, fn: Callable[[Any], Any], recurse: bool = True) -> Self:
        """Put ``fn(tensor)`` in the place of all parameters' data, gradients, and buffers."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with mode_bits(off=GRAD):
                grad = param.grad
                converted = None if grad is None else fn(grad)
                param.grad = None
                param.data = fn(param)
                if grad is not None:
                    grad.data = converted
                    param.grad = grad
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert floating-point parameters and buffers in place; return the module.

        ``to(dtype)``, ``to(device)``, ``to(device, dtype)``, ``to(tensor)``; integers keep their
        dtype.
        Raises: TypeError for a dtype that is neither floating point nor complex.
        """
        place, dtype = _parse_to(args, kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={dtype}"
            )

        def convert(t: Tensor) -> Tensor:
            wanted: dict[str, Any] = {}
            if place is not None:
                wanted["device"] = place
            if dtype is not None and (t.is_floating_point() or t.is_complex()):
                wanted["dtype"] = dtype
            return t.to(**wanted)

        return self._apply(convert)

    def type(self, dst_type: Any) -> Self:
        """Convert all parameters and buffers to a dtype; return the module."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> Self:
        """Convert floating-point parameters and buffers to float32; return the module."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self) -> Self:
        """Convert floating-point parameters and buffers to float64; return the module."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self) -> Self:
        """Convert floating-point parameters and buffers to float16; return the module."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self) -> Self:
        """Convert floating-point parameters and buffers to bfloat16; return the module."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def cpu(self) -> Self:
        """Move parameters and buffers to the CPU; return the module."""
        return self._apply(lambda t: t.cpu())

    # ---- the printed form ------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """Return what is printed between the parentheses; to be overridden."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): " + repr(module).replace("\n", "\n  ")
            for name, module in self._modules.items()
        ]
        if not children and len(lines) <= 1:
            return f"{self._get_name()}({extra})"
        body = "\n  ".join([*lines, *children])
        return f"{self._get_name()}(\n  {body}\n)"


def _parse_to(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[device | None, Any]:
    """The device and the dtype that the arguments of `Module.to` name."""
    place, dtype = kwargs.get("device"), kwargs.get("dtype")
    tensor = kwargs.get("tensor")
    for arg in args:
        if isinstance(arg, dtypes.dtype):
            dtype = arg
        elif isinstance(arg, TensorBase):
            tensor = arg
        elif isinstance(arg, str | device) or (arg is args[0] and type(arg) is int):
            place = arg
        elif arg is not None and not isinstance(arg, bool):
            got = ", ".join(type(one).__name__ for one in args)
            raise TypeError(
                f"to() received an invalid combination of arguments - got ({got}), but expected a "
                "device, a dtype, a device and a dtype, or a Tensor"
            )
    if tensor is not None:
        return tensor.device, tensor.dtype
    return (None if place is None else as_device(place)), dtype
