"""Whole Jacobians and Hessians in PyTorch's older style: `jacobian` and `hessian`.

In: a function of tensors and the point.  Out: matrices in PyTorch's nesting. They are found row by
row, or (``vectorize``) all rows, or all columns, at once, as one batch (array/batched).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from adjoint.array.batched.levels import BatchedValueError, Level
from adjoint.array.batched.levels import stack as stack_of_levels
from adjoint.autograd.functional_arguments import (
    CONSTANT,
    LINEAR,
    Function,
    Tensors,
    as_tuple,
    completed,
    evaluate,
    finished,
    fresh_inputs,
    pull,
    scalar_output,
)
from adjoint.autograd.grad_mode import enable_grad
from adjoint.core.duals import close_level, open_level, open_levels, set_tangent, tangent_of
from adjoint.core.mode import GRAD, LIBRARIES, get_mode
from adjoint.core.rows import open_rows
from adjoint.core.straight_rows import leads_only_to, unit_rows, walk_rows
from adjoint.core.tensor_base import make_tensor
from adjoint.ops.batching import enter, leave
from adjoint.ops.create import zeros, zeros_like
from adjoint.ops.join import cat, split, stack
from adjoint.ops.view import _view, movedim

__all__ = ["hessian", "jacobian"]


def jacobian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    strategy: str = "reverse-mode",
) -> Any:
    """Return the Jacobian of ``func`` at ``inputs``.

    ``create_graph``: make it differentiable; ``strict``: raise where an output is independent of
    an input, rather than give 0; ``vectorize``: compute all rows together; ``strategy``:
    "reverse-mode", or (with ``vectorize``) "forward-mode", all columns together, which is cheaper
    when there are more outputs than inputs.

    Shape: the output's shape followed by the input's; nested in tuples per output, then per input.

    >>> import adjoint as torch
    >>> torch.autograd.functional.jacobian(lambda x: x ** 2, torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError(
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            'Otherwise, prefer to use "reverse-mode".'
        )
    if strategy == "forward-mode":
        return _by_columns(func, inputs, create_graph, vectorize)
    with enable_grad():
        xs, single_in = fresh_inputs(inputs, "jacobian", create_graph)
        outputs, single_out = evaluate(func, xs, "jacobian", strict)
        if vectorize:
            if strict:
                raise RuntimeError(
                    "torch.autograd.functional.jacobian: `strict=True` and `vectorized=True` are "
                    "not supported together. Please either set `strict=False` or "
                    "`vectorize=False`."
                )
            matrices = _all_rows(outputs, xs, create_graph)
        else:
            matrices = [
                _row_by_row(i, output, xs, create_graph, strict) for i, output in enumerate(outputs)
            ]
    nested = tuple(finished(tuple(row), single_in, create_graph) for row in matrices)
    return nested[0] if single_out else nested


def _unit_vectors(like: Any) -> Iterator[Any]:
    """One tensor of the shape of ``like`` for each of its elements: 1 there, 0 elsewhere."""
    for k in range(like.numel()):
        (row,) = unit_rows((like,), k, 1)
        yield row[0]


def _row_by_row(i: int, output: Any, xs: Tensors, create_graph: bool, strict: bool) -> list[Any]:
    """The Jacobian of one output with respect to every input: one pull for each of its elements."""
    if output.is_complex():
        raise RuntimeError(
            f"grad can be implicitly created only for real scalar outputs but got {output.dtype}"
        )
    unused = (
        f"Output {i} of the user-provided function is independent of input {{}}. This is not "
        "allowed in strict mode."
    )
    together = None if create_graph else _in_chunks(output, xs)
    if together is not None:
        completed(tuple(together), xs, unused if strict else None, None)  # raises for None
        return [
            zeros(*output.shape, *x.shape, dtype=x.dtype)
            if column is None
            else column.view((*output.shape, *x.shape))
            for column, x in zip(together, xs)
        ]
    rows = []
    for unit in _unit_vectors(output):
        found = pull((output,), xs, (unit,), create_graph, keep=True)
        if strict and create_graph and any(g is not None and not g.requires_grad for g in found):
            raise RuntimeError(CONSTANT.format("jacobian", i))
        rows.append(completed(found, xs, unused if strict else None, None))
    return _stacked(rows, output.shape, xs)


# How many bytes of rows are pulled back together where nobody asked for all of them at once.
_CHUNK = 1 << 24


def _in_chunks(output: Any, xs: Tensors) -> list[Any] | None:
    """The rows of one output by every input, some of them at a time; None for an input that was
    not used. None instead of the list where this is not possible.
    """
    n = output.numel()
    if n < 2 or output._edge is None:
        return None
    largest = max(t.numel() * t.element_size() for t in (output, *xs))
    step = max(1, _CHUNK // max(largest, 1))
    parts = []
    for start in range(0, n, step):
        count = min(step, n - start)
        with open_rows(count, "same") as level:
            found = _straight_rows((output,), unit_rows((output,), start, count), xs, level)
        if found is None:
            return None
        parts.append(found)
    return [None if column[0] is None else cat(column, 0) for column in zip(*parts)]


def _stacked(rows: Sequence[Tensors], shape: Any, xs: Tensors) -> list[Any]:
    if not rows:
        return [zeros(*shape, *x.shape, dtype=x.dtype) for x in xs]
    return [stack([row[k] for row in rows], 0).view((*shape, *x.shape)) for k, x in enumerate(xs)]


def _all_rows(outputs: Tensors, xs: Tensors, create_graph: bool) -> list[list[Any]]:
    """All Jacobians from one pull of all units at once."""
    sizes = [output.numel() for output in outputs]
    units = unit_rows(outputs, 0, sum(sizes))
    if not sum(sizes):
        return [_stacked((), output.shape, xs) for output in outputs]
    try:
        with open_rows(sum(sizes), "same") as level:
            straight = None if create_graph else _straight_rows(outputs, units, xs, level)
            if straight is None:
                rows = tuple(enter(unit, 0, level) for unit in units)
                found = pull(outputs, xs, rows, create_graph, keep=True)
                straight = [None if g is None else leave(g, 0, level) for g in found]
            columns = [
                zeros(sum(sizes), *x.shape, dtype=x.dtype) if g is None else g
                for g, x in zip(straight, xs)
            ]
    except BatchedValueError:  # something on the way wants a value
        singles = zip(*[unit.unbind(0) for unit in units])
        pulled = [pull(outputs, xs, row, create_graph, keep=True) for row in singles]
        found_rows = [completed(row, xs, None, None) for row in pulled]
        columns = [stack(list(column), 0) for column in zip(*found_rows)]
    parts = [split(column, sizes, 0) for column in columns]
    return [
        [part[i].reshape((*output.shape, *x.shape)) for part, x in zip(parts, xs)]
        for i, output in enumerate(outputs)
    ]


def _straight_rows(
    outputs: Tensors, units: Sequence[Any], xs: Tensors, level: Level
) -> list[Any] | None:
    """The rows by every input on raw arrays, None for an input that was not used.

    None instead of the list where something else is on the tape, or unusual on the way.
    """
    roots = [(o._edge, u._array) for o, u in zip(outputs, units) if o._edge is not None]
    leaves = [x._edge for x in xs]
    usual = get_mode() & ~GRAD == LIBRARIES and not open_levels and len(stack_of_levels.get()) == 1
    if not usual or not leads_only_to((edge for edge, _ in roots), leaves):
        return None
    found: dict[Any, Any] = {}
    if not walk_rows(roots, level, found):
        return None
    return [make_tensor(found[leaf]) if leaf in found else None for leaf in leaves]


def _by_columns(func: Function, inputs: Any, create_graph: bool, vectorize: bool) -> Any:
    """All Jacobians from one push of all units at once; in lists for a tuple of inputs."""
    if create_graph:
        raise NotImplementedError(
            'torch.autograd.functional.jacobian: `create_graph=True` and `strategy="forward-mode"` '
            "are not supported together (yet). Please either set `create_graph=False` or "
            '`strategy="reverse-mode"`.'
        )
    points, single_in = as_tuple(inputs, "inputs", "jacobian")
    if not vectorize:
        raise NotImplementedError(
            "Computing Jacobian using forward-AD or forward-over-reverse Hessian is"
            "only implemented for `vectorize=True`."
        )
    for point in points:
        if not (point.is_floating_point() or point.is_complex()):
            raise ValueError(
                f"Expected primal to be floating point or complex, but got: {point.dtype}"
            )
    sizes = [point.numel() for point in points]
    with open_rows(sum(sizes)) as rows:
        level = open_level()
        try:
            duals = []
            for point, unit in zip(points, unit_rows(points, 0, sum(sizes))):
                dual = _view(point, shape=point._desc.shape)
                set_tangent(dual, level.number, enter(unit, 0, rows))
                duals.append(dual)
            outputs, single_out = as_tuple(func(*duals), "outputs", "None")
            tangents = [tangent_of(output, level.number) for output in outputs]
        finally:
            close_level(level)
        moved = [None if t is None else leave(t, 0, rows) for t in tangents]
    matrices = []
    for output, tangent in zip(outputs, moved):
        if tangent is None:
            tangent = zeros_like(output).expand((sum(sizes), *output.shape))
        parts = split(movedim(tangent, 0, -1), sizes, -1)
        row = [part.reshape((*output.shape, *x.shape)) for part, x in zip(parts, points)]
        matrices.append(row[0] if single_in else row)
    if single_out:
        return matrices[0]
    return tuple(matrices) if single_in else matrices


def hessian(
    func: Function,
    inputs: Any,
    create_graph: bool = False,
    strict: bool = False,
    vectorize: bool = False,
    outer_jacobian_strategy: str = "reverse-mode",
) -> Any:
    """Return the Hessian of ``func``, which returns one element, at ``inputs``.

    The arguments are those of `jacobian`.

    Shape: the input's shape twice; nested in tuples per input, then per input.

    >>> import adjoint as torch
    >>> torch.autograd.functional.hessian(lambda x: x.prod(), torch.tensor([1.0, 2.0, 3.0]))
    tensor([[0., 3., 2.],
            [3., 0., 1.],
            [2., 1., 0.]])
    """
    _, single = as_tuple(inputs, "inputs", "hessian")
    if outer_jacobian_strategy not in ("forward-mode", "reverse-mode"):
        raise AssertionError('Expected strategy to be either "forward-mode" or "reverse-mode".')
    forward = outer_jacobian_strategy == "forward-mode"

    def first(*xs: Any) -> Any:
        def scalar(*ys: Any) -> Any:
            return scalar_output(func, ys, "hessian", strict).reshape(())

        if forward:  # the gradient is recorded, whether the inputs are or not
            for x in xs:
                x.requires_grad_()
        found = jacobian(scalar, xs, create_graph=True)
        if strict:
            for i, g in enumerate(found):
                if not g.requires_grad:
                    raise RuntimeError(LINEAR.format(i))
        return found[0] if single else found

    return jacobian(first, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
