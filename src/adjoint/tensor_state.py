"""A tensor's place on the tape: gradients, graph, views, versions, hooks, copies.

In: the edge, counter and side record of `TensorBase`.  Out: PyTorch's autograd properties and
methods, the second layer of `Tensor`.
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint._later import Later
from adjoint.array import dtypes
from adjoint.array.batched.level import need_memory, stack
from adjoint.array.descriptor import cut_off
from adjoint.core import backward as backward_
from adjoint.core import errors
from adjoint.core.duals import drop_tangent, levels_of, redescribe, usual_descriptor
from adjoint.core.inplace import check_data
from adjoint.core.mode import INFERENCE, LIBRARIES, get_mode
from adjoint.core.node import AccumulateGrad, node_of
from adjoint.core.room import link_alias
from adjoint.core.tensor_base import Counter, TensorBase, make_tensor
from adjoint.core.views import adopt_views, import_retain
from adjoint.tensor_facts import TensorFacts

if TYPE_CHECKING:
    import copy
else:
    copy = Later("copy")

__all__ = ["TensorState"]

_DETACH_FIRST = (
    " If you want to use a computed variable in a subgraph that doesn't require differentiation "
    "use "
    "var_no_grad = var.detach()."
)


class TensorState(TensorFacts):
    """The state of a tensor as a part of a graph."""

    __slots__ = ()

    # ---- its place on the tape ---------------------------------------------------------------

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return self._edge is not None

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        if not isinstance(value, bool):
            raise RuntimeError("requires_grad must be a bool")
        if not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables."
                + (_DETACH_FIRST if not value else "")
            )
        if value and self._desc.dtype.category < dtypes.FLOATING:
            raise RuntimeError(
                "only Tensors of floating point and complex dtype can require gradients"
            )
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Begin (or stop) recording what is done with this leaf; return it.

        Raises: RuntimeError for integer tensors, and for stopping at a tensor that is not a leaf.
        """
        if not isinstance(requires_grad, int):
            raise TypeError(
                "requires_grad_(): argument 'requires_grad' (position 1) must be bool, not "
                f"{type(requires_grad).__name__}"
            )
        edge = self._edge
        if requires_grad:
            if edge is None:
                if self._desc.dtype.category < dtypes.FLOATING:
                    raise RuntimeError("only Tensors of floating point dtype can require gradients")
                side = self._side
                if side is not None and side.inference and not get_mode() & INFERENCE:
                    raise RuntimeError(
                        "Setting requires_grad=True on inference tensor outside InferenceMode is "
                        "not "
                        "allowed."
                    )
                if side is not None and side.accumulator is not None:
                    self._edge = side.accumulator
                    self._edge.adopt(self)
                else:
                    self._edge = AccumulateGrad(self)
                    if side is not None and side.grad is not None:
                        self._edge.grad = side.grad
                adopt_views(self)
        elif edge is not None:
            if not edge.leaf:
                raise RuntimeError(
                    "you can only change requires_grad flags of leaf variables." + _DETACH_FIRST
                )
            self._rare().accumulator = edge
            self._edge = None
            adopt_views(self)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it is not the result of a recorded operation."""
        return self._edge is None or self._edge.leaf

    @property
    def grad_fn(self) -> Any:
        """The node that made it, or None."""
        return node_of(self._edge)

    @property
    def output_nr(self) -> int:
        """Which output of its node it is."""
        return 0 if self._edge is None else self._edge.nr

    @property
    def grad(self) -> Any:
        """The accumulated gradient, or None."""
        edge = self._edge
        if edge is not None and edge.leaf:
            return edge.grad
        side = self._side
        if edge is not None and (side is None or not side.retain):
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
                ".grad "
                "attribute won't be populated during autograd.backward(). If you indeed want the "
                ".grad "
                "field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf "
                "Tensor. If you access the non-leaf Tensor by mistake, make sure you access the "
                "leaf "
                "Tensor instead. See github.com/pytorch/pytorch/pull/30531 for more informations.",
                UserWarning,
                stacklevel=2,
            )
        if side is None:
            return None
        return side.accumulator.grad if side.accumulator is not None else side.grad

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            _check_grad(self, value)
        edge = self._edge
        if edge is not None and edge.leaf:
            edge.grad = value
            return
        side = self._rare()
        if side.accumulator is not None:
            side.accumulator.grad = value
        else:
            side.grad = value

    @grad.deleter
    def grad(self) -> None:
        self.grad = None

    @property
    def _version(self) -> int:
        if self._side is not None and self._side.inference:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._counter is None else self._counter.value

    @property
    def _base(self) -> Any:
        return None if self._side is None else self._side.base

    def _is_view(self) -> bool:
        return self._side is not None and self._side.base is not None

    @property
    def retains_grad(self) -> bool:
        """Whether ``.grad`` will be kept although it is not a leaf."""
        return self._side is not None and self._side.retain

    def retain_grad(self) -> None:
        """Keep ``.grad`` of a tensor that is not a leaf.

        Raises: RuntimeError if it does not require grad.
        """
        if self._edge is None:
            raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
        if self._edge.leaf:
            return
        self._rare().retain = True
        import_retain(self)

    def is_inference(self) -> bool:
        """Whether it was made in inference mode."""
        return self._side is not None and self._side.inference

    def detach(self) -> Any:
        """Return a tensor over the same memory that is cut off from the graph."""
        array = self._memory()
        if not isinstance(array, np.ndarray):
            array = cut_off(array)
        made = make_tensor(array, None, usual_descriptor(self._desc))
        made._counter = self._version_counter()
        if self._side is not None and self._side.inference:
            made._rare().inference = True
        if get_mode() & LIBRARIES and stack.get():
            link_alias(self, made)
        return made

    def detach_(self) -> Any:
        """Cut this tensor off from the graph, in place.

        Raises: RuntimeError for views.
        """
        if self._is_view():
            raise RuntimeError(
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
                "True, "
                "gradients are views of DDP buckets, and hence detach_() cannot be called on these "
                "gradients. To fix this error, please refer to the Optimizer.zero_grad() function "
                "in "
                "torch/optim/optimizer.py as a solution."
            )
        self._edge = None
        for number in levels_of((self,)):
            drop_tangent(self, number)
        return self

    @property
    def data(self) -> Any:
        """A tensor over the same memory whose changes the tape does not see."""
        array = self._memory()
        if not isinstance(array, np.ndarray):
            array = cut_off(array)
        made = make_tensor(array, None, usual_descriptor(self._desc))
        made._counter = Counter()
        if get_mode() & LIBRARIES and stack.get():
            link_alias(self, made)
        return made

    @data.setter
    def data(self, value: Any) -> None:
        if not isinstance(value, TensorBase):
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if self._edge is not None and value._desc.dtype.category < dtypes.FLOATING:
            raise RuntimeError(
                "data set to a tensor that requires gradients must be floating point or complex "
                "dtype"
            )
        if get_mode() & LIBRARIES:
            check_data(self, value)
        self._array = value._memory()
        redescribe(self, value._desc)
        if self._edge is not None and self._edge.leaf:
            self._edge.adopt(self)

    def backward(
        self,
        gradient: Any = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: Any = None,
    ) -> None:
        """Accumulate the gradient of this tensor into the ``.grad`` of the leaves that led to it.

        ``gradient``: the weight of each element (not needed for one element); ``retain_graph``:
        keep what the graph saved, for another backward; ``create_graph``: record the backward
        itself; ``inputs``: only these leaves. Raises: RuntimeError if there is no graph, it was
        freed, or ``gradient`` is missing or of another shape.
        """
        backward_.backward(self, gradient, retain_graph, create_graph, inputs=inputs)

    def register_hook(self, hook: Any) -> Any:
        """Call ``hook(grad)`` when the gradient of this tensor is known; a result replaces it.

        Returns: a handle whose ``remove()`` takes the hook off.
        """
        if self._edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        return backward_.add_tensor_hook(self._edge, hook)

    def register_post_accumulate_grad_hook(self, hook: Any) -> Any:
        """Call ``hook(tensor)`` after the gradient of this leaf was accumulated."""
        if self._edge is None:
            raise RuntimeError("cannot register a hook on a tensor that doesn't require gradient")
        if not self._edge.leaf:
            raise RuntimeError(
                "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        return backward_.add_accumulated_hook(self._edge, hook)

    # ---- copies -------------------------------------------------------------------------------

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        found = memo.get(id(self))
        if found is not None:
            return found
        return _deepcopy(self, memo)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self._desc.type.levels:
            raise need_memory((self._array,))
        state = (self.detach().numpy(), self.requires_grad, type(self), dict(self.__dict__))
        return (_rebuild, state)


def _check_grad(t: Any, value: Any) -> None:
    if not isinstance(value, TensorBase):
        raise TypeError(
            "assigned grad expected to be a Tensor or None but got grad of type "
            f"{type(value).__name__}"
        )
    if value is t:
        raise RuntimeError("can't assign Variable as its own grad")
    if value._desc.dtype is not t._desc.dtype:
        raise RuntimeError(
            f"attempting to assign a gradient with dtype '{_cpp(value)}' to a tensor with "
            "grad_dtype "
            f"'{errors.scalar_name(t._desc.dtype)}'. The gradient must match the tensor's "
            "grad_dtype (defaults to the tensor's "
            "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None "
            "to "
            "allow any dtype."
        )
    if value._desc.shape != t._desc.shape:
        raise RuntimeError(
            f"attempting to assign a gradient of size '{list(value._desc.shape)}' to a tensor of "
            "size "
            f"'{list(t.shape)}'. Please ensure that the gradient and the tensor are the same size"
        )


def _cpp(t: Any) -> str:
    return {"float32": "float", "float64": "double", "int64": "long int"}.get(
        t._desc.dtype.name, t._desc.dtype.name
    )


def _rebuild(array: Any, requires_grad: bool, cls: Any, attributes: dict[str, Any]) -> Any:
    made = make_tensor(array)
    if cls is not type(made):
        made = made.as_subclass(cls)
    made.__dict__.update(attributes)
    return made.requires_grad_(requires_grad) if requires_grad else made


def _deepcopy(t: Any, memo: dict[int, Any]) -> Any:
    if not t.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at "
            "the moment.  If you were attempting to deepcopy a module, this may be because of a "
            "torch.nn."
            "utils.weight_norm usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    raw = t._array
    made = make_tensor(raw if isinstance(raw, np.generic) else raw.copy())
    if type(t) is not type(made):
        made = made.as_subclass(type(t))
    memo[id(t)] = made
    if t.requires_grad:
        made.requires_grad_()
    if t.is_leaf and t.grad is not None:
        made.grad = _deepcopy(t.grad, memo)
    if t.__dict__:
        made.__dict__.update(copy.deepcopy(t.__dict__, memo))
    return made
