"""Which arguments a function is differentiated by, and what it returned: normalised and checked.

In: positional arguments and ``argnums``; the value that a function returned.  Out: the arguments
chosen, as one tree; the output and what comes beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.core.tensor_base import TensorBase
from adjoint.func.trees import TreeSpec, tree_flatten, tree_map, tree_unflatten

__all__ = [
    "Argnums",
    "chosen_arguments",
    "output_and_aux",
    "replaced_arguments",
    "shown",
    "tensor_leaves",
]

Argnums = int | tuple[int, ...]


def _position(argnum: Any, count: int) -> int:
    if not isinstance(argnum, int):
        raise RuntimeError(f"argnum must be int, got: {type(argnum)}")
    if not -count <= argnum < count:
        raise RuntimeError(f"Got argnum={argnum}, but only {count} positional inputs")
    return argnum % count


def _positions(argnums: Any, count: int) -> tuple[int, ...]:
    """``argnums``, a tuple, as places from the front, without repetition."""
    if not isinstance(argnums, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if not argnums:
        raise RuntimeError("argnums must be non-empty")
    places = tuple([_position(argnum, count) for argnum in argnums])
    if len(set(places)) != len(places):
        raise RuntimeError(f"argnums elements must be unique, got {places}")
    return places


def chosen_arguments(args: Sequence[Any], argnums: Any) -> Any:
    """The argument that an int chooses, or the tuple of those that a tuple chooses.

    Raises: RuntimeError if there are not so many, or ``argnums`` is of another kind.
    """
    if isinstance(argnums, int):
        return args[_position(argnums, len(args))]
    return tuple([args[place] for place in _positions(argnums, len(args))])


def replaced_arguments(args: Sequence[Any], argnums: Any, chosen: Any) -> list[Any]:
    """All arguments, with others at the places that were chosen."""
    new = list(args)
    if isinstance(argnums, int):
        new[argnums] = chosen
    else:
        for place, value in zip(argnums, chosen):
            new[place] = value
    return new


def output_and_aux(
    result: Any, has_aux: bool, name: str, release: Callable[[Any], Any]
) -> tuple[Any, Any]:
    """What a function returned as (output, released auxiliary tensors); None without any.

    Raises: RuntimeError where ``has_aux`` and it is no pair, or there is no tensor beside.
    """
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )

    def checked(value: Any) -> Any:
        if not isinstance(value, TensorBase):
            raise RuntimeError(f"Expected tensors, got unsupported type {type(value)}")
        return release(value)

    return result[0], tree_map(checked, result[1])


def tensor_leaves(result: Any, name: str, call: str) -> tuple[list[Any], TreeSpec]:
    """The tensors that a function returned, and how they were arranged.

    Raises: RuntimeError if there is none, or something else among them.
    """
    leaves, spec = tree_flatten(result)
    if result is None or not leaves:
        raise RuntimeError(
            f"{name}: Expected f to be a function that has non-empty output (got output = {leaves})"
        )
    for leaf in leaves:
        if not isinstance(leaf, TensorBase):
            raise RuntimeError(
                f"{name}: expected {call} to return only tensors, got unsupported type {type(leaf)}"
            )
    return leaves, spec


class _Star:
    def __repr__(self) -> str:
        return "*"


def shown(spec: TreeSpec) -> str:
    """A structure as its containers are written, with ``*`` for leaves."""
    return repr(tree_unflatten([_Star()] * spec.num_leaves, spec))
