"""`ColoredPattern`: where a Jacobian or Hessian is not zero, and how few products give all of it.

In: a pattern (from detection, or a `scipy.sparse` matrix).  Out: seed matrices for the products,
and from the products the non-zeros in CSR order.  Made once, used for every evaluation at another
point; it cannot be changed, and it can be saved.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from html import escape
from typing import Any, NamedTuple

import numpy as np

from adjoint.sparse import picture
from adjoint.sparse.closed_form import described
from adjoint.sparse.coloring import color_jacobian, count
from adjoint.sparse.csr import Array, Csr, canonical, index_type, union_with_transpose
from adjoint.sparse.recovery import Substitution, direct_map, plan_substitution, symmetric_map
from adjoint.sparse.symmetric import color_star, color_triangular

__all__ = ["ColoredPattern", "Seeds"]

_MODES = ("jvp", "vjp", "bidirectional", "hvp")
_FORMAT = 1
_CHUNK = 64
_SEEDS_KEPT = 1 << 20  # elements of seed matrices


class Seeds(NamedTuple):
    """Some rows of a seed matrix: ``matrix[k]`` belongs to colour ``start + k`` of the products
    ``kind`` ("jvp", "vjp" or "hvp").
    """

    kind: str
    start: int
    matrix: Array


class ColoredPattern:
    """The places of the non-zeros of a matrix, and a colouring by which few products recover it.

    ``mode`` tells the products: "jvp" (``J @ seed``; columns are coloured), "vjp" (``seed @ J``;
    rows are), "bidirectional" (both), "hvp" (``H @ seed`` with a symmetric matrix).

    >>> import numpy as np, scipy.sparse
    >>> J = scipy.sparse.diags_array([np.ones(5), np.ones(6)], offsets=[1, 0], shape=(6, 6))
    >>> pattern = ColoredPattern.from_scipy(J)
    >>> pattern
    ColoredPattern(6x6, nnz=11, 69.4% zero, jvp, 2 colours)
    >>> products = [J @ seed for seeds in pattern.seeds() for seed in seeds.matrix]
    >>> recovered = pattern.to_scipy(pattern.recover(np.stack(products)))
    >>> np.array_equal(recovered.toarray(), J.toarray())
    True
    """

    __slots__ = (
        *("_column_colors", "_counts", "_csr", "_mode", "_order", "_recovery", "_row_colors"),
        "_seeds",
    )

    _csr: Csr
    _mode: str
    _column_colors: Array | None
    _row_colors: Array | None
    _order: Array | None
    _recovery: tuple[Array, int] | Substitution | None
    _counts: tuple[int, int]
    _seeds: tuple[Any, list[Seeds]] | None

    def __init__(
        self,
        indptr: Any,
        indices: Any,
        shape: tuple[int, int],
        *,
        mode: str,
        column_colors: Any = None,
        row_colors: Any = None,
        order: Any = None,
    ) -> None:
        """Take a pattern in CSR form with a colouring that is known already.

        ``order``: the position of each variable, for a "hvp" with substitution.
        Raises: ValueError if the arrays do not make a sorted pattern, or do not fit the mode. That
        the colours are a colouring is checked when the first matrix is recovered, or by `check`.
        """
        csr = _checked(indptr, indices, shape)
        m, n = csr.shape
        columns = _checked_colors(column_colors, n, "column_colors", mode != "vjp")
        rows = _checked_colors(row_colors, m, "row_colors", mode in ("vjp", "bidirectional"))
        position = None
        if order is not None:
            position = np.array(order, np.int64)
            if mode != "hvp" or not np.array_equal(np.sort(position), np.arange(n)):
                raise ValueError("order: the positions 0 ... n - 1 of the variables of a 'hvp'")
            position.flags.writeable = False
        if mode not in _MODES:
            raise ValueError(f"mode {mode!r} is none of {', '.join(map(repr, _MODES))}")
        if mode == "hvp" and m != n:
            raise ValueError(f"a Hessian is square; this pattern has shape {m}x{n}")
        counts = (count(columns), count(rows))
        values = (columns, counts, csr, mode, position, None, rows, None)
        for name, value in zip(self.__slots__, values):
            object.__setattr__(self, name, value)

    @classmethod
    def from_scipy(
        cls,
        matrix: Any,
        mode: str | None = None,
        *,
        substitution: bool = False,
        jvp_cost: float = 1.0,
    ) -> ColoredPattern:
        """Return the coloured pattern of a `scipy.sparse` matrix or a dense array.

        Stored entries count as non-zeros, whatever their value. ``mode`` None: whichever of "jvp",
        "vjp" and "bidirectional" needs least work, where a product of kind "jvp" costs ``jvp_cost``
        times one of kind "vjp". "hvp": the matrix is symmetric (its pattern is made so);
        ``substitution`` needs fewer products, and sums them up to find an entry, where direct
        recovery only reads.
        """
        csr = canonical(matrix)
        if mode == "hvp":
            if csr.shape[0] != csr.shape[1]:
                raise ValueError(f"a Hessian is square; this matrix has shape {_size(csr)}")
            csr = union_with_transpose(csr)
            if substitution:
                colors, order = color_triangular(csr)
                return cls(*csr, mode="hvp", column_colors=colors, order=order)
            return cls(*csr, mode="hvp", column_colors=color_star(csr))
        if substitution:
            raise ValueError("substitution is a way to recover Hessians: mode='hvp'")
        if mode is not None and mode not in _MODES:
            raise ValueError(f"mode {mode!r} is none of {', '.join(map(repr, _MODES))}")
        coloring = color_jacobian(csr, mode, jvp_cost)
        mode = mode or coloring.mode
        return cls(*csr, mode=mode, column_colors=coloring.columns, row_colors=coloring.rows)

    # ---- facts -------------------------------------------------------------------------------

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self._csr.shape

    @property
    def indptr(self) -> Array:
        """Where each row starts in ``indices`` (CSR)."""
        return self._csr.indptr

    @property
    def indices(self) -> Array:
        """The column of each non-zero, row by row."""
        return self._csr.indices

    @property
    def nnz(self) -> int:
        """How many entries may be non-zero."""
        return self._csr.nnz

    @property
    def density(self) -> float:
        """The part of the entries that may be non-zero."""
        m, n = self._csr.shape
        return self.nnz / (m * n) if m and n else 0.0

    @property
    def mode(self) -> str:
        """The kind of products: "jvp", "vjp", "bidirectional" or "hvp"."""
        return self._mode

    @property
    def column_colors(self) -> Array | None:
        """The colour of each column; -1: in no product."""
        return self._column_colors

    @property
    def row_colors(self) -> Array | None:
        """The colour of each row; -1: in no product."""
        return self._row_colors

    @property
    def substitution(self) -> bool:
        """Whether entries are found by substitution rather than read directly."""
        return self._order is not None

    @property
    def n_colors(self) -> int:
        """How many products one evaluation takes."""
        return sum(self._counts)

    @property
    def T(self) -> ColoredPattern:
        """The transposed pattern; columns' colours become rows' colours."""
        if self._mode == "hvp":
            return self
        turned = canonical(self.to_scipy().T)
        mode = {"jvp": "vjp", "vjp": "jvp"}.get(self._mode, self._mode)
        return ColoredPattern(
            *turned, mode=mode, column_colors=self._row_colors, row_colors=self._column_colors
        )

    # ---- products and back -------------------------------------------------------------------

    def seeds(self, dtype: Any = np.float64, chunk: int = _CHUNK) -> Iterator[Seeds]:
        """Yield the seed matrices in pieces of at most ``chunk`` rows: 1 where a column (or row)
        has the colour, 0 elsewhere. For "bidirectional", those for "jvp" come first. Small ones are
        kept for the next time; none may be written to.
        """
        if chunk < 1:
            raise ValueError(f"chunk must be at least 1, got {chunk}")
        if chunk != _CHUNK or self.n_colors * max(self.shape) > _SEEDS_KEPT:
            yield from self._made_seeds(dtype, chunk)
            return
        if self._seeds is None or self._seeds[0] != dtype:
            object.__setattr__(self, "_seeds", (dtype, list(self._made_seeds(dtype, chunk))))
        assert self._seeds is not None
        yield from self._seeds[1]

    def _made_seeds(self, dtype: Any, chunk: int) -> Iterator[Seeds]:
        kinds = (
            ("hvp" if self._mode == "hvp" else "jvp", self._column_colors),
            ("vjp", self._row_colors),
        )
        for kind, colors in kinds:
            if colors is None:
                continue
            used = count(colors)
            by_color = np.argsort(colors, kind="stable")
            ends = np.searchsorted(colors[by_color], np.arange(used + 1))
            for start in range(0, used, chunk):
                stop = min(start + chunk, used)
                lines = by_color[ends[start] : ends[stop]]
                matrix = np.zeros((stop - start, len(colors)), dtype)
                matrix[colors[lines] - start, lines] = 1
                matrix.flags.writeable = False
                yield Seeds(kind, start, matrix)

    def recover(self, *compressed: Any) -> Array:
        """Return the non-zeros in CSR order from the products.

        ``compressed``: row ``c`` is the product with the seed of colour ``c``; for "bidirectional"
        two such matrices, the one of the "jvp" first.
        Shape: "jvp" and "hvp": (colours, rows); "vjp": (colours, columns).
        Raises: ValueError for other shapes, or if the colours turn out not to be a colouring.
        """
        arrays = [np.asarray(part) for part in compressed]
        expected = self.compressed_shapes
        if [part.shape for part in arrays] != expected:
            shapes = " and ".join(str(part.shape) for part in arrays)
            wanted = " and ".join(map(str, expected))
            raise ValueError(f"{self!r} needs products of shape {wanted}, got {shapes}")
        recovery = self._recovered()
        if isinstance(recovery, Substitution):
            return recovery.recover(arrays[0])
        if len(arrays) == 1:
            return arrays[0].reshape(-1)[recovery[0]]
        return np.concatenate([part.reshape(-1) for part in arrays])[recovery[0]]

    def compress(self, matrix: Any) -> tuple[Array, ...]:
        """Return the products of a known matrix with the seeds: what `recover` undoes."""
        kinds = [] if self._mode == "vjp" else ["hvp" if self._mode == "hvp" else "jvp"]
        kinds += ["vjp"] if self._row_colors is not None else []
        found = {k: np.zeros(s, matrix.dtype) for k, s in zip(kinds, self.compressed_shapes)}
        for kind, start, seed in self.seeds(matrix.dtype):
            product = seed @ matrix if kind == "vjp" else (matrix @ seed.T).T
            found[kind][start : start + len(seed)] = product
        return tuple(found.values())

    def to_scipy(self, data: Any = None) -> Any:
        """Return a `scipy.sparse.csr_array` with the non-zeros ``data``; without: True at each."""
        import scipy.sparse  # noqa: PLC0415 - on first use

        if data is None:
            data = np.ones(self.nnz, np.bool_)
        data = np.asarray(data)
        if data.shape != (self.nnz,):
            raise ValueError(f"expected {self.nnz} values, got an array of shape {data.shape}")
        matrix = scipy.sparse.csr_array((data, self.indices, self.indptr), shape=self.shape)
        matrix.has_canonical_format = True
        return matrix

    def check(self) -> ColoredPattern:
        """Return the pattern itself, once it is certain that its colours are a colouring.

        Raises: ValueError, naming an entry, if they are not.
        """
        self._recovered()
        return self

    @property
    def compressed_shapes(self) -> list[tuple[int, int]]:
        """The shapes of the matrices of products that `recover` takes."""
        m, n = self.shape
        shapes = []
        if self._column_colors is not None:
            shapes.append((self._counts[0], m))
        if self._row_colors is not None:
            shapes.append((self._counts[1], n))
        return shapes

    def _recovered(self) -> tuple[Array, int] | Substitution:
        """The index map, worked out (and thereby proved right) on first use."""
        found = self._recovery
        if found is None:
            colors = self._column_colors
            if self._mode != "hvp":
                found = direct_map(self._csr, colors, self._row_colors)
            elif self._order is not None and colors is not None:
                found = plan_substitution(self._csr, colors, self._order)
            elif colors is not None:
                found = symmetric_map(self._csr, colors), 0
            assert found is not None
            object.__setattr__(self, "_recovery", found)
        return found

    # ---- identity ----------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError(f"a ColoredPattern cannot be changed ({name})")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a ColoredPattern cannot be changed ({name})")

    def _parts(self) -> tuple[Array | None, ...]:
        return (self.indptr, self.indices, self._column_colors, self._row_colors, self._order)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ColoredPattern):
            return NotImplemented
        return (self.shape, self._mode) == (other.shape, other._mode) and all(
            a is b or (a is not None and b is not None and np.array_equal(a, b))
            for a, b in zip(self._parts(), other._parts())
        )

    def __hash__(self) -> int:
        return hash((self.shape, self._mode, self.nnz, self.n_colors, self.indices[:64].tobytes()))

    def __reduce__(self) -> tuple[Any, ...]:
        return (_rebuild, (self.indptr, self.indices, self.shape, self._state()))

    def _state(self) -> dict[str, Any]:
        return {
            "mode": self._mode,
            "column_colors": self._column_colors,
            "row_colors": self._row_colors,
            "order": self._order,
        }

    # ---- files -------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a NumPy ``.npz`` file, which holds arrays only."""
        arrays = {name: value for name, value in self._state().items() if value is not None}
        with open(path, "wb") as file:
            np.savez_compressed(
                file,
                format=np.array(_FORMAT),
                shape=np.array(self.shape),
                indptr=self.indptr,
                indices=self.indices,
                **arrays,
            )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> ColoredPattern:
        """Read it from a file that `save` wrote; nothing in the file is executed.

        Raises: ValueError if the file holds something else, or its colours are not a colouring.
        """
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            if int(arrays.pop("format")) != _FORMAT:
                raise ValueError("written by another version")
            m, n = arrays.pop("shape").tolist()
            mode = str(arrays.pop("mode"))
            return cls(shape=(m, n), mode=mode, **arrays).check()
        except (ValueError, KeyError, TypeError, EOFError, AttributeError) as error:
            raise ValueError(f"{os.fspath(path)} holds no coloured pattern: {error}") from error

    # ---- text and pictures -------------------------------------------------------------------

    def __repr__(self) -> str:
        return f"ColoredPattern({', '.join(self._facts())})"

    def _facts(self) -> list[str]:
        facts = [
            _size(self._csr),
            f"nnz={self.nnz}",
            f"{_percent(1 - self.density)} zero",
            self._mode,
        ]
        if self._mode == "bidirectional":
            facts.append(f"{self._counts[0]} + {self._counts[1]} colours")
        else:
            facts.append(f"{self.n_colors} colour{'' if self.n_colors == 1 else 's'}")
        if self.substitution:
            facts.append("substitution")
        return facts

    def __str__(self) -> str:
        words = described(self._csr)
        lines = [repr(self), *([words] if words else []), picture.braille(self._csr)]
        return "\n".join(lines)

    def to_svg(self) -> str:
        """Return a picture as SVG text: small matrices entry by entry, in the colours of the
        products that they are read from; large ones by density.
        """
        m, n = self.shape
        groups = np.zeros(0, int)
        if max(m, n) <= picture.EXACT:
            groups = self._groups()
        title = " · ".join((_size(self._csr).replace("x", " × "), *self._facts()[1:]))
        rows = self._row_colors
        if rows is not None:  # numbered on from those of the columns
            rows = np.where(rows < 0, -1, rows + self._counts[0])
        return picture.svg(self._csr, groups, self._column_colors, rows, title)

    def _groups(self) -> Array:
        """For each place the number of the product that it is read from."""
        recovery = self._recovered()
        m, n = self.shape
        if isinstance(recovery, Substitution):
            return recovery.places[recovery.unknown] // m
        places, split = recovery
        if self._column_colors is None:
            return places // n
        if self._row_colors is None:
            return places // m
        return np.where(places < split, places // m, split // m + (places - split) // n)

    def _repr_html_(self) -> str:
        words = described(self._csr)
        note = f" <small>({escape(words)})</small>" if words else ""
        return (
            f'<figure style="margin: 0"><figcaption><code>{escape(repr(self))}</code>{note}'
            f"</figcaption>{self.to_svg()}</figure>"
        )


def _rebuild(indptr: Any, indices: Any, shape: Any, state: dict[str, Any]) -> ColoredPattern:
    return ColoredPattern(indptr, indices, shape, **state)


def _size(csr: Csr) -> str:
    return f"{csr.shape[0]}x{csr.shape[1]}"


def _percent(part: float) -> str:
    """A percentage with as many digits as it takes to tell almost all from all."""
    for digits in range(1, 12):
        text = f"{100 * part:.{digits}f}"
        if part == 1.0 or float(text) < 100.0:
            return f"{text if part < 1.0 else '100'}%"
    return "100%"


def _checked(indptr: Any, indices: Any, shape: tuple[int, int]) -> Csr:
    m, n = int(shape[0]), int(shape[1])
    starts, places = np.asarray(indptr), np.asarray(indices)
    if starts.ndim != 1 or places.ndim != 1 or starts.dtype.kind not in "iu":
        raise ValueError("indptr and indices must be one-dimensional arrays of integers")
    if len(places) and places.dtype.kind not in "iu":
        raise ValueError("indptr and indices must be one-dimensional arrays of integers")
    if len(starts) != m + 1 or starts[0] != 0 or starts[-1] != len(places):
        raise ValueError(f"indptr does not describe {m} rows with {len(places)} entries together")
    if (np.diff(starts) < 0).any():
        raise ValueError("indptr must not fall")
    if len(places) and (places.min() < 0 or places.max() >= n):
        raise ValueError(f"indices must lie between 0 and {n - 1}")
    kind = index_type(m, n, len(places))
    starts, places = np.array(starts, kind), np.array(places, kind)
    rising = places[1:] > places[:-1]
    inner = starts[1:-1]
    rising[inner[(inner > 0) & (inner < len(places))] - 1] = True  # from one row to the next
    if not rising.all():
        raise ValueError("the indices of each row must rise")
    starts.flags.writeable = places.flags.writeable = False
    return Csr(starts, places, (m, n))


def _checked_colors(colors: Any, size: int, name: str, wanted: bool) -> Array | None:
    if (colors is not None) != wanted:
        raise ValueError(f"{name} {'is missing' if wanted else 'does not belong to this mode'}")
    if colors is None:
        return None
    array = np.array(colors, np.int32)
    if array.shape != (size,) or (size and array.min() < -1):
        raise ValueError(f"{name}: one colour for each of {size}, from 0, or -1")
    array.flags.writeable = False
    return array
