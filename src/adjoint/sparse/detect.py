"""Detection: which entries of a Jacobian or Hessian may be non-zero, by running the function once.

In: a function of tensors and a point.  Out: a boolean `scipy.sparse.csr_array`. The function runs
on tensors over PatternArrays (array/patterns); for a Hessian the backward pass that gives the
gradient runs on them, too, and the pattern is that of the gradient's Jacobian.

Note [What a pattern holds for]
    Elementwise selections, sorting and indices computed from the input are taken as what they
    could be at any point. Python's control flow (``if``, ``item()``) and masks are taken as they
    are at this point: where another point would decide otherwise, the pattern may not hold there.
    The ``check`` of `jacobian` and `hessian` finds that out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.descriptor import describe, plain
from adjoint.array.patterns import PatternLibrary
from adjoint.core import mode as modes
from adjoint.core.backward import grad
from adjoint.core.mode import mode_bits
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.core.views import living_views, replay
from adjoint.ops.random import fork_rng

__all__ = ["detect_hessian", "detect_jacobian"]

Tensor = Any


def detect_jacobian(f: Callable[..., Any], *inputs: Tensor, local: bool = False) -> Any:
    """Return where the Jacobian of ``f(*inputs)`` may be non-zero: a boolean csr_array.

    A row for each element of the output (of several, one after the other), a column for each of
    the inputs. ``local``: only at this point; what `where`, `max` or an index does not select here
    does not count.

    Raises: TypeError or RuntimeError for what is no real floating-point tensor.

    >>> import adjoint as torch
    >>> x = torch.linspace(0, 1, 5)
    >>> detect_jacobian(lambda x: x[1:] * x[:-1], x).toarray().astype(int)
    array([[1, 1, 0, 0, 0],
           [0, 1, 1, 0, 0],
           [0, 0, 1, 1, 0],
           [0, 0, 0, 1, 1]])
    """
    library, tensors = _inputs("detect_jacobian", inputs, local)
    with _detecting(library):
        outputs = _outputs("detect_jacobian", f(*tensors))
        rows = [library.pattern(out._array) for out in outputs]
    return _stacked(rows)


def detect_hessian(f: Callable[..., Any], *inputs: Tensor, local: bool = False) -> Any:
    """Return where the Hessian of the scalar ``f(*inputs)`` may be non-zero: a boolean csr_array.

    Rows and columns are the elements of the inputs, one input after the other. ``local``: as in
    `detect_jacobian`.

    Raises: RuntimeError if ``f`` returns more than one element; else as `detect_jacobian`.

    >>> import adjoint as torch
    >>> x = torch.ones(4)
    >>> detect_hessian(lambda x: (x[0] * x ** 2).sum(), x).toarray().astype(int)
    array([[1, 1, 1, 1],
           [1, 1, 0, 0],
           [1, 0, 1, 0],
           [1, 0, 0, 1]])
    """
    library, tensors = _inputs("detect_hessian", inputs, local)
    with _detecting(library):
        leaves = [t.requires_grad_() for t in tensors]
        with mode_bits(on=modes.GRAD):
            outputs = _outputs("detect_hessian", f(*leaves))
        if len(outputs) != 1 or outputs[0].numel() != 1:
            raise RuntimeError(
                "detect_hessian: f must return one element, got "
                f"{', '.join(str(list(out.shape)) for out in outputs)}"
            )
        gradients: tuple[Any, ...] = (None,) * len(leaves)
        if outputs[0].requires_grad:
            gradients = grad(outputs[0], leaves, allow_unused=True)
        rows = [
            library.pattern(np.zeros(t.shape) if g is None else g._array)
            for t, g in zip(leaves, gradients)
        ]
    found = _stacked(rows)
    # both triangles hold all non-zeros of a symmetric matrix, so what only one has is none
    return _canonical(found.multiply(found.T))


def _inputs(name: str, inputs: tuple[Any, ...], local: bool) -> tuple[PatternLibrary, list[Any]]:
    """A library for all elements of the inputs, and the inputs over its arrays."""
    _check_tensors(name, "every input", inputs)
    library = PatternLibrary(sum(x.numel() for x in inputs), local=local)
    tensors, first = [], 0
    for x in inputs:
        made = make_tensor(library.inputs(plain(x._array), first))
        tensors.append(made.requires_grad_(x.requires_grad))
        first += x.numel()
    return library, tensors


def _outputs(name: str, result: Any) -> tuple[Any, ...]:
    outputs = tuple(result) if isinstance(result, tuple | list) else (result,)
    _check_tensors(name, "what f returns", outputs)
    return outputs


def _check_tensors(name: str, what: str, tensors: tuple[Any, ...]) -> None:
    if not tensors:
        raise TypeError(f"{name}: expected at least one tensor for {what}")
    for t in tensors:
        if not isinstance(t, TensorBase):
            raise TypeError(f"{name}: {what} must be a Tensor, got {type(t).__name__}")
        if not t._desc.dtype.is_floating_point:
            raise RuntimeError(
                f"{name}: {what} must be real and floating-point, got {t._desc.dtype!r}"
                + (" (torch.view_as_real gives its parts)" if t._desc.dtype.is_complex else "")
            )


def _stacked(rows: list[Any]) -> Any:
    import scipy.sparse  # noqa: PLC0415 - on first use

    return rows[0] if len(rows) == 1 else _canonical(scipy.sparse.vstack(rows, format="csr"))


def _canonical(matrix: Any) -> Any:
    import scipy.sparse  # noqa: PLC0415 - on first use

    made = scipy.sparse.csr_array(matrix)
    made.sum_duplicates()
    return made


@contextmanager
def _detecting(library: PatternLibrary) -> Iterator[None]:
    """A block in which arrays of ``library`` are among the operands.

    Afterwards random numbers go on as before, and tensors that were made outside and written to
    have their own memory again, with the new values.
    """
    with fork_rng(), mode_bits(on=modes.LIBRARIES | modes.SINGLY):
        try:
            yield
        finally:
            for reference, memory in list(library.promoted.values()):
                tensor = reference()
                if tensor is not None:
                    _give_back(tensor, memory)


def _give_back(tensor: Any, memory: Any) -> None:
    memory[...] = plain(tensor._array)
    tensor._array = memory
    tensor._desc = describe(memory)
    if tensor._edge is not None and tensor._edge.leaf:
        tensor._edge.adopt(tensor)
    if tensor._counter is not None and tensor._counter.views:
        for view in living_views(tensor):
            view._array = replay(numpy_, memory, view._side.steps)
            view._desc = describe(view._array)
