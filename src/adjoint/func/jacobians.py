"""`jacrev`, `jacfwd` and `hessian`: whole Jacobians, all their rows or columns computed together.

In: a function and where.  Out: its Jacobian, in containers as the results, and in each of these as
the arguments.

Note [One run]
    The function runs once. `jacrev` pulls unit cotangents back through what was recorded, as one
    batch (array/batched): on raw arrays unless the result itself must be differentiable. `jacfwd`
    pushes a batch of unit tangents along.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from adjoint.array.descriptor import array_type
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.func.arguments import (
    Argnums,
    chosen_arguments,
    output_and_aux,
    replaced_arguments,
    tensor_leaves,
)
from adjoint.func.forward import jvp
from adjoint.func.recording import Recording
from adjoint.func.reverse import check_outputs
from adjoint.func.trees import TreeSpec, tree_flatten, tree_unflatten
from adjoint.func.vmap import vmap
from adjoint.ops.create import zeros
from adjoint.ops.join import cat, split
from adjoint.ops.view import movedim, reshape

__all__ = ["hessian", "jacfwd", "jacrev"]

_VJP = "vjp(f, *primals)"


# ---- by rows -------------------------------------------------------------------------------------


def jacrev(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable[..., Any]:
    """Return the function that computes the Jacobian of ``func``, by rows: one pull per output.

    ``argnums``: by which positional argument, or tuple of them; ``has_aux``: ``func`` returns
    (output, other tensors), and the new function (Jacobian, other tensors). ``chunk_size``: how
    many rows at most are computed together (None: all of them); it bounds the memory.

    Shape: the output's shape followed by the argument's; nested as the output, in it as the
    arguments. Dtype: that of the argument.
    Raises (when called): RuntimeError for complex numbers, or results that are no tensors.

    >>> import adjoint as torch
    >>> torch.func.jacrev(lambda x: x ** 2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if chunk_size is not None and chunk_size <= 0:
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        chosen = chosen_arguments(args, argnums)
        points, spec = tree_flatten(chosen)
        recording = Recording(points)
        _check_real("jacrev", "inputs", points)
        inside = tree_unflatten(recording.stand_ins, spec)
        result = recording.run(func, replaced_arguments(args, argnums, inside), {})
        output, aux = output_and_aux(result, has_aux, _VJP, recording.release)
        outputs, out_spec = tensor_leaves(output, _VJP, "f(*primals)")
        check_outputs(outputs)
        _check_real("jacrev", "outputs", outputs)
        create = recording.escapes(outputs)
        matrices = [
            _matrices(recording, outputs, part, chunk_size, create) for part in _parts(outputs)
        ]
        recording.close()
        rows = [tree_unflatten(row, spec) for part in matrices for row in part]
        jacobian = tree_unflatten(rows, out_spec)
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


# Outputs with fewer elements than this are pulled back in one batch: the walk costs more than they.
_FEW = 32


def _parts(outputs: Sequence[Any]) -> list[range]:
    """Which outputs are pulled back together: neighbours, as long as they are small."""
    parts: list[range] = []
    count = 0
    for i, output in enumerate(outputs):
        n = output.numel()
        if parts and count + n <= _FEW:
            parts[-1] = range(parts[-1].start, i + 1)
            count += n
        else:
            parts.append(range(i, i + 1))
            count = n
    return parts


def _matrices(
    recording: Recording, outputs: Sequence[Any], part: range, chunk_size: int | None, create: bool
) -> list[list[Any]]:
    """For each output of a part its Jacobian by every point."""
    chosen = [outputs[i] for i in part]
    sizes = [out.numel() for out in chosen]
    total = sum(sizes)
    points = recording.points
    if total == 1:
        units = [_ones(out) for out in chosen]
        found = [recording.pull(chosen, units, keep=True, create=create)]
        columns = [reshape(g, (1, *x._desc.shape)) for g, x in zip(found[0], points)]
    else:
        step = max(total, 1) if chunk_size is None else chunk_size
        pieces = [
            recording.pull_rows(chosen, _unit_rows(chosen, start, min(step, total - start)), create)
            for start in range(0, total, step)
        ]
        columns = [
            zeros(0, *x._desc.shape, dtype=x._desc.dtype)
            if not pieces
            else (column[0] if len(column) == 1 else cat(list(column), 0))
            for x, column in zip(points, zip(*pieces) if pieces else [()] * len(points))
        ]
    split_columns = [_cut(column, sizes) for column in columns]
    return [
        [
            reshape(column[k], (*out._desc.shape, *x._desc.shape))
            for column, x in zip(split_columns, points)
        ]
        for k, out in enumerate(chosen)
    ]


def _cut(column: Any, sizes: list[int]) -> list[Any]:
    return [column] if len(sizes) == 1 else list(split(column, sizes, 0))


def _ones(like: Any) -> Any:
    desc = like._desc
    kind = array_type(desc.dtype)
    return make_tensor(kind.xp.full(desc.shape, 1, kind.numpy))


def _unit_rows(tensors: Sequence[Any], start: int, count: int) -> list[Any]:
    """Some rows of the identity matrix, cut to pieces of the shapes of ``tensors``."""
    made = []
    offset = 0
    for tensor in tensors:
        desc = tensor._desc
        kind = array_type(desc.dtype)
        n = tensor.numel()
        rows = kind.xp.zeros((count, n), kind.numpy)
        first, last = max(start, offset), min(start + count, offset + n)
        if first < last:  # the part of the diagonal that is here
            places = slice((first - start) * n + first - offset, None, n + 1)
            rows.reshape(-1)[places][: last - first] = 1
        made.append(make_tensor(rows.reshape((count, *desc.shape))))
        offset += n
    return made


def _check_real(function: str, what: str, tensors: Sequence[Any]) -> None:
    for i, tensor in enumerate(tensors):
        if tensor._desc.dtype.is_complex:
            raise RuntimeError(
                f"{function}: Expected all {what} to be real but received complex tensor at "
                f"flattened input idx: {i}"
            )


# ---- by columns ----------------------------------------------------------------------------------


def jacfwd(
    func: Callable[..., Any],
    argnums: Argnums = 0,
    has_aux: bool = False,
    *,
    randomness: str = "error",
) -> Callable[..., Any]:
    """Return the function that computes the Jacobian of ``func``, by columns: one push per input.

    ``argnums`` and ``has_aux`` as for `jacrev`; ``randomness``: as for `vmap`, for random numbers
    that ``func`` draws. It is cheaper than `jacrev` where there are more outputs than inputs.

    Shape: the output's shape followed by the argument's. Dtype: that of the output.
    Raises (when called): RuntimeError for complex numbers, or results that are no tensors;
    ValueError for integer arguments.

    >>> import adjoint as torch
    >>> torch.func.jacfwd(lambda x: x ** 2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        chosen = chosen_arguments(args, argnums)
        points, spec = tree_flatten(chosen)
        for point in points:
            if not isinstance(point, TensorBase):
                raise AttributeError(
                    f"'{type(point).__name__}' object has no attribute 'numel' (jacfwd: what it "
                    "differentiates by are tensors, in any containers)"
                )
        _check_real("jacfwd", "inputs", points)
        sizes = [point.numel() for point in points]
        beside: list[Any] = []
        specs: list[TreeSpec] = []

        def replaced(*stand_ins: Any) -> Any:
            return func(*replaced_arguments(args, argnums, tree_unflatten(stand_ins, spec)))

        def push(*tangents: Any) -> Any:
            found = jvp(replaced, tuple(points), tangents, has_aux=has_aux)
            leaves, out_spec = tree_flatten(found[1])
            specs.append(out_spec)
            beside.append(found[2] if has_aux else None)
            _check_real("jacfwd", "outputs", tree_flatten(found[0])[0])
            return tuple(leaves)

        moved = vmap(push, randomness=randomness)(*_unit_rows(points, 0, sum(sizes)))
        matrices = [
            tree_unflatten(
                [_as_columns(part, x) for part, x in zip(_cut(tangents, sizes), points)], spec
            )
            for tangents in moved
        ]
        jacobian = tree_unflatten(matrices, specs[0])
        return (jacobian, beside[0]) if has_aux else jacobian

    return wrapper


def _as_columns(tangents: Any, point: Any) -> Any:
    """Tangents, one for each element of ``point`` along dim 0, as the columns of a Jacobian."""
    last = movedim(tangents, 0, -1)
    return reshape(last, (*last._desc.shape[:-1], *point._desc.shape))


def hessian(func: Callable[..., Any], argnums: Argnums = 0) -> Callable[..., Any]:
    """Return the function that computes the Hessian of ``func``: `jacfwd` of `jacrev`.

    Shape: the output's shape (often none), and the argument's twice; nested as the output, in it
    twice as the arguments.

    >>> import adjoint as torch
    >>> torch.func.hessian(lambda x: x.prod())(torch.tensor([1.0, 2.0, 3.0]))
    tensor([[0., 3., 2.],
            [3., 0., 1.],
            [2., 1., 0.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
