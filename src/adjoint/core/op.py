"""Operators as records: one declaration gives the forward, the rules, and what follows from the
family.

In: a forward ``f(xp, operands..., *, parameters...)`` in NumPy's words and its rules.  Out: an
`Op`, listed in `OPERATORS`, and the function that calls it (core/call.py).

A rule is ``rule(xp, g, names...)``; the names say what it needs, and thereby what the tape saves:
an operand (its value), ``<operand>_shape``, ``out``, ``needs`` (which operands want a gradient), a
parameter of the forward. An unknown name is an error when the operator is declared.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import operator
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, Protocol, TypeVar

import numpy as np

from adjoint.array import numpy_
from adjoint.array.descriptor import EXACT_NUMBERS, REAL_NUMBERS, library_of
from adjoint.array.kernels.ufuncs import COMPILED, quick
from adjoint.core.node import Node, OutEdge, show_saved
from adjoint.core.plan import Plan
from adjoint.core.pulls import INDICES, NEEDS, OPERAND, OUT, PARAM, SHAPE, SHAPES

if TYPE_CHECKING:
    from adjoint.array.namespace import Namespace

__all__ = ["OPERATORS", "Op", "OpFunction", "Rule", "camel_case"]


_SPECIAL = {"out": OUT, "needs": NEEDS, "shapes": SHAPES}


class Operators(Mapping[str, "Op"]):
    """All operators by name; whoever looks in here has the modules of ``later`` loaded first."""

    def __init__(self) -> None:
        self.declared: dict[str, Op] = {}
        self.later: list[str] = []  # modules with operators that few programs need

    def _all(self) -> dict[str, Op]:
        while self.later:
            importlib.import_module(self.later.pop())
        return self.declared

    def __getitem__(self, name: str) -> Op:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


OPERATORS: Final = Operators()

P = ParamSpec("P")
R = TypeVar("R")
Forward = Callable[Concatenate[Any, P], R]


def _parameters(function: Callable[..., Any]) -> tuple[tuple[str, ...], tuple[str, ...], bool]:
    """The names after ``xp``, the keyword-only ones, and whether there is a ``*name``.

    Read off the code object: `inspect.signature` would take most of the time of an import.
    """
    code = function.__code__
    names, count, keywords = code.co_varnames, code.co_argcount, code.co_kwonlyargcount
    positional, only = names[1:count], names[count : count + keywords]
    if not code.co_flags & inspect.CO_VARARGS:
        return positional, only, False
    return (*positional, names[count + keywords]), only, True


class OpFunction(Protocol):
    """The function that users call for an operator; ``op`` is what declares it."""

    op: Op

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Apply the operator."""


class Rule:
    """A rule and the names of what it needs beside ``xp`` and the cotangent (or tangents)."""

    __slots__ = ("function", "names")

    def __init__(self, function: Callable[..., Any], op: Op) -> None:
        self.function = function
        self.names = names = _parameters(function)[0][1:]
        for name in names:
            op.kind_of(name)

    def passes(self) -> bool:
        """Whether the rule hands the cotangent on as it is."""
        probe = object()
        try:
            return not self.names and self.function(numpy_, probe) is probe
        except (AttributeError, TypeError):
            return False  # it computes with what it is given

    def multiplies(self) -> bool:
        """Whether the rule multiplies the cotangent by the one value that it names."""
        g, value = _Factor(), object()
        try:
            return len(self.names) == 1 and self.function(None, g, value) == (g, value)
        except (AttributeError, TypeError):
            return False  # it does more


class _Factor:
    """Stands for a cotangent that may be multiplied, and nothing else."""

    def __mul__(self, other: Any) -> Any:
        return self, other


class Op:
    """All that the library knows of one primitive operator."""

    call: OpFunction  # the function that users call, set by core/call.py

    def __init__(
        self,
        forward: Callable[..., Any],
        rules: tuple[Any, ...],
        *,
        family: str,
        joint: bool = False,
        jvp: Any = None,
        node: str | None = None,
        promoted: tuple[str, ...] | None = None,
        to_float: bool = False,
        view: bool = False,
        linear: bool = False,
        holomorphic: bool = True,
        predicate: bool = False,
        outputs: int = 1,
        saved_names: dict[str, str] | None = None,
        check: Callable[[tuple[Any, ...]], None] | None = None,
        symbol: str = "",
        straight: bool = True,
        straight_integers: bool = True,
        own_dtype: bool = False,
        wide_numbers: bool = False,
        number: bool = False,
        direct: Callable[..., Any] | None = None,
    ) -> None:
        operands, parameters, variadic = _parameters(forward)
        self.name = forward.__name__.strip("_")
        self.forward = forward
        self.family = family
        self.joint = joint
        self.variadic = variadic
        self.operands = operands
        self.parameters = parameters
        self.position = {name: i for i, name in enumerate(self.operands)}
        self.promoted = tuple(self.position[n] for n in promoted or ())
        self.to_float = to_float
        self.view = view
        self.linear = linear
        self.holomorphic = holomorphic
        self.predicate = predicate
        # Whether half precision is computed in single (core/half.py); not where nothing is computed
        # or the dtype itself decides what comes out.
        self.widens = not (own_dtype or view or predicate)
        self.wide_numbers = wide_numbers  # whether numbers beside halves are not rounded to them
        self.outputs = outputs
        self.saved_names = saved_names or {}
        # In place (core/inplace.py): a function that writes only the places that change; whether
        # elements of the written tensor may share a place; whether operands must lie apart from it.
        self.overwrite: Callable[..., None] | None = None
        self.overlapping = False
        self.apart = False
        self.check = check
        self.symbol = symbol  # of an operator that Python may hand to its right operand
        self.node_name = node or f"{camel_case(self.name)}Backward0"
        self.namespace = ""  # of the node's name; see `Node.namespace`
        self.jvp = None if jvp is None else Rule(jvp, self)
        self.rules = tuple(None if r is None else Rule(r, self) for r in rules)
        self.differentiable = rules.count(None) < len(rules)
        self.level = REAL_NUMBERS if to_float or not straight_integers else EXACT_NUMBERS
        if not straight:
            self.level = REAL_NUMBERS + 1  # no descriptor is that fast
        # For the straight path of one operand (core/call_one.py): that the one parameter is a
        # number, and the result of the operand's shape and dtype; of a view, the forward as a
        # function of NumPy's array and the dictionary of parameters.
        self.number = number
        self.direct = direct
        self._plans: dict[Any, Plan] = {}
        if self.name in OPERATORS.declared:
            raise ValueError(f"operator {self.name!r} is declared twice")
        OPERATORS.declared[self.name] = self

    @functools.cached_property
    def node_class(self) -> type[Node]:
        """The class of its nodes, named as PyTorch names it; made on first use."""
        for name in {n for rule in self.rules if rule for n in rule.names}:
            show_saved(self.shown_name(name))
        members = {"__slots__": (), "op": self, "namespace": self.namespace}
        return type(self.node_name, (Node,), members)

    @functools.cached_property
    def kernel(self) -> Callable[..., Any]:
        """The forward on NumPy arrays, as a function of the operands alone, without parameters."""
        probes = [_Probe() for _ in self.operands]
        found, arguments = _looked_at(self.forward, probes, {})
        return found if arguments == probes else functools.partial(self.forward, numpy_)

    @functools.cached_property
    def compiled(self) -> bool:
        """Whether the forward is one compiled function, of numbers, too: it shares its work out."""
        probes = [_Probe() for _ in self.operands]
        found, arguments = _looked_at(self.forward, probes, {})
        return type(found) is COMPILED and all(type(a) in (_Probe, int, float) for a in arguments)

    @functools.cached_property
    def with_number(self) -> tuple[Callable[..., Any], bool]:
        """The forward on NumPy arrays, as a function of the operand and a Python number; or, if the
        second is True, as arithmetic of the number's constant and the operand.
        """
        array, number = probes = [_Probe(), _Probe()]
        found, arguments = _looked_at(self.forward, [array], {self.parameters[0]: number})
        if found in _UFUNCS and arguments == [number, array]:
            return found, True
        if arguments != probes:
            raise TypeError(f"operator {self.name!r} is no function of its operand and a number")
        return found, False

    def kind_of(self, name: str) -> int:
        """What a rule asks for by ``name``; TypeError if the operator has nothing of that name."""
        if name in self.position and not self.variadic:
            return OPERAND
        if name.endswith("_shape") and name[:-6] in self.position:
            return SHAPE
        if name in self.parameters:
            return PARAM
        if name in _SPECIAL:
            return _SPECIAL[name]
        if name == "indices" and self.outputs == 2:
            return INDICES  # of (values, indices): where the values were taken from
        raise TypeError(
            f"a rule of operator {self.name!r} asks for {name!r}; it can have {self.operands}, "
            f"<operand>_shape, {self.parameters}, out, needs, shapes"
        )

    def plan(self, needs: tuple[bool, ...], exact: bool = False, fitting: bool = False) -> Plan:
        """The plan for a set of wanted operands, made once."""
        key = (needs, exact, fitting)
        found = self._plans.get(key)
        if found is None:
            found = self._plans[key] = Plan(self, needs, exact, fitting)
        return found

    def saved_name(self, name: str) -> str:
        """What PyTorch calls the saved value ``name`` on the node."""
        common = {"input": "self", "out": "result", "axis": "dim", "keepdims": "keepdim"}
        common["input_shape"] = "self_sym_sizes"
        return self.saved_names.get(name, common.get(name, name))

    def shown_name(self, name: str) -> str:
        """What PyTorch calls the value that a rule asks for as ``name``: a size is one, too."""
        if self.kind_of(name) == SHAPE:
            return f"{self.saved_name(name.removesuffix('_shape'))}_sym_sizes"
        return self.saved_name(name)

    def tile(self, params: dict[str, Any]) -> Callable[..., Any]:
        """The forward on NumPy arrays, as a function of the operands alone."""
        if params:
            return functools.partial(self.forward, numpy_, **params)
        return _UFUNCS.get(self.kernel, self.kernel)

    def out_edge(self, node: Node, nr: int) -> Any:
        """The edge to output ``nr`` of ``node``."""
        return OutEdge(node, nr, node.desc[nr]) if isinstance(node.desc, tuple) else node

    def library(self, g: Any, values: list[Any]) -> Namespace:
        """The array library for a rule on these raw arrays: NumPy's, or the one that holds more."""
        library: Namespace = library_of((g, *values)) or numpy_
        return library

    def __repr__(self) -> str:
        return f"<operator {self.name}({', '.join((*self.operands, *self.parameters))})>"


def camel_case(name: str) -> str:
    """``log_softmax`` -> ``LogSoftmax``, as PyTorch names its nodes."""
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


_UFUNCS = {
    operator.add: quick(np.add),
    operator.sub: quick(np.subtract),
    operator.mul: quick(np.multiply),
    operator.truediv: quick(np.divide),
    operator.neg: quick(np.negative),
}


# ---- the kernel of a forward ---------------------------------------------------------------------


class _Probe:
    """Stands for an operand or for the namespace while a forward is looked at, not computed."""

    def __init__(self, function: Any = None, arguments: tuple[Any, ...] = ()) -> None:
        self.function = function
        self.arguments = arguments

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments: _Probe(getattr(numpy_, name), arguments)

    def __add__(self, other: Any) -> _Probe:
        return _Probe(operator.add, (self, other))

    def __sub__(self, other: Any) -> _Probe:
        return _Probe(operator.sub, (self, other))

    def __mul__(self, other: Any) -> _Probe:
        return _Probe(operator.mul, (self, other))

    def __truediv__(self, other: Any) -> _Probe:
        return _Probe(operator.truediv, (self, other))

    def __neg__(self) -> _Probe:
        return _Probe(operator.neg, (self,))


def _looked_at(
    forward: Callable[..., Any], probes: list[_Probe], params: dict[str, _Probe]
) -> tuple[Any, list[Any]]:
    """The one function that a forward amounts to on NumPy arrays, and its arguments, if it is one.

    ``def exp(xp, input): return xp.exp(input)`` is ``np.exp``: a call less on the hottest path.
    """
    try:
        result = forward(_Probe(), *probes, **params)
    except (TypeError, AttributeError):
        return None, []
    if not isinstance(result, _Probe) or not result.function:
        return None, []
    return result.function, list(result.arguments)
