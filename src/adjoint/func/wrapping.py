"""Functions that look at, or take away, what transforms put around a tensor.

In: a tensor inside a transformed function, or a function that writes in place.  Out: the plain
tensor; the function.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from adjoint.core.duals import usual_descriptor
from adjoint.core.node import OutEdge, Place
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.func.trees import tree_map_only

__all__ = ["debug_unwrap", "functionalize"]


def debug_unwrap(tensor: Any, *, recurse: bool = True) -> Any:
    """Return the plain tensor inside of ``tensor``, to look at it in a function being transformed.

    A tensor that no transform is at work on is returned as it is. What is computed from the result
    has no derivative.

    >>> import adjoint as torch
    >>> def f(x):
    ...     print(torch.func.debug_unwrap(x).requires_grad)
    ...     return x * x
    >>> torch.func.grad(f)(torch.tensor(3.0))
    False
    tensor(6.)
    """
    if not isinstance(tensor, TensorBase):
        raise TypeError(
            "is_functorch_wrapped_tensor(): incompatible function arguments. (Expected a Tensor, "
            f"not {type(tensor).__name__}.)"
        )
    side = tensor._side
    dual = side is not None and side.tangents is not None
    if not dual and not _is_inside(tensor._edge):
        return tensor
    return make_tensor(tensor._array, None, usual_descriptor(tensor._desc))


def _is_inside(edge: Any) -> bool:
    """Whether an edge leads to an argument of a function that runs now."""
    seen: set[Any] = set()
    todo = [edge]
    while todo:
        edge = todo.pop()
        target = edge.node if type(edge) is OutEdge else edge
        if target is None or target in seen:
            continue
        seen.add(target)
        if type(target) is Place and not target.over:
            return True
        todo += target.edges
    return False


def functionalize(func: Callable[..., Any], *, remove: str = "mutations") -> Callable[..., Any]:
    """Return ``func`` as a function whose writes in place a program trace would not show.

    Nothing is traced here, so it does what ``func`` does, writes to its arguments included;
    ``remove="mutations_and_views"``: its results share no memory with anything else.

    Raises: RuntimeError for another ``remove``.

    >>> import adjoint as torch
    >>> x = torch.ones(2)
    >>> torch.func.functionalize(lambda x: x.add_(1))(x) is x
    True
    """
    if remove not in ("mutations", "mutations_and_views"):
        raise RuntimeError(
            "functionalize(f, remove='mutations'): received invalid argument for "
            f"remove={remove}. Valid options are:\n"
            "     remove='mutations': writes in place are removed from the program.\n"
            "     remove='mutations_and_views': views are, too."
        )

    @functools.wraps(func)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        result = func(*args, **kwargs)
        if remove == "mutations":
            return result
        return tree_map_only(TensorBase, lambda t: t.clone() if t._is_view() else t, result)

    return wrapped
