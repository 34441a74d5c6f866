"""Masked gradients: derivative rules in which a cotangent of exactly zero contributes nothing.

In: a plan.  Out: the plan with the same saved values whose rules run, where the usual result is not
finite, in a `Library` in which zero times anything is zero. Used for what is recorded, and for
walks that run, while the MASKED bit of the mode is on (`autograd.masked_gradients`).

Note [Zero times anything]
    A rule is linear in its cotangent, and all it does to it is written with the array library and
    operators. So it is enough to hand it the cotangent as a `Cotangent`, whose products with local
    derivatives leave out what is multiplied by zero: ``0 * inf``, ``0 * nan`` and ``0 / 0`` are 0.
    What has been multiplied is a Cotangent again, until the rule returns. Only factors that are not
    finite are replaced, and only where the cotangent is zero, so a gradient that was finite without
    the mode is the same bit for bit; and since the factor is replaced, not the product, no
    derivative of the result meets the infinity either.

Note [Sums of products]
    In a product of matrices or a convolution an element of the result sums many products. Those
    with a zero cotangent are left out by a product with the finite part of the other factor;
    where a cotangent that is not zero meets a factor that is not finite, the usual result stays.

Note [Cotangents that users see]
    The backward of an `autograd.Function` gets its cotangents as Tensors that are marked (Side).
    Products of marked tensors leave out zeros in the same way, and what is linear in them is marked
    too. Where such a product is recorded it is composed of several operators, whose derivatives
    leave the same out.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from adjoint.array.descriptor import describe
from adjoint.core import mode as modes
from adjoint.core.half import for_rules, rounded
from adjoint.core.mode import mode_bits
from adjoint.core.node import Node
from adjoint.core.plan import Plan, tensor_world
from adjoint.core.tensor_base import TensorBase, make_tensor, slow_descriptor

__all__ = [
    "Cotangent",
    "Library",
    "composed",
    "finite",
    "mark",
    "mark_results",
    "marked",
    "masked",
    "masked_forward",
    "plain",
    "unmarked",
]

Array = Any


def finite(found: Any) -> bool:
    """Whether all numbers of an array, a Tensor, or a tuple of these (or None) are finite."""
    if found is None:
        return True
    if isinstance(found, tuple | list):
        return all(map(finite, found))
    raw = found._array if isinstance(found, TensorBase) else found
    if not isinstance(raw, np.ndarray | np.generic):
        return False  # another library's array: not looked into
    return bool(np.isfinite(raw).all())


# ---- cotangents ----------------------------------------------------------------------------------


class Cotangent:
    """An array of the library ``xp`` whose zeros absorb what they are multiplied with.

    It has what rules ask of a cotangent: shape, dtype, indexing, sums, products with anything.
    """

    __slots__ = ("value", "xp")
    __array_ufunc__ = None  # NumPy's arrays leave products with it to it

    def __init__(self, xp: Any, value: Array) -> None:
        self.xp = xp
        self.value = value

    @property
    def shape(self) -> Any:
        """The shape of the array."""
        return self.value.shape

    @property
    def ndim(self) -> Any:
        """The number of axes."""
        return self.value.ndim

    @property
    def dtype(self) -> Any:
        """The dtype, as the library has it."""
        return self.value.dtype

    def _of(self, value: Array) -> Cotangent:
        return Cotangent(self.xp, value)

    def __neg__(self) -> Cotangent:
        return self._of(-self.value)

    def __add__(self, other: Any) -> Cotangent:
        return self._of(self.value + plain(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Cotangent:
        return self._of(self.value - plain(other))

    def __rsub__(self, other: Any) -> Cotangent:
        return self._of(plain(other) - self.value)

    def __mul__(self, other: Any) -> Cotangent:
        if type(other) is Cotangent:
            return self._of(self.value * other.value)
        return self._of(_times(self.xp, self.value, other))

    __rmul__ = __mul__

    def __truediv__(self, other: Any) -> Cotangent:
        return self._of(_over(self.xp, self.value, plain(other)))

    def __getitem__(self, index: Any) -> Cotangent:
        return self._of(self.value[index])


def plain(found: Any) -> Any:
    """What a rule returned, without the wrapping of cotangents."""
    if type(found) is Cotangent:
        return found.value
    if type(found) is tuple or type(found) is list:
        return type(found)([plain(f) for f in found])
    return found


def _spread(xp: Any, g: Array, factor: Any) -> Any:
    """A factor that is a number as an array."""
    if isinstance(factor, int | float | complex | np.generic):
        return xp.ones_like(g) * factor
    return factor


def _times(xp: Any, g: Array, factor: Any) -> Array:
    """``g * factor`` without the products of zeros with what is not finite."""
    if isinstance(factor, int | float | complex | np.generic) and np.isfinite(factor):
        return g * factor
    factor = _spread(xp, g, factor)
    left_out = (g == 0) & xp.logical_not(xp.isfinite(factor))
    return g * xp.where(left_out, xp.zeros_like(factor), factor)


def _over(xp: Any, g: Array, factor: Any) -> Array:
    """``g / factor``, 0 where ``g`` is 0 and ``1 / factor`` is not finite."""
    factor = _spread(xp, g, factor)
    left_out = (g == 0) & ((factor == 0) | xp.logical_not(xp.isfinite(factor)))
    quotient = g / xp.where(left_out, xp.ones_like(factor), factor)
    # not quotient alone: its derivative by g would be 1 where it is to be nothing
    return xp.where(left_out, xp.zeros_like(quotient), quotient)


# ---- the library ---------------------------------------------------------------------------------


class Library:
    """The names of another array library ``xp``, for rules whose cotangent is a `Cotangent`."""

    __slots__ = ("xp",)

    def __init__(self, xp: Any) -> None:
        self.xp = xp

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.xp, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = found(*[plain(a) for a in args], **kwargs)
            return self._wrap(result) if any(map(_holds, args)) else result

        return call if callable(found) else found

    def _wrap(self, result: Any) -> Any:
        if type(result) is tuple:
            return tuple([Cotangent(self.xp, r) for r in result])
        return Cotangent(self.xp, result)

    def tanh_backward(self, g: Any, out: Array) -> Any:
        """``g * (1 - out ** 2)``."""
        return g * (1 - out * out)

    def sigmoid_backward(self, g: Any, out: Array) -> Any:
        """``g * out * (1 - out)``."""
        return g * (out * (1 - out))

    def threshold_backward(self, g: Any, out: Array) -> Any:
        """``g`` where ``out`` is positive."""
        if type(g) is not Cotangent:
            return self.xp.threshold_backward(g, out)
        return Cotangent(self.xp, self.xp.where(out > 0, g.value, self.xp.zeros_like(g.value)))

    def matmul(self, a: Any, b: Any) -> Any:
        """The product of matrices."""
        return self._product(self.xp.matmul, a, b)

    def conv(self, x: Any, w: Any, **settings: Any) -> Any:
        """The convolution."""
        return self._product(self.xp.conv, x, w, **settings)

    def conv_input(self, g: Any, w: Any, shape: Any, **settings: Any) -> Any:
        """The cotangent of a convolution's input."""
        return self._product(self.xp.conv_input, g, w, shape, **settings)

    def conv_weight(self, g: Any, x: Any, shape: Any, **settings: Any) -> Any:
        """The cotangent of a convolution's weight."""
        return self._product(self.xp.conv_weight, g, x, shape, **settings)

    def _product(self, function: Any, a: Any, b: Any, *args: Any, **settings: Any) -> Any:
        """A bilinear function of which one operand is a cotangent; see Note [Sums of products]."""
        tags = (type(a) is Cotangent, type(b) is Cotangent)
        a, b = plain(a), plain(b)
        usual = function(a, b, *args, **settings)
        if True not in tags:
            return usual
        if finite(usual):
            return Cotangent(self.xp, usual)
        xp = self.xp
        counted, safe = [], []
        for value, tagged in zip((a, b), tags):
            hit = value != 0 if tagged else xp.logical_not(xp.isfinite(value))
            counted.append(xp.astype(hit, value.dtype))
            safe.append(value if tagged else xp.where(hit, xp.zeros_like(value), value))
        met = function(*counted, *args, **settings) != 0
        return Cotangent(xp, xp.where(met, usual, function(*safe, *args, **settings)))


def _holds(argument: Any) -> bool:
    if type(argument) is tuple or type(argument) is list:
        return any(map(_holds, argument))
    return type(argument) is Cotangent


# ---- plans ---------------------------------------------------------------------------------------


class MaskedPlan(Plan):
    """A plan whose rules leave out what a zero cotangent is multiplied with."""

    __slots__ = ()

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan.op, plan.needs, False, False)
        self.pull = self.pull_masked

    def pull_masked(self, node: Node, g: Any) -> Any:
        """The operands' cotangents as raw arrays."""
        g, values, half = for_rules(self.op, g, self.raws(node))
        return rounded(self._masked(self.op.library(g, values), g, values, node), half)

    def pull_tensors(self, node: Node, g: Any) -> Any:
        """The operands' cotangents as Tensors; what is recorded is masked, too."""
        with mode_bits(on=modes.MASKED):
            return self._masked(tensor_world(), g, self.tensors(node), node)

    def _masked(self, xp: Any, g: Any, values: list[Any], node: Node) -> Any:
        found = self._apply(xp, g, values, node)
        if finite(found):
            return found
        if isinstance(node.desc, tuple):
            raw = xp is not tensor_world()
            g = tuple(
                Cotangent(xp, xp.zeros(d.shape, d.numpy if raw else d.dtype) if x is None else x)
                for x, d in zip(g, node.desc)
            )
        else:
            g = Cotangent(xp, g)
        return plain(self._apply(Library(xp), g, values, node))


_plans: dict[tuple[Any, tuple[bool, ...]], Plan] = {}


def masked(plan: Any) -> Any:
    """The plan to use in the place of ``plan`` under masked gradients.

    What is linear multiplies with nothing and has none of its own.
    """
    if type(plan) is not Plan:
        return getattr(plan, "masked", None) or plan
    op = plan.op
    if op.linear and op.family != "bilinear":
        return plan
    key = (op, plan.needs)
    found = _plans.get(key)
    if found is None:
        found = _plans[key] = MaskedPlan(plan)
    return found


# ---- cotangents that users see -------------------------------------------------------------------

_SUMS = frozenset({"add", "sub", "neg", "add_scaled", "sub_scaled", "rsub_general"})
_PRODUCTS = frozenset({"mul", "div"})


def mark(tensor: Any) -> Any:
    """``tensor`` as a marked cotangent: the same memory and place on the tape."""
    made = make_tensor(tensor._array, tensor._edge, slow_descriptor(tensor._desc))
    made._counter = tensor._version_counter()
    made._rare().cotangent = True
    return made


def marked(tensor: Any) -> bool:
    """Whether ``tensor`` is a marked cotangent."""
    return isinstance(tensor, TensorBase) and tensor._side is not None and tensor._side.cotangent


def unmarked(tensor: Any) -> Any:
    """``tensor`` without the mark."""
    if not marked(tensor):
        return tensor
    return make_tensor(tensor._array, tensor._edge, describe(tensor._array))


def _products(op: Any) -> bool:
    return op.name in _PRODUCTS or op.family == "bilinear"


def masked_forward(
    op: Any, operands: tuple[Any, ...], raws: list[Any]
) -> Callable[..., Any] | None:
    """The forward of a product with marked cotangents among its operands; None for all else."""
    tags = [marked(o) for o in operands]
    if True not in tags or not _products(op):
        return None

    def forward(xp: Any, **params: Any) -> Any:
        given = [Cotangent(xp, r) if t else r for r, t in zip(raws, tags)]
        return plain(op.forward(Library(xp), *given, **params))

    return forward


def composed(op: Any, operands: tuple[Any, ...], params: dict[str, Any]) -> Any:
    """A product with marked cotangents among its operands, to be recorded; None for all else."""
    tags = [marked(o) for o in operands]
    if True not in tags or not _products(op):
        return None
    if not any(isinstance(o, TensorBase) and o._edge is not None for o in operands):
        return None
    world = tensor_world()
    given = [Cotangent(world, unmarked(o)) if t else o for o, t in zip(operands, tags)]
    return mark(plain(op.forward(Library(world), *given, **params)))


def mark_results(op: Any, operands: tuple[Any, ...], results: Any) -> None:
    """Mark what is linear in marked cotangents."""
    if not (op.linear or _products(op) or op.name in _SUMS) or not any(map(marked, operands)):
        return
    for made in results if type(results) is tuple else (results,):
        made._rare().cotangent = True
        made._desc = slow_descriptor(made._desc)
