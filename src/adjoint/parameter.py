"""Parameter and Buffer: tensors that a module registers when they are assigned to it.

In: a Tensor.  Out: `Parameter`, a tensor over the same memory that requires grad by default and
whose results are plain tensors; `Buffer`, a plain tensor marked as part of a module's state.
"""

from __future__ import annotations

from typing import Any

from adjoint.core.node import AccumulateGrad
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.create import empty
from adjoint.printing import parameter_repr
from adjoint.tensor import Tensor

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that is a module's own to train: assigned to a module, it is one of its parameters.

    Args: ``data``: the tensor whose memory it shares; ``requires_grad``: whether it is trained.
    Raises: RuntimeError if it is to be trained and is neither floating point nor complex.

    Example:
        >>> import adjoint as torch
        >>> torch.nn.Parameter(torch.ones(2))
        Parameter containing:
        tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()
    __torch_function__: Any = None

    def __new__(cls, data: Any = None, requires_grad: bool = True) -> Parameter:
        if data is None:
            data = empty(0)
        elif not isinstance(data, TensorBase):
            raise AttributeError(
                f"'{type(data).__name__}' object has no attribute 'detach' "
                "(a Parameter is made of a Tensor: Parameter(torch.tensor(...)))"
            )
        if requires_grad and not (data.dtype.is_floating_point or data.dtype.is_complex):
            raise RuntimeError(
                "Only Tensors of floating point and complex dtype can require gradients. "
                f"(This one has dtype {data.dtype}; pass requires_grad=False.)"
            )
        made = object.__new__(cls)
        made._array = data._memory()
        made._desc = data._desc
        made._counter = data._version_counter()
        made._side = None
        made._edge = AccumulateGrad(made) if requires_grad else None
        return made

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # Results of operations on parameters are plain tensors: nothing to intercept.
        super(Tensor, cls).__init_subclass__(**kwargs)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is None:
            copied = self.detach().clone()
            found = memo[id(self)] = type(self)(copied, self.requires_grad)
        return found

    def __repr__(self, *, tensor_contents: str | None = None) -> str:  # type: ignore[override]
        return parameter_repr(self, Parameter)

    def __reduce_ex__(self, protocol: Any) -> Any:
        attributes = dict(self.__dict__)
        return _rebuild, (type(self), self.detach().numpy(), self.requires_grad, attributes)


def _rebuild(cls: Any, array: Any, requires_grad: bool, attributes: dict[str, Any]) -> Any:
    made = cls(make_tensor(array), requires_grad)
    made.__dict__.update(attributes)
    return made


class _BufferMeta(type):
    """Recognises the plain tensors that `Buffer` marked."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return getattr(instance, "_is_buffer", False) is True and isinstance(instance, TensorBase)


class Buffer(Tensor, metaclass=_BufferMeta):
    """A tensor that is part of a module's state and not trained; assigned, it becomes a buffer.

    Args: ``data``: the tensor whose memory it shares; ``persistent``: whether it is saved.

    Example:
        >>> import adjoint as torch
        >>> module = torch.nn.Module()
        >>> module.steps = torch.nn.Buffer(torch.zeros(1))
        >>> list(module.state_dict())
        ['steps']
    """

    __slots__ = ()
    persistent: bool

    def __new__(cls, data: Any = None, *, persistent: bool = True) -> Any:
        source = empty(0) if data is None else data
        made = source.detach().requires_grad_(source.requires_grad)
        made._is_buffer = True
        made.persistent = persistent
        return made
