"""`jvp`: a function's value together with the product of its Jacobian with a vector.

In: a function, a point, a direction (tensors in any Python containers).  Out: the value and the
derivative in that direction, found in one run of the function. Every call has a level of its own
(core/duals.py), so calls nest in each other and in reverse mode, to any order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adjoint.autograd.forward_ad import check_tangent, laid_out_as
from adjoint.core.duals import Level, ceiling, close_level, open_level, set_tangent, tangent_of
from adjoint.core.mode import INFERENCE, get_mode, set_mode
from adjoint.core.tensor_base import TensorBase
from adjoint.func.trees import tree_flatten, tree_map, tree_unflatten
from adjoint.ops.create import zeros_like
from adjoint.ops.view import _alias

__all__ = ["jvp"]

_NAME = "jvp(f, primals, tangents)"
_EVERYTHING = ceiling.get()


def jvp(
    func: Callable[..., Any],
    primals: Any,
    tangents: Any,
    *,
    strict: bool = False,
    has_aux: bool = False,
) -> Any:
    """Return ``func(*primals)`` and its derivative in the direction ``tangents``.

    ``primals``: the tuple of arguments, tensors in any Python containers; ``tangents``: the same
    structure; ``strict``: raise where an output is independent of the arguments, rather than give
    0; ``has_aux``: ``func`` returns (output, other tensors), and these come as a third result.

    Raises: RuntimeError where structures or shapes differ or something is no tensor; ValueError for
    integer arguments.

    >>> import adjoint as torch
    >>> x, t = torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0])
    >>> torch.func.jvp(lambda x: x ** 3, (x,), (t,))
    (tensor([1., 8.]), tensor([3., 0.]))
    """
    if not isinstance(primals, tuple):
        raise RuntimeError(
            f"{_NAME}: Expected primals to be a tuple. E.g. it should be valid to call f(*primals)."
        )
    points, spec = tree_flatten(primals)
    directions, given = tree_flatten(tangents)
    if spec != given:
        raise RuntimeError(
            f"{_NAME}: Expected primals and tangents to have the same python structure. For "
            "example, if primals is a tuple of 3 tensors, tangents also must be. Got primals with "
            f"structure {spec} and tangents with structure {given}"
        )
    _check_tensors("primals", points)
    _check_tensors("tangents", directions)
    level = open_level()
    seen = ceiling.set(_EVERYTHING)
    before = get_mode()
    set_mode(before & ~INFERENCE)
    try:
        duals = [_dual(x, t, level) for x, t in zip(points, directions)]
        result = func(*tree_unflatten(duals, spec))
        aux = None
        if has_aux:
            result, aux = _with_aux(result)
        outputs, out_spec = tree_flatten(result)
        _check_outputs(result, outputs)
        found = [_tangent(out, level, strict) for out in outputs]
    finally:
        set_mode(before)
        ceiling.reset(seen)
        close_level(level)
    moved = tree_unflatten(found, out_spec)
    value = tree_unflatten([_alias(out) for out in outputs], out_spec)
    return (value, moved, aux) if has_aux else (value, moved)


def _check_tensors(what: str, leaves: list[Any]) -> None:
    if not leaves:
        raise RuntimeError(f"{_NAME}: Expected {what} to contain at least one Tensor.")
    for leaf in leaves:
        if not isinstance(leaf, TensorBase):
            raise RuntimeError(
                f"{_NAME}: Expected {what} to only contain Tensors, got {type(leaf)}"
            )


def _dual(tensor: Any, tangent: Any, level: Level) -> Any:
    """A view of an argument with its tangent at this level."""
    for what, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {what} to be floating point or complex, but got: {t.dtype}")
    check_tangent(tensor, tangent, level.number, 0)
    made = _alias(tensor)
    set_tangent(made, level.number, laid_out_as(tensor, tangent))
    return made


def _with_aux(result: Any) -> tuple[Any, Any]:
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{_NAME}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return result[0], tree_map(_aux_tensor, result[1])


def _aux_tensor(value: Any) -> Any:
    if not isinstance(value, TensorBase):
        raise RuntimeError(f"Expected tensors, got unsupported type {type(value)}")
    return value


def _check_outputs(result: Any, outputs: list[Any]) -> None:
    if result is None or not outputs:
        raise RuntimeError(
            f"{_NAME}: Expected f to be a function that has non-empty output (got output = "
            f"{outputs})"
        )
    for out in outputs:
        if not isinstance(out, TensorBase):
            raise RuntimeError(
                f"{_NAME}: expected f(*primals) to return only tensors, got unsupported type "
                f"{type(out)}"
            )


def _tangent(out: Any, level: Level, strict: bool) -> Any:
    found = tangent_of(out, level.number)
    if found is not None:
        return found
    if strict:
        raise RuntimeError(
            "jvp(f, primals, tangents, strict=True): The output of f is independent of the "
            "inputs. This is not allowed with strict=True."
        )
    return zeros_like(out)
