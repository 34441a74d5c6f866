"""What the functions of `autograd.functional` share: their arguments checked, one pull, results.

In: a function of tensors, the point, vectors, as users pass them.  Out: tuples of tensors, and
PyTorch's errors for what cannot be.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.core.backward import grad
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.create import zeros_like

__all__ = [
    "CONSTANT",
    "FROM_INPUT",
    "FROM_OUTPUT",
    "LINEAR",
    "NEEDS_HISTORY",
    "UNUSED",
    "Function",
    "Tensors",
    "as_tuple",
    "check_scalar",
    "completed",
    "evaluate",
    "finished",
    "fresh_inputs",
    "pull",
    "scalar_output",
    "vectors",
]

Tensors = tuple[Any, ...]
Function = Callable[..., Any]

NEEDS_HISTORY = (
    "Output {} of the user-provided function does not require gradients. The outputs must be "
    "computed in a differentiable manner from the input when running in strict mode."
)
LINEAR = (
    "While computing the hessian, found that the jacobian of the user-provided function with "
    "respect to input {} is independent of the input. This is not allowed in strict mode. You "
    "should ensure that your function is twice differentiable and that the jacobian depends on the "
    "inputs (this would be violated by a linear function for example)."
)
UNUSED = (
    "The output of the user-provided function is independent of input {}. This is not allowed in "
    "strict mode."
)
CONSTANT = (
    "The {} of the user-provided function is independent of input {}. This is not allowed in "
    "strict mode when create_graph=True."
)


# ---- arguments -----------------------------------------------------------------------------------


def as_tuple(value: Any, what: str, function: str) -> tuple[Tensors, bool]:
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


def fresh_inputs(inputs: Any, function: str, create_graph: bool) -> tuple[Tensors, bool]:
    """New tensors at the same point, which the function is to be evaluated on."""
    values, single = as_tuple(inputs, "inputs", function)
    fresh = [
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_()
        for x in values
    ]
    return tuple(fresh), single


def evaluate(func: Function, xs: Tensors, function: str, strict: bool) -> tuple[Tensors, bool]:
    outputs, single = as_tuple(func(*xs), "outputs of the user-provided function", function)
    if strict:
        for i, output in enumerate(outputs):
            if not output.requires_grad:
                raise RuntimeError(NEEDS_HISTORY.format(i))
    return outputs, single


def scalar_output(func: Function, xs: Tensors, function: str, strict: bool) -> Any:
    outputs, single = evaluate(func, xs, function, strict)
    check_scalar(outputs, single, function)
    return outputs[0]


def check_scalar(outputs: Tensors, single: bool, function: str) -> None:
    if not single:
        raise RuntimeError(f"The function given to {function} should return a single Tensor")
    if outputs[0].numel() != 1:
        raise RuntimeError(
            f"The Tensor returned by the function given to {function} should contain a single "
            "element"
        )


def vectors(v: Any, like: Tensors, single: bool, function: str, cause: str) -> Tensors:
    """The vectors to multiply with, one of the shape of each tensor of ``like``."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            raise RuntimeError(
                f"The vector v can only be None if {cause} a single Tensor with a single element."
            )
        return tuple(zeros_like(t) + 1 for t in like)
    values, _ = as_tuple(v, "v", function)
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


FROM_OUTPUT = "the user-provided function returns"
FROM_INPUT = "the input to the user-provided function is"


# ---- pulling -------------------------------------------------------------------------------------


def pull(
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


def completed(found: Tensors, like: Tensors, unused: str | None, constant: str | None) -> Tensors:
    """Zeros for None; with ``unused`` None is an error, with ``constant`` a result without
    history.
    """
    for i, g in enumerate(found):
        if g is None and unused is not None:
            raise RuntimeError(unused.format(i))
        if g is not None and constant is not None and not g.requires_grad:
            raise RuntimeError(CONSTANT.format(constant, i))
    return tuple(zeros_like(t) if g is None else g for g, t in zip(found, like))


def finished(values: Tensors, single: bool, create_graph: bool) -> Any:
    if not create_graph:
        values = tuple(t.detach() for t in values)
    return values[0] if single else values
