"""Reading ``x[i:j]`` and ``x[i, j]`` without detours: what programs do most.

In: a Tensor of an ordinary array, a slice that steps forward, or integers.  Out: the view with its
nodes, as `view._slice` and `view._select` make it; None for all else (ops/index.py).
"""

from __future__ import annotations

from typing import Any

from adjoint.array.descriptor import ARRAY
from adjoint.core.mode import get_mode
from adjoint.core.node import next_seq
from adjoint.core.tensor_base import Side, make_tensor
from adjoint.core.views import link_view
from adjoint.ops import view

__all__ = ["read_integers", "read_slice"]

Tensor = Any

_select = view._select.op
_select_plan: Any = _select.plan((True,), exact=True, fitting=False)
_select_saves = tuple(("input_shape", "axis", "index").index(n) for n in _select_plan.names)
_slice = view._slice.op
_slice_plan: Any = _slice.plan((True,), exact=True, fitting=False)
_slice_saves = tuple(("input_shape", "axis", "index").index(n) for n in _slice_plan.names)


def read_slice(input: Tensor, item: slice) -> Tensor | None:
    """The straight path of ``x[i:j]`` for a step forward: None for all else."""
    desc = input._desc
    shape = desc.shape
    if not desc.fast or desc.storage != ARRAY or (mode := get_mode()) > 1:
        return None
    start, stop, step = item.indices(shape[0])
    if step < 0:
        return None
    part = slice(start, stop if stop > start else start, step)
    raw = input._array[part]
    made = make_tensor(raw, None, desc.type.shaped(raw.shape))
    edge = input._edge
    if edge is not None and mode:
        made._edge = node = _slice.node_class()
        node.edges = (edge,)
        values = (shape, 0, part)
        node.saved = tuple([values[n] for n in _slice_saves])
        node.versions = None
        node.plan = _slice_plan
        node.seq = next_seq()
        node.desc = made._desc
        node.hooks = None
        node.counter = None
    params = {"axis": 0, "index": part}
    if not mode or input._side is not None:
        link_view(_slice, input, made, params, mode)
        return made
    counter = made._counter = input._counter or input._version_counter()
    made._side = side = Side()
    side.base = input
    side.steps = ((_slice, params),)
    side.node = _slice.node_name
    counter.add_view(made)
    return made


def read_integers(input: Tensor, index: tuple[Any, ...]) -> Tensor | None:
    """The straight path of ``x[i, j]``: one array, a node for each integer; None for all else."""
    desc = input._desc
    shape = desc.shape
    if not desc.fast or desc.storage != ARRAY or len(index) > len(shape) or not index:
        return None
    mode = get_mode()
    if mode > 1:
        return None
    places = []
    for i, size in zip(index, shape):
        if type(i) is not int or not -size <= i < size:
            return None
        places.append(i + size if i < 0 else i)
    made = make_tensor(input._array[(*places, ...)])
    edge = input._edge
    if edge is not None and mode:
        for k, place in enumerate(places):
            node = _select.node_class()
            node.edges = (edge,)
            values = (shape[k:], 0, place)
            node.saved = tuple([values[n] for n in _select_saves])
            node.versions = None
            node.plan = _select_plan
            node.seq = next_seq()
            node.desc = desc.type.shaped(shape[k + 1 :]) if k + 1 < len(places) else made._desc
            node.hooks = None
            node.counter = None
            edge = node
        made._edge = edge
    link_view(_select, input, made, {"axis": 0, "index": places[0]}, mode)
    if len(places) > 1 and made._side.base is not None:
        more = [(_select, {"axis": 0, "index": place}) for place in places[1:]]
        made._side.steps = (*made._side.steps, *more)
    return made
