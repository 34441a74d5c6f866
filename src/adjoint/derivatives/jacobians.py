"""Jacobians that choose for themselves: forward, reverse or compressed, in as many portions as fit.

In: a function of tensors, a point.  Out: its Jacobian, dense (tensors in containers) or sparse
(`scipy.sparse.csr_array`); or a plan that is made once and evaluated at many points, and that tells
what was chosen and why.

Note [Choosing]
    The function is recorded once. First all rows are pulled back together as block-diagonal unit
    cotangents: where the function works element by element they stay as small as one ordinary
    cotangent, and the Jacobian is found to be (block-)diagonal for the price of one backward. If
    that would take more than the budget, or the Jacobian is large, the pattern of its non-zeros is
    detected (`sparse.detect_jacobian`), and where few colours cover it, it is recovered from a few
    products. What is dense is computed forward if there are far fewer inputs than outputs, else in
    reverse, in portions that fit into the budget.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.batched.blocks import BlockArray, OutOfBudget
from adjoint.array.descriptor import describe
from adjoint.core.tensor_base import make_tensor
from adjoint.derivatives import dense
from adjoint.derivatives.compressed import Compressed
from adjoint.derivatives.memory import budget_of, check_result, readable, rows_at_a_time
from adjoint.derivatives.recorded import (
    Evaluation,
    arranged,
    flat,
    graph_size,
    is_plain,
    nodes_behind,
)
from adjoint.derivatives.structure import described
from adjoint.derivatives.structured import Structures, is_worth_it
from adjoint.sparse.evaluate import JVP_COST, jacobian_pattern
from adjoint.sparse.evaluate import value_and_jacobian as product_by_product
from adjoint.sparse.pattern import ColoredPattern

__all__ = ["JacobianPlan", "jacobian", "prepare_jacobian", "value_and_jacobian"]

Function = Callable[[Any], Any]
Computed = tuple[Callable[[], Any], Any]  # what gives the value, and the Jacobian

_LARGE = 192  # rows and columns from which on a single evaluation looks for a pattern
_FORWARD = 3  # forward, if there are so many times more outputs than inputs
_PRODUCTS = ("Mm", "Mv", "Addmm", "Bmm", "Dot", "Linear", "UnsafeView")
_MODES = ("auto", "forward", "reverse", "sparse")


class JacobianPlan:
    """How the Jacobian of a function is computed; called with a point it computes it.

    Made by `prepare_jacobian`. ``mode``: "forward", "reverse" or "sparse"; ``pattern``: the
    `ColoredPattern` of a sparse one; ``structure``: in words.
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
        run: Evaluation | None = None,
    ) -> None:
        if mode not in _MODES:
            raise ValueError(f"mode is one of {', '.join(map(repr, _MODES))}, got {mode!r}")
        self.f = f
        self.sparse = sparse
        self.check = check
        self.budget = budget_of(memory)
        self.pattern: ColoredPattern | None = None
        self.structure = "not looked for"
        self._reasons: list[str] = []
        run = run or Evaluation(f, x)
        if not is_plain(run.leaves):
            raise RuntimeError(
                "jacobian() computes numbers, on ordinary tensors: inside vmap, jvp or grad use "
                "func.jacrev or func.jacfwd, which transforms can be applied to"
            )
        self._specs = run.spec, run.result_spec
        self.inputs = [(tuple(t.shape), t.dtype) for t in run.leaves]
        self.outputs = [(tuple(t.shape), t.dtype) for t in run.results]
        self.columns = sum(t.numel() for t in run.leaves)
        self.rows = sum(t.numel() for t in run.results)
        edges = [r._edge for r in run.results if r._edge is not None]
        sizes = [graph_size(e) for e in edges]
        self.nodes = max((n for n, _ in sizes), default=0)
        self.largest = max((size for _, size in sizes), default=1)
        self._first: Evaluation | None = run
        self._single = len(self.inputs) == len(self.outputs) == 1 and not any(
            dtype.is_complex for _, dtype in (*self.inputs, *self.outputs)
        )
        self._whole: list[Any] | None = None
        self._compressed: Compressed | None = None
        self.mode = self._choose(run, x, mode, pattern, large)

    # ---- choosing ----------------------------------------------------------------------------

    def _choose(self, run: Evaluation, x: Any, mode: str, pattern: Any, large: int) -> str:
        if pattern is not None or mode == "sparse" or self.sparse:
            self._need_single("a sparse Jacobian")
        if pattern is not None:
            self._use(pattern, "the pattern was given")
            return "sparse"
        if mode in ("forward", "reverse") and not self.sparse:
            self._reasons.append("the mode was given")
            return mode
        tall = 0 < self.columns * _FORWARD <= self.rows
        if mode == "auto" and self._single and not tall and self._stays_small(run, large):
            return "reverse"
        if (
            mode == "sparse"
            or self.sparse
            or (self._single and min(self.rows, self.columns) > large)
        ):
            self._look(x)
            assert self.pattern is not None
            colors = self.pattern.n_colors
            if mode == "sparse" or self.sparse or is_worth_it(self.pattern):
                self._reasons.append(f"{colors} products recover all of it")
                return "sparse"
            self._reasons.append(f"recovering it would take {colors} products")
            self.pattern = None
        if tall:
            self._reasons.append(f"{self.columns} inputs are far fewer than {self.rows} outputs")
            return "forward"
        self._reasons.append(
            f"{self.rows} outputs are not many times more than {self.columns} inputs"
        )
        return "reverse"

    def _need_single(self, what: str) -> None:
        if not self._single:
            raise ValueError(
                f"{what} is that of a function of one real tensor that returns one; this one maps "
                f"{len(self.inputs)} to {len(self.outputs)} (concatenate them into vectors)"
            )

    def _use(self, pattern: Any, reason: str) -> None:
        if not isinstance(pattern, ColoredPattern):
            pattern = ColoredPattern.from_scipy(pattern, jvp_cost=JVP_COST)
        if pattern.shape != (self.rows, self.columns):
            raise ValueError(
                f"the pattern has shape {pattern.shape[0]}x{pattern.shape[1]}, the Jacobian "
                f"{self.rows}x{self.columns}"
            )
        if pattern.mode == "hvp":
            raise ValueError(f"{pattern!r} is for Hessians: a Jacobian's is made with another mode")
        self.pattern = pattern
        self.structure = described(pattern)
        self._reasons.append(reason)
        if Compressed.suits(pattern) and not self.check:
            self._compressed = Compressed(pattern)

    def _look(self, x: Any) -> None:
        point = flat(x)[0][0]
        spec = flat(x)[1]
        self._use(
            jacobian_pattern(_of_leaf(self.f, spec), point.detach()),
            "its pattern was detected by running the function on index sets",
        )

    def _stays_small(self, run: Evaluation, large: int) -> bool:
        """Whether block-diagonal cotangents stay so; their result is kept for the first call."""
        vector = run.vector(0)
        if vector._edge is None or not self.rows:
            return False
        itemsize = np.dtype(self.outputs[0][1].numpy).itemsize
        fits = rows_at_a_time(self.rows, self.largest, itemsize, self.budget) == self.rows
        small = fits and (min(self.rows, self.columns) <= large or _has_products(vector._edge))
        try:
            found = dense.pulled_together(vector, run, self.budget if small else 0)
        except OutOfBudget:
            return False
        g = found[0]
        if type(g) is BlockArray:
            k = self.columns // self.rows
            self.structure = "diagonal" if k == 1 else f"block-diagonal ({self.rows} rows of {k})"
            self._reasons.append("cotangents stay block-diagonal: all rows for one backward")
            if not self.sparse:
                self._learn(run)
            self._whole = found
            return True
        if small and not self.sparse:
            self._learn(run)
            self._whole = found
            self._reasons.append("all rows fit into one walk")
            return True
        return False

    def _learn(self, run: Evaluation) -> None:
        if self.budget >= dense.ENOUGH:
            dense.learn(run, 0)

    # ---- computing ---------------------------------------------------------------------------

    def __call__(self, x: Any) -> Any:
        """The Jacobian at ``x``: a point like the one that the plan was made for."""
        return self._computed(x)[1]

    def value_and_jacobian(self, x: Any) -> tuple[Any, Any]:
        """``f(x)`` and the Jacobian at ``x``."""
        value, found = self._computed(x)
        return value(), found

    def _computed(self, x: Any) -> Computed:
        points, spec = flat(x)
        given = [tuple(getattr(p, "shape", ())) for p in points]
        if given != [shape for shape, _ in self.inputs]:
            raise ValueError(
                f"the plan was made for a point with shapes {[list(s) for s, _ in self.inputs]}, "
                f"this one has {[list(s) for s in given]}: prepare another one"
            )
        if self.mode == "sparse" and self._compressed is not None:
            return self._recovered(Evaluation(self.f, x), self._compressed)
        if self.mode == "sparse":
            value, matrix = product_by_product(
                _of_leaf(self.f, spec), points[0].detach(), self.pattern, check=self.check
            )
            found = matrix if self.sparse else self._dense_tensor(matrix.toarray())
            return lambda: value, found
        return self.finish(Evaluation(self.f, x), x)

    def _recovered(self, run: Evaluation, compressed: Compressed) -> Computed:
        """The value and the sparse Jacobian of a recorded call."""
        (point,), (output,) = run.leaves, run.results
        given = _size(output), _size(point)
        if given != compressed.pattern.shape:
            raise ValueError(
                f"the plan was made for a Jacobian of shape {compressed.pattern.shape}, here it is "
                f"{given}: prepare another one"
            )
        products = compressed(output, point)
        if self.sparse:
            return run.values, compressed.matrix(products)
        check_result(self.rows, self.columns, products[0].itemsize)
        return run.values, self._dense_tensor(compressed.dense(products))

    def finish(self, run: Evaluation, x: Any, whole: Any = None) -> Computed:
        """The value and the Jacobian of a recorded call; ``whole``: its rows, if they are known."""
        if not self.sparse:
            widest = max((np.dtype(d.numpy).itemsize for _, d in self.outputs), default=8)
            check_result(self.rows, self.columns, widest)
        if self.mode == "forward":
            found = dense.columns(self.f, run.leaves, run.spec, self.largest, self.budget)
        elif whole is not None:
            found = [whole]
        else:
            found = [dense.rows(run, i, self.budget, self.sparse) for i in range(len(run.results))]
        if self.sparse:
            return run.values, _csr(found[0][0], self.rows, self.columns)
        return run.values, _arranged(run, found)

    def first(self, x: Any) -> Computed:
        """The value and the Jacobian at the point for which the plan was made."""
        run, whole = self._first, self._whole
        self.forget()
        if run is not None and self._compressed is not None:
            return self._recovered(run, self._compressed)
        if run is None or self.mode == "sparse":
            return self._computed(x)
        return self.finish(run, x, whole)

    def forget(self) -> None:
        """Let go of the evaluation that the plan was made from."""
        self._first = self._whole = None

    def _dense_tensor(self, array: Any) -> Any:
        made = make_tensor(array.reshape((*self.outputs[0][0], *self.inputs[0][0])))
        spec, result_spec = self._specs
        return arranged([arranged([made], spec)], result_spec)

    # ---- telling -----------------------------------------------------------------------------

    def explain(self) -> str:
        """What was chosen, and why, in a few lines."""
        shape = f"{self.rows} x {self.columns}"
        itemsize = max((np.dtype(d.numpy).itemsize for _, d in self.outputs), default=8)
        step = rows_at_a_time(
            self.columns if self.mode == "forward" else self.rows,
            self.largest,
            itemsize,
            self.budget,
        )
        lines = [f"Jacobian {shape} of {_named(self.f)} ({self.nodes} recorded operations)"]
        lines.append(f"  mode: {self.mode} ({'; '.join(self._reasons)})")
        lines.append(f"  structure: {self.structure}")
        if self.pattern is not None:
            lines.append(f"  pattern: {self.pattern!r}")
            lines.append(f"  products: {self.pattern.n_colors} {self.pattern.mode}")
        else:
            total = self.columns if self.mode == "forward" else self.rows
            what = "columns" if self.mode == "forward" else "rows"
            together = (
                "as blocks"
                if "block" in self.structure or (self.structure == "diagonal")
                else f"at most {step} at a time"
            )
            lines.append(f"  {what}: {total}, {together}")
        lines.append(
            f"  memory: within {readable(self.budget)}; dense result "
            f"{readable(self.rows * self.columns * itemsize)}"
        )
        lines.append(f"  result: {'scipy.sparse.csr_array' if self.sparse else 'dense'}")
        return "\n".join(lines)

    def __repr__(self) -> str:
        kind = f", {self.structure}" if self.structure != "not looked for" else ""
        return f"JacobianPlan({self.rows}x{self.columns}, {self.mode}{kind})"


def _arranged(run: Evaluation, found: list[Any]) -> Any:
    """Raw Jacobians by result and leaf as tensors, in the containers of both."""
    trees = []
    for row, result in zip(found, run.results):
        parts = []
        for g, leaf in zip(row, run.leaves):
            shape = (*result._desc.shape, *leaf._desc.shape)
            array = np.ascontiguousarray(dense.written_out(g)).reshape(shape)
            parts.append(make_tensor(array, None, describe(array)))
        trees.append(arranged(parts, run.spec))
    return arranged(trees, run.result_spec)


def _has_products(edge: Any) -> bool:
    """Whether matrices are multiplied behind an edge, after which little is zero."""
    return any(node.name().startswith(_PRODUCTS) for node in nodes_behind(edge))


def _size(tensor: Any) -> int:
    return math.prod(tensor._desc.shape)


def _named(f: Any) -> str:
    return getattr(f, "__name__", None) or type(f).__name__


def _of_leaf(f: Function, spec: Any) -> Function:
    """``f`` as a function of the one tensor in its argument, with the one tensor it returns."""

    def inner(leaf: Any) -> Any:
        return flat(f(arranged([leaf], spec)))[0][0]

    return inner


def _csr(g: Any, m: int, n: int) -> Any:
    """A raw Jacobian as a sparse array; a block-diagonal one without being written out."""
    import scipy.sparse  # noqa: PLC0415 - on first use

    if type(g) is not BlockArray:
        return scipy.sparse.csr_array(np.reshape(g, (m, n)))
    width = n // m
    order = np.arange(n).reshape(g.shape)
    places = order.reshape((*g.shape[: g.axis], m, -1, *g.shape[g.axis + 1 :]))
    columns = np.moveaxis(places, g.axis, 0).reshape(m, width)
    sorted_ = np.argsort(columns, 1)
    data = np.take_along_axis(g.value.reshape(m, width), sorted_, 1)
    indices = np.take_along_axis(columns, sorted_, 1)
    return scipy.sparse.csr_array(
        (data.reshape(-1), indices.reshape(-1), np.arange(0, n + 1, width)), shape=(m, n)
    )


def prepare_jacobian(
    f: Function,
    x: Any,
    *,
    mode: str = "auto",
    sparse: bool = False,
    pattern: Any = None,
    memory: int | float | None = None,
    check: bool = False,
) -> JacobianPlan:
    """Return a plan for the Jacobian of ``f`` at points like ``x``, to be called many times.

    ``f``: a function of one argument, a tensor or tensors in Python containers, that returns the
    same; ``mode``: "forward", "reverse", "sparse", or "auto" to choose from sizes and structure;
    ``sparse``: give `scipy.sparse.csr_array`s; ``pattern``: where the Jacobian may be non-zero, if
    that is known (`ColoredPattern` or a `scipy.sparse` matrix); ``memory``: bytes that
    intermediate results may take (default 1 GiB, or a quarter of what is free); ``check``: compare
    every sparse Jacobian with one more product.

    Raises: ValueError where arguments do not fit each other; TypeError for what is no tensor.

    Example:
        >>> import adjoint as torch
        >>> plan = torch.prepare_jacobian(lambda x: x[1:] * x[:-1], torch.ones(1000), sparse=True)
        >>> plan
        JacobianPlan(999x1000, sparse, banded (0 below the diagonal, 1 above))
        >>> plan(torch.arange(1000.0))
        <Compressed Sparse Row sparse array of dtype 'float32'
                with 1998 stored elements and shape (999, 1000)>
    """
    options: dict[str, Any] = {"memory": memory, "check": check, "large": 32}
    plan = JacobianPlan(f, x, mode=mode, sparse=sparse, pattern=pattern, **options)
    plan.forget()
    return plan


def jacobian(
    f: Function,
    x: Any,
    *,
    mode: str = "auto",
    sparse: bool = False,
    pattern: Any = None,
    memory: int | float | None = None,
    check: bool = False,
) -> Any:
    """Return the Jacobian of ``f`` at ``x``; how it is computed is chosen from sizes and structure.

    The arguments are those of `prepare_jacobian`, which is for many points. Containers come back as
    containers: for each tensor that ``f`` returns, one for each tensor in ``x``. Of a holomorphic
    function of complex numbers it is the complex derivative. The result is not recorded:
    `func.jacrev` and `func.jacfwd` are for derivatives of derivatives.

    Shape: f(x) (*m), x (*n); result (*m, *n), sparse (elements of f(x), elements of x). Dtype: that
    of ``f``.
    Raises: MemoryError if a dense result is larger than the memory that is free; else as
    `prepare_jacobian`.

    Example:
        >>> import adjoint as torch
        >>> torch.jacobian(lambda x: x ** 2, torch.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    return _computed(f, x, mode, sparse, pattern, memory, check)[1]


def value_and_jacobian(
    f: Function,
    x: Any,
    *,
    mode: str = "auto",
    sparse: bool = False,
    pattern: Any = None,
    memory: int | float | None = None,
    check: bool = False,
) -> tuple[Any, Any]:
    """Return ``f(x)`` and the Jacobian at ``x``; the arguments are those of `jacobian`.

    Example:
        >>> import adjoint as torch
        >>> torch.value_and_jacobian(torch.sin, torch.zeros(2))
        (tensor([0., 0.]), tensor([[1., 0.],
                [0., 1.]]))
    """
    value, found = _computed(f, x, mode, sparse, pattern, memory, check)
    return value(), found


def _computed(
    f: Function, x: Any, mode: str, sparse: bool, pattern: Any, memory: Any, check: bool
) -> Computed:
    run = None
    if mode == "auto" and not sparse and pattern is None and memory is None:
        run = Evaluation(f, x)
        found = [dense.known(run, i) for i in range(len(run.results))]
        if found and not any(rows is None for rows in found):
            return run.values, _arranged(run, found)
        single = len(run.results) == len(run.leaves) == 1
        kept = _structures.recall(run.results[0], run.leaves[0]) if single else None
        if kept is not None:
            return run.values, _matrix(run, *kept)
    options: dict[str, Any] = {"memory": memory, "check": check, "run": run}
    plan = JacobianPlan(f, x, mode=mode, sparse=sparse, pattern=pattern, **options)
    if run is not None and plan.mode == "sparse":
        _structures.learn(run.results[0], run.leaves[0])
    return plan.first(x)


_structures = Structures()


def _matrix(run: Evaluation, compressed: Compressed, products: list[Any]) -> Any:
    """The dense Jacobian that is recovered from products, in the containers of a call."""
    (point,), (output,) = run.leaves, run.results
    check_result(*compressed.pattern.shape, products[0].itemsize)
    shape = (*output._desc.shape, *point._desc.shape)
    made = make_tensor(compressed.dense(products).reshape(shape))
    return arranged([arranged([made], run.spec)], run.result_spec)
