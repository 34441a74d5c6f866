"""Derivatives of functions: vjp, jvp, jacobian, hessian and their products with vectors.

In: a function of tensors, the point, vectors.  Out: derivatives in PyTorch's nesting: a tuple per
output if the function returns a tuple, and in it a tuple per input if the inputs are a tuple.
"""

from __future__ import annotations

from typing import Any

from adjoint.autograd.functional_arguments import (
    FROM_INPUT,
    FROM_OUTPUT,
    LINEAR,
    UNUSED,
    Function,
    completed,
    evaluate,
    finished,
    fresh_inputs,
    pull,
    scalar_output,
    vectors,
)
from adjoint.autograd.functional_matrices import hessian, jacobian
from adjoint.autograd.grad_mode import enable_grad
from adjoint.ops.create import zeros_like

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

# ---- products ------------------------------------------------------------------------------------


def vjp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of ``v`` with the Jacobian at ``inputs``.

    ``v``: of the shape of the output (not needed for one element); ``create_graph``: make both
    results differentiable; ``strict``: raise where an output is independent of an input, rather
    than give 0.

    >>> import adjoint as torch
    >>> torch.autograd.functional.vjp(torch.exp, torch.zeros(2), torch.tensor([1.0, 2.0]))
    (tensor([1., 1.]), tensor([1., 2.]))
    """
    with enable_grad():
        xs, single_in = fresh_inputs(inputs, "vjp", create_graph)
        outputs, single_out = evaluate(func, xs, "vjp", strict)
        weights = vectors(v, outputs, single_out, "vjp", FROM_OUTPUT)
        found = pull(outputs, xs, weights, create_graph)
    constant = "jacobian" if strict and create_graph else None
    result = completed(found, xs, UNUSED if strict else None, constant)
    return (
        finished(outputs, single_out, create_graph),
        finished(result, single_in, create_graph),
    )


def jvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of the Jacobian at ``inputs`` with ``v``.

    ``v``: of the shape of ``inputs`` (not needed for one element); the other arguments as in
    `vjp`. The product is found by differentiating ``u -> vjp(u)``, which is linear in ``u``, a
    second time.

    >>> import adjoint as torch
    >>> torch.autograd.functional.jvp(torch.exp, torch.zeros(2), torch.tensor([1.0, 2.0]))
    (tensor([1., 1.]), tensor([1., 2.]))
    """
    with enable_grad():
        xs, single_in = fresh_inputs(inputs, "jvp", create_graph)
        tangents = vectors(v, xs, single_in, "jvp", FROM_INPUT)
        outputs, single_out = evaluate(func, xs, "jvp", strict)
        duals = tuple(zeros_like(o, requires_grad=True) for o in outputs)
        found = pull(outputs, xs, duals, True)
        if strict:
            completed(found, xs, UNUSED, None)
        found = pull(found, duals, tangents, create_graph)
    constant = "jacobian" if strict and create_graph else None
    result = completed(found, outputs, None, constant)
    return (
        finished(outputs, single_out, create_graph),
        finished(result, single_out, create_graph),
    )


def vhp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of ``v`` with the Hessian at ``inputs``.

    ``func`` returns one element; ``v``: of the shape of ``inputs``; the other arguments as in
    `vjp`.

    >>> import adjoint as torch
    >>> x = torch.tensor([1.0, 2.0])
    >>> torch.autograd.functional.vhp(lambda x: (x ** 3).sum(), x, torch.ones(2))
    (tensor(9.), tensor([ 6., 12.]))
    """
    return _hessian_product("vhp", func, inputs, v, create_graph, strict)


def hvp(
    func: Function, inputs: Any, v: Any = None, create_graph: bool = False, strict: bool = False
) -> tuple[Any, Any]:
    """Return ``func(*inputs)`` and the product of the Hessian at ``inputs`` with ``v``.

    The Hessian is symmetric, so that this is `vhp`, at its cost.
    """
    return _hessian_product("hvp", func, inputs, v, create_graph, strict)


def _hessian_product(
    name: str, func: Function, inputs: Any, v: Any, create_graph: bool, strict: bool
) -> tuple[Any, Any]:
    with enable_grad():
        xs, single = fresh_inputs(inputs, name, create_graph)
        weights = vectors(v, xs, single, name, FROM_INPUT)
        output = scalar_output(func, xs, name, strict)
        first = pull((output,), xs, (zeros_like(output) + 1,), True)
        if strict:
            for i, g in enumerate(completed(first, xs, UNUSED, None)):
                if not g.requires_grad:
                    raise RuntimeError(LINEAR.format(i))
        found = pull(first, xs, weights, create_graph)
    constant = "hessian" if strict and create_graph else None
    result = completed(found, xs, LINEAR if strict else None, constant)
    return finished((output,), True, create_graph), finished(result, single, create_graph)
