"""Samples put together to batches.

In: a list of samples - tensors, arrays, numbers, strings, or dictionaries, tuples and lists of
them. Out: the same structure once, with a tensor in the place of each number or tensor.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any, Final

import numpy as np

from adjoint.array.dtypes import float64
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.create import as_tensor, from_numpy, tensor
from adjoint.ops.join import stack

__all__ = ["collate", "default_collate", "default_collate_fn_map", "default_convert"]

_TEXT = re.compile(r"[SaUO]")
FORMAT: Final = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)


def default_convert(data: Any) -> Any:
    """Return ``data`` with NumPy arrays turned into tensors, in whatever structure they are.

    Example:
        >>> import numpy as np
        >>> default_convert([np.array([0, 1]), "text"])
        [tensor([0, 1]), 'text']
    """
    if isinstance(data, TensorBase):
        return data
    if isinstance(data, np.ndarray | np.generic):
        if isinstance(data, np.ndarray) and _TEXT.search(data.dtype.str) is not None:
            return data
        return as_tensor(data)
    if isinstance(data, Mapping):
        return _as(type(data), {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        kind: Any = type(data)
        return kind(*(default_convert(d) for d in data))
    if isinstance(data, tuple):
        return [default_convert(d) for d in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _as(type(data), [default_convert(d) for d in data])
    return data


def _as(kind: Any, value: Any) -> Any:
    """``value`` in the class ``kind``, as it is where that cannot be made of it."""
    try:
        return kind(value)
    except TypeError:
        return value


Collate = Callable[..., Any]


def collate(batch: Sequence[Any], *, collate_fn_map: Mapping[Any, Collate] | None = None) -> Any:
    """Return one batch of several samples, by functions for the classes of their parts.

    Raises: TypeError for what no function is there for; RuntimeError if sizes differ.
    """
    element = batch[0]
    kind = type(element)
    if collate_fn_map is not None:
        chosen = collate_fn_map.get(kind)
        if chosen is None:
            for candidate, function in collate_fn_map.items():
                if isinstance(element, candidate):
                    chosen = function
                    break
        if chosen is not None:
            return chosen(batch, collate_fn_map=collate_fn_map)
    if isinstance(element, Mapping):
        return _mapping(batch, element, collate_fn_map)
    if isinstance(element, tuple) and hasattr(element, "_fields"):
        return kind(*(collate(d, collate_fn_map=collate_fn_map) for d in zip(*batch)))
    if isinstance(element, Sequence):
        return _sequence(batch, element, collate_fn_map)
    raise TypeError(FORMAT.format(kind))


def _mapping(batch: Sequence[Any], element: Any, functions: Any) -> Any:
    merged = {key: collate([d[key] for d in batch], collate_fn_map=functions) for key in element}
    if isinstance(element, MutableMapping):
        clone = copy.copy(element)
        clone.update(merged)
        return clone
    return _as(type(element), merged)


def _sequence(batch: Sequence[Any], element: Any, functions: Any) -> Any:
    size = len(element)
    if not all(len(sample) == size for sample in batch):
        raise RuntimeError("each element in list of batch should be of equal size")
    columns = [collate(c, collate_fn_map=functions) for c in zip(*batch)]
    if isinstance(element, tuple):
        return columns
    if isinstance(element, MutableSequence):
        clone = copy.copy(element)
        for i, column in enumerate(columns):
            clone[i] = column
        return clone
    return _as(type(element), columns)


def _tensors(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    return stack(batch, 0)


def _arrays(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    element = batch[0]
    if _TEXT.search(element.dtype.str) is not None:
        raise TypeError(FORMAT.format(element.dtype))
    return stack([from_numpy(np.asarray(b)) for b in batch], 0)


def _scalars(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    return as_tensor(np.array(batch))


def _floats(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    return tensor(batch, dtype=float64)


def _integers(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    return tensor(batch)


def _texts(batch: list[Any], *, collate_fn_map: Any = None) -> Any:
    return batch


default_collate_fn_map: dict[Any, Collate] = {
    TensorBase: _tensors,
    np.ndarray: _arrays,
    (np.bool_, np.number, np.object_): _scalars,
    float: _floats,
    int: _integers,
    str: _texts,
    bytes: _texts,
}


def default_collate(batch: list[Any]) -> Any:
    """Return one batch of several samples: tensors stacked, numbers in tensors, structure kept.

    Raises: TypeError for samples of other classes; RuntimeError if sizes differ.

    Example:
        >>> default_collate([{"x": 1, "name": "a"}, {"x": 2, "name": "b"}])
        {'x': tensor([1, 2]), 'name': ['a', 'b']}
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)
