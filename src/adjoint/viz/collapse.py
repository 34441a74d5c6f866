"""Collapsing: a graph of thousands of operators becomes a picture that can be read.

In: a diagram and how many vertices the picture may have.  Out: a diagram of groups.  Step by step,
until it is small enough: chains of operators become one vertex, then modules do (as the names of
parameters tell them), then stretches of the computation in the order in which it ran.

Note [No cycles]
    Merging an operator with its only user, if that takes no other operator's result, makes no
    cycle: every path from the one to the other is that edge. Merging neighbours in an order in
    which every vertex stands after its operands makes none either: all edges point onward.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from adjoint.viz.diagram import Diagram, Vertex

__all__ = ["collapse", "summary"]

_LONGEST_TITLE = 40


def collapse(diagram: Diagram, limit: int) -> Diagram:
    """Return ``diagram`` with at most about ``limit`` vertices; unchanged if it has no more."""
    if len(diagram.vertices) <= limit:
        return diagram
    operators = [i for i in diagram.sorted_steps() if diagram.vertices[i].kind == "op"]
    chained = _grouped(diagram, _chains(diagram, operators))
    if len(chained.vertices) <= limit:
        return chained
    for labels in _module_labels(diagram, operators):
        runs = [[i for i, _ in run] for _, run in groupby(zip(operators, labels), lambda p: p[1])]
        titles = [label for label, _ in groupby(labels)]
        by_module = _grouped(diagram, runs, titles)
        if len(by_module.vertices) <= limit:
            return by_module
    count = max(1, limit // 2)
    size = -(-len(operators) // count)
    period = _period([diagram.vertices[i].title for i in operators])
    size += -size % period
    stretches = [operators[k : k + size] for k in range(0, len(operators), size)]
    return _leaves_joined(_grouped(diagram, stretches), count)


def _chains(diagram: Diagram, operators: list[int]) -> list[list[int]]:
    """The operators in runs in which each is used by the next one only."""
    kinds = [v.kind for v in diagram.vertices]
    successors = diagram.successors()
    operands = [[j for j in p if kinds[j] == "op"] for p in diagram.predecessors()]
    run_of: dict[int, list[int]] = {}
    runs: list[list[int]] = []
    for i in operators:
        before = set(operands[i])
        if len(before) == 1:
            (j,) = before
            if set(successors[j]) == {i}:
                run_of[i] = run_of[j]
                run_of[i].append(i)
                continue
        run_of[i] = [i]
        runs.append(run_of[i])
    return runs


def _period(titles: list[str], longest: int = 200) -> int:
    """After how many operators the computation repeats itself, mostly; 1 if it does not."""
    for period in range(1, min(longest, len(titles) // 4) + 1):
        same = sum(a == b for a, b in zip(titles, titles[period:]))
        if same > 0.95 * (len(titles) - period):
            return period
    return 1


def _module_labels(diagram: Diagram, operators: list[int]) -> list[list[str]]:
    """For each depth of modules, deepest first: the module that each operator is counted to.

    An operator without parameters of its own belongs to the module that was last seen.
    """
    vertices = diagram.vertices
    predecessors = diagram.predecessors()
    paths: list[tuple[str, ...]] = []
    current: tuple[str, ...] = ()
    for i in operators:
        for name in _parameter_names(vertices, predecessors, i):
            current = tuple(name.split(".")[:-1])
        paths.append(current)
    deepest = max(map(len, paths), default=0)
    return [[".".join(path[:depth]) for path in paths] for depth in range(deepest, 0, -1)]


def _parameter_names(
    vertices: list[Vertex], predecessors: list[list[int]], operator: int
) -> list[str]:
    """The dotted names among the operator's leaves, also through one operator (a transpose)."""
    found = []
    for j in predecessors[operator]:
        if vertices[j].kind == "leaf":
            found.append(vertices[j].title)
        elif len(predecessors[j]) == 1 and vertices[predecessors[j][0]].kind == "leaf":
            found.append(vertices[predecessors[j][0]].title)
    return [name for name in found if "." in name]


def _grouped(
    diagram: Diagram, runs: Sequence[list[int]], titles: Sequence[str] | None = None
) -> Diagram:
    """Contract runs of operators; leaves that only one of them uses go into it."""
    vertices = diagram.vertices
    group_of = [-1] * len(vertices)
    for number, run in enumerate(runs):
        for i in run:
            group_of[i] = number
    inside: list[list[int]] = [[] for _ in runs]
    groups: list[Vertex | None] = [None] * len(runs)
    successors = diagram.successors()
    for i, vertex in enumerate(vertices):
        if group_of[i] >= 0:
            continue
        users = {group_of[j] for j in successors[i]}
        user = users.pop() if len(users) == 1 else -1
        if vertex.kind == "leaf" and user >= 0 and len(runs[user]) > 1:
            group_of[i] = user
            inside[user].append(i)
        else:
            group_of[i] = len(groups)
            groups.append(vertex)
    made = []
    for number, known in enumerate(groups):
        if known is not None:
            made.append(known)
            continue
        members = [vertices[i] for i in runs[number]]
        leaves = [vertices[i] for i in inside[number]]
        made.append(_group(members, leaves, titles[number] if titles else ""))
    return diagram.contracted(group_of, made)


def _group(members: list[Vertex], leaves: list[Vertex], title: str) -> Vertex:
    if len(members) == 1:
        return members[0]
    names = [v.title for v in leaves]
    title = title or _common_module(names)
    if title:
        names = [name.removeprefix(f"{title}.") for name in names]
    work = summary([v.title for v in members])
    count = f"{len(members)} operators"
    details = []
    if title:
        details.append(work)
    elif len(work) <= _LONGEST_TITLE:
        title = work
    else:
        title = count
        details.append(work.removeprefix(f"{count}: "))
    last = ""
    if names:
        known = len(names) <= 2 and "leaf" not in names
        last = ", ".join(names) if known else f"{len(names)} leaves"
    if members[-1].detail:
        last = f"{last} → {members[-1].detail}" if last else members[-1].detail
    details.append(last)
    lines = tuple(v.line() for v in (*leaves, *members))
    return Vertex("group", title, "\n".join(filter(None, details)), members[-1].step, lines)


def _common_module(names: list[str]) -> str:
    """The module that all these parameters are in, as far as their dotted names agree."""
    common: list[str] = []
    for parts in zip(*(name.split(".")[:-1] for name in names)):
        if len(set(parts)) > 1:
            break
        common.append(parts[0])
    return ".".join(common)


def _leaves_joined(diagram: Diagram, allowed: int) -> Diagram:
    """Draw all leaves as one vertex when there are more than ``allowed``."""
    vertices = diagram.vertices
    leaves = [v for v in vertices if v.kind == "leaf"]
    if len(leaves) <= allowed:
        return diagram
    all_leaves = Vertex(
        "group", f"{len(leaves)} leaves", "", -1, tuple(leaf.line() for leaf in leaves)
    )
    groups = [all_leaves]
    group_of = []
    for vertex in vertices:
        group_of.append(0 if vertex.kind == "leaf" else len(groups))
        if vertex.kind != "leaf":
            groups.append(vertex)
    return diagram.contracted(group_of, groups)


# ---- words ---------------------------------------------------------------------------------------


def summary(titles: list[str], longest: int = 5) -> str:
    """Return a short text for a sequence of operators.

    >>> summary(["Mul", "Add", "Mul", "Add", "Mul", "Add"]), summary(["Exp", "Exp", "Sum"])
    ('3 × (Mul, Add)', '2 × Exp, Sum')
    """
    n = len(titles)
    for period in range(1, min(n // 2, 24) + 1):
        if n % period == 0 and titles == titles[:period] * (n // period):
            block = _listed(titles[:period], longest)
            return f"{n // period} × {block if period == 1 else f'({block})'}"
    return _listed(titles, longest)


def _listed(titles: list[str], longest: int) -> str:
    runs = [(title, len(list(run))) for title, run in groupby(titles)]
    if len(runs) <= longest:
        return ", ".join(map(_times, runs))
    common = Counter(titles).most_common()
    shown = ", ".join(map(_times, common[:3]))
    return f"{len(titles)} operators: {shown}" + (", …" if len(common) > 3 else "")


def _times(run: tuple[str, int]) -> str:
    title, count = run
    return title if count == 1 else f"{count} × {title}"
