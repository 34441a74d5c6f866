"""`jacrev`, `jacfwd` and `hessian`: whole Jacobians, all their rows or columns computed together.

In: a function and where.  Out: its Jacobian, in containers as the results, and in each of these as
the arguments.

Note [One run]
    The function runs once. `jacrev` pulls unit cotangents back through what was recorded, as one
    batch (array/batched): on raw arrays unless the result itself must be differentiable. `jacfwd`
    pushes a batch of unit tangents along, or finds the same from a recording (func/once.py).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.array.descriptor import array_type
from adjoint.core.duals import open_levels
from adjoint.core.straight_rows import unit_rows
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.func.arguments import (
    Argnums,
    chosen_arguments,
    output_and_aux,
    replaced_arguments,
    tensor_leaves,
)
from adjoint.func.forward import jvp
from adjoint.func.linear import transposed
from adjoint.func.once import run_once
from adjoint.func.recording import Recording
from adjoint.func.reverse import check_outputs
from adjoint.func.trees import TreeSpec, tree_flatten, tree_unflatten
from adjoint.func.vmap import vmap
from adjoint.ops.create import zeros
from adjoint.ops.join import cat, split
from adjoint.ops.view import movedim, reshape

__all__ = ["hessian", "jacfwd", "jacrev"]

_VJP = "vjp(f, *primals)"
_JVP = "jvp(f, primals, tangents)"


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
    recording: Recording,
    outputs: Sequence[Any],
    part: range,
    chunk_size: int | None = None,
    create: bool = False,
) -> list[list[Any]]:
    """For each output of a part its Jacobian by every point."""
    chosen = [outputs[i] for i in part]
    sizes = [out.numel() for out in chosen]
    total = sum(sizes)
    points = recording.points
    if total == 1:
        units = [_ones(out) for out in chosen]
        found = [recording.pull(chosen, units, keep=True, create=create)]
        columns = [_shaped(g, (1, *x._desc.shape)) for g, x in zip(found[0], points)]
    else:
        step = max(total, 1) if chunk_size is None else chunk_size
        pieces = [
            recording.pull_rows(
                chosen, unit_rows(chosen, start, min(step, total - start)), create=create
            )
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
            _shaped(column[k], (*out._desc.shape, *x._desc.shape))
            for column, x in zip(split_columns, points)
        ]
        for k, out in enumerate(chosen)
    ]


def _shaped(tensor: Any, shape: tuple[int, ...]) -> Any:
    if tensor._edge is None and type(tensor._array) is np.ndarray and not open_levels:
        return make_tensor(tensor._array.reshape(shape))
    return reshape(tensor, shape)


def _cut(column: Any, sizes: list[int]) -> list[Any]:
    return [column] if len(sizes) == 1 else list(split(column, sizes, 0))


def _ones(like: Any) -> Any:
    desc = like._desc
    kind = array_type(desc.dtype)
    return make_tensor(kind.xp.full(desc.shape, 1, kind.numpy))


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

        def replaced(*stand_ins: Any) -> Any:
            return func(*replaced_arguments(args, argnums, tree_unflatten(stand_ins, spec)))

        once = run_once(replaced, points, randomness)
        if once is not None:
            matrices, out_spec, aux = _recorded(*once, has_aux)
        else:
            matrices, out_spec, aux = _pushed(replaced, points, has_aux, randomness)
        jacobian = tree_unflatten([tree_unflatten(row, spec) for row in matrices], out_spec)
        return (jacobian, aux) if has_aux else jacobian

    return wrapper


Found = tuple[Sequence[Sequence[Any]], TreeSpec, Any]


def _pushed(
    func: Callable[..., Any], points: Sequence[Any], has_aux: bool, randomness: str
) -> Found:
    """For each result its Jacobians by all points, from unit tangents pushed along."""
    beside: list[Any] = []

    def push(*tangents: Any) -> Any:
        found = jvp(func, tuple(points), tangents, has_aux=has_aux)
        leaves, out_spec = tree_flatten(found[1])
        beside[:] = [out_spec, found[2] if has_aux else None]
        _check_real("jacfwd", "outputs", tree_flatten(found[0])[0])
        return tuple(leaves)

    total = sum(point.numel() for point in points)
    moved = vmap(push, randomness=randomness)(*unit_rows(points, 0, total))
    return _from_columns(moved, points), beside[0], beside[1]


def _recorded(recording: Recording, result: Any, has_aux: bool) -> Found:
    """The same from a recording: by rows where these are few, by its pull pulled back else."""
    output, aux = output_and_aux(result, has_aux, _JVP, recording.release)
    outputs, out_spec = tensor_leaves(output, _JVP, "f(*primals)")
    _check_real("jacfwd", "outputs", outputs)
    points = recording.points
    total = sum(point.numel() for point in points)
    outside = recording.escapes(outputs)
    if not outside and sum(out.numel() for out in outputs) <= _SQUARE * total:
        matrices = _finite_rows(recording, outputs)
        if matrices is not None:
            recording.close()
            return matrices, out_spec, aux
    is_tracked = [out._edge is not None for out in outputs]
    tracked = [out for out in outputs if out._edge is not None]
    pulled, gradients = transposed(recording, tracked, outside)
    recording.close()
    found = iter(
        pulled.pull_rows(gradients, unit_rows(points, 0, total), create=outside) if tracked else ()
    )
    columns = [
        next(found) if given else zeros(total, *out._desc.shape, dtype=out._desc.dtype)
        for given, out in zip(is_tracked, outputs)
    ]
    return _from_columns(columns, points), out_spec, aux


# Up to so many times more rows than columns, rows are the cheaper ones.
_SQUARE = 4


def _finite_rows(recording: Recording, outputs: Sequence[Any]) -> list[list[Any]] | None:
    """The Jacobians by rows; None where something is not finite, or dtypes differ.

    A row is not finite where it passes through an infinite slope on its way to nothing; a column
    need not be.
    """
    dtypes = {x._desc.dtype for x in (*outputs, *recording.points)}
    if len(dtypes) != 1 or any(out._edge is None for out in outputs):
        return None
    found = [row for part in _parts(outputs) for row in _matrices(recording, outputs, part)]
    if all(np.isfinite(block._array).all() for row in found for block in row):
        return found
    return None


def _from_columns(columns: Sequence[Any], points: Sequence[Any]) -> list[list[Any]]:
    """Tangents of results, one for each element of the points along dim 0, as Jacobians."""
    sizes = [point.numel() for point in points]
    return [
        [_as_columns(part, x) for part, x in zip(_cut(column, sizes), points)] for column in columns
    ]


def _as_columns(tangents: Any, point: Any) -> Any:
    shape = (*tangents._desc.shape[1:], *point._desc.shape)
    if tangents._edge is None and type(tangents._array) is np.ndarray and not open_levels:
        return make_tensor(np.moveaxis(tangents._array, 0, -1).reshape(shape))
    return reshape(movedim(tangents, 0, -1), shape)


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
    pushed = jacfwd(jacrev(func, argnums), argnums)

    @functools.wraps(func)
    def wrapper(*args: Any) -> Any:
        chosen = chosen_arguments(args, argnums)
        points, spec = tree_flatten(chosen)
        if not all(isinstance(x, TensorBase) and not x._desc.dtype.is_complex for x in points):
            return pushed(*args)

        def replaced(*stand_ins: Any) -> Any:
            return func(*replaced_arguments(args, argnums, tree_unflatten(stand_ins, spec)))

        once = run_once(replaced, points, "error")
        found = None if once is None else _recorded_hessian(*once, spec)
        return pushed(*args) if found is None else found

    return wrapper


def _recorded_hessian(recording: Recording, result: Any, spec: TreeSpec) -> Any:
    """The Hessian of one 0-d output from a recording: its gradient, recorded, pulled back by rows.

    None where there are more outputs, or something is not finite.
    """
    outputs, out_spec = tensor_leaves(result, _VJP, "f(*primals)")
    check_outputs(outputs)
    _check_real("jacrev", "outputs", outputs)
    if len(outputs) > 1 or outputs[0].numel() != 1 or recording.escapes(outputs):
        return None
    units = [_ones(outputs[0])]
    gradients = recording.pull(outputs, units, keep=True, create=True, released=False)
    parts = _parts(gradients)
    blocks = [row for part in parts for row in _matrices(recording, gradients, part)]
    recording.close()
    if not all(np.isfinite(block._array).all() for row in blocks for block in row):
        return None
    lead = outputs[0]._desc.shape
    nested = [
        tree_unflatten([_shaped(block, (*lead, *block._desc.shape)) for block in row], spec)
        for row in blocks
    ]
    return tree_unflatten([tree_unflatten(nested, spec)], out_spec)
