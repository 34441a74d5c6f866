"""`autograd.Function`: operators that users differentiate by hand, with PyTorch's protocol.

In: a subclass with static ``forward`` and ``backward`` (or ``setup_context`` style).  Out:
``apply``, which runs the forward unrecorded and puts one node on the tape: the node calls the
user's ``backward`` when its turn comes.
"""

from __future__ import annotations

import functools
import inspect
import warnings
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from adjoint._later import Later
from adjoint.array import dtypes
from adjoint.autograd.function_node import (
    BackwardCFunction,
    FunctionCtx,
    FunctionPlan,
    among,
    function_plan,
    out_edge,
    save,
)
from adjoint.core import mode as modes
from adjoint.core.duals import ceiling, levels_of, open_levels
from adjoint.core.engine import running
from adjoint.core.hooks import NodeHooks
from adjoint.core.inplace import bump
from adjoint.core.masked import masked
from adjoint.core.mode import get_mode, set_mode
from adjoint.core.node import Node, next_seq
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import IN_FUNCTION, MULTI_OUTPUT, rebase, refresh_views
from adjoint.ops.view import view

if TYPE_CHECKING:
    from adjoint.autograd import function_forward, function_pattern, function_vmap
    from adjoint.core import anomaly
else:
    anomaly = Later("adjoint.core.anomaly")
    function_forward = Later("adjoint.autograd.function_forward")
    function_pattern = Later("adjoint.autograd.function_pattern")
    function_vmap = Later("adjoint.autograd.function_vmap")

__all__ = ["BackwardCFunction", "Function", "FunctionCtx", "once_differentiable"]

_new = object.__new__

# ---- the class that users derive from ------------------------------------------------------------


class Function:
    """Base class of operators with a derivative of the user's own.

    >>> import adjoint as torch
    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x ** 3
    ...     @staticmethod
    ...     def backward(ctx, grad):
    ...         (x,) = ctx.saved_tensors
    ...         return grad * 3 * x ** 2
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x)
    tensor(8., grad_fn=<CubeBackward>)
    """

    clear_saved_tensors_on_access: ClassVar[bool] = False
    generate_vmap_rule: ClassVar[bool] = False
    _backward_cls: ClassVar[type[BackwardCFunction]] = BackwardCFunction

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        members = {"_forward_cls": cls, "__module__": cls.__module__, "__slots__": ()}
        cls._backward_cls = type(f"{cls.__name__}Backward", (BackwardCFunction,), members)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        warnings.warn(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: a Function is used through its class, ``MyFunction.apply(...)``."""
        raise RuntimeError(
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method. (Call MyFunction.apply(...).)"
        )

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the outputs: ``forward(ctx, *args)``, or ``forward(*args)`` beside
        `setup_context`.
        """
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Any) -> Any:
        """Fill ``ctx`` from what ``forward(*inputs)`` returned."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Any) -> Any:
        """Return one gradient (or None) for each argument of ``forward``."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD."
        )

    @staticmethod
    def vjp(ctx: Any, *grad_outputs: Any) -> Any:
        """Another name for ``backward``."""
        raise NotImplementedError("vjp is not implemented.")

    @staticmethod
    def jvp(ctx: Any, *grad_inputs: Any) -> Any:
        """Return one tangent for each output, given one (or None) for each input."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    @staticmethod
    def vmap(info: Any, in_dims: tuple[Any, ...], *args: Any) -> Any:
        """Return the output for all samples and where their dim is in it.

        ``info``: ``batch_size`` and ``randomness``; ``in_dims``: where the samples' dim is in each
        argument, None where it has none.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or "
            "set generate_vmap_rule=True."
        )

    @classmethod
    def _backward(cls) -> Callable[..., Any]:
        """The method that gives the gradients: ``backward`` or ``vjp``."""
        if cls.vjp is Function.vjp:
            return cls.backward
        if cls.backward is not Function.backward:
            raise RuntimeError(
                "Implementing both 'backward' and 'vjp' for a custom Function is not allowed. You "
                "should only implement one of them."
            )
        return cls.vjp

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward`` on the arguments and record it; return its result."""
        styled = cls.setup_context is not Function.setup_context
        if styled:
            bound = inspect.signature(cls.forward).bind(*args, **kwargs)
            bound.apply_defaults()
            args, kwargs = bound.args, {}
        if get_mode() & modes.LIBRARIES:
            own_rule = cls.vmap is not Function.vmap
            return function_vmap.apply_batched(
                cls, args, own_rule, lambda given: cls._apply(given, kwargs, styled)
            )
        return cls._apply(args, kwargs, styled)

    @classmethod
    def _apply(cls, args: tuple[Any, ...], kwargs: dict[str, Any], styled: bool) -> Any:
        context = FunctionCtx()
        context._function = cls
        context._tensors = tensors = tuple([isinstance(a, TensorBase) for a in args])
        context.needs_input_grad = needs = tuple(
            [is_tensor and a._edge is not None for a, is_tensor in zip(args, tensors)]
        )
        dual = bool(open_levels) and bool(levels_of(args))
        if dual:
            unseen = ceiling.set(0)
        mode = get_mode()
        given = function_pattern.arrays_before(args) if mode & modes.LIBRARIES else []
        set_mode(mode & ~modes.GRAD)
        try:
            if styled:
                result = cls.forward(*args)
                cls.setup_context(context, args, result)
            else:
                result = cls.forward(context, *args, **kwargs)
            set_mode(mode)
            inputs = [a for a, is_tensor in zip(args, tensors) if is_tensor]
            several = isinstance(result, tuple)
            outputs = result if several else (result,)
            _check_marks(context, outputs)
            if mode & modes.LIBRARIES:
                outputs = function_pattern.depending_results(cls, args, given, outputs, context)
            if mode & modes.GRAD and True in needs:
                wrapped = _record(context, inputs, outputs, not several, mode)
            else:
                wrapped = _leave_unrecorded(context, inputs, outputs)
        finally:
            set_mode(mode)
            if dual:
                ceiling.reset(unseen)
        if dual:
            function_forward.push_function(context, args, outputs, wrapped)
        return tuple(wrapped) if several else wrapped[0]


# ---- recording -----------------------------------------------------------------------------------


def _check_marks(context: FunctionCtx, outputs: tuple[Any, ...]) -> None:
    for i, tensor in enumerate(context._to_save):
        if tensor is not None and not isinstance(tensor, TensorBase):
            raise TypeError(
                "save_for_backward can only save variables, but argument "
                f"{i} is of type {type(tensor).__name__}"
            )
    for tensor in context._dirty:
        if not isinstance(tensor, TensorBase):
            raise TypeError(
                f"mark_dirty can only accept variables, but got {type(tensor).__name__}"
            )
        if not among(tensor, outputs):
            raise RuntimeError(
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function."
            )
    for tensor in context._non_differentiable:
        if not isinstance(tensor, TensorBase):
            raise TypeError(
                "mark_non_differentiable only accepts variable arguments, but got "
                f"{type(tensor).__name__}"
            )


def _alias(tensor: Any) -> Any:
    """A view of the whole tensor, without history."""
    mode = get_mode()
    set_mode(mode & ~modes.GRAD)
    try:
        return view(tensor, tensor._desc.shape)
    finally:
        set_mode(mode)


def _leave_unrecorded(
    context: FunctionCtx, inputs: list[Any], outputs: tuple[Any, ...]
) -> list[Any]:
    wrapped: list[Any] = []
    for output in outputs:
        made = output
        if isinstance(output, TensorBase):
            if among(output, context._dirty):
                bump(output)
            elif among(output, inputs):
                made = _alias(output)
                made._edge = None
            elif output._edge is not None:
                made = output.detach()  # type: ignore[attr-defined]
        wrapped.append(made)
    return wrapped


def _record(
    context: FunctionCtx, inputs: list[Any], outputs: tuple[Any, ...], single: bool, mode: int
) -> list[Any]:
    """Put the node on the tape and give the outputs their place behind it."""
    for tensor in context._dirty:
        if tensor._edge is not None and tensor._edge.leaf:
            raise RuntimeError(
                "a leaf Variable that requires grad has been used in an in-place operation."
            )
    node = _new(context._function._backward_cls)
    node.context = context
    context._node = weakref.ref(node)
    descs = tuple([o._desc if isinstance(o, TensorBase) else None for o in outputs])
    node.desc = descs[0] if single else descs
    node.edges = tuple([tensor._edge for tensor in inputs])
    node.plan = masked(function_plan) if mode & modes.MASKED else function_plan
    node.seq = next_seq()
    # With a hook state the straight walk hands over to the engine, where None gradients travel on.
    node.hooks = NodeHooks()
    node.counter = None
    node.versions = None
    if mode & modes.ANOMALY:
        anomaly.remember(node, tuple(inputs), None, running.get())
    differentiable = [
        isinstance(o, TensorBase)
        and o._desc.dtype.category >= dtypes.FLOATING
        and not among(o, context._non_differentiable)
        for o in outputs
    ]
    made_as = MULTI_OUTPUT if sum(differentiable) > 1 else IN_FUNCTION
    wrapped = [
        _wrap(context, node, inputs, output, nr, wanted, made_as)
        if isinstance(output, TensorBase)
        else output
        for nr, (output, wanted) in enumerate(zip(outputs, differentiable))
    ]
    context._saved = tuple([save(node, tensor, mode) for tensor in context._to_save])
    context._to_save = ()
    return wrapped


def _wrap(
    context: FunctionCtx,
    node: BackwardCFunction,
    inputs: list[Any],
    output: Any,
    nr: int,
    wanted: bool,
    made_as: int,
) -> Any:
    dirty, given = among(output, context._dirty), among(output, inputs)
    if not wanted:
        if given and not dirty:
            output = _alias(output)
        if output._edge is not None:
            output = output.detach()
        return output
    if dirty:
        bump(output)
        rebase(output, out_edge(node, nr))
        refresh_views(output._version_counter())
        return output
    if given:
        output = _alias(output)
    side = output._side
    if output._edge is not None and output._edge.leaf and (side is None or side.base is None):
        output = output.detach()  # a leaf that forward found outside: it stays a leaf
    side = output._side
    if side is not None and side.base is not None:
        side.made = made_as
    output._edge = out_edge(node, nr)
    if output._counter is not None:
        output._edge.watch(output._counter)
    return output


# ---- once_differentiable -------------------------------------------------------------------------


class Error(Node):
    """Stands behind gradients that must not be differentiated again."""

    __slots__ = ()

    namespace: ClassVar[str] = "torch::autograd::"


class _ErrorPlan(FunctionPlan):
    """Raises when the walk arrives."""

    def pull(self, node: Any, g: Any) -> tuple[Any, ...]:
        """Refuse."""
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )

    pull_tensors = pull


_error_plan: Any = _ErrorPlan()


def once_differentiable(fn: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a ``backward`` that is not differentiable itself: differentiating its result
    raises.
    """

    @functools.wraps(fn)
    def wrapper(ctx: Any, *args: Any) -> Any:
        mode = get_mode()
        set_mode(mode & ~modes.GRAD)
        try:
            outputs = fn(ctx, *args)
        finally:
            set_mode(mode)
        wanted = any(isinstance(a, TensorBase) and a._edge is not None for a in args)
        if not mode & modes.GRAD or not wanted:
            return outputs
        parts = outputs if isinstance(outputs, tuple) else (outputs,)
        node = _new(Error)
        node.edges = ()
        node.saved = ()
        node.plan = _error_plan
        node.seq = next_seq()
        # With a hook state the straight walk hands over to the engine, where None gradients travel
        # on.
        node.hooks = NodeHooks()
        node.counter = None
        node.versions = None
        node.desc = tuple([p._desc if isinstance(p, TensorBase) else None for p in parts])
        blocked = tuple(
            [
                make_tensor(p._array, out_edge(node, nr), p._desc)
                if isinstance(p, TensorBase)
                else p
                for nr, p in enumerate(parts)
            ]
        )
        return blocked if isinstance(outputs, tuple) else blocked[0]

    return wrapper
