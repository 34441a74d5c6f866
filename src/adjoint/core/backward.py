"""The public doors of the backward walk: roots checked, gradients normalised, `inputs` translated.

In: output tensors and their gradients, as users pass them.  Out: gradients in ``.grad``
(`backward`), or returned (`grad`).  Everything is checked before the walk starts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.batched.levels import BatchedValueError
from adjoint.array.descriptor import REAL_NUMBERS, SCALAR
from adjoint.core import engine, errors
from adjoint.core.duals import open_levels
from adjoint.core.fitting import fit
from adjoint.core.hooks import HookTable, RemovableHandle, add_hook
from adjoint.core.node import OutEdge
from adjoint.core.plan import tensor_world
from adjoint.core.rows import open_rows
from adjoint.core.tensor_base import TensorBase, make_tensor, show_cotangent

__all__ = [
    "add_accumulated_hook",
    "add_tensor_hook",
    "backward",
    "grad",
    "gradient_tuple",
    "input_key",
    "root_pairs",
]


def add_tensor_hook(edge: Any, hook: Any) -> RemovableHandle:
    """Attach a hook to the tensor whose edge this is."""
    if edge.leaf:
        engine.watched_leaves[0] = True
    return edge.node.add_tensor_hook(edge.nr, hook)


def add_accumulated_hook(edge: Any, hook: Any) -> RemovableHandle:
    """Attach a hook that runs after a leaf's gradient was accumulated."""
    engine.watched_leaves[0] = True
    state = edge.hook_state()
    if state.accumulated is None:
        state.accumulated = HookTable()
    return add_hook(state.accumulated, hook)


def _as_tuple(value: Any) -> tuple[Any, ...]:
    if isinstance(value, TensorBase) or _is_gradient_edge(value):
        return (value,)
    return tuple(value)


def _is_gradient_edge(value: Any) -> bool:
    """A (node, output number) pair of `autograd.graph.get_gradient_edge`."""
    return hasattr(value, "node") and hasattr(value, "output_nr") and isinstance(value, tuple)


def _root_edge(output: Any, index: int) -> Any:
    if isinstance(output, TensorBase):
        if output._edge is None:
            raise errors.no_grad_fn(index)
        return output._edge
    node, nr = output[0], output[1]
    return OutEdge(node, nr, node.desc[nr]) if isinstance(node.desc, tuple) else node


def _cotangent(output: Any, gradient: Any, create: bool, edge: Any) -> Any:
    """The cotangent of one root, raw or (with ``create``) a Tensor."""
    desc = edge.desc
    if gradient is None:
        if desc.storage == SCALAR and desc.fast == REAL_NUMBERS:
            raw = desc.constants_get(1) or desc.type.constant(1)
            return make_tensor(raw, None, desc) if create else raw
        if numpy_.size(desc.shape) != 1:
            raise errors.not_scalar(desc.shape)
        if desc.dtype.is_complex:
            raise RuntimeError(
                "grad can be implicitly created only for real scalar outputs but got "
                f"{desc.dtype!r}"
            )
        raw = desc.type.xp.full(desc.shape, 1, desc.numpy)
        return make_tensor(raw) if create else raw
    if gradient._desc.shape != desc.shape:
        raise RuntimeError(
            "Mismatch in shape: grad_output[0] has a shape of "
            f"torch.Size({list(gradient._desc.shape)}) "
            f"and output[0] has a shape of torch.Size({list(desc.shape)})."
        )
    if gradient._desc.dtype.is_complex != desc.dtype.is_complex:
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same dtype. "
            f"Mismatch in dtype: grad_output[0] has a dtype of {gradient._desc.dtype!r} and "
            "output[0] "
            f"has a dtype of {desc.dtype!r}."
        )
    if create:
        return fit(gradient, desc, edge.node, False)
    raw = gradient._array
    if gradient._desc.dtype is not desc.dtype:
        raw = gradient._desc.type.xp.astype(raw, desc.numpy)
    return raw


def root_pairs(
    outputs: tuple[Any, ...], gradients: tuple[Any, ...], create: bool
) -> list[tuple[Any, Any]]:
    return [
        ((edge := _root_edge(output, i)), _cotangent(output, gradient, create, edge))
        for i, (output, gradient) in enumerate(zip(outputs, gradients))
    ]


def gradient_tuple(gradients: Any, count: int) -> tuple[Any, ...]:
    if gradients is None:
        return (None,) * count
    given = (gradients,) if isinstance(gradients, TensorBase) else tuple(gradients)
    for g in given:
        if g is not None and not isinstance(g, TensorBase):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if len(given) < count:
        raise RuntimeError(f"got {count} tensors and {len(given)} gradients")
    return given


def _is_plain(tensor: Any) -> bool:
    """Whether this is a real floating-point scalar with a history: the usual root."""
    return (
        isinstance(tensor, TensorBase)
        and tensor._edge is not None
        and tensor._desc.storage == SCALAR
        and tensor._desc.fast == REAL_NUMBERS
    )


def _keep_graph(retain_graph: Any, create_graph: bool) -> bool:
    if not isinstance(create_graph, int):
        raise TypeError(
            "run_backward(): argument 'create_graph' must be bool, not "
            f"{type(create_graph).__name__}"
        )
    if retain_graph is None:
        return create_graph
    if not isinstance(retain_graph, int):
        raise TypeError(
            f"run_backward(): argument 'keep_graph' must be bool, not {type(retain_graph).__name__}"
        )
    return bool(retain_graph)


def backward(
    tensors: Any,
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Any = None,
    inputs: Any = None,
) -> None:
    """Accumulate the gradients of ``tensors`` into the ``.grad`` of leaves.

    ``grad_tensors``: the weight of each element of each tensor (None: 1 for a single element).
    Raises: RuntimeError as `Tensor.backward`.
    """
    if inputs is not None and isinstance(inputs, Sequence) and not len(inputs):
        raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
    if grad_tensors is None and inputs is None and create_graph is False and _is_plain(tensors):
        desc = tensors._desc
        one = desc.constants_get(1)
        if one is None:
            one = desc.type.constant(1)
        keep = False if retain_graph is None else _keep_graph(retain_graph, False)
        engine.run_root(tensors._edge, one, keep)
        return
    outputs = _as_tuple(tensors)
    world = create_graph or bool(open_levels)
    roots = root_pairs(outputs, gradient_tuple(grad_tensors, len(outputs)), world)
    keep = _keep_graph(retain_graph, create_graph)
    if inputs is None:
        engine.run_backward(roots, keep=keep, create=create_graph)
        return
    wanted = _as_tuple(inputs)
    for t in wanted:
        is_tensor = isinstance(t, TensorBase)
        if not is_tensor and not _is_gradient_edge(t):
            raise _not_an_input(t)
        if is_tensor and (t._edge is None or not t._edge.leaf):
            t.retain_grad()
    keys = [input_key(t, i) for i, t in enumerate(wanted)]
    engine.run_backward(roots, keep=keep, create=create_graph, inputs=keys)


def _not_an_input(t: Any) -> RuntimeError:
    return RuntimeError(
        f"all inputs have to be Tensors or GradientEdges, but got {type(t).__name__}"
    )


def input_key(t: Any, index: int) -> tuple[Any, int]:
    """The node and output number that stand for an input of `grad`."""
    if isinstance(t, TensorBase):
        if t._edge is None:
            raise RuntimeError(
                "One of the differentiated Tensors does not require grad"
                f" (input {index}: call requires_grad_() on it before the computation)"
            )
        return t._edge.node, t._edge.nr
    if not _is_gradient_edge(t):
        raise _not_an_input(t)
    return t[0], t[1]


def grad(
    outputs: Any,
    inputs: Any,
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Any, ...]:
    """Return the gradients of ``outputs`` with respect to ``inputs``; ``.grad`` is left alone.

    ``grad_outputs``: the weight of each element of each output (None: 1 for a single element);
    ``retain_graph``, ``create_graph``: as in `Tensor.backward`; ``allow_unused``: None in the
    result where an input was not used; ``materialize_grads``: zeros there instead.
    Returns: a tuple, one gradient per input.
    Raises: RuntimeError if an input was not used (unless allowed) or does not require grad.
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    outs = _as_tuple(outputs)
    for output in outs:
        if not isinstance(output, TensorBase) and not _is_gradient_edge(output):
            raise AssertionError(
                f"Expected output to be a torch.Tensor, but got {type(output).__name__}"
            )
    wanted = _as_tuple(inputs)
    if not wanted:
        raise RuntimeError("`inputs` argument to `grad()` cannot be empty.")
    if is_grads_batched:
        return _batched(
            outs, wanted, grad_outputs, retain_graph, create_graph, allow_unused, materialize_grads
        )
    gradients = gradient_tuple(grad_outputs, len(outs))
    roots = root_pairs(outs, gradients, create_graph or bool(open_levels))
    keys = [input_key(t, i) for i, t in enumerate(wanted)]
    keep = _keep_graph(retain_graph, create_graph)
    found = engine.run_backward(
        roots, keep=keep, create=create_graph, inputs=keys, accumulate=False
    )
    results: list[Any] = []
    for i, t in enumerate(wanted):
        g = found.get(i)
        if g is None:
            if materialize_grads:
                if _is_gradient_edge(t):
                    raise RuntimeError(
                        "materialize_grads cannot be used when the given input is a GradientEdge"
                    )
                desc = t._desc if isinstance(t, TensorBase) else t[0].desc
                zeros = make_tensor(np.zeros(desc.shape, desc.numpy))
                results.append(zeros.requires_grad_() if create_graph else zeros)
                continue
            if not allow_unused:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the "
                    "graph. Set allow_unused=True if this is the desired behavior. (If it should "
                    "have "
                    "been used, look for a detach(), .data, .item() or a new tensor that cuts it "
                    "off.)"
                )
            results.append(None)
        elif isinstance(g, TensorBase):
            results.append(g)
        else:
            # one object per gradient, also where an input is asked for twice
            same = None
            for t in (*results, *gradients):
                if t is not None and t._array is g:
                    same = t
                    break
            results.append(show_cotangent(g) if same is None else same)
    return tuple(results)


def _batched(
    outputs: tuple[Any, ...],
    inputs: tuple[Any, ...],
    grad_outputs: Any,
    retain_graph: Any,
    create_graph: bool,
    allow_unused: Any,
    materialize_grads: bool,
) -> tuple[Any, ...]:
    """Gradients for each row of ``grad_outputs``, in one walk on batched arrays."""
    gradients = gradient_tuple(grad_outputs, len(outputs))
    for output, gradient in zip(outputs, gradients):
        _check_rows(output._desc.shape, gradient)
    sizes = [g._desc.shape[0] for g in gradients]
    if len(set(sizes)) > 1:
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    keep = _keep_graph(retain_graph, create_graph)
    options = {"allow_unused": True if materialize_grads else allow_unused}

    def pull(rows: list[Any], keep: bool) -> tuple[Any, ...]:
        return grad(outputs, inputs, rows, keep, create_graph, **options)

    world = tensor_world()
    try:
        with open_rows(sizes[0], "same") as level:
            rows = [world._enter_rows(g, 0, level) for g in gradients]
            found = pull(rows, keep)
            made = [None if g is None else world._leave_rows(g, 0, level) for g in found]
    except BatchedValueError:  # something on the way wants a value: row by row
        kept = [True] * (sizes[0] - 1) + [keep]
        columns = zip(*[pull([g[i] for g in gradients], k) for i, k in enumerate(kept)])
        made = [None if c[0] is None else world.stack(c, 0) for c in columns]
    if materialize_grads:
        made = [world.zeros_like(x) if g is None else g for g, x in zip(made, inputs)]
    return tuple(made)


def _check_rows(shape: tuple[int, ...], gradient: Any) -> None:
    if gradient is None:
        if numpy_.size(shape) != 1:
            raise errors.not_scalar(shape)
        raise ValueError(
            "vmap(vjp, in_dims=0, ...)(<inputs>): Got in_dim=0 for some input, but that input is a "
            "Tensor of dimensionality 0 so expected in_dim to satisfy 0 <= in_dim < 0. "
            "(is_grads_batched=True needs grad_outputs: there are no rows in their default.)"
        )
    given = gradient._desc.shape
    if not given:
        raise IndexError(
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or `tensor.item<T>()` "
            "in C++ to convert a 0-dim tensor to a number. (Each grad_output needs a dim of rows.)"
        )
    if not given[0]:
        raise IndexError("index 0 is out of bounds for dimension 0 with size 0")
    if given[1:] != shape:
        raise RuntimeError(
            "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as "
            "the batch dimension. The sizes of the remaining dimensions are expected to match the "
            "shape of corresponding output, but a mismatch was detected: grad_output[0] has a "
            f"shape of {list(given)} and output[0] has a shape of {list(shape)}. If you only want "
            "some tensors in `grad_output` to be considered batched, consider using vmap."
        )
