"""Plans: how a node saves values and applies rules, given which operands want a gradient.

In: an `Op` and the tuple ``needs``.  Out: a `Plan`: the names to save, and two functions that turn
a cotangent into the operands' cotangents - `pull` on raw arrays, `pull_tensors` on Tensors (for
create_graph).

Note [Exact plans]
    The straight path of core/call.py records nodes whose operands, result and cotangents all have
    the same dtype (and, if `fitting`, shape). Their plan skips casting, and the engine skips
    fitting.

Note [Complex]
    Rules are written for real numbers. PyTorch's gradient of a complex function is the conjugate
    of the derivative times the cotangent; for a holomorphic operator that is conj(rule(conj(g))):
    no rule mentions conj. Operators that are not holomorphic say so and give their rule in full.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.array import numpy_
from adjoint.array.kernels import tiles
from adjoint.core import errors
from adjoint.core.duals import copy_tangents, usual_descriptor
from adjoint.core.half import for_rules, rounded
from adjoint.core.native import core as native
from adjoint.core.native import steps
from adjoint.core.node import Node
from adjoint.core.pulls import (
    INDICES,
    NEEDS,
    OPERAND,
    OUT,
    PARAM,
    SHAPE,
    SHAPES,
    Pull,
    straight_pull,
)
from adjoint.core.saved import PackedValue, SavedTensor, as_tensor
from adjoint.core.tensor_base import TensorBase, make_tensor

if TYPE_CHECKING:
    from adjoint.core.op import Op

__all__ = ["Plan", "picker", "set_tensor_world", "tensor_world"]

_world: list[Any] = [None]


def set_tensor_world(module: Any) -> None:
    """Register the vocabulary over Tensors (ops/vocabulary.py)."""
    _world[0] = module


def tensor_world() -> Any:
    """The vocabulary over Tensors: ``xp`` of rules under create_graph."""
    return _world[0]


class Plan:
    """What a node of ``op`` saves and how it pulls a cotangent back, for one set of wanted
    operands.
    """

    __slots__ = (
        *("bare", "exact", "fitting", "frees", "gather", "indices", "kinds", "names", "needs"),
        *("native", "op", "passing", "pick", "positions", "placed", "products", "pull", "rules"),
        "whole",
    )

    runs_undefined = False  # whether the rules want to run when no cotangent arrived

    def __init__(self, op: Op, needs: tuple[bool, ...], exact: bool, fitting: bool) -> None:
        self.op = op
        self.needs = needs
        self.exact = exact
        self.fitting = fitting
        given = op.rules[:1] if op.joint else [r for r, n in zip(op.rules, needs) if n]
        rules = [r for r in given if r is not None]
        self.positions = (0,) if op.joint else tuple(i for i, n in enumerate(needs) if n)
        names: list[str] = []
        for rule in rules:
            names += [n for n in rule.names if n not in names]
        self.names = tuple(names)
        self.kinds = tuple(op.kind_of(n) for n in names)
        self.rules = tuple(rule.function for rule in rules)
        self.indices = tuple(tuple(names.index(n) for n in rule.names) for rule in rules)
        # A single wanted operand: `pull` returns its cotangent bare, for the edge at this position.
        self.bare = self.positions[0] if len(rules) == 1 and not op.joint else -1
        # the rules at their operands' places
        self.placed = [
            self.rules[self.positions.index(i)] if i in self.positions else None
            for i in range(len(needs))
        ]
        # whether the rules ask for more than values, so that they cannot be applied in tiles
        self.whole = any(k not in (OPERAND, OUT, PARAM) for k in self.kinds)
        self.passing = tuple(rule.function for rule in rules if rule.passes())
        # all rules are products with a value: no need to call them
        self.products = exact and not op.joint and all(rule.multiplies() for rule in rules)
        self.pick = picker(self)
        self.gather = self._gatherer()
        self.frees = any(k in self.kinds for k in (OPERAND, OUT, INDICES))
        self.pull: Pull = straight_pull(self, numpy_) if exact else self.pull_general
        self.native = None if native is None else self._native()

    # ---- saving ------------------------------------------------------------------------------

    def _gatherer(self) -> Callable[[Any, Any, Any], tuple[Any, ...]]:
        """As `collect`, for operands that are all Tensors: the straight path's way, one function of
        (operands, out, params) without a loop.
        """
        place = self.op.position
        texts: dict[int, Callable[[str], str]] = {
            OPERAND: lambda name: f"operands[{place[name]}]",
            SHAPE: lambda name: f"operands[{place[name[:-6]]}]._desc.shape",
            OUT: lambda name: "out",
            NEEDS: lambda name: "needs",
            SHAPES: lambda name: "tuple([o._desc.shape for o in operands])",
            INDICES: lambda name: "make_tensor(out[1])",
            PARAM: lambda name: f"params[{name!r}]",
        }
        parts = [texts[kind](name) + ", " for name, kind in zip(self.names, self.kinds)]
        scope = {"make_tensor": make_tensor, "needs": self.needs}
        made: Callable[[Any, Any, Any], tuple[Any, ...]] = eval(
            f"lambda operands, out, params: ({''.join(parts)})", scope
        )
        return made

    def collect(
        self, operands: Any, shapes: Any, out: Any, params: dict[str, Any]
    ) -> tuple[Any, ...]:
        """The values of ``names`` for one call, in their order."""
        op = self.op
        values: list[Any] = []
        for name, kind in zip(self.names, self.kinds):
            if kind == OPERAND:
                values.append(operands[op.position[name]])
            elif kind == SHAPE:
                values.append(shapes[op.position[name[:-6]]])
            elif kind == OUT:
                values.append(out)
            elif kind == NEEDS:
                values.append(self.needs)
            elif kind == SHAPES:
                values.append(shapes)
            elif kind == INDICES:
                values.append(make_tensor(out[1]))
            else:
                values.append(params[name])
        return tuple(values)

    def _native(self) -> Any:
        """The plan as the compiled walk reads it."""
        place = self.op.position
        names = [n[:-6] if k == SHAPE else n for n, k in zip(self.names, self.kinds)]
        places = tuple([place.get(name, -1) for name in names])
        return native.PlanData(self, places, self.names, steps.plan_steps(self, OPERAND, OUT))

    # ---- unpacking ---------------------------------------------------------------------------

    def saved_value(self, node: Node, i: int) -> Any:
        """The i-th saved value as users see it: operands and outputs as Tensors, the version
        checked.
        """
        value = node.saved[i]
        if type(value) is PackedValue:
            return value.unpack(node, self.names[i])
        if isinstance(value, TensorBase) and self.kinds[i] != OUT:
            counter = value._counter
            expected = node.versions[i] if node.versions else 0
            if counter is not None and counter.value != expected:
                origin = errors.output_of(value._edge)
                raise errors.modified(node, self.names[i], value._desc, counter, expected, origin)
            return value
        if self.kinds[i] == OUT:
            counter = node.counter
            if isinstance(node.desc, tuple):
                counters = counter or {}
                for c in counters.values():
                    if c.value:
                        raise errors.modified(node, "result", node.desc[0], c, 0)
                return tuple(
                    _output(saved, node.op.out_edge(node, k), node.desc[k])
                    for k, saved in enumerate(value)
                )
            expected = node.versions[i] if node.versions else 0
            if counter is not None and counter.value != expected:
                raise errors.modified(
                    node, "result", node.desc, counter, expected, errors.output_of(node)
                )
            result = _output(value, node, node.desc)
            result._counter = counter
            return result
        if type(value) is np.ndarray:  # the constant of an operation with a number
            return value[()]
        return value

    def tensors(self, node: Node) -> list[Any]:
        """All saved values, as the rules of the Tensor world see them."""
        if node.saved is None:
            raise errors.freed(node)
        return [self.saved_value(node, i) for i in range(len(self.names))]

    def raws(self, node: Node) -> list[Any]:
        """All saved values, as the rules of the raw world see them."""
        values = []
        promoted = self.op.promoted
        for i, value in enumerate(self.tensors(node)):
            if isinstance(value, TensorBase):
                raw = value._array
                if (
                    self.kinds[i] == OPERAND
                    and promoted
                    and self.op.position[self.names[i]] in promoted
                    and value._desc.dtype is not node.desc.dtype
                    and value._desc.dtype.category <= node.desc.dtype.category
                ):
                    raw = value._desc.type.xp.astype(raw, node.desc.numpy)
                values.append(raw)
            elif type(value) is tuple and value and isinstance(value[0], TensorBase):
                values.append(tuple(v._array for v in value))
            else:
                values.append(value)
        return values

    # ---- applying the rules ------------------------------------------------------------------

    def pull_general(self, node: Node, g: Any) -> Any:
        """The operands' cotangents as raw arrays."""
        g, values, half = for_rules(self.op, g, self.raws(node))
        return rounded(self._apply(self.op.library(g, values), g, values, node), half)

    def pull_tensors(self, node: Node, g: Any) -> Any:
        """The operands' cotangents as Tensors, recorded."""
        values = self.tensors(node)
        if self.op.promoted:  # a number, saved as NumPy's scalar, is faster as Python's
            values = [
                v.item() if type(v) is np.float32 or type(v) is np.float64 else v for v in values
            ]
        if self.exact and not self.op.joint and self.op.outputs == 1:
            xp = _world[0]
            if self.bare >= 0:
                return self.rules[0](xp, g, *values)
            if not values:
                return [None if r is None else r(xp, g) for r in self.placed]
            found: list[Any] = [None] * len(self.needs)
            for position, rule, indices in zip(self.positions, self.rules, self.indices):
                found[position] = rule(xp, g, *[values[i] for i in indices])
            return found
        return self._apply(_world[0], g, values, node)

    def _apply(self, xp: Any, g: Any, values: list[Any], node: Node) -> Any:
        if isinstance(node.desc, tuple):
            g = tuple(
                xp.zeros(d.shape, d.numpy if xp is not _world[0] else d.dtype) if x is None else x
                for x, d in zip(g, node.desc)
            )
        sandwich = self.op.holomorphic and _is_complex(g, node)
        if sandwich:
            g = xp.conj(g) if not isinstance(g, tuple) else tuple(map(xp.conj, g))
        if self.op.joint:
            results = self.rules[0](xp, g, *[values[i] for i in self.indices[0]])
            results = tuple(r if n else None for r, n in zip(results, self.needs))
        else:
            found: list[Any] = [None] * len(self.needs)
            tiled = xp is numpy_ and self.op.family == "elementwise" and not self.whole
            for position, rule, indices in zip(self.positions, self.rules, self.indices):
                named = [values[i] for i in indices]
                if tiled and rule not in self.passing:
                    found[position] = tiles.elementwise(functools.partial(rule, xp), (g, *named))
                else:
                    found[position] = rule(xp, g, *named)
            results = tuple(found)
        if sandwich:
            results = tuple(None if r is None else xp.conj(r) for r in results)
        return results[self.bare] if self.bare >= 0 else results

    # ---- what users see ----------------------------------------------------------------------

    def saved_attributes(self) -> list[str]:
        """The names under which a node shows what its operator saves, wanted here or not."""
        op = self.op
        shown = []
        for name in sorted({n for rule in op.rules if rule for n in rule.names}):
            kind = op.kind_of(name)
            if kind not in (NEEDS, SHAPES):
                shown.append(f"_saved_{op.shown_name(name)}")
            if kind in (OPERAND, OUT, INDICES):
                shown.append(f"_raw_saved_{op.shown_name(name)}")
        return shown

    def saved_attribute(self, node: Node, attribute: str) -> Any:
        """``node._saved_<name>``, the value, and ``node._raw_saved_<name>``, a `SavedTensor`."""
        raw = attribute.startswith("_raw_saved_")
        wanted = attribute.removeprefix("_raw_saved_").removeprefix("_saved_")
        for i, name in enumerate(self.names):
            if wanted == self.op.shown_name(name):
                if raw:
                    return SavedTensor(node, i)
                if node.saved is None:
                    raise errors.freed(node)
                return as_tensor(self.saved_value(node, i))
        if attribute not in self.saved_attributes():
            raise AttributeError(f"'{type(node).__name__}' object has no attribute '{attribute}'")
        return SavedTensor(node, None) if raw else None


def _output(saved: Any, edge: Any, desc: Any) -> Any:
    """A saved output at its place on the tape; one that was kept as a Tensor is dual."""
    if type(saved) is PackedValue:  # one of several: the node knows only the tuple
        saved = saved.unpack(edge.node, "result")
        desc = usual_descriptor(saved._desc)
    if not isinstance(saved, TensorBase):
        return make_tensor(saved, edge, desc)
    made = make_tensor(saved._array, edge, desc)
    copy_tangents(saved, made)
    return made


def _is_complex(g: Any, node: Node) -> bool:
    desc = node.desc
    if isinstance(desc, tuple):
        return any(d.dtype.is_complex for d in desc)
    return desc.dtype.is_complex


# ---- the straight path ---------------------------------------------------------------------------

_PICKERS: dict[tuple[int, ...], Callable[[Any, Any, Any], tuple[Any, ...]]] = {
    (0,): lambda a, b, out: (a,),
    (1,): lambda a, b, out: (b,),
    (2,): lambda a, b, out: (out,),
    (0, 1): lambda a, b, out: (a, b),
    (1, 0): lambda a, b, out: (b, a),
    (0, 2): lambda a, b, out: (a, out),
    (2, 0): lambda a, b, out: (out, a),
    (1, 2): lambda a, b, out: (b, out),
    (2, 1): lambda a, b, out: (out, b),
}


def picker(plan: Plan, number: bool = False) -> Any:
    """How the straight path of a unary or binary operator picks the values to save (None:
    nothing). ``number``: the second is no operand, but the one parameter.
    """
    op = plan.op
    kinds = (OPERAND, OUT, PARAM) if number else (OPERAND, OUT)
    if len(op.operands) > 2 or any(k not in kinds for k in plan.kinds):
        return None
    places = {OUT: 2, PARAM: 1}
    order = tuple([places.get(k, op.position.get(n, 0)) for n, k in zip(plan.names, plan.kinds)])
    if order in _PICKERS or not order:
        return _PICKERS.get(order)
    return lambda a, b, out: tuple((a, b, out)[i] for i in order)


def versions_of(saved: tuple[Any, ...]) -> tuple[int, ...] | None:
    """The versions of saved tensors; None when all are 0."""
    for value in saved:
        if isinstance(value, TensorBase) and value._counter is not None and value._counter.value:
            break
    else:
        return None
    return tuple(
        [
            0 if not isinstance(value, TensorBase) or (c := value._counter) is None else c.value
            for value in saved
        ]
    )
