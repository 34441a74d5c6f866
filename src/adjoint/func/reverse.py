"""`grad`, `grad_and_value` and `vjp`: derivatives found by walking back from a function's results.

In: a function, and where: tensors in any Python containers.  Out: gradients in the same containers.
How one evaluation is recorded, and what stays on the tape afterwards, is told in
`func/recording.py`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.core.backward import gradient_tuple
from adjoint.core.mode import grad_enabled
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.func.arguments import (
    Argnums,
    chosen_arguments,
    output_and_aux,
    replaced_arguments,
    shown,
    tensor_leaves,
)
from adjoint.func.recording import Recording
from adjoint.func.trees import tree_flatten, tree_unflatten

__all__ = ["check_outputs", "grad", "grad_and_value", "vjp"]

_GRAD = "grad_and_value(f)(*args)"
_VJP = "vjp(f, *primals)"


def grad(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """Return the function that computes the gradient of ``func``, which returns a 0-d tensor.

    ``argnums``: by which positional argument, or tuple of them; each may be a tensor or tensors in
    Python containers, and the gradient is arranged likewise. ``has_aux``: ``func`` returns
    (output, other tensors), and the new function returns (gradient, other tensors).

    Raises (when called): RuntimeError if the result is no 0-d tensor, an argument is not there or
    of integers; ValueError if there is something else than tensors in it.

    >>> import adjoint as torch
    >>> torch.func.grad(torch.sin)(torch.tensor(0.0))
    tensor(1.)
    >>> torch.func.grad(torch.func.grad(lambda x: x ** 3))(torch.tensor(2.0))
    tensor(12.)
    >>> loss = lambda weights, x: ((weights["a"] * x + weights["b"]) ** 2).sum()
    >>> torch.func.grad(loss)({"a": torch.tensor(2.0), "b": torch.tensor(1.0)}, torch.ones(3))
    {'a': tensor(18.), 'b': tensor(18.)}
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        gradient, _, aux = _gradient(func, argnums, has_aux, args, kwargs)
        return (gradient, aux) if has_aux else gradient

    return wrapper


def grad_and_value(
    func: Callable[..., Any], argnums: Argnums = 0, has_aux: bool = False
) -> Callable[..., tuple[Any, Any]]:
    """Return the function that computes (gradient, value) of ``func``; the arguments are `grad`'s.

    With ``has_aux`` the second is (value, other tensors).

    >>> import adjoint as torch
    >>> torch.func.grad_and_value(lambda x: (x ** 2).sum())(torch.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    @functools.wraps(func)
    def wrapper(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
        gradient, value, aux = _gradient(func, argnums, has_aux, args, kwargs)
        return gradient, ((value(), aux) if has_aux else value())

    return wrapper


def _gradient(
    func: Callable[..., Any],
    argnums: Argnums,
    has_aux: bool,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> tuple[Any, Callable[[], Any], Any]:
    """The gradient, the value (as a function that releases it), and what else there was."""
    chosen = chosen_arguments(args, argnums)
    single = isinstance(chosen, TensorBase)
    points, spec = ([chosen], None) if single else tree_flatten(chosen)
    recording = Recording(points)
    stand_ins = recording.stand_ins
    inside = stand_ins[0] if spec is None else tree_unflatten(stand_ins, spec)
    given = replaced_arguments(args, argnums, inside)
    result = recording.run(func, given, kwargs)
    output, aux = output_and_aux(result, has_aux, _GRAD, recording.release)
    _check_scalar(output)
    create = recording.escapes((output,))
    found = recording.pull((output,), (None,), keep=create, create=create)
    recording.close()
    gradient = found[0] if spec is None else tree_unflatten(found, spec)
    return gradient, lambda: recording.release(output), aux


def _check_scalar(output: Any) -> None:
    if not isinstance(output, TensorBase):
        raise RuntimeError(f"{_GRAD}: Expected f(*args) to return a Tensor, got {type(output)}")
    dims = len(output._desc.shape)
    if dims:
        raise RuntimeError(
            f"{_GRAD}: Expected f(*args) to return a scalar Tensor, got tensor with {dims} dims. "
            "Maybe you wanted to use the vjp or jacrev APIs instead? (Or reduce the result, for "
            f"example with .sum(): its shape is {list(output._desc.shape)}.)"
        )


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """Return ``func(*primals)`` and the function that pulls cotangents back through it.

    That function takes the cotangents, arranged as the output, and returns a tuple with the
    gradient by each of ``primals``; it may be called again and again. ``has_aux``: ``func`` returns
    (output, other tensors), and these come as a third result.

    Raises: RuntimeError if the output or the cotangents are no tensors, or arranged otherwise;
    ValueError if there is something else than tensors in ``primals``.

    >>> import adjoint as torch
    >>> y, pull = torch.func.vjp(torch.exp, torch.zeros(2))
    >>> pull(torch.tensor([1.0, 2.0]))
    (tensor([1., 2.]),)
    """
    return _vjp_with_argnums(func, *primals, argnums=None, has_aux=has_aux)


def _vjp_with_argnums(
    func: Callable[..., Any], *primals: Any, argnums: Argnums | None, has_aux: bool
) -> Any:
    chosen = primals if argnums is None else chosen_arguments(primals, argnums)
    points, spec = tree_flatten(chosen)
    recording = Recording(points)
    inside = tree_unflatten(recording.stand_ins, spec)
    given = inside if argnums is None else replaced_arguments(primals, argnums, inside)
    result = recording.run(func, given, {})
    output, aux = output_and_aux(result, has_aux, _VJP, recording.release)
    outputs, out_spec = tensor_leaves(output, _VJP, "f(*primals)")
    outside = recording.leads_outside(outputs)
    released = tree_unflatten([recording.release(out) for out in outputs], out_spec)
    roots = [make_tensor(out._array, out._edge, out._desc) for out in outputs]
    recording.close()

    def wrapper(
        cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None
    ) -> Any:
        leaves, given_spec = tree_flatten(cotangents)
        check_outputs(roots)
        if given_spec != out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {shown(given_spec)}, primal output: "
                f"{shown(out_spec)}"
            )
        weights = gradient_tuple(leaves, len(leaves))
        recorded = grad_enabled() if create_graph is None else create_graph
        create = recorded and (outside or recording.leads_outside(weights))
        found = recording.pull(roots, weights, keep=bool(retain_graph), create=create)
        return tree_unflatten(found, spec)

    return (released, wrapper, aux) if has_aux else (released, wrapper)


def check_outputs(outputs: Sequence[Any]) -> None:
    """Raise RuntimeError where an output has no cotangents."""
    for out in outputs:
        if not (out.is_floating_point() or out.is_complex()):
            raise RuntimeError(
                "vjp(f, ...): All outputs of f must be floating-point or complex Tensors, got "
                f"Tensor with dtype {out.dtype!r}"
            )
