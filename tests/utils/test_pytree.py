"""Trees of containers: taking apart and putting together are inverse to each other."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import adjoint as torch
from adjoint.utils import _pytree as pytree

Pair = namedtuple("Pair", "left right")

trees = st.recursive(
    st.integers() | st.none() | st.text(max_size=2),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.text(max_size=2), inner, max_size=3)
        | st.tuples(inner, inner).map(lambda both: Pair(*both))
    ),
    max_leaves=12,
)


@given(trees)
def test_unflatten_is_the_inverse_of_flatten(tree: Any) -> None:
    leaves, spec = pytree.tree_flatten(tree)
    again = pytree.tree_unflatten(leaves, spec)
    assert again == tree
    assert type(again) is type(tree)
    assert spec.num_leaves == len(leaves) == len(pytree.tree_leaves(tree))
    assert pytree.tree_structure(tree) == spec
    assert hash(pytree.tree_structure(tree)) == hash(spec)


@given(trees)
def test_mapping_the_identity_changes_nothing(tree: Any) -> None:
    assert pytree.tree_map(lambda leaf: leaf, tree) == tree
    pairs = pytree.tree_map(lambda a, b: (a, b) if a == b else "wrong", tree, tree)
    assert "wrong" not in pytree.tree_leaves(pairs)


def test_keys_keep_their_order() -> None:
    tree = OrderedDict([("b", 1), ("a", 2)])
    assert pytree.tree_leaves(tree) == [1, 2]
    assert list(pytree.tree_map(str, tree)) == ["b", "a"]


def test_sizes_are_nodes_and_tensors_are_leaves() -> None:
    size, tensor = torch.Size([2, 3]), torch.ones(2)
    leaves, spec = pytree.tree_flatten([size, tensor])
    assert leaves[:2] == [2, 3]
    assert leaves[2] is tensor
    assert type(pytree.tree_unflatten(leaves, spec)[0]) is torch.Size


def test_a_structure_is_printed_as_a_tree() -> None:
    assert repr(pytree.tree_structure([1, {"a": (2,)}])).splitlines() == [
        "TreeSpec(list, None, [*,",
        "  TreeSpec(dict, ['a'], [TreeSpec(tuple, None, [*])])])",
    ]


def test_mismatches_are_named() -> None:
    with pytest.raises(ValueError, match="Node arity mismatch; expected 2, but got 1"):
        pytree.tree_map(max, [1, 2], [3])
    with pytest.raises(ValueError, match="holds 2 items"):
        pytree.tree_unflatten([1], pytree.tree_structure([1, 2]))


def test_paths_read_like_python() -> None:
    paths = pytree.tree_leaves_with_path({"a": [1, Pair(2, 3)]})
    assert [pytree.keystr(path) for path, _ in paths] == [
        "['a'][0]",
        "['a'][1].left",
        "['a'][1].right",
    ]
    path = paths[1][0]
    found: Any = {"a": [1, Pair(2, 3)]}
    for key in path:
        found = key.get(found)
    assert found == 2
