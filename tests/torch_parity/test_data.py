"""Datasets, samplers and loaders in both libraries, and trees of containers."""

from __future__ import annotations

import importlib
from collections import OrderedDict, defaultdict, deque, namedtuple
from typing import Any

import pytest

from adjoint.utils import _pytree as ours
from tests.torch_parity import programs_data
from tests.torch_parity.harness import Program, both, collect, raises

oracle: Any = importlib.import_module("torch.utils._pytree")
Pair = namedtuple("Pair", "a b")

TREES: list[Any] = [
    *(1, None, [], (), {}, [[]]),
    [1, [2, (3, {"b": 1, "a": None})]],
    Pair(1, [2]),
    OrderedDict(x=1, y=(2,)),
    deque([1, 2], maxlen=3),
    defaultdict(list, {"k": 1}),
]


@pytest.mark.parametrize("program", collect(programs_data))
def test_data(program: Program) -> None:
    both(program)


@pytest.mark.parametrize("tree", TREES, ids=repr)
def test_trees_are_taken_apart_alike(tree: Any) -> None:
    leaves, spec = ours.tree_flatten(tree)
    expected, other = oracle.tree_flatten(tree)
    assert (leaves, repr(spec)) == (expected, repr(other))
    assert ours.tree_unflatten(leaves, spec) == tree
    paths = [ours.keystr(path) for path, _ in ours.tree_flatten_with_path(tree)[0]]
    assert paths == [oracle.keystr(path) for path, _ in oracle.tree_flatten_with_path(tree)[0]]
    counts = (spec.num_leaves, spec.num_nodes, spec.num_children, spec.is_leaf())
    assert counts == (other.num_leaves, other.num_nodes, other.num_children, other.is_leaf())


CALLS: dict[str, Any] = {
    "too_few": lambda p: p.tree_unflatten([1], p.tree_structure([1, 2])),
    "no_spec": lambda p: p.tree_unflatten([1], 3),
    "arity": lambda p: p.tree_map(lambda x, y: x + y, [1, 2], [1]),
    "type": lambda p: p.tree_map(lambda x, y: x + y, [1, 2], (1, 2)),
    "keys": lambda p: p.tree_map(lambda x, y: x + y, {"a": 1, "b": 2}, {"b": 1, "c": 2}),
    "order": lambda p: p.tree_map(lambda x, y: x + y, {"a": 1, "b": 2}, {"b": 10, "a": 20}),
    "named": lambda p: p.tree_map(lambda x, y: x + y, Pair(1, 2), (1, 2)),
    "prefix": lambda p: p.tree_map(lambda x, y: (x, y), [1, 2], [{"a": 1}, 3]),
    "twice": lambda p: p.register_pytree_node(list, None, None),
    "only": lambda p: p.tree_map_only(int, lambda x: x + 1, [3, "a", (4,)]),
    "union": lambda p: p.tree_map_only(int | str, lambda x: x * 2, [3, "a", 1.5]),
    "asked": lambda p: p.tree_map_only(lambda x: x == 3, lambda x: x * 2, [3, 4]),
    "not_a_type": lambda p: p.tree_map_only(3, lambda x: x, [3]),
    "leaf": lambda p: p.tree_leaves([1, (2, 3)], is_leaf=lambda x: isinstance(x, tuple)),
    "all": lambda p: (p.tree_all(bool, [1, 0]), p.tree_any(bool, [1, 0])),
    "all_only": lambda p: (
        p.tree_all_only(int, bool, [1, ""]),
        p.tree_any_only(str, bool, [1, ""]),
    ),
    "paths": lambda p: p.tree_map_with_path(lambda k, x: (p.keystr(k), x), [1, {"s": 2}]),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_maps_and_errors_are_alike(call: Any) -> None:
    expected, got = raises(lambda: call(oracle)), raises(lambda: call(ours))
    assert got.kind == expected.kind
    assert got.text.startswith(expected.sentence)
    if expected.kind is None:
        assert call(ours) == call(oracle)
