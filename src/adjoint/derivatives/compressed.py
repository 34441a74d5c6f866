"""Sparse matrices of moderate size: all products for all colours together.

In: a coloured pattern, and functions recorded at points.  Out: the matrix with that pattern, as a
`scipy.sparse.csr_array` or dense.  Large matrices take one product after the other
(sparse/evaluate.py): their arrays fill the cache, and NumPy's work is what takes the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from adjoint.core.backward import grad as recorded_grad
from adjoint.core.tensor_base import make_tensor
from adjoint.derivatives.program import Derivation
from adjoint.derivatives.recorded import gradient_of
from adjoint.derivatives.rows import pull_rows
from adjoint.derivatives.structure import places
from adjoint.sparse.pattern import ColoredPattern

__all__ = ["Compressed"]

Array = Any

_MOST = 1 << 15  # rows or columns


class Compressed:
    """How the matrices with one pattern are recovered from products with its seeds."""

    def __init__(self, pattern: ColoredPattern) -> None:
        self.pattern = pattern
        self.derivation = Derivation(self._products)
        self._seeds: dict[Any, list[tuple[str, Array]]] = {}
        self._places: Array = None  # of the entries in the flat matrix
        self._order: Array = None  # and where in the flat products they are

    @staticmethod
    def suits(pattern: ColoredPattern) -> bool:
        """Whether matrices with this pattern are of moderate size."""
        return min(pattern.shape) > 0 and max(pattern.shape) <= _MOST

    def __call__(self, output: Any, point: Any) -> list[Array]:
        """The products for each kind of seeds; before them, for a Hessian, the gradient.

        ``output``: a tensor that depends on the leaf ``point``, recorded.
        """
        if output._edge is None:
            return self._filled([None] * (2 if self.pattern.mode == "hvp" else 1), output, point)
        return self._filled(self.derivation(output, (point,)), output, point)

    def _products(self, output: Any, points: Sequence[Any]) -> list[Array]:
        (point,) = points
        key, found = (point._edge, 0), []
        for kind, seeds in self._seeds_for(output._desc.numpy):
            source, target = output, key
            if kind == "hvp":
                (source,) = gradient_of(output, points, create_graph=True)
                found.append(source.detach()._array)
            elif kind == "jvp":  # v @ J, recorded, is linear in v: its transpose is J @ seed
                v = make_tensor(np.zeros(output._desc.shape, output._desc.numpy)).requires_grad_()
                (source,) = recorded_grad(
                    output, points, v, create_graph=True, materialize_grads=True
                )
                target = (v._edge, 0)
            products = None
            if source._edge is not None and len(seeds):
                rows = seeds.reshape((len(seeds), *source._desc.shape))
                (products,) = pull_rows((source._edge,), (rows,), [target], True)
            if products is not None:
                products = products.reshape((len(seeds), -1))
            found.append(products)
        return found

    def _seeds_for(self, dtype: Any) -> list[tuple[str, Array]]:
        found = self._seeds.get(dtype)
        if found is None:
            mode = self.pattern.mode
            kinds = ("jvp", "vjp") if mode == "bidirectional" else (mode,)
            parts: dict[str, list[Array]] = {kind: [] for kind in kinds}
            for kind, _, matrix in self.pattern.seeds(dtype):
                parts[kind].append(matrix)
            found = [(kind, np.concatenate(p) if p else np.zeros(0)) for kind, p in parts.items()]
            self._seeds[dtype] = found
        return found

    def _filled(self, found: list[Array], output: Any, point: Any) -> list[Array]:
        shapes = list(self.pattern.compressed_shapes)
        if self.pattern.mode == "hvp":
            shapes.insert(0, point._desc.shape)
        return [
            np.zeros(shape, output._desc.numpy) if array is None else array
            for array, shape in zip(found, shapes)
        ]

    def matrix(self, products: list[Array]) -> Any:
        """The sparse matrix that has these products."""
        return self.pattern.to_scipy(self.pattern.recover(*products))

    def dense(self, products: list[Array]) -> Array:
        """The same matrix, dense."""
        m, n = self.pattern.shape
        if self._places is None:
            rows, columns = places(self.pattern)
            self._places = rows.astype(np.int64) * n + columns
            if self.pattern.mode in ("jvp", "vjp"):  # each entry is one of the products
                (shape,) = self.pattern.compressed_shapes
                numbered = np.arange(shape[0] * shape[1]).reshape(shape)
                self._order = self.pattern.recover(numbered)
        if self._order is None:
            data = self.pattern.recover(*products)
        else:
            data = products[0].reshape(-1)[self._order]
        made = np.zeros(m * n, data.dtype)
        made[self._places] = data
        return made.reshape(m, n)
