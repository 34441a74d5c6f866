"""`grad`: gradients in the classic style, of a sum or of each sample for itself.

In: losses that a program computed in the ordinary way, and tensors they depend on.  Out: gradients;
with ``per_sample`` one for each loss, found in one backward walk (array/batched/blocks.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from adjoint.array.batched import BatchedArray
from adjoint.array.batched.blocks import BlockArray, dense
from adjoint.autograd import grad as plain_grad
from adjoint.core.backward import input_key
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.derivatives.program import Derivation, release
from adjoint.derivatives.rows import pull_identity
from adjoint.func.trees import tree_flatten, tree_unflatten
from adjoint.ops.batching import enter, leave, open_rows
from adjoint.ops.create import eye, zeros

__all__ = ["grad"]


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    *,
    per_sample: bool = False,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
    materialize_grads: bool = False,
) -> Any:
    """Return the gradients of ``outputs`` by ``inputs``; with ``per_sample`` one for each output.

    ``inputs``: a tensor, or tensors in any Python containers (a dict of parameters, what
    ``model.parameters()`` gives); the gradients come in the same containers. Without
    ``per_sample`` all is as in `autograd.grad`. With it ``outputs`` is a vector of losses, one for
    each sample, and every gradient has their dim in front; nothing else in the program changes.
    ``grad_outputs``: a weight for each loss.

    Shape: outputs (N,), an input (*): its gradients (N, *).
    Raises: RuntimeError where ``outputs`` is no vector, does not require grad, or an input was not
    used (unless ``allow_unused``: None, or ``materialize_grads``: zeros).

    Example:
        >>> import adjoint as torch
        >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
        >>> x = torch.tensor([[1.0, 0.0], [2.0, 1.0], [0.0, 3.0]])
        >>> losses = (x @ w) ** 2
        >>> torch.grad(losses, w, per_sample=True)
        tensor([[ 2.,  0.],
                [16.,  8.],
                [ 0., 36.]])
    """
    if isinstance(inputs, Iterable) and not isinstance(inputs, TensorBase | list | tuple | dict):
        inputs = tuple(inputs)
    leaves, spec = tree_flatten(inputs)
    if not per_sample:
        found = plain_grad(
            outputs,
            leaves,
            grad_outputs,
            retain_graph,
            create_graph,
            allow_unused=allow_unused,
            materialize_grads=materialize_grads,
        )
        return tree_unflatten(list(found), spec)
    _check(outputs, leaves)
    keep = create_graph if retain_graph is None else retain_graph
    count = outputs._desc.shape[0]
    if create_graph:
        found = _recorded(outputs, leaves, grad_outputs, count)
    else:
        weighted = outputs if grad_outputs is None else outputs * grad_outputs.detach()
        keys = [input_key(t, i) for i, t in enumerate(leaves)]
        raws = _pulled(weighted, leaves, keys, keep)
        found = tuple([None if r is None else make_tensor(np.ascontiguousarray(r)) for r in raws])
    made = []
    for i, (g, x) in enumerate(zip(found, leaves)):
        if g is None and not (allow_unused or materialize_grads):
            raise RuntimeError(
                "One of the differentiated Tensors appears to not have been used in the graph. Set "
                f"allow_unused=True if this is the desired behavior. (Input {i}, of shape "
                f"{list(x._desc.shape)}.)"
            )
        if g is None and materialize_grads:
            g = zeros((count, *x._desc.shape), dtype=x.dtype)
        made.append(g)
    return tree_unflatten(made, spec)


def _check(outputs: Any, leaves: list[Any]) -> None:
    if not isinstance(outputs, TensorBase) or len(outputs._desc.shape) != 1:
        given = list(outputs._desc.shape) if isinstance(outputs, TensorBase) else type(outputs)
        raise RuntimeError(
            "grad(..., per_sample=True): the outputs must be one vector with a loss for each "
            f"sample, got {given}. (Compute the losses with reduction='none', and take the mean "
            "over all dims but the first.)"
        )
    if outputs._edge is None:
        raise RuntimeError(
            "element 0 of tensors does not require grad and does not have a grad_fn (the losses "
            "were computed without recording, or from tensors that do not require grad)"
        )
    if not leaves:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")


def _pulled(outputs: Any, inputs: list[Any], keys: list[Any], keep: bool) -> list[Any]:
    """The gradients of each output by ``keys``, the places of ``inputs``, as raw arrays."""
    if all(node.leaf for node, _ in keys):
        found = _derivation.recall(outputs, inputs)
        if found is not None:
            if not keep:
                release(outputs._edge, [node for node, _ in keys])
            return found
        _derivation.learn(outputs, inputs)
    found = pull_identity(outputs._edge, keys, keep)
    return [None if g is None else _values(g) for g in found]


def _values(g: Any) -> Any:
    if type(g) is BlockArray:
        g = dense(g)
    return g.value if type(g) is BatchedArray else g


def _all_together(outputs: Any, points: Any) -> list[Any]:
    found = pull_identity(outputs._edge, [(point._edge, 0) for point in points], True)
    return [None if g is None else _values(g) for g in found]


_derivation = Derivation(_all_together)


def _recorded(outputs: Any, leaves: list[Any], weights: Any, count: int) -> tuple[Any, ...]:
    """The same with a place on the tape, from a unit cotangent for each loss."""
    units = eye(count, dtype=outputs.dtype)
    if weights is not None:
        units = units * weights
    with open_rows(count, "same") as level:
        found = plain_grad(outputs, leaves, enter(units, 0, level), True, True, allow_unused=True)
        return tuple([None if g is None else leave(g, 0, level) for g in found])
