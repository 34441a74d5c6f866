"""Hessians and what is less than a Hessian: products with vectors, the diagonal, its sum.

In: a function that returns one number, and a point.  Out: dense tensors in containers, a sparse
`scipy.sparse.csr_array`, or a plan for many points.

Note [Two walks]
    The gradient is recorded as it is walked (``create_graph``), and rows of the Hessian are rows of
    the Jacobian of the gradient: pulled back on raw arrays, all together as block-diagonal unit
    cotangents, so that what is separable stays small. Of a sparse Hessian the pattern is detected,
    and its star colouring needs few products.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.batched.blocks import BlockArray, OutOfBudget
from adjoint.core.tensor_base import make_tensor
from adjoint.derivatives import dense
from adjoint.derivatives.compressed import Compressed
from adjoint.derivatives.curvature import (
    Curvature,
    known,
    learn,
    recorded_number,
    square,
)
from adjoint.derivatives.memory import budget_of, check_result, readable
from adjoint.derivatives.recorded import Evaluation, arranged, flat, gradient_of
from adjoint.derivatives.structure import described
from adjoint.sparse.evaluate import hessian_pattern
from adjoint.sparse.evaluate import value_and_hessian as product_by_product
from adjoint.sparse.pattern import ColoredPattern

__all__ = [
    "HessianPlan",
    "hessian",
    "hessian_diagonal",
    "laplacian",
    "prepare_hessian",
    "value_and_grad",
    "value_and_hessian",
]

Function = Callable[[Any], Any]

_LARGE = 192  # variables from which on a single evaluation looks for a pattern


class HessianPlan:
    """How the Hessian of a function is computed; called with a point it computes it.

    Made by `prepare_hessian`. ``mode``: "dense" or "sparse"; ``pattern``: the `ColoredPattern` of a
    sparse one; ``structure``: in words.
    """

    def __init__(
        self,
        f: Function,
        x: Any,
        *,
        mode: str = "auto",
        sparse: bool = False,
        pattern: Any = None,
        memory: int | float | None = None,
        check: bool = False,
        large: int = _LARGE,
    ) -> None:
        if mode not in ("auto", "dense", "sparse"):
            raise ValueError(f"mode is one of 'auto', 'dense', 'sparse', got {mode!r}")
        self.f = f
        self.sparse = sparse
        self.check = check
        self.budget = budget_of(memory)
        self.pattern: ColoredPattern | None = None
        self.structure = "not looked for"
        points, self._spec = flat(x)
        self.shapes = [tuple(getattr(p, "shape", ())) for p in points]
        self._compressed: Compressed | None = None
        self._reason = "the mode was given"
        self.n = sum(p.numel() for p in points)
        if (sparse or mode == "sparse" or pattern is not None) and len(points) != 1:
            raise ValueError(
                "a sparse Hessian is that of a function of one tensor; this one takes "
                f"{len(points)} (concatenate them into a vector)"
            )
        self.mode = self._choose(x, mode, pattern, large)

    def _choose(self, x: Any, mode: str, pattern: Any, large: int) -> str:
        if pattern is not None:
            if not isinstance(pattern, ColoredPattern):
                pattern = ColoredPattern.from_scipy(pattern, "hvp")
            self._use(pattern, "the pattern was given")
            return "sparse"
        wanted = self.sparse or mode == "sparse"
        single = len(self.shapes) == 1
        if wanted or (mode == "auto" and single and self.n > large):
            point = flat(x)[0][0].detach()
            self._use(
                hessian_pattern(self._of_leaf(), point),
                "its pattern was detected by running the gradient on index sets",
            )
            assert self.pattern is not None
            if wanted or self.pattern.n_colors * 4 <= self.n:
                return "sparse"
            self._reason = f"recovering it would take {self.pattern.n_colors} products"
            self.pattern = None
        elif mode == "auto":
            self._reason = f"{self.n} rows are few, or in several tensors"
        return "dense"

    def _use(self, pattern: ColoredPattern, reason: str) -> None:
        if pattern.shape != (self.n, self.n):
            raise ValueError(
                f"the pattern has shape {pattern.shape[0]}x{pattern.shape[1]}, the Hessian "
                f"{self.n}x{self.n}"
            )
        if pattern.mode != "hvp":
            raise ValueError(f"a Hessian needs a pattern with mode='hvp', not {pattern!r}")
        self.pattern, self.structure, self._reason = pattern, described(pattern), reason
        if Compressed.suits(pattern) and not self.check:
            self._compressed = Compressed(pattern)

    def _of_leaf(self) -> Function:
        return lambda leaf: flat(self.f(arranged([leaf], self._spec)))[0][0]

    def __call__(self, x: Any) -> Any:
        """The Hessian at ``x``: a point like the one that the plan was made for."""
        return self.value_and_hessian(x)[2]

    def value_and_hessian(self, x: Any) -> tuple[Any, Any, Any]:
        """``f(x)``, the gradient and the Hessian at ``x``."""
        points, spec = flat(x)
        given = [tuple(getattr(p, "shape", ())) for p in points]
        if given != self.shapes:
            raise ValueError(
                f"the plan was made for a point with shapes {[list(s) for s in self.shapes]}, this "
                f"one has {[list(s) for s in given]}: prepare another one"
            )
        if not self.sparse:
            check_result(self.n, self.n, points[0].element_size() if points else 8)
        if self.mode == "sparse":
            value, gradient, matrix = self._recovered(x, points[0])
            if not self.sparse:
                shape = (*self.shapes[0], *self.shapes[0])
                made = make_tensor(matrix.reshape(shape))
                matrix = arranged([arranged([made], spec)], spec)
            return value, arranged([gradient], spec), matrix
        run, output = recorded_number(self.f, x)
        return self.finish(run, output)

    def _recovered(self, x: Any, point: Any) -> tuple[Any, Any, Any]:
        """The value, the gradient, and the matrix from its compressed products."""
        if self._compressed is None:
            value, gradient, matrix = product_by_product(
                self._of_leaf(), point.detach(), self.pattern, check=self.check
            )
            return value, gradient, matrix if self.sparse else matrix.toarray()
        run, output = recorded_number(self.f, x)
        raw, *products = self._compressed(output, run.leaves[0])
        recover = self._compressed.matrix if self.sparse else self._compressed.dense
        return run.results[0].detach(), make_tensor(raw), recover(products)

    def finish(self, run: Evaluation, output: Any) -> tuple[Any, Any, Any]:
        """The value, the gradient and the dense Hessian of a recorded call."""
        if self.budget >= dense.ENOUGH:
            found = known(run, output)
            if found is not None:
                return found
            learn(run, output)
        made = Curvature(output, run.leaves)
        rows = made.rows(self.budget)
        if all(type(r) is BlockArray for r in rows) and self.n == len(rows[0].value):
            self.structure = "diagonal"
        gradients = arranged([g.detach() for g in made.gradient], run.spec)
        return run.values(), gradients, square(rows, run)

    def explain(self) -> str:
        """What was chosen, and why, in a few lines."""
        name = getattr(self.f, "__name__", None) or type(self.f).__name__
        lines = [f"Hessian {self.n} x {self.n} of {name}"]
        lines.append(f"  mode: {self.mode} ({self._reason})")
        lines.append(f"  structure: {self.structure}")
        if self.pattern is not None:
            lines.append(f"  pattern: {self.pattern!r}")
            lines.append(f"  products: {self.pattern.n_colors} hvp")
        lines.append(f"  memory: within {readable(self.budget)}")
        lines.append(f"  result: {'scipy.sparse.csr_array' if self.sparse else 'dense'}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        kind = f", {self.structure}" if self.structure != "not looked for" else ""
        return f"HessianPlan({self.n}x{self.n}, {self.mode}{kind})"


# ---- functions -----------------------------------------------------------------------------------


def prepare_hessian(
    f: Function,
    x: Any,
    *,
    mode: str = "auto",
    sparse: bool = False,
    pattern: Any = None,
    memory: int | float | None = None,
    check: bool = False,
) -> HessianPlan:
    """Return a plan for the Hessian of ``f`` at points like ``x``, to be called many times.

    ``f``: a function of a tensor, or tensors in Python containers, that returns one real number;
    ``mode``: "dense", "sparse", or "auto" to choose from size and structure; the others are those
    of `prepare_jacobian`.

    Raises: RuntimeError if ``f`` returns more than one number; ValueError where arguments do not
    fit each other.

    Example:
        >>> import adjoint as torch
        >>> f = lambda x: (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()
        >>> plan = torch.prepare_hessian(f, torch.zeros(500), sparse=True)
        >>> plan.pattern
        ColoredPattern(500x500, nnz=1498, 99.4% zero, hvp, 3 colours)
    """
    return HessianPlan(
        f, x, mode=mode, sparse=sparse, pattern=pattern, memory=memory, check=check, large=32
    )


def hessian(
    f: Function,
    x: Any,
    *,
    mode: str = "auto",
    sparse: bool = False,
    pattern: Any = None,
    memory: int | float | None = None,
    check: bool = False,
) -> Any:
    """Return the Hessian of ``f`` at ``x``; how it is computed is chosen from size and structure.

    The arguments are those of `prepare_hessian`, which is for many points. Containers come back as
    containers of containers. The result is not recorded: `func.hessian` is for further derivatives.

    Shape: x (*n); result (*n, *n), sparse (elements of x, elements of x).
    Raises: MemoryError if a dense result is larger than the memory that is free; else as
    `prepare_hessian`.

    Example:
        >>> import adjoint as torch
        >>> torch.hessian(lambda x: (x ** 3).sum() + x[0] * x[1], torch.tensor([1.0, 2.0]))
        tensor([[ 6.,  1.],
                [ 1., 12.]])
    """
    return value_and_hessian(
        f, x, mode=mode, sparse=sparse, pattern=pattern, memory=memory, check=check
    )[2]


def value_and_hessian(
    f: Function,
    x: Any,
    *,
    mode: str = "auto",
    sparse: bool = False,
    pattern: Any = None,
    memory: int | float | None = None,
    check: bool = False,
) -> tuple[Any, Any, Any]:
    """Return ``f(x)``, the gradient and the Hessian at ``x``; arguments as for `hessian`.

    Example:
        >>> import adjoint as torch
        >>> torch.value_and_hessian(lambda x: x ** 3, torch.tensor(2.0))
        (tensor(8.), tensor(12.), tensor(12.))
    """
    if mode == "auto" and not sparse and pattern is None and memory is None:
        points = flat(x)[0]
        if len(points) > 1 or sum(p.numel() for p in points) <= _LARGE:
            run, output = recorded_number(f, x)
            found = known(run, output)
            if found is None:
                found = HessianPlan(f, x, mode="dense").finish(run, output)
            return found
    plan = HessianPlan(f, x, mode=mode, sparse=sparse, pattern=pattern, memory=memory, check=check)
    return plan.value_and_hessian(x)


def value_and_grad(f: Function, x: Any) -> tuple[Any, Any]:
    """Return ``f(x)``, one number, and the gradient at ``x``, in the containers of ``x``.

    Example:
        >>> import adjoint as torch
        >>> torch.value_and_grad(lambda p: (p["a"] * p["b"]).sum(), {
        ...     "a": torch.ones(2), "b": torch.tensor([2.0, 3.0])})
        (tensor(5.), {'a': tensor([2., 3.]), 'b': tensor([1., 1.])})
    """
    run = Evaluation(f, x)
    gradient = gradient_of(run.scalar(), run.leaves, create_graph=False)
    return run.values(), arranged(gradient, run.spec)


def hessian_diagonal(f: Function, x: Any, *, memory: int | float | None = None) -> Any:
    """Return the diagonal of the Hessian of ``f`` at ``x``, arranged as ``x``.

    Separable functions take one walk; others one row for each element, in portions within
    ``memory`` bytes, of which only the diagonal is kept.

    Example:
        >>> import adjoint as torch
        >>> torch.hessian_diagonal(lambda x: (x ** 3).sum(), torch.tensor([1.0, 2.0]))
        tensor([ 6., 12.])
    """
    run, output = recorded_number(f, x)
    made = Curvature(output, run.leaves)
    budget = budget_of(memory)
    diagonal = np.zeros(made.n, made.vector._desc.numpy)
    if made.vector._edge is not None:
        try:
            _collect(diagonal, made.whole(0), made.sizes, 0)
        except OutOfBudget:
            for start, count in dense.portions(made.n, made.at_a_time(budget), "Hessian diagonal"):
                _collect(diagonal, made.some_rows(start, count), made.sizes, start)
    parts = np.split(diagonal, np.cumsum(made.sizes)[:-1])
    leaves = [make_tensor(p.reshape(x._desc.shape)) for p, x in zip(parts, run.leaves)]
    return arranged(leaves, run.spec)


def _collect(diagonal: Any, rows: list[Any], sizes: list[int], start: int) -> None:
    """Take the entries on the diagonal out of some rows, the first of which is ``start``."""
    before = 0
    for g, n in zip(rows, sizes):
        if type(g) is BlockArray and g.level.size == n == len(diagonal):
            diagonal[...] = g.value.reshape(n)
        elif g is not None:
            array = dense.written_out(g)
            array = array.reshape(len(array), n)
            first, last = max(start, before), min(start + len(array), before + n)
            if first < last:
                place = np.arange(first, last)
                diagonal[place] = array[place - start, place - before]
        before += n


def laplacian(f: Function, x: Any, *, memory: int | float | None = None) -> Any:
    """Return the sum of the second derivatives of ``f`` by each element of ``x``: a 0-d tensor.

    Example:
        >>> import adjoint as torch
        >>> torch.laplacian(lambda x: (x ** 2).sum(), torch.zeros(3))
        tensor(6.)
    """
    leaves = flat(hessian_diagonal(f, x, memory=memory))[0]
    return sum((leaf.sum() for leaf in leaves[1:]), leaves[0].sum())
