"""Anomaly detection: what is remembered of each call, and where the first infinity came from.

In: nodes as they are recorded and run while the ANOMALY bit of the mode is on.  Out: for each node
a `Site`; for a walk a `Trace`, which raises PyTorch's error at the first nan, told in full by
core/anomaly_report.py.

Note [Origins]
    nan seldom shows where it arose: a local derivative is inf, the cotangent inf travels on, and
    somewhere is multiplied by 0. So a trace keeps, for every node that something not finite is sent
    to, where that came from: the first node that made it of finite cotangents. Its facts are
    collected at once, for what it saved is freed when it has run.

Note [One row of a Jacobian]
    What an operation does at one element of its result is asked of its own rule: the masked pull
    (core/masked.py) of a cotangent that is 1 there and 0 elsewhere, in which zeros contribute
    nothing, is that row of the Jacobian alone, whatever the derivatives at other elements are.
"""

from __future__ import annotations

import sys
import traceback
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from adjoint.core.fitting import fit
from adjoint.core.masked import masked
from adjoint.core.node import Node
from adjoint.core.plan import Plan
from adjoint.core.saved import PackedValue
from adjoint.core.tensor_base import TensorBase

__all__ = ["Facts", "Site", "Trace", "options", "remember", "tell_of"]

options = {"nan": True, "inf": False}  # what anomaly detection stops at

Index = tuple[int, ...]

SEARCHED = 256  # how many elements of a result are looked at one by one


# ---- recording -----------------------------------------------------------------------------------


class Site:
    """Where a node was recorded, and the operands, as raw arrays with the versions they had."""

    __slots__ = ("file", "function", "line", "operands")

    def __init__(self, operands: tuple[Any, ...], out: Any) -> None:
        frame: Any = sys._getframe(2)
        while frame is not None and _is_ours(frame):
            frame = frame.f_back
        self.file = "<unknown>" if frame is None else frame.f_code.co_filename
        self.line = 0 if frame is None else frame.f_lineno
        self.function = "" if frame is None else frame.f_code.co_name
        self.operands = [_kept(o, out) for o in operands]

    def value(self, i: int, index: Index) -> Any:
        """An element of the i-th operand; None if it is not known or was overwritten since."""
        if i >= len(self.operands):
            return None
        raw, counter, version = self.operands[i]
        if raw is None or (counter is not None and counter.value != version):
            return None
        return element(raw, index)

    def shape(self, i: int) -> tuple[int, ...] | None:
        """The shape of the i-th operand, if it is an array."""
        raw = self.operands[i][0] if i < len(self.operands) else None
        return raw.shape if isinstance(raw, np.ndarray | np.generic) else None


def _is_ours(frame: Any) -> bool:
    name: str = frame.f_globals.get("__name__", "")
    return name == "adjoint" or name.startswith("adjoint.")


def _kept(operand: Any, out: Any) -> tuple[Any, Any, int]:
    if not isinstance(operand, TensorBase):
        return (operand if isinstance(operand, int | float | complex) else None), None, 0
    raw = operand._array
    if not isinstance(raw, np.ndarray | np.generic) or (raw is out and raw.ndim):
        return None, None, 0  # another library's, or overwritten by this very call
    counter = operand._version_counter()
    return raw, counter, counter.value


def remember(node: Node, operands: tuple[Any, ...], out: Any, walk: Any) -> None:
    """Note where ``node`` is being recorded; ``walk``: the walk that runs, if one does."""
    state = node.hook_state()
    state.metadata["traceback_"] = traceback.format_stack()[:-3]
    if walk is not None and walk.trace is not None and walk.trace.current is not None:
        state.metadata["parent_"] = walk.trace.current
    state.site = Site(operands, out)


def tell_of(node: Node) -> None:
    """Warn of the forward lines that made the node that failed, as PyTorch does."""
    trace = "".join(node.metadata.get("traceback_", ()))
    start = f"Error detected in {node.name()}. "
    warnings.warn(_told(start, "caused the error", trace), UserWarning, stacklevel=3)
    parent = node.metadata.get("parent_")
    while parent is not None:
        trace = "".join(parent.metadata.get("traceback_", ()))
        start = f"\n\nPrevious calculation was induced by {parent.name()}. "
        told = _told(start, "induced the previous calculation", trace)
        warnings.warn(told, UserWarning, stacklevel=3)
        parent = parent.metadata.get("parent_")


def _told(start: str, what: str, trace: str) -> str:
    if trace:
        return f"{start}Traceback of forward call that {what}:\n{trace}"
    return (
        f"{start}No forward pass information available. Enable detect anomaly during forward pass "
        "for more information."
    )


# ---- arrays --------------------------------------------------------------------------------------


def raw_of(found: Any) -> Any:
    """The NumPy array of a cotangent; None if there is none."""
    raw = found._array if isinstance(found, TensorBase) else found
    return raw if isinstance(raw, np.ndarray | np.generic) else None


def numbers_of(found: Any) -> Any:
    """The same; of an array of another library, the NumPy array inside."""
    raw = found._array if isinstance(found, TensorBase) else found
    while raw is not None and not isinstance(raw, np.ndarray | np.generic):
        raw = getattr(raw, "value", None)
    return raw


def element(raw: Any, index: Index) -> Any:
    """One element, as a Python number; ``index`` may be that of a broadcast result."""
    shape = np.shape(raw)
    own = index[len(index) - len(shape) :] if shape else ()
    found = np.asarray(raw)[tuple([0 if n == 1 else i for i, n in zip(own, shape)])]
    return found.item()


def is_bad(number: Any) -> bool:
    """Whether a number is inf or nan."""
    return not np.isfinite(number)


def first_bad(raw: Any) -> Index:
    """The first index at which there is a nan; where there is none, an inf."""
    hit = np.isnan(raw)
    if not hit.any():
        hit = ~np.isfinite(raw)
    return tuple([int(i) for i in np.unravel_index(int(np.argmax(hit)), np.shape(raw))])


# ---- rows of Jacobians ---------------------------------------------------------------------------


def row(node: Node, index: Index) -> list[Any]:
    """The derivatives of element ``index`` of a node's result by each operand, as they travel
    along the edges; empty where that can not be asked (a Function, several results, freed values).
    """
    plan = node.plan
    if not isinstance(plan, Plan) or type(node.desc) is tuple or node.saved is None:
        return []
    if any(type(value) is PackedValue for value in node.saved):
        return []  # unpacking is the user's code
    desc = node.desc
    one = np.zeros(desc.shape, desc.numpy)
    one[index] = 1
    try:
        found = masked(plan).pull(node, one if desc.shape else one[()])
    except RuntimeError:  # a saved value was overwritten: another error will tell
        return []
    if plan.bare >= 0:
        found = [found if i == plan.bare else None for i in range(len(node.edges))]
    return [
        None if edge is None or h is None else fit(h, edge.desc, node, True)
        for edge, h in zip(node.edges, found)
    ]


def _candidates(node: Node, j: Index, shape: tuple[int, ...]) -> Iterator[Index]:
    """Elements of the result that element ``j`` of an operand may lie behind, likely ones first."""
    whole = node.desc.shape
    if whole == shape:
        yield j
        if node.op is not None and node.op.family == "elementwise":
            return
    if node.op is not None and node.op.family == "elementwise":
        lead = len(whole) - len(shape)
        own = [slice(None)] * lead
        own += [slice(None) if n == 1 else slice(i, i + 1) for i, n in zip(j, shape)]
        places = np.arange(int(np.prod(whole))).reshape(whole)[tuple(own)].ravel()
    else:
        places = np.arange(int(np.prod(whole)))
    for place in places[:SEARCHED]:
        yield tuple([int(i) for i in np.unravel_index(int(place), whole)])


class Facts:
    """What is known of one node's bad gradient.

    ``position``: of the operand; ``index``: of the first bad element of its gradient, ``behind``
    that of the result's element behind it; ``cotangent``, ``local``: what were multiplied there
    (None: not known); ``own``: whether it arose here, of a cotangent that was finite; ``count``,
    ``size``: how many elements are bad, of how many; ``worst``: nan or inf; ``plain``: whether
    these are NumPy's arrays (of others, batches of samples for one, only ``count`` is told).
    """

    __slots__ = (
        *("behind", "count", "cotangent", "index", "local", "node", "own", "position", "size"),
        *("plain", "values", "worst"),
    )

    def __init__(self, node: Node, g: Any, results: list[Any], position: int) -> None:
        h = numbers_of(results[position])
        self.node = node
        self.position = position
        self.behind, self.cotangent, self.local = None, None, None
        self.index: Index = ()
        self.values: dict[str, Any] = {}
        self.plain = raw_of(results[position]) is not None
        nan = np.isnan(h)
        bad = nan if nan.any() else ~np.isfinite(h)
        self.worst = "nan" if nan.any() else "inf"
        self.count, self.size = int(bad.sum()), int(np.size(h))
        if self.plain:
            self.index = first_bad(h)
            self.behind, self.cotangent, self.local = self._multiplied(g)
            self.values = operand_values(node, position, self.index, self.behind)
        self.own = _all_finite(g if self.cotangent is None else np.asarray(self.cotangent))

    def _multiplied(self, g: Any) -> tuple[Index | None, Any, Any]:
        """Find the element of the result at which cotangent times derivative is not finite."""
        edge = self.node.edges[self.position]
        g = raw_of(g)
        if g is None or edge is None or type(self.node.desc) is tuple:
            return None, None, None
        shape = edge.desc.shape
        for k in _candidates(self.node, self.index, shape):
            derivatives = row(self.node, k)
            if not derivatives:
                if shape == self.node.desc.shape:
                    return self.index, element(g, self.index), None
                return None, None, None
            local = element(derivatives[self.position], self.index)
            cotangent = element(g, k)
            with np.errstate(all="ignore"):
                product = np.multiply(cotangent, local)
            if is_bad(product):
                return k, cotangent, local
        return None, None, None


def operand_values(node: Node, position: int, index: Index, behind: Index | None) -> dict[str, Any]:
    """The operands' elements that are known, by their names; the operand itself comes first."""
    op, site = node.op, _site_of(node)
    names = () if op is None else op.operands
    found: dict[str, Any] = {}
    elementwise = op is not None and op.family == "elementwise"
    for i in [position, *[i for i in range(len(names)) if i != position and elementwise]]:
        name = names[i] if i < len(names) and not op.variadic else f"operand {i}"
        at = index if i == position else behind
        value = None if site is None or at is None else site.value(i, at)
        if value is None and at is not None:
            value = _saved_element(node, name, at)
        if value is not None:
            found[name] = value
    if behind is not None and type(node.desc) is not tuple:
        value = _saved_element(node, "out", behind)
        if value is not None:
            found["result"] = value
    return found


def _saved_element(node: Node, name: str, index: Index) -> Any:
    """The element of an operand that the node saved."""
    plan = node.plan
    if not isinstance(plan, Plan) or node.saved is None or name not in plan.names:
        return None
    raw = raw_of(node.saved[plan.names.index(name)])
    if raw is None or raw.ndim > len(index):
        return None
    return element(raw, index)


def _site_of(node: Node) -> Site | None:
    return None if node.hooks is None else node.hooks.site


class Earlier:
    """An operation before the one that failed, on the way to the same element, whose derivative
    is not finite either.
    """

    __slots__ = ("behind", "index", "local", "node", "position", "values")

    def __init__(self, node: Node, behind: Index, position: int, index: Index, local: Any) -> None:
        self.node = node
        self.behind = behind
        self.position = position
        self.index = index
        self.local = local
        self.values = operand_values(node, position, index, behind)


def earliest(facts: Facts) -> Earlier | None:
    """The first operation of the forward, among those that led to the bad element, whose own
    derivative is not finite there.
    """
    found: Earlier | None = None
    if not facts.plain:
        return None
    todo = [(facts.node.edges[facts.position], facts.index)]
    seen: set[tuple[int, Index]] = set()
    while todo and len(seen) < SEARCHED:
        edge, index = todo.pop()
        if edge is None or edge.leaf or edge.node is not edge or (edge.seq, index) in seen:
            continue
        seen.add((edge.seq, index))
        for position, h in enumerate(row(edge, index)):
            if h is None:
                continue
            places = np.argwhere(~np.isfinite(h))
            if len(places):
                at = tuple(map(int, places[0]))
                if found is None or edge.seq < found.node.seq:
                    found = Earlier(edge, index, position, at, element(h, at))
            else:
                places = np.argwhere(h)
                if not len(places) and h.shape == edge.desc.shape:
                    places = np.array([index]).reshape(
                        1, -1
                    )  # a factor of 0: what it multiplies may be to blame
            if len(places) <= 4:  # else many elements lie behind, and none of them is the one
                todo += [(edge.edges[position], tuple(map(int, p))) for p in places]
    return found


# ---- a walk --------------------------------------------------------------------------------------


class Trace:
    """What a walk in anomaly mode knows: the node that runs, and origins by sequence number."""

    __slots__ = ("current", "origins", "report")

    def __init__(self, report: Any) -> None:
        self.current: Node | None = None
        self.origins: dict[int, Any] = {}
        self.report = report

    def check(self, node: Node, g: Any, results: list[Any]) -> None:
        """Raise at a gradient that is nan (or inf, if asked to); else note where an inf came from.

        Raises: RuntimeError with PyTorch's sentence.
        """
        if True not in options.values():
            return
        raws = [numbers_of(h) for h in results]
        bad = [i for i, h in enumerate(raws) if h is not None and not np.isfinite(h).all()]
        if not bad:
            return
        failing = next((i for i in bad if options["nan"] and np.isnan(raws[i]).any()), None)
        if failing is None and options["inf"]:
            failing = next((i for i in bad if np.isinf(raws[i]).any()), None)
        if failing is not None:
            facts = Facts(node, g, results, failing)
            origin = facts if facts.own else self.origins.get(node.seq)
            raise RuntimeError(self.report(facts, origin))
        origin = self.origins.get(node.seq)
        if origin is None and _all_finite(g):
            origin = Facts(node, g, results, bad[0])
        for i in bad:
            edge = node.edges[i]
            if edge is not None and not edge.leaf:
                self.origins.setdefault(edge.node.seq, origin)

    def over(self, node: Node) -> None:
        """Forget the operands of a node that will not run again."""
        site = _site_of(node)
        if site is not None:
            site.operands = []


def _all_finite(g: Any) -> bool:
    parts = g if isinstance(g, list | tuple) else (g,)
    return all(raw is None or bool(np.isfinite(raw).all()) for raw in map(numbers_of, parts))
