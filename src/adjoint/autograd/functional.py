"""Derivatives of functions: vjp, jvp, jacobian, hessian and their products with vectors.

In: a function of tensors, the point, vectors.  Out: derivatives in PyTorch's nesting: a tuple per
output if the function returns a tuple, and in it a tuple per input if the inputs are a tuple.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.autograd.grad_mode import enable_grad
from adjoint.core.backward import grad
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.create import zeros, zeros_like
from adjoint.ops.join import stack

__all__ = ["hessian", "hvp", "jacobian", "jvp", "vhp", "vjp"]

Tensors = tuple[Any, ...]
Function = Callable[..., Any]

_NEEDS_HISTORY = (
    "Output {} of the user-provided function does not require gradients. The outputs must be "
    "computed in a differentiable manner from the input when running in strict mode."
)
_LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with "
    "respect to input {} is independent of the input. This is not allowed in strict mode. You "
    "should ensure that your function is twice differentiable and that the jacobian depends on the "
    "inputs (this would be violated by a linear function for example)."
)
_UNUSED = (
    "The output of the user-provided function is independent of input {}. This is not allowed in "
    "strict mode."
)
_CONSTANT = (
    "The {} of the user-provided function is independent of input {}. This is not allowed in "
    "strict mode when create_graph=True."
)


# ---- arguments -----------------------------------------------------------------------------------


def _tuple(value: Any, what: str, function: str) -> tuple[Tensors, bool]:
    """``value`` as a tuple of tensors, and whether it was a bare tensor."""
    single = not isinstance(value, tuple)
    values = (value,) if single else value
    for i, item in enumerate(values):
        if not isinstance(item, TensorBase):
            where = f"given {what}" if single else f"value at index {i}"
            raise TypeError(
                f"The {what} given to {function} must be either a Tensor or a tuple of Tensors but "
                f"the {where} has type {type(item)}."
            )
    return values, single


def _inputs(inputs: Any, function: str, create_graph: bool) -> tuple[Tensors, bool]:
    """New tensors at the same point, which the function is to be evaluated on."""
    values, single = _tuple(inputs, "inputs", function)
    fresh = [
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
        for x in values
    ]
    return tuple(fresh), single


def _evaluate(func: Function, xs: Tensors, function: str, strict: bool) -> tuple[Tensors, bool]:
    outputs, single = _tuple(func(*xs), "outputs of the user-provided function", function)
    if strict:
        for i, output in enumerate(outputs):
            if not output.requires_grad:
                raise RuntimeError(_NEEDS_HISTORY.format(i))
    return outputs, single


def _scalar(func: Function, xs: Tensors, function: str, strict: bool) -> Any:
    outputs, single = _evaluate(func, xs, function, strict)
    _check_scalar(outputs, single, function)
    return outputs[0]


def _check_scalar(outputs: Tensors, single: bool, function: str) -> None:
    if not single:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single "
            "element"
        )


def _vectors(v: Any, like: Tensors, single: bool, function: str, cause: str) -> Tensors:
    """The vectors to multiply with, one of the shape of each tensor of ``like``."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if {cause} a single Tensor with a single element."
            )
        return tuple(zeros_like(t) + 1 for t in like)
    values, _ = _tuple(v, "v", function)
    values = tuple(item.detach() if not item.requires_grad else item for item in values)
    if len(values) != len(like):
        if single:
            raise RuntimeError("The given v should contain a single Tensor.")
        raise RuntimeError(
            f"v is a tuple of invalid length: should be {len(like)} but got {len(values)}."
        )
    for i, (item, other) in enumerate(zip(values, like)):
        if item.shape != other.shape:
            prefix = f"Entry {i} in " if len(like) > 1 else ""
            raise RuntimeError(
                f"{prefix}v has invalid size: should be {other.shape} but got {item.shape}."
            )
    return values


_FROM_OUTPUT = "the user-provided function returns"
_FROM_INPUT = "the input to the user-provided function is"


# ---- pulling -------------------------------------------------------------------------------------


def _pull(
    outputs: Tensors, inputs: Tensors, weights: Tensors, create_graph: bool, keep: bool = False
) -> Tensors:
    """The gradients of the weighted sum of ``outputs``; None where an input was not used."""
    pairs = [(o, w) for o, w in zip(outputs, weights) if o is not None and o.requires_grad]
    if not pairs:
        return (None,) * len(inputs)
    roots, seeds = zip(*pairs)
    return grad(
        roots,
        inputs,
        seeds,
        retain_graph=keep or None,
        create_graph=create_graph,
        allow_unused=True,
    )


def _completed(found: Tensors, like: Tensors, unused: str | None, constant: str | None) -> Tensors:
    """Zeros for None; with ``unused`` None is an error, with ``constant`` a result without
    history.
    """
    for i, g in enumerate(found):
        if g is None and unused is not None:
            raise RuntimeError(unused.format(i))
        if g is not None and constant is not None and not g.requires_grad:
            raise RuntimeError(_CONSTANT.format(constant, i))
    return tuple(zeros_like(t) if g is None else g for g, t in zip(found, like))


def _finished(values: Tensors, single: bool, create_graph: bool) -> Any:
    if not create_graph:
        values = tuple(t.detach() for t in values)
    return values[0] if single else values


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
        xs, single_in = _inputs(inputs, "vjp", create_graph)
        outputs, single_out = _evaluate(func, xs, "vjp", strict)
        weights = _vectors(v, outputs, single_out, "vjp", _FROM_OUTPUT)
        found = _pull(outputs, xs, weights, create_graph)
    constant = "jacobian" if strict and create_graph else None
    result = _completed(found, xs, _UNUSED if strict else None, constant)
    return (
        _finished(outputs, single_out, create_graph),
        _finished(result, single_in, create_graph),
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
        xs, single_in = _inputs(inputs, "jvp", create_graph)
        tangents = _vectors(v, xs, single_in, "jvp", _FROM_INPUT)
        outputs, single_out = _evaluate(func, xs, "jvp", strict)
        duals = tuple(zeros_like(o, requires_grad=True) for o in outputs)
        found = _pull(outputs, xs, duals, True)
        if strict:
            _completed(found, xs, _UNUSED, None)
        found = _pull(found, duals, tangents, create_graph)
    constant = "jacobian" if strict and create_graph else None
    result = _completed(found, outputs, None, constant)
    return (
        _finished(outputs, single_out, create_graph),
        _finished(result, single_out, create_graph),
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
        xs, single = _inputs(inputs, name, create_graph)
        weights = _vectors(v, xs, single, name, _FROM_INPUT)
        output = _scalar(func, xs, name, strict)
        first = _pull((output,), xs, (zeros_like(output) + 1,), True)
        if strict:
            for i, g in enumerate(_completed(first, xs, _UNUSED, None)):
                if not g.requires_grad:
                    raise RuntimeError(_LINEAR.format(i))
        found = _pull(first, xs, weights, create_graph)
    constant = "hessian" if strict and create_graph else None
    result = _completed(found, xs, _LINEAR if strict else None, constant)
    return _finished((output,), True, create_graph), _finished(result, single, create_graph)


# ---- whole matrices ------------------------------------------------------------------------------


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the Jacobian of ``func`` at ``inputs``.

    ``create_graph``: make it differentiable; ``strict``: raise where an output is independent of
    an input, rather than give 0; ``strategy``: "reverse-mode", or (with ``vectorize``)
    "forward-mode", which is cheaper when there are more outputs than inputs.

    Shape: the output's shape followed by the input's; nested in tuples per output, then per input.

    >>> import adjoint as torch
    >>> torch.autograd.functional.jacobian(lambda x: x ** 2, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    _check_strategy(strategy, vectorize, strict, create_graph)
    with enable_grad():
        xs, single_in = _inputs(inputs, "jacobian", create_graph)
        outputs, single_out = _evaluate(func, xs, "jacobian", strict)
        if strategy == "forward-mode":
            matrices = _by_columns(outputs, xs)
        else:
            matrices = [
                _by_rows(i, output, xs, create_graph, strict) for i, output in enumerate(outputs)
            ]
    nested = tuple(_finished(tuple(row), single_in, create_graph) for row in matrices)
    return nested[0] if single_out else nested


def _check_strategy(strategy: str, vectorize: bool, strict: bool, create_graph: bool) -> None:
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    if vectorize and strict:
        raise RuntimeError(
            "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are not "
            "supported together. Please either set `strict=False` or `vectorize=False`."
        )
    if strategy == "reverse-mode":
        return
    if create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` '
            "are not supported together (yet). Please either set `create_graph=False` or "
            '`strategy="reverse-mode"`.'
        )
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
            "only implemented for `vectorize=True`."
        )


def _unit_vectors(like: Any) -> Any:
    """One tensor of the shape of ``like`` for each of its elements: 1 there, 0 elsewhere."""
    desc = like._desc
    for k in range(like.numel()):
        unit = desc.type.xp.zeros((like.numel(),), desc.numpy)
        unit[k] = 1
        yield make_tensor(unit.reshape(desc.shape))


def _by_rows(i: int, output: Any, xs: Tensors, create_graph: bool, strict: bool) -> list[Any]:
    """The Jacobian of one output with respect to every input: one pull for each of its elements."""
    if output.is_complex():
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
        )
    rows = []
    unused = (
        f"Output {i} of the user-provided function is independent of input {{}}. This is not "
        "allowed in strict mode."
    )
    constant = "jacobian" if strict and create_graph else None
    for unit in _unit_vectors(output):
        found = _pull((output,), xs, (unit,), create_graph, keep=True)
        rows.append(_completed(found, xs, unused if strict else None, constant))
    return _stacked(rows, output.shape, xs)


def _by_columns(outputs: Tensors, xs: Tensors) -> list[list[Any]]:
    """All Jacobians, one column at a time: a push for each element of each input."""
    duals = tuple(zeros_like(o, requires_grad=True) for o in outputs)
    pulled = _pull(outputs, xs, duals, True)
    columns = [
        [
            _completed(_pull((g,), duals, (unit,), False, keep=True), outputs, None, None)
            for unit in _unit_vectors(x)
        ]
        for g, x in zip(pulled, xs)
    ]
    matrices = []
    for i, output in enumerate(outputs):
        row = []
        for x, found in zip(xs, columns):
            if not found:
                row.append(zeros(*output.shape, *x.shape, dtype=output.dtype))
                continue
            matrix = stack([parts[i] for parts in found], -1)
            row.append(matrix.reshape(*output.shape, *x.shape))
        matrices.append(row)
    return matrices


def _stacked(rows: Sequence[Tensors], shape: Any, xs: Tensors) -> list[Any]:
    if not rows:
        return [zeros(*shape, *x.shape, dtype=x.dtype) for x in xs]
    return [stack([row[k] for row in rows], 0).view((*shape, *x.shape)) for k, x in enumerate(xs)]


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the Hessian of ``func``, which returns one element, at ``inputs``.

    The arguments are those of `jacobian`.

    Shape: the input's shape twice; nested in tuples per input, then per input.

    >>> import adjoint as torch
    >>> torch.autograd.functional.hessian(lambda x: x.prod(), torch.tensor([1.0, 2.0, 3.0]))
    tensor([[0., 3., 2.],
            [3., 0., 1.],
            [2., 1., 0.]])
    """
    _, single = _tuple(inputs, "inputs", "hessian")
    _check_strategy(outer_jacobian_strategy, vectorize, strict, create_graph)

    def first(*xs: Any) -> Any:
        def scalar(*ys: Any) -> Any:
            return _scalar(func, ys, "hessian", strict).reshape(())

        found = jacobian(scalar, xs, create_graph=True)
        if strict:
            for i, g in enumerate(found):
                if not g.requires_grad:
                    raise RuntimeError(_LINEAR.format(i))
        return found[0] if single else found

    return jacobian(first, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
