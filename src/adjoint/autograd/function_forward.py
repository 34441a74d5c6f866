"""Forward mode through `autograd.Function`: the tangents of its outputs come from the user's
``jvp``.

In: a call whose arguments are dual, and its outputs.  Out: the same outputs, dual. The user's
``forward`` does not see the tangents; ``jvp`` is asked once for each level, and sees what lies
outside of it.
"""

from __future__ import annotations

from typing import Any

from adjoint.array import dtypes
from adjoint.autograd.function_node import among
from adjoint.core.dual_writes import write_tangent
from adjoint.core.duals import (
    ceiling,
    copy_tangents,
    levels_of,
    set_tangent,
    tangent_of,
)
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.create import zeros_like

__all__ = ["push_function"]


def push_function(
    context: Any, args: tuple[Any, ...], outputs: tuple[Any, ...], wrapped: list[Any]
) -> None:
    """Give the outputs of a Function (``wrapped``; ``outputs`` as ``forward`` returned them) their
    tangents.
    """
    for number in levels_of(args):
        given = [_input_tangent(context, a, number) for a in args]
        context._in_jvp = True
        token = ceiling.set(number)
        try:
            found = context._function.jvp(context, *given)
        finally:
            ceiling.reset(token)
            context._in_jvp = False
        results = found if isinstance(found, tuple) else (found,)
        if len(results) != len(wrapped):
            raise RuntimeError(
                "Function's jvp returned an invalid number of forward gradients (expected "
                f"{len(wrapped)} but got {len(results)})"
            )
        for i, (result, output) in enumerate(zip(results, wrapped)):
            if _expected(context, i, result, output, outputs[i]):
                _assign(context, args, given, number, result, output, outputs[i])
    context._to_save_forward = ()
    for entry in context._saved or ():
        if hasattr(entry, "dual"):
            entry.dual = _shadow(wrapped[entry.nr])


def _input_tangent(context: Any, argument: Any, number: int) -> Any:
    """What ``jvp`` gets for one argument: its tangent, zeros, or None."""
    if not isinstance(argument, TensorBase):
        return None
    tangent = tangent_of(argument, number)
    if tangent is None and context._materialize and _floating(argument):
        return zeros_like(argument)
    return tangent


def _floating(tensor: Any) -> bool:
    return isinstance(tensor, TensorBase) and tensor._desc.dtype.category >= dtypes.FLOATING


def _expected(context: Any, i: int, result: Any, output: Any, original: Any) -> bool:
    """Whether there is a tangent to set for output ``i``; errors where there should (not) be."""
    if result is not None and not isinstance(result, TensorBase):
        raise RuntimeError(
            f"expected Variable or None (got {type(result).__name__}) for grad output {i}."
        )
    wanted = _floating(output) and not among(original, context._non_differentiable)
    if wanted and result is None:
        raise RuntimeError(
            f"Function's jvp returned None at position {i}, but the corresponding forward output "
            "is a differentiable Tensor. You should return its tangent at that position instead."
        )
    if result is not None and not wanted:
        raise RuntimeError(
            f"Function's jvp returned a gradient at position {i}, but  the corresponding forward "
            "output is not a differentiable Tensor.You should return None at that position "
            "instead."
        )
    return wanted


def _assign(
    context: Any,
    args: tuple[Any, ...],
    given: list[Any],
    number: int,
    tangent: Any,
    output: Any,
    original: Any,
) -> None:
    """Set the tangent of one output, by PyTorch's rules for views and overwritten inputs."""
    shape, found = output._desc.shape, tangent._desc.shape
    if shape != found:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(shape)} while the given "
            f"forward gradient is of size {list(found)}."
        )
    if among(original, context._dirty):
        old = tangent_of(original, number)
        if old is None:
            write_tangent(output, number, tangent)
        elif tangent is not old:
            raise RuntimeError(
                "An inplace custom Function is not modifying the forward mode gradients inplace. "
                "If the forward is modifying an input inplace, then the jvp function must modify "
                "the corresponding gradient inplace."
            )
        return
    source = _viewed(args, original)
    if source is not None:
        _check_view(args, given, number, tangent, source)
    set_tangent(output, number, tangent)


def _viewed(args: tuple[Any, ...], output: Any) -> Any:
    """The argument that an output is, or is a view of; None if there is none."""
    side = output._side
    base = None if side is None else side.base
    for argument in args:
        if not isinstance(argument, TensorBase):
            continue
        root = None if argument._side is None else argument._side.base
        if argument is output or (base is not None and (base is argument or base is root)):
            return argument
    return None


def _check_view(
    args: tuple[Any, ...], given: list[Any], number: int, tangent: Any, source: Any
) -> None:
    side = tangent._side
    if side is None or side.base is None:
        raise RuntimeError(
            "A custom Function's forward is returning a view (or an input as-is) but the jvp is "
            "not returning a view."
        )
    old = next(g for a, g in zip(args, given) if a is source)
    root = old if old._side is None or old._side.base is None else old._side.base
    if side.base is not root:
        raise RuntimeError(
            "A custom Function is returning a view but the jvp is not returning a view of the "
            "given grad input."
        )


def _shadow(output: Any) -> Any:
    """A tensor off the tape with the tangents of ``output``."""
    made = make_tensor(output._array)
    copy_tangents(output, made)
    return made
