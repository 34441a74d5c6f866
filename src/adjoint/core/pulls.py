"""Pulls without casting: how a plan of the straight path turns a cotangent into others.

In: a `Plan` (core/plan.py), of whose nodes all values have one dtype; the library of the
cotangents.  Out: a function of a node and a cotangent, specialised by what the rules name: saved
tensors give their arrays, if their versions are what they were.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from adjoint.array import numpy_
from adjoint.core import errors
from adjoint.core.node import Node
from adjoint.core.tensor_base import TensorBase

if TYPE_CHECKING:
    from adjoint.core.plan import Plan

__all__ = ["Pull", "straight_pull"]

Pull = Callable[[Any, Any], Any]

# What a rule can name.
OPERAND, SHAPE, OUT, NEEDS, PARAM, SHAPES, INDICES = range(7)

_f32, _f64, _ndarray = np.float32, np.float64, np.ndarray


def straight_pull(plan: Plan, xp: Any) -> Pull:
    """A pull without casting, specialised by how many values the rules name.

    ``xp``: the library of the cotangents; what was saved are NumPy's arrays.
    """
    rules, kinds = plan.rules, plan.kinds
    if not plan.names:
        if len(rules) == 1:
            rule = rules[0]
            return (lambda node, g: g) if rule in plan.passing else lambda node, g: rule(xp, g)
        if len(rules) == 2:
            first, second = rules
            if first in plan.passing:
                if second in plan.passing:
                    return lambda node, g: (g, g)
                return lambda node, g: (g, second(xp, g))
            return lambda node, g: (first(xp, g), second(xp, g))
    if plan.products and xp is numpy_:
        if kinds == (OPERAND,):
            return _pull_factor(plan)
        if kinds == (OPERAND, OPERAND) and plan.indices == ((0,), (1,)):
            return _pull_factors(plan)
    if len(rules) == 1 and kinds == (OUT,):
        return _pull_output(plan, rules[0], xp)
    if len(rules) == 1 and kinds == (OPERAND,):
        return _pull_operand(plan, rules[0], xp)
    if len(rules) == 2 and kinds == (OPERAND, OPERAND) and plan.indices == ((0,), (1,)):
        return _pull_operands(plan, *rules, xp)
    if len(rules) == 1 and not plan.frees and not plan.op.joint and plan.op.outputs == 1:
        rule = rules[0]  # shapes and parameters only: nothing to check, nothing that could be freed
        return lambda node, g: rule(xp, g, *node.saved)
    one = plan.bare >= 0 and plan.op.outputs == 1
    if one and kinds[0] == OPERAND and not {OPERAND, OUT, INDICES} & {*kinds[1:]}:
        return _pull_with_parameters(plan, rules[0], xp)
    if one:
        return _pull_mixed(plan, rules[0], xp)
    if not plan.op.joint and plan.op.outputs == 1:
        return _pull_several(plan, xp)
    return plan.pull_general


def _pull_several(plan: Plan, xp: Any) -> Pull:
    at = tuple(i for i, k in enumerate(plan.kinds) if k == OPERAND)
    steps = [
        (position, None if rule in plan.passing else rule, indices)
        for position, rule, indices in zip(plan.positions, plan.rules, plan.indices)
    ]
    count = len(plan.needs)

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        if node.counter is not None:  # the output was made addressable: check its version
            return plan.pull_general(node, g)
        values = list(saved)
        versions = node.versions
        for i in at:
            value = values[i]
            if value is None:
                continue
            if not isinstance(value, TensorBase):
                return plan.pull_general(node, g)
            counter = value._counter
            if counter is not None and counter.value != (versions[i] if versions else 0):
                return plan.pull_general(node, g)  # raises
            values[i] = value._array
        found: list[Any] = [None] * count
        for position, rule, indices in steps:
            if rule is None:
                found[position] = g
            elif len(indices) == 1:
                found[position] = rule(xp, g, values[indices[0]])
            else:
                found[position] = rule(xp, g, *[values[i] for i in indices])
        return found

    return pull


def _pull_mixed(plan: Plan, rule: Any, xp: Any) -> Pull:
    at = tuple(i for i, k in enumerate(plan.kinds) if k == OPERAND)

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        if node.counter is not None:  # the output was made addressable: check its version
            return plan.pull_general(node, g)
        values = list(saved)
        versions = node.versions
        for i in at:
            value = values[i]
            if value is None:
                continue
            if not isinstance(value, TensorBase):
                return plan.pull_general(node, g)
            counter = value._counter
            if counter is not None and counter.value != (versions[i] if versions else 0):
                return plan.pull_general(node, g)  # raises
            values[i] = value._array
        return rule(xp, g, *values)

    return pull


def _pull_with_parameters(plan: Plan, rule: Any, xp: Any) -> Pull:
    """One operand, then what has no version: ``x ** 2``."""

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        value = saved[0]
        if not isinstance(value, TensorBase):
            return plan.pull_general(node, g)
        counter = value._counter
        if counter is None or counter.value == (node.versions[0] if node.versions else 0):
            return rule(xp, g, value._array, *saved[1:])
        return plan.pull_general(node, g)  # raises

    return pull


def _pull_output(plan: Plan, rule: Any, xp: Any) -> Pull:

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        value = saved[0] if node.counter is None else plan.raws(node)[0]
        return rule(xp, g, value)

    return pull


def _pull_operand(plan: Plan, rule: Any, xp: Any) -> Pull:

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        value = saved[0]
        kind = type(value)
        if (
            kind is _f32 or kind is _ndarray or kind is _f64
        ):  # the constant of an operation with a number
            return rule(xp, g, value)
        if isinstance(value, TensorBase):
            counter = value._counter
            if counter is None or counter.value == (node.versions[0] if node.versions else 0):
                return rule(xp, g, value._array)
            return plan.pull_general(node, g)  # raises
        return rule(xp, g, value)  # the constant of an operation with a number

    return pull


def _pull_factor(plan: Plan) -> Pull:
    """As `_pull_operand`, for the rule ``g * value``."""

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        value = saved[0]
        kind = type(value)
        if kind is _f32 or kind is _ndarray or kind is _f64:
            return g * value
        if isinstance(value, TensorBase):
            counter = value._counter
            if counter is None or counter.value == (node.versions[0] if node.versions else 0):
                return g * value._array
            return plan.pull_general(node, g)  # raises
        return g * value

    return pull


def _pull_factors(plan: Plan) -> Pull:
    """As `_pull_operands`, for two rules ``g * value``."""

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        a, b = saved
        ca, cb = a._counter, b._counter
        versions = node.versions
        if (ca is None or ca.value == (versions[0] if versions else 0)) and (
            cb is None or cb.value == (versions[1] if versions else 0)
        ):
            if a is b:  # x * x
                h = g * a._array
                return h, h
            return g * a._array, g * b._array
        return plan.pull_general(node, g)

    return pull


def _pull_operands(plan: Plan, first: Any, second: Any, xp: Any) -> Pull:

    def pull(node: Node, g: Any) -> Any:
        saved = node.saved
        if saved is None:
            raise errors.freed(node)
        a, b = saved
        ca, cb = a._counter, b._counter
        versions = node.versions
        if (ca is None or ca.value == (versions[0] if versions else 0)) and (
            cb is None or cb.value == (versions[1] if versions else 0)
        ):
            return first(xp, g, a._array), second(xp, g, b._array)
        return plan.pull_general(node, g)

    return pull
