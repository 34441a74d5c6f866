"""Compressed evaluation: all entries of a sparse Jacobian or Hessian from a few products.

In: a function, a point, a `ColoredPattern` (or none: then it is detected and coloured).  Out: a
`scipy.sparse.csr_array` in the dtype of the function. The function is recorded once; every colour
is one walk over the graph.

Note [Products]
    ``seed @ J`` is a backward pass. ``J @ seed`` is one as well: the backward pass, recorded, is
    linear in the cotangent, and its own transpose pushes a tangent. That costs about twice as
    much, but the function is not run again for every colour. ``H @ seed`` is the backward pass
    of the recorded gradient.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.descriptor import plain
from adjoint.core import mode as modes
from adjoint.core.backward import grad
from adjoint.core.engine import run_backward
from adjoint.core.mode import mode_bits
from adjoint.core.pruning import prune
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.sparse.detect import detect_hessian, detect_jacobian
from adjoint.sparse.pattern import ColoredPattern

__all__ = [
    "Curvature",
    "Linearization",
    "hessian",
    "hessian_pattern",
    "jacobian",
    "jacobian_pattern",
    "value_and_hessian",
    "value_and_jacobian",
]

Array = Any
Tensor = Any
Function = Callable[[Any], Any]
Progress = Callable[[int, int], None] | None

JVP_COST = 2.0  # of a product J @ seed, with seed @ J as the unit


# ---- patterns ------------------------------------------------------------------------------------


def jacobian_pattern(
    f: Function, x: Tensor, *, mode: str | None = None, local: bool = False
) -> ColoredPattern:
    """Return the detected and coloured pattern of the Jacobian of ``f`` at ``x``.

    ``mode``: "jvp", "vjp", "bidirectional", or None for the cheapest; ``local``: only at this point
    (`detect_jacobian`). Shape: (elements of the output, elements of ``x``).

    >>> import adjoint as torch
    >>> jacobian_pattern(lambda x: x[1:] - x[:-1], torch.zeros(6))
    ColoredPattern(5x6, nnz=10, 66.7% zero, vjp, 2 colours)
    """
    return ColoredPattern.from_scipy(detect_jacobian(f, x, local=local), mode, jvp_cost=JVP_COST)


def hessian_pattern(
    f: Function, x: Tensor, *, substitution: bool = False, local: bool = False
) -> ColoredPattern:
    """Return the detected and coloured pattern of the Hessian of the scalar ``f`` at ``x``.

    ``substitution``: fewer products, from which entries are found by sums (`ColoredPattern`);
    ``local``: only at this point (`detect_jacobian`). Shape: square, by the elements of ``x``.

    >>> import adjoint as torch
    >>> hessian_pattern(lambda x: (x[1:] * x[:-1] ** 2).sum(), torch.zeros(6))
    ColoredPattern(6x6, nnz=15, 58.3% zero, hvp, 3 colours)
    """
    found = detect_hessian(f, x, local=local)
    return ColoredPattern.from_scipy(found, "hvp", substitution=substitution)


# ---- evaluation ----------------------------------------------------------------------------------


def jacobian(
    f: Function,
    x: Tensor,
    pattern: Any = None,
    *,
    check: bool = False,
    progress: Progress = None,
) -> Any:
    """Return the Jacobian of ``f`` at ``x`` as a `scipy.sparse.csr_array`.

    ``pattern``: where it may be non-zero, a `ColoredPattern` or a matrix; None: detected here. A
    pattern that is given holds for every point, and makes this a few walks over one graph.
    ``check``: compare with another product, and raise where the pattern does not hold. ``progress``
    is called with the number of products that are done, and of all.

    Shape: ``x`` (*), the output (*); result (elements of the output, elements of ``x``).
    Dtype: real floating-point; the result has that of ``f``.
    Raises: ValueError if the pattern has another shape, or (``check``) does not hold at ``x``;
    TypeError or RuntimeError for what is no real floating-point tensor.

    >>> import adjoint as torch
    >>> x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    >>> jacobian(lambda x: x[1:] * x[:-1], x).toarray()
    array([[2., 1., 0.],
           [0., 3., 2.]])
    """
    return value_and_jacobian(f, x, pattern, check=check, progress=progress)[1]


def value_and_jacobian(
    f: Function,
    x: Tensor,
    pattern: Any = None,
    *,
    check: bool = False,
    progress: Progress = None,
) -> tuple[Tensor, Any]:
    """Return ``f(x)`` and the Jacobian at ``x``, which cost no more together; see `jacobian`.

    >>> import adjoint as torch
    >>> y, J = value_and_jacobian(torch.sin, torch.zeros(2))
    >>> y, J.nnz
    (tensor([0., 0.]), 2)
    """
    if pattern is None:
        pattern = jacobian_pattern(f, x)
    elif not isinstance(pattern, ColoredPattern):
        pattern = ColoredPattern.from_scipy(pattern, jvp_cost=JVP_COST)
    made = Linearization(f, x)
    _require("jacobian", pattern, made.shape, pattern.mode != "hvp")
    products = {"jvp": made.push, "vjp": made.pull}
    matrix = _recovered(pattern, products, made.dtype, progress)
    if check:
        _check("jacobian", "Jacobian", matrix, made.push)
    return made.value, matrix


def hessian(
    f: Function,
    x: Tensor,
    pattern: Any = None,
    *,
    check: bool = False,
    progress: Progress = None,
) -> Any:
    """Return the Hessian of the scalar ``f`` at ``x`` as a `scipy.sparse.csr_array`.

    Arguments and errors as for `jacobian`; a `ColoredPattern` must be one for Hessians.
    Shape: ``x`` (*); result square, by the elements of ``x``.

    >>> import adjoint as torch
    >>> x = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    >>> hessian(lambda x: (x[1:] * x[:-1] ** 2).sum(), x).toarray()
    array([[4., 2., 0.],
           [2., 6., 4.],
           [0., 4., 0.]])
    """
    return value_and_hessian(f, x, pattern, check=check, progress=progress)[2]


def value_and_hessian(
    f: Function,
    x: Tensor,
    pattern: Any = None,
    *,
    check: bool = False,
    progress: Progress = None,
) -> tuple[Tensor, Tensor, Any]:
    """Return ``f(x)``, the gradient and the Hessian at ``x``; see `hessian`.

    >>> import adjoint as torch
    >>> y, g, H = value_and_hessian(lambda x: (x ** 2).sum(), torch.ones(2))
    >>> y, g, H.toarray()
    (tensor(2.), tensor([2., 2.]), array([[2., 0.],
           [0., 2.]], dtype=float32))
    """
    if pattern is None:
        pattern = hessian_pattern(f, x)
    elif not isinstance(pattern, ColoredPattern):
        pattern = ColoredPattern.from_scipy(pattern, "hvp")
    made = Curvature(f, x)
    _require("hessian", pattern, made.shape, pattern.mode == "hvp")
    matrix = _recovered(pattern, {"hvp": made.push}, made.dtype, progress)
    if check:
        _check("hessian", "Hessian", matrix, made.push)
    return made.value, made.gradient, matrix


def _require(name: str, pattern: ColoredPattern, shape: tuple[int, int], fits: bool) -> None:
    if pattern.shape != shape:
        raise ValueError(
            f"{name}: the pattern has shape {pattern.shape[0]}x{pattern.shape[1]}, but here it is "
            f"{shape[0]}x{shape[1]} (elements of the output, elements of x)"
        )
    if not fits:
        raise ValueError(
            f"{name}: {pattern!r} is for another kind of products (a Hessian's is made with "
            "mode='hvp', a Jacobian's with any other)"
        )


def _recovered(
    pattern: ColoredPattern, products: dict[str, Any], dtype: Any, progress: Progress
) -> Any:
    """The matrix with that pattern whose products with a seed are as ``products`` tell."""
    kinds = ("jvp", "vjp") if pattern.mode == "bidirectional" else (pattern.mode,)
    found = {k: np.empty(shape, dtype) for k, shape in zip(kinds, pattern.compressed_shapes)}
    done, total = 0, pattern.n_colors
    for kind, start, matrix in pattern.seeds(dtype):
        target, product = found[kind], products[kind]
        for k, seed in enumerate(matrix):
            target[start + k] = product(seed)
            done += 1
            if progress is not None:
                progress(done, total)
    return pattern.to_scipy(pattern.recover(*found.values()))


def _check(name: str, what: str, matrix: Any, product: Callable[[Array], Array]) -> None:
    """Raise ValueError where a matrix has not the product that it should have."""
    vector = np.random.default_rng(0).standard_normal(matrix.shape[1]).astype(matrix.dtype)
    expected, found = product(vector), matrix @ vector
    scale = abs(matrix) @ np.abs(vector) + np.abs(expected)
    tolerance = np.sqrt(np.finfo(matrix.dtype).eps)
    largest = scale[np.isfinite(scale)].max(initial=0)
    close = np.abs(expected - found) <= tolerance * (scale + tolerance * largest)
    close |= ~(np.isfinite(expected) & np.isfinite(found))  # 0 * nan may come from any row
    if not close.all():
        row = int(np.argmin(close))
        raise ValueError(
            f"{name}: the pattern does not hold at this point. Row {row} of the {what} times a "
            f"random vector is {expected[row]:.6g}, but {found[row]:.6g} by the entries that the "
            f"pattern allows; so do {np.count_nonzero(~close)} of {len(close)} rows. (A function "
            "that decides by values, with `if`, item() or a mask, may have another pattern at "
            "another point: detect it there, or give one that holds for all.)"
        )


# ---- products ------------------------------------------------------------------------------------


class Linearization:
    """A function recorded at a point: its ``value``, and the products of its Jacobian with vectors.

    >>> import adjoint as torch
    >>> made = Linearization(lambda x: x[1:] * x[:-1], torch.tensor([1.0, 2.0, 3.0]))
    >>> made.value, made.pull([1.0, 0.0]), made.push([1.0, 0.0, 0.0])
    (tensor([2., 6.]), array([2., 1., 0.], dtype=float32), array([2., 0.], dtype=float32))
    """

    def __init__(self, f: Function, x: Tensor) -> None:
        _check_tensor("jacobian", "x", x)
        self._x = x.detach().requires_grad_()
        with mode_bits(on=modes.GRAD):
            output = f(self._x)
        _check_tensor("jacobian", "what f returns", output)
        self.value = output.detach()
        self.shape = (output.numel(), x.numel())
        self.dtype = output._desc.numpy
        self._recorded = _Recorded(output, self._x)
        self._transposed: _Recorded | None = None

    def pull(self, v: Array) -> Array:
        """``v @ J``, for as many numbers as the output has elements."""
        return self._recorded.pull(v)

    def push(self, t: Array) -> Array:
        """``J @ t``, for as many numbers as the input has elements; see Note [Products]."""
        if self._transposed is None:
            self._transposed = self._transpose()
        return self._transposed.pull(t)

    def _transpose(self) -> _Recorded:
        """``v @ J`` recorded as a function of v."""
        value = self._recorded.output
        v = make_tensor(np.zeros(value._desc.shape, self.dtype)).requires_grad_()
        if not value.requires_grad:
            return _Recorded(make_tensor(np.zeros(self._x._desc.shape, self.dtype)), v)
        with mode_bits(on=modes.GRAD):
            (pulled,) = grad(value, self._x, v, create_graph=True, materialize_grads=True)
        return _Recorded(pulled, v)


class Curvature:
    """A scalar function recorded at a point: its ``value``, its ``gradient``, and the products of
    its Hessian with vectors.

    >>> import adjoint as torch
    >>> made = Curvature(lambda x: (x ** 3).sum(), torch.tensor([1.0, 2.0]))
    >>> made.push([1.0, 1.0])
    array([ 6., 12.], dtype=float32)
    """

    def __init__(self, f: Function, x: Tensor) -> None:
        _check_tensor("hessian", "x", x)
        self._x = x.detach().requires_grad_()
        with mode_bits(on=modes.GRAD):
            output = f(self._x)
            _check_tensor("hessian", "what f returns", output)
            if output.numel() != 1:
                raise RuntimeError(
                    "hessian: f must return one element, got a tensor of shape "
                    f"{list(output.shape)}"
                )
            gradient = make_tensor(np.zeros(x._desc.shape, x._desc.numpy))
            if output.requires_grad:
                (gradient,) = grad(
                    output.reshape(()), self._x, create_graph=True, materialize_grads=True
                )
        self.value, self.gradient = output.detach(), gradient.detach()
        self.shape = (x.numel(), x.numel())
        self.dtype = x._desc.numpy
        self._recorded = _Recorded(gradient, self._x)

    def push(self, t: Array) -> Array:
        """``H @ t``, for as many numbers as the input has elements."""
        return self._recorded.pull(t)


class _Recorded:
    """A recorded output as a function of a leaf, for any number of backward passes."""

    def __init__(self, output: Tensor, x: Tensor) -> None:
        self.output = output
        self.x = x
        if output.requires_grad and not _is_only_leaf(output._edge, x._edge):
            prune([output._edge], [x._edge])

    def pull(self, v: Array) -> Array:
        """``v @ J``, flat."""
        output, leaf = self.output, self.x._edge
        if output.requires_grad:
            v = np.asarray(v, output._desc.numpy).reshape(output._desc.shape)
            roots, inputs = [(output._edge, v)], [(leaf, 0)]
            found = run_backward(
                roots, keep=True, create=False, inputs=inputs, accumulate=False, whole=True
            ).get(0)
            if found is not None:
                return plain(getattr(found, "_array", found)).reshape(-1)
        return np.zeros(self.x.numel(), self.x._desc.numpy)


def _is_only_leaf(edge: Any, leaf: Any) -> bool:
    """Whether backward from an edge reaches no leaf but one."""
    seen, todo = set(), [edge]
    while todo:
        edge = todo.pop()
        if edge is None or edge is leaf:
            continue
        if edge.leaf:
            return False
        node = edge.node
        if node.seq not in seen:
            seen.add(node.seq)
            todo += node.edges
    return True


def _check_tensor(name: str, what: str, t: Any) -> None:
    if not isinstance(t, TensorBase):
        raise TypeError(f"{name}: {what} must be a Tensor, got {type(t).__name__}")
    if not t._desc.dtype.is_floating_point:
        raise RuntimeError(f"{name}: {what} must be real and floating-point, got {t._desc.dtype!r}")
