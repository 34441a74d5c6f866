"""The two sides of `gradcheck`: Jacobians from the tape, compared with Jacobians from differences.

In: a function, its inputs and the tolerances.  Out: nothing, or a `GradcheckError` that tells where
they differ. Jacobians are transposed here: a row for each element of the input.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from adjoint.autograd import differences, forward_ad
from adjoint.autograd.gradcheck_report import NOT_REENTRANT, GradcheckError, Mismatch, describe
from adjoint.core.backward import grad
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.random import Generator, rand

__all__ = [
    "Options",
    "Part",
    "as_tuple",
    "check_backward_mode",
    "check_batched",
    "check_forward_mode",
    "differentiable",
    "requiring_grad",
]

Array = Any
Tensors = tuple[Any, ...]
Func = Callable[..., Any]

_BATCH = 3
_BATCHED = "gradcheck or gradgradcheck failed while testing batched gradient computation."


class Options(NamedTuple):
    """How to compare: the arguments of `gradcheck` of these names."""

    eps: float
    atol: float
    rtol: float
    nondet_tol: float
    check_grad_dtypes: bool
    fast: bool


class Part(NamedTuple):
    """The function with its complex outputs (or inputs) replaced by one of their parts."""

    func: Func
    inputs: Tensors
    prefix: str = ""


def as_tuple(value: Any) -> Tensors:
    """A tuple or list as a tuple, anything else as its only member."""
    return tuple(value) if isinstance(value, (tuple, list)) else (value,)


def differentiable(outputs: Any) -> Tensors:
    """The outputs that require grad."""
    return tuple(o for o in as_tuple(outputs) if o.requires_grad)


def requiring_grad(inputs: Tensors) -> Tensors:
    """The tensors that require grad."""
    return tuple(t for t in inputs if isinstance(t, TensorBase) and t._edge is not None)


# ---- backward ------------------------------------------------------------------------------------


def check_backward_mode(part: Part, originals: Tensors, options: Options) -> None:
    """Compare what backward says; ``originals``: the outputs before parts were taken."""
    wanted = requiring_grad(part.inputs)
    evaluate = _evaluation(part)
    outputs = evaluate()
    compare = _Comparison(part, originals, wanted, options, "Jacobian")
    if options.fast:
        vectors = _Vectors(wanted, outputs)
        numerical = [
            differences.products(evaluate, x, u, options.eps) for x, u in zip(wanted, vectors.u)
        ]
        analytical = [
            _pulled_products(o, v, wanted, vectors.u, options) for o, v in zip(outputs, vectors.v)
        ]
        for j, of_input in enumerate(numerical):
            for i, product in enumerate(of_input):
                n, scale = vectors.dotted(product, i), vectors.scale(j, i)
                compare.products(i, j, n, analytical[i][j], scale)
        return
    whole = [differences.jacobians(evaluate, x, options.eps) for x in wanted]
    for i, output in enumerate(outputs):
        pulled = _pulled_jacobians(output, wanted, options)
        for j, a in enumerate(pulled):
            compare.jacobians(i, j, whole[j][i], a)


def _evaluation(part: Part) -> Callable[[], Tensors]:
    return lambda: differentiable(part.func(*part.inputs))


def _pulled_jacobians(output: Any, wanted: Tensors, options: Options) -> list[Array]:
    """The transposed Jacobians of one output, column by column, computed twice."""
    first, second = (_pull_all(output, wanted, options) for _ in range(2))
    _check_reentrant(first, second, options)
    return first


def _pull_all(output: Any, wanted: Tensors, options: Options) -> list[Array]:
    count = output.numel()
    found = [np.zeros((x.numel(), count), x._desc.numpy) for x in wanted]
    for k in range(count):
        unit = np.zeros(count, output._desc.numpy)
        unit[k] = 1
        for jacobian, g in zip(found, _pull(output, unit.reshape(output.shape), wanted, options)):
            if g is not None:
                jacobian[:, k] = g._array.reshape(-1)
    return found


def _pull(output: Any, weight: Array, wanted: Tensors, options: Options) -> Tensors:
    cotangent = make_tensor(weight)
    found = grad(output, wanted, cotangent, retain_graph=True, allow_unused=True)
    for g, x in zip(found, wanted):
        if g is None:
            continue
        if g._desc.dtype is not x._desc.dtype and options.check_grad_dtypes:
            raise GradcheckError(
                f"Gradient has dtype mismatch ({g.dtype} for an input of {x.dtype})"
            )
        if g._desc.shape != x._desc.shape:
            raise GradcheckError(
                "Analytical gradient has incorrect size "
                f"({list(g.shape)} for an input of {list(x.shape)})"
            )
    return found


def _pulled_products(
    output: Any, v: Array, wanted: Tensors, us: Sequence[Any], options: Options
) -> list[Array]:
    """``v J u`` by the tape, for each input, computed twice."""
    first, second = (
        [
            np.zeros(x.shape, x._desc.numpy) if g is None else g._array
            for g, x in zip(_pull(output, v, wanted, options), wanted)
        ]
        for _ in range(2)
    )
    _check_reentrant(first, second, options)
    return [differences.weighted(g, u) for g, u in zip(first, us)]


def _check_reentrant(first: list[Array], second: list[Array], options: Options) -> None:
    for a, b in zip(first, second):
        with np.errstate(all="ignore"):
            same = (a == b) | ((a != a) & (b != b)) | (np.abs(a - b) <= options.nondet_tol)
        if not same.all():
            raise GradcheckError(NOT_REENTRANT.format(options.nondet_tol))


class _Vectors:
    """Random directions ``u`` of the inputs and weights ``v`` of the outputs, of length 1.

    They come from a generator of their own, so that every check sees the same; their numbers are
    positive, so that no two errors of one sign cancel. ``u`` of a complex input is a pair.
    """

    def __init__(self, inputs: Tensors, outputs: Tensors) -> None:
        generator = Generator()
        self.u: list[Any] = []
        for x in inputs:
            if x.is_complex():
                self.u.append((self._draw(x, generator), self._draw(x, generator)))
            else:
                self.u.append(self._draw(x, generator))
        self.v = [self._draw(o, generator) for o in outputs]

    @staticmethod
    def _draw(like: Any, generator: Any) -> Array:
        kind = like._desc.dtype.to_real().numpy
        numbers = rand(like.numel(), generator=generator)._array.astype(kind)
        length = np.sqrt((numbers * numbers).sum())
        return (numbers / length if length else numbers).reshape(like.shape)

    def dotted(self, product: Array, i: int) -> Any:
        """``v`` of output ``i``, times ``J u``."""
        return (self.v[i] * product).sum()

    def scale(self, j: int, i: int) -> float:
        """What an error of 1 in every entry of the Jacobian makes of ``v J u``."""
        u = self.u[j][0] if isinstance(self.u[j], tuple) else self.u[j]
        return float(u.sum() * self.v[i].sum())


def check_batched(outputs: Tensors, wanted: Tensors, options: Options) -> None:
    """Compare a batch of gradients with the same gradients one by one."""
    generator = Generator()
    for i, output in enumerate(outputs):
        shape = (_BATCH, *output.shape)
        kind = output._desc.dtype.to_real().numpy
        weights = rand(shape, generator=generator)._array.astype(kind)
        batch = make_tensor(weights.astype(output._desc.numpy))
        single = [_pull(output, w, wanted, options) for w in batch._array]
        try:
            together = grad(
                output, wanted, batch, retain_graph=True, allow_unused=True, is_grads_batched=True
            )
        except RuntimeError as error:
            raise GradcheckError(
                f"While computing batched gradients, got: {error}\n\n{_BATCHED}"
            ) from error
        for j, got in enumerate(together):
            zero = np.zeros(wanted[j].shape, wanted[j]._desc.numpy)
            rows = [zero if row[j] is None else row[j]._array for row in single]
            expected = np.stack(rows)
            found = np.zeros_like(expected) if got is None else got._array
            if not np.allclose(found, expected, rtol=options.rtol, atol=options.atol):
                raise GradcheckError(
                    f"For output {i} and input {j}:\n\n{_BATCHED}\n\nGot:\n{make_tensor(found)}\n\n"
                    f"Expected:\n{make_tensor(expected)}"
                )


# ---- forward -------------------------------------------------------------------------------------


def check_forward_mode(part: Part, originals: Tensors, options: Options) -> None:
    """Compare what forward mode says."""
    wanted = requiring_grad(part.inputs)
    evaluate = _evaluation(part)
    compare = _Comparison(part, originals, wanted, options, "Jacobian computed with forward mode")
    if options.fast:
        vectors = _Vectors(wanted, ())
        for j, (x, u) in enumerate(zip(wanted, vectors.u)):
            numerical = differences.products(evaluate, x, u, options.eps)
            for i, tangent in enumerate(_push(part, x, u)):
                compare.vectors(i, j, numerical[i], tangent)
        return
    pushed = [_push_all(part, x) for x in wanted]
    whole = [differences.jacobians(evaluate, x, options.eps) for x in wanted]
    for i in range(len(whole[0])):
        for j, _ in enumerate(wanted):
            compare.jacobians(i, j, whole[j][i], pushed[j][i])


def _push(part: Part, moved: Any, direction: Array) -> list[Array]:
    """The tangents of the outputs when one input moves in ``direction``."""
    tangent = make_tensor(np.array(direction, moved._desc.numpy))
    # which outputs count is decided without tangents
    chosen = [o.requires_grad for o in as_tuple(part.func(*part.inputs))]
    with forward_ad.dual_level():
        dual = forward_ad.make_dual(moved.detach().requires_grad_(), tangent)
        args = [dual if t is moved else t for t in part.inputs]
        outputs = as_tuple(part.func(*args))
        found = []
        for o in (o for o, is_chosen in zip(outputs, chosen) if is_chosen):
            tangent_out = forward_ad.unpack_dual(o).tangent
            zero = np.zeros(o.shape, o._desc.numpy)
            found.append(zero if tangent_out is None else np.asarray(tangent_out._array))
    return found


def _push_all(part: Part, x: Any) -> list[Array]:
    rows = []
    for k in range(x.numel()):
        unit = np.zeros(x.numel(), x._desc.numpy)
        unit[k] = 1
        rows.append([t.reshape(-1) for t in _push(part, x, unit.reshape(x.shape))])
    if not rows:
        outputs = differentiable(part.func(*part.inputs))
        return [np.zeros((0, o.numel()), o._desc.numpy) for o in outputs]
    return [np.stack(column) for column in zip(*rows)]


# ---- comparison ----------------------------------------------------------------------------------


class _Comparison:
    """Compares what the tape and finite differences say, and raises what is to be said then."""

    def __init__(
        self, part: Part, originals: Tensors, wanted: Tensors, options: Options, what: str
    ) -> None:
        self.part, self.originals, self.wanted = part, originals, wanted
        self.options = options
        self.what = what

    def jacobians(self, i: int, j: int, numerical: Array, analytical: Array) -> None:
        """Entry by entry."""
        if not self.near(analytical, numerical, self.options.atol):
            self.fail(i, j, None, None, numerical, analytical)

    def products(self, i: int, j: int, numerical: Any, analytical: Any, scale: float) -> None:
        """``v J u``."""
        if not self.near(analytical, numerical, self.options.atol * scale):
            self.fail(i, j, numerical.item(), analytical.item(), *self.whole(i, j))

    def vectors(self, i: int, j: int, numerical: Array, analytical: Array) -> None:
        """``J u``."""
        if not self.near(analytical, numerical, self.options.atol):
            shown = make_tensor(numerical), make_tensor(analytical)
            self.fail(i, j, *shown, *self.whole(i, j))

    def near(self, a: Any, b: Any, atol: float) -> bool:
        """Whether they are equal up to ``atol + rtol * abs(b)``; nan is equal to nothing."""
        with np.errstate(all="ignore"):
            return bool(np.isclose(a, b, rtol=self.options.rtol, atol=atol).all())

    def whole(self, i: int, j: int) -> tuple[Array, Array]:
        """Both Jacobians, after fast mode found a difference."""
        x, evaluate = self.wanted[j], _evaluation(self.part)
        numerical = differences.jacobians(evaluate, x, self.options.eps)[i]
        if self.what == "Jacobian":
            return numerical, _pull_all(evaluate()[i], (x,), self.options)[0]
        return numerical, _push_all(self.part, x)[i]

    def fail(self, i: int, j: int, n: Any, a: Any, numerical: Array, analytical: Array) -> None:
        evaluate, options = _evaluation(self.part), self.options
        mismatch = Mismatch(
            self.part.prefix,
            self.what,
            i,
            j,
            n,
            a,
            numerical,
            analytical,
            self.originals[i],
            self.wanted[j],
            options.eps,
            options.atol,
            options.rtol,
            lambda: evaluate()[i]._array,
        )
        raise GradcheckError(describe(mismatch))
