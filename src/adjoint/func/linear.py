"""`linearize`: a function's value, and its Jacobian as a function that is evaluated without it.

In: a function and a point.  Out: the value, and ``tangents -> J tangents``.

Note [Transposing twice]
    Pulling cotangents ``u`` back through the recorded function is linear in ``u``. It is recorded,
    too, and of that record only what leads from ``u`` to the result is kept: a linear program,
    whose own pull is the Jacobian. So each direction costs one walk, and the function runs once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from adjoint.array import dtypes
from adjoint.core.mode import grad_enabled
from adjoint.core.pruning import prune
from adjoint.core.tensor_base import TensorBase
from adjoint.func.recording import Recording
from adjoint.func.trees import tree_flatten, tree_unflatten
from adjoint.ops.create import zeros_like

__all__ = ["linearize", "transposed"]


def linearize(func: Callable[..., Any], *primals: Any) -> tuple[Any, Callable[..., Any]]:
    """Return ``func(*primals)`` and the function ``tangents -> J tangents`` at this point.

    ``primals``: tensors in any Python containers; that function takes tangents arranged as they
    are, of their shapes and dtypes, and may be called again and again without running ``func``.

    Raises: ValueError if a primal is of integers; RuntimeError (of the function returned) if
    structure, shape or dtype of a tangent differs.

    >>> import adjoint as torch
    >>> y, push = torch.func.linearize(torch.exp, torch.zeros(2))
    >>> push(torch.tensor([1.0, 2.0]))
    tensor([1., 2.])
    """
    points, spec = tree_flatten(primals)
    for point in points:
        if not isinstance(point, TensorBase):
            raise AttributeError(
                f"'{type(point).__name__}' object has no attribute 'new_empty' (the primals of "
                "linearize are tensors; close over other values)"
            )
        if point._desc.dtype.category < dtypes.FLOATING:
            raise ValueError(
                f"Expected primal to be floating point or complex, but got: {point._desc.dtype!r}"
            )
    recording = Recording(points)
    result = recording.run(func, tree_unflatten(recording.stand_ins, spec), {})
    leaves, out_spec = tree_flatten(result)
    released = [recording.release(x) if isinstance(x, TensorBase) else x for x in leaves]
    outputs = [x for x in leaves if isinstance(x, TensorBase) and x._edge is not None]
    is_tracked = [isinstance(x, TensorBase) and x._edge is not None for x in leaves]
    outside = recording.leads_outside(outputs)
    pulled, found = transposed(recording, outputs, outside)
    recording.close()

    def jvp_fn(*tangents: Any) -> Any:
        given, given_spec = tree_flatten(tangents)
        if given_spec != spec:
            raise RuntimeError(
                f"Expected the tangents {given_spec} to have the same argspec as the primals {spec}"
            )
        _check_tangents(given, points)
        create = grad_enabled() and (outside or pulled.leads_outside(given))
        moved = iter(pulled.pull(found, given, keep=True, create=create) if outputs else ())
        results = [next(moved) if t else _constant(x) for t, x in zip(is_tracked, leaves)]
        return tree_unflatten(results, out_spec)

    return tree_unflatten(released, out_spec), jvp_fn


def transposed(
    recording: Recording, outputs: Sequence[Any], outside: bool
) -> tuple[Recording, Sequence[Any]]:
    """The pull of a recording as a recorded function of cotangents; see Note [Transposing twice].

    Returns: its recording, whose points are cotangents, and its results, gradients by the points.
    ``outside``: whether ``outputs`` depend on tensors outside, so that all is to be kept.
    """
    pulled = Recording([zeros_like(out) for out in outputs])

    def pull(*cotangents: Any) -> list[Any]:
        return recording.pull(outputs, cotangents, keep=outside, create=True, released=False)

    found: Sequence[Any] = pulled.run(pull, pulled.stand_ins, {}) if outputs else ()
    if not outside:
        prune([g._edge for g in found if g._edge is not None], pulled.places)
    return pulled, found


def _constant(result: Any) -> Any:
    """What stands for the tangent of a result without one: zeros, or itself if no tensor."""
    return zeros_like(result) if isinstance(result, TensorBase) else result


def _check_tangents(tangents: Sequence[Any], points: Sequence[Any]) -> None:
    for i, (tangent, point) in enumerate(zip(tangents, points)):
        for what in ("shape", "dtype"):
            given, wanted = getattr(tangent, what), getattr(point, what)
            if given != wanted:
                raise RuntimeError(
                    f"tangent:{i} with {what} {given} in flattened pytree doesn't match the {what} "
                    f"{wanted} of the corresponding primal."
                )
