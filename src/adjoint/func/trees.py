"""Trees of Python containers: flattened to a list of leaves and put together again.

In: any value; lists, tuples, named tuples, dicts, OrderedDicts, defaultdicts, deques and registered
classes are nodes, all else (None included) is a leaf.  Out: leaves in order, and a `TreeSpec` that
says how they were arranged.  Dicts keep the order of their keys.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from adjoint.array.device import Size

__all__ = [
    "GetAttrKey",
    "MappingKey",
    "PyTree",
    "SequenceKey",
    "TreeSpec",
    "keystr",
    "register_pytree_node",
    "tree_all",
    "tree_all_only",
    "tree_any",
    "tree_any_only",
    "tree_flatten",
    "tree_flatten_with_path",
    "tree_is_leaf",
    "tree_iter",
    "tree_leaves",
    "tree_leaves_with_path",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_map_only_",
    "tree_map_with_path",
    "tree_structure",
    "tree_unflatten",
]

PyTree = Any
IsLeaf = Callable[[Any], bool] | None


class SequenceKey(NamedTuple):
    """The step to an element of a sequence."""

    idx: int

    def __str__(self) -> str:
        return f"[{self.idx!r}]"

    def get(self, parent: Any) -> Any:
        """Return the element of ``parent``."""
        return parent[self.idx]


class MappingKey(NamedTuple):
    """The step to a value of a mapping."""

    key: Any

    def __str__(self) -> str:
        return f"[{self.key!r}]"

    def get(self, parent: Any) -> Any:
        """Return the value in ``parent``."""
        return parent[self.key]


class GetAttrKey(NamedTuple):
    """The step to an attribute, as of a named tuple."""

    name: str

    def __str__(self) -> str:
        return f".{self.name}"

    def get(self, parent: Any) -> Any:
        """Return the attribute of ``parent``."""
        return getattr(parent, self.name)


class _Kind(NamedTuple):
    """How containers of one class are taken apart and made again.

    ``flatten(x)`` gives (children, context), ``unflatten(children, context)`` the container.
    """

    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Any, Any], Any]
    keys: Callable[[Any, int], Iterable[Any]]


def _indices(context: Any, n: int) -> Iterable[Any]:
    return map(SequenceKey, range(n))


_KINDS: Final[dict[Any, _Kind]] = {
    list: _Kind(lambda x: (x, None), lambda c, _: list(c), _indices),
    tuple: _Kind(lambda x: (x, None), lambda c, _: tuple(c), _indices),
    Size: _Kind(lambda x: (x, None), lambda c, _: Size(c), _indices),
    dict: _Kind(
        lambda x: (x.values(), list(x)),
        lambda c, keys: dict(zip(keys, c)),
        lambda keys, n: map(MappingKey, keys),
    ),
    OrderedDict: _Kind(
        lambda x: (x.values(), list(x)),
        lambda c, keys: OrderedDict(zip(keys, c)),
        lambda keys, n: map(MappingKey, keys),
    ),
    defaultdict: _Kind(
        lambda x: (x.values(), [x.default_factory, list(x)]),
        lambda c, context: defaultdict(context[0], zip(context[1], c)),
        lambda context, n: map(MappingKey, context[1]),
    ),
    deque: _Kind(lambda x: (x, x.maxlen), lambda c, maxlen: deque(c, maxlen), _indices),
    namedtuple: _Kind(
        lambda x: (x, type(x)),
        lambda c, cls: cls(*c),
        lambda cls, n: map(GetAttrKey, cls._fields),
    ),
}
_MAPPINGS = (dict, OrderedDict, defaultdict)


def register_pytree_node(
    cls: type[Any],
    flatten_fn: Callable[[Any], tuple[list[Any], Any]],
    unflatten_fn: Callable[[Iterable[Any], Any], Any],
    *,
    serialized_type_name: str | None = None,
    to_dumpable_context: Callable[[Any], Any] | None = None,
    from_dumpable_context: Callable[[Any], Any] | None = None,
    flatten_with_keys_fn: Callable[[Any], tuple[list[tuple[Any, Any]], Any]] | None = None,
) -> None:
    """Make instances of ``cls`` nodes; the arguments on serialisation are accepted and not needed.

    Raises: ValueError if ``cls`` is registered already.

    Example:
        >>> class Pair:
        ...     def __init__(self, a, b): self.a, self.b = a, b
        >>> register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda c, _: Pair(*c))
        >>> tree_leaves([Pair(1, (2, 3)), 4])
        [1, 2, 3, 4]
    """
    if cls in _KINDS:
        raise ValueError(f"{cls!r} is already registered as pytree node.")

    def flatten(x: Any) -> tuple[Iterable[Any], Any]:
        return flatten_fn(x)

    _KINDS[cls] = _Kind(flatten, unflatten_fn, _indices)


def _kind_of(x: Any) -> Any:
    """The class whose `_Kind` takes ``x`` apart, `namedtuple` for all of those; None for a leaf."""
    cls = type(x)
    if cls in _KINDS:
        return cls
    if isinstance(x, tuple) and hasattr(cls, "_fields"):
        return namedtuple
    return None


class TreeSpec:
    """The arrangement of a tree: its class, what else is needed to make it, and its children.

    Example:
        >>> tree_structure({"a": [1, 2]})
        TreeSpec(dict, ['a'], [TreeSpec(list, None, [*,
          *])])
    """

    __slots__ = ("_children", "context", "num_children", "num_leaves", "num_nodes", "type")

    type: Any
    context: Any
    num_children: int
    num_leaves: int
    num_nodes: int

    def __init__(self, kind: Any, context: Any, children: list[TreeSpec]) -> None:
        self.type = kind
        self.context = context
        self._children = children
        self.num_children = len(children)
        self.num_leaves = 1 if kind is None else sum(child.num_leaves for child in children)
        self.num_nodes = 1 + sum(child.num_nodes for child in children)

    def is_leaf(self) -> bool:
        """Return whether this is the structure of a single leaf."""
        return self.type is None

    def children(self) -> list[TreeSpec]:
        """Return the structures of the children."""
        return list(self._children)

    def child(self, index: int) -> TreeSpec:
        """Return the structure of one child."""
        return self._children[index]

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """Return the tree with these leaves; see `tree_unflatten`."""
        return tree_unflatten(leaves, self)

    def flatten_up_to(self, tree: Any) -> list[Any]:
        """Return the subtrees of ``tree`` at the places where this structure has its leaves.

        Raises: ValueError where ``tree`` is arranged otherwise.
        """
        found: list[Any] = []
        self._flatten_up_to(tree, found)
        return found

    def _flatten_up_to(self, tree: Any, found: list[Any]) -> None:
        if self.type is None:
            found.append(tree)
            return
        kind = _kind_of(tree)
        both_maps = kind in _MAPPINGS and self.type in _MAPPINGS
        if kind is not self.type and not both_maps:
            raise ValueError(f"Node type mismatch; expected {self.type!r}, but got {type(tree)!r}.")
        children, context = _KINDS[kind].flatten(tree)
        children = list(children)
        if len(children) != self.num_children:
            raise ValueError(
                f"Node arity mismatch; expected {self.num_children}, but got {len(children)}."
            )
        if both_maps:
            keys = self.context[1] if self.type is defaultdict else self.context
            if set(keys) != set(tree):
                raise ValueError(
                    f"Node keys mismatch; missing key(s): {set(keys) - set(tree)}; "
                    f"extra key(s): {set(tree) - set(keys)}."
                )
            children = [tree[key] for key in keys]
        elif context != self.context and self.type is not deque:
            raise ValueError(
                f"Node context mismatch for node type {self.type!r}; "
                f"expected {self.context!r}, but got {context!r}."
            )
        for spec, child in zip(self._children, children):
            spec._flatten_up_to(child, found)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, TreeSpec):
            return NotImplemented
        return (
            self.type is other.type
            and self.context == other.context
            and self._children == other._children
        )

    def __hash__(self) -> int:
        return hash((self.type, repr(self.context), tuple(self._children)))

    def __repr__(self) -> str:
        return self._text(0)

    def _text(self, indent: int) -> str:
        if self.type is None:
            return "*"
        texts = [child._text(indent + 2) for child in self._children]
        inner = (",\n" + " " * (indent + 2)).join(texts)
        return f"TreeSpec({self.type.__name__}, {self.context}, [{inner}])"


_LEAF: Final = TreeSpec(None, None, [])


# ---- taking apart and putting together -----------------------------------------------------------


def tree_is_leaf(tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Return whether ``tree`` is a leaf."""
    return _kind_of(tree) is None or (is_leaf is not None and is_leaf(tree))


def tree_flatten(tree: PyTree, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """Return the leaves of ``tree`` in order, and its structure.

    Example:
        >>> leaves, spec = tree_flatten([1, {"a": 2}])
        >>> leaves
        [1, 2]
        >>> tree_unflatten([10, 20], spec)
        [10, {'a': 20}]
    """
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves, is_leaf)


def _flatten(tree: Any, leaves: list[Any], is_leaf: IsLeaf) -> TreeSpec:
    kind = _kind_of(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        leaves.append(tree)
        return _LEAF
    children, context = _KINDS[kind].flatten(tree)
    return TreeSpec(kind, context, [_flatten(child, leaves, is_leaf) for child in children])


def tree_iter(tree: PyTree, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """Iterate over the leaves of ``tree`` in order."""
    kind = _kind_of(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        yield tree
        return
    for child in _KINDS[kind].flatten(tree)[0]:
        yield from tree_iter(child, is_leaf)


def tree_leaves(tree: PyTree, is_leaf: IsLeaf = None) -> list[Any]:
    """Return the leaves of ``tree`` in order.

    Example:
        >>> tree_leaves({"b": (1, None), "a": [2]})
        [1, None, 2]
    """
    return list(tree_iter(tree, is_leaf))


def tree_structure(tree: PyTree, is_leaf: IsLeaf = None) -> TreeSpec:
    """Return the structure of ``tree`` without its leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> PyTree:
    """Return the tree of structure ``treespec`` with these leaves.

    Raises: TypeError if ``treespec`` is no `TreeSpec`; ValueError if the number of leaves is wrong.
    """
    if not isinstance(treespec, TreeSpec):
        raise TypeError(
            "Expected `treespec` to be an instance of PyTreeSpec but got item of type "
            f"{type(treespec)}."
        )
    if not isinstance(leaves, list | tuple):
        leaves = list(leaves)
    if len(leaves) != treespec.num_leaves:
        raise ValueError(
            f"treespec.unflatten(leaves): `leaves` has length {len(leaves)} but the spec refers to "
            f"a pytree that holds {treespec.num_leaves} items ({treespec})."
        )
    return _unflatten(iter(leaves), treespec)


def _unflatten(leaves: Iterator[Any], spec: TreeSpec) -> Any:
    if spec.type is None:
        return next(leaves)
    children = [_unflatten(leaves, child) for child in spec._children]
    return _KINDS[spec.type].unflatten(children, spec.context)


# ---- maps ----------------------------------------------------------------------------------------


def tree_map(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Return a tree of the structure of ``tree`` with ``func`` applied to its leaves.

    Each of ``rests`` has the structure of ``tree``, or one that goes on below its leaves.

    Raises: ValueError where one of ``rests`` is arranged otherwise.

    Example:
        >>> tree_map(lambda a, b: a + b, {"x": 1, "y": [2]}, {"x": 10, "y": [20]})
        {'x': 11, 'y': [22]}
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return tree_unflatten([func(*row) for row in zip(leaves, *others)], spec)


def tree_map_(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Call ``func`` on the leaves as `tree_map` does, and return ``tree`` itself."""
    leaves, spec = tree_flatten(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    for row in zip(leaves, *others):
        func(*row)
    return tree


def _asks(chosen: Any) -> Callable[[Any], bool]:
    """A question about leaves, from classes or from a function that is one."""
    if isinstance(chosen, type | tuple) or hasattr(chosen, "__args__"):
        return lambda x: isinstance(x, chosen)
    if callable(chosen):
        return chosen
    raise TypeError(
        f"Argument must be a type, a tuple of types, or a callable. (Got {type(chosen).__name__}.)"
    )


def tree_map_only(
    type_or_types_or_pred: Any,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: IsLeaf = None,
) -> PyTree:
    """Return ``tree`` with ``func`` applied to leaves of some classes (or that a function picks)

    Example:
        >>> tree_map_only(int, lambda n: n + 1, [1, "a", (2,)])
        [2, 'a', (3,)]
    """
    chosen = _asks(type_or_types_or_pred)
    return tree_map(lambda x: func(x) if chosen(x) else x, tree, is_leaf=is_leaf)


def tree_map_only_(
    type_or_types_or_pred: Any,
    /,
    func: Callable[[Any], Any],
    tree: PyTree,
    is_leaf: IsLeaf = None,
) -> PyTree:
    """Call ``func`` on the leaves that `tree_map_only` would choose, and return ``tree`` itself."""
    chosen = _asks(type_or_types_or_pred)
    return tree_map_(lambda x: func(x) if chosen(x) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Return whether ``pred`` holds of every leaf."""
    return all(map(pred, tree_iter(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None) -> bool:
    """Return whether ``pred`` holds of some leaf."""
    return any(map(pred, tree_iter(tree, is_leaf)))


def tree_all_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None
) -> bool:
    """Return whether ``pred`` holds of every leaf of these classes."""
    return all(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


def tree_any_only(
    type_or_types: Any, /, pred: Callable[[Any], bool], tree: PyTree, is_leaf: IsLeaf = None
) -> bool:
    """Return whether ``pred`` holds of some leaf of these classes."""
    return any(pred(x) for x in tree_iter(tree, is_leaf) if isinstance(x, type_or_types))


# ---- paths ---------------------------------------------------------------------------------------


def tree_leaves_with_path(
    tree: PyTree, is_leaf: IsLeaf = None
) -> list[tuple[tuple[Any, ...], Any]]:
    """Return the pairs (path from the root, leaf) in order."""
    return list(_with_path((), tree, is_leaf))


def tree_flatten_with_path(
    tree: PyTree, is_leaf: IsLeaf = None
) -> tuple[list[tuple[tuple[Any, ...], Any]], TreeSpec]:
    """Return the pairs (path from the root, leaf) in order, and the structure.

    Example:
        >>> [(keystr(path), leaf) for path, leaf in tree_flatten_with_path({"a": [5, 6]})[0]]
        [("['a'][0]", 5), ("['a'][1]", 6)]
    """
    return tree_leaves_with_path(tree, is_leaf), tree_structure(tree, is_leaf)


def _with_path(path: tuple[Any, ...], tree: Any, is_leaf: IsLeaf) -> Iterator[Any]:
    kind = _kind_of(tree)
    if kind is None or (is_leaf is not None and is_leaf(tree)):
        yield path, tree
        return
    found, context = _KINDS[kind].flatten(tree)
    children = list(found)
    for key, child in zip(_KINDS[kind].keys(context, len(children)), children):
        yield from _with_path((*path, key), child, is_leaf)


def tree_map_with_path(
    func: Callable[..., Any], tree: PyTree, *rests: PyTree, is_leaf: IsLeaf = None
) -> PyTree:
    """Return `tree_map` of a function that is given the path before the leaves."""
    pairs, spec = tree_flatten_with_path(tree, is_leaf)
    others = [spec.flatten_up_to(rest) for rest in rests]
    return tree_unflatten([func(*pair, *row) for pair, *row in zip(pairs, *others)], spec)


def keystr(kp: tuple[Any, ...]) -> str:
    """Return a path as it would be written in Python: ``['a'][0].b``."""
    return "".join(map(str, kp))
