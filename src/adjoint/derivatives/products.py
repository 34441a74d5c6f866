"""Products of a Hessian with vectors: `hvp`, and a plan for many of them.

In: a function that returns one number, a point, a vector that is arranged like it.  Out: the
product, arranged the same way; the Hessian itself is never there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from adjoint.core.backward import grad as recorded_grad
from adjoint.core.engine import run_backward
from adjoint.core.tensor_base import make_tensor
from adjoint.derivatives.curvature import product, recorded_number
from adjoint.derivatives.recorded import (
    Evaluation,
    arranged,
    flat,
    gradient_of,
    graph_size,
    is_plain,
)

__all__ = ["HvpPlan", "hvp", "prepare_hvp"]

Function = Callable[[Any], Any]


def hvp(f: Function, x: Any, v: Any) -> Any:
    """Return the product of the Hessian of ``f`` at ``x`` with ``v``, which is arranged as ``x``.

    For many products at one point see `prepare_hvp`.

    Raises: ValueError if ``v`` has other shapes than ``x``; RuntimeError if ``f`` returns more than
    one number.

    Example:
        >>> import adjoint as torch
        >>> torch.hvp(lambda x: (x ** 3).sum(), torch.tensor([1.0, 2.0]), torch.ones(2))
        tensor([ 6., 12.])
    """
    run = Evaluation(f, x)
    leaves = run.leaves
    directions, alike = _directions(v, leaves)
    output = run.scalar()
    if output._edge is None:
        return _arranged([None] * len(leaves), run)
    if alike and is_plain(leaves):
        return _arranged(product(output, leaves, *[d._array for d in directions]), run)
    return arranged(_product_of_tensors(output, leaves, directions), run.spec)


def _directions(v: Any, leaves: list[Any]) -> tuple[list[Any], bool]:
    """The tensors in ``v``, and whether they are like the leaves in all but their numbers.

    Raises: ValueError if they have other shapes.
    """
    directions = flat(v)[0]
    alike = len(directions) == len(leaves)
    for direction, leaf in zip(directions, leaves):
        alike = alike and getattr(direction, "_desc", None) is leaf._desc
    if not alike and [tuple(d.shape) for d in directions] != [tuple(t.shape) for t in leaves]:
        raise ValueError(
            f"v must be arranged as x: x has shapes {[list(t.shape) for t in leaves]}, v "
            f"{[list(d.shape) for d in directions]}"
        )
    return directions, alike


def _arranged(raws: Sequence[Any], run: Evaluation) -> Any:
    """Raw products (None: zeros) as tensors, in the containers of the point."""
    found = [
        make_tensor(np.zeros(x._desc.shape, x._desc.numpy) if raw is None else raw)
        for raw, x in zip(raws, run.leaves)
    ]
    return arranged(found, run.spec)


def _product_of_tensors(output: Any, points: Sequence[Any], directions: Sequence[Any]) -> list[Any]:
    """The same for directions of other dtypes, and inside of transforms."""
    gradient = gradient_of(output, points, create_graph=True)
    pairs = [(g, d) for g, d in zip(gradient, directions) if g._edge is not None]
    if not pairs:
        return [make_tensor(np.zeros_like(d.detach().numpy())) for d in directions]
    outputs, weights = zip(*pairs)
    return list(recorded_grad(outputs, points, weights, materialize_grads=True))


# ---- many products -------------------------------------------------------------------------------


class _Products:
    """The products at one point, where the function was recorded once."""

    def __init__(self, f: Function, x: Any) -> None:
        self.run, self.output = recorded_number(f, x)
        self._gradient: list[Any] | None = None

    def __call__(self, v: Any) -> Any:
        """The product with ``v``."""
        leaves = self.run.leaves
        directions, alike = _directions(v, leaves)
        if self.output._edge is None:
            return _arranged([None] * len(leaves), self.run)
        if alike:
            found = product.recall(self.output, leaves, *[d._array for d in directions])
            if found is not None:
                return _arranged(found, self.run)
        if self._gradient is None:
            self._gradient = gradient_of(self.output, leaves, create_graph=True)
        roots = [
            (g._edge, np.asarray(d.detach().numpy(), g._desc.numpy))
            for g, d in zip(self._gradient, directions)
            if g._edge is not None
        ]
        keys, options = self.run.keys(), {"create": False, "accumulate": False, "world": False}
        pulled = run_backward(roots, keep=True, inputs=keys, **options) if roots else {}
        return _arranged([pulled.get(i) for i in range(len(leaves))], self.run)


class HvpPlan:
    """The products of a function's Hessian with vectors: ``plan(x, v)``, or ``plan.at(x)`` for many
    vectors at one point.

    Made by `prepare_hvp`. ``shapes``: those of the tensors in ``x``; ``mode``: "program" or "walk".
    """

    def __init__(self, f: Function, x: Any) -> None:
        self.f = f
        run, output = recorded_number(f, x)
        self.shapes = [tuple(leaf._desc.shape) for leaf in run.leaves]
        self.n = sum(leaf.numel() for leaf in run.leaves)
        self.nodes = 0 if output._edge is None else graph_size(output._edge)[0]
        self.mode = "walk"
        if output._edge is not None:
            vector = [leaf._array for leaf in run.leaves]
            product.learn(output, run.leaves, *vector)
            product.learn(output, run.leaves, *vector)  # a program is made the second time
            if product.recall(output, run.leaves, *vector) is not None:
                self.mode = "program"

    def __call__(self, x: Any, v: Any) -> Any:
        """The product of the Hessian at ``x`` with ``v``; the function runs every time."""
        self._check(x)
        return hvp(self.f, x, v)

    def at(self, x: Any) -> Callable[[Any], Any]:
        """What gives the product of the Hessian at ``x`` with any vector: the function runs once,
        now.
        """
        self._check(x)
        return _Products(self.f, x)

    def _check(self, x: Any) -> None:
        given = [tuple(getattr(p, "shape", ())) for p in flat(x)[0]]
        if given != self.shapes:
            raise ValueError(
                f"the plan was made for a point with shapes {[list(s) for s in self.shapes]}, this "
                f"one has {[list(s) for s in given]}: prepare another one"
            )

    def explain(self) -> str:
        """What was chosen, and why, in a few lines."""
        name = getattr(self.f, "__name__", None) or type(self.f).__name__
        how = {
            "program": "program (two walks written out as plain NumPy, for graphs like this one)",
            "walk": "walk (twice over the recorded graph)",
        }
        return "\n".join(
            [
                f"Hessian times vector, {self.n} variables, of {name} "
                f"({self.nodes} recorded operations)",
                f"  mode: {how[self.mode]}",
                "  at one point: plan.at(x) records once, for any number of vectors",
            ]
        )

    def __repr__(self) -> str:
        return f"HvpPlan({self.n}, {self.mode})"


def prepare_hvp(f: Function, x: Any) -> HvpPlan:
    """Return a plan for products of the Hessian of ``f`` with vectors, at points like ``x``.

    ``plan(x, v)`` is ``hvp(f, x, v)``. ``plan.at(x)`` is a function of v alone: it runs ``f`` once
    and takes a walk, or a program, for each vector, as methods of Newton's kind want it that solve
    with conjugate gradients.

    Raises: RuntimeError if ``f`` returns more than one number, for complex points, and inside of
    transforms; ValueError from the plan for a point or vector of other shapes.

    Example:
        >>> import adjoint as torch
        >>> plan = torch.prepare_hvp(lambda x: (x ** 3).sum(), torch.ones(2))
        >>> times = plan.at(torch.tensor([1.0, 2.0]))
        >>> times(torch.ones(2)), times(torch.tensor([0.0, 1.0]))
        (tensor([ 6., 12.]), tensor([ 0., 12.]))
    """
    return HvpPlan(f, x)
