"""`autograd.Function` inside `vmap`: as it is, by the rule that the user gives, or in a loop.

In: a Function and arguments that differ from sample to sample.  Out: its results, as those of an
operator.  A Function computes with batched tensors like anything else; where its ``forward``,
``backward`` or ``jvp`` needs a value, it alone is run sample by sample, and a warning says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from adjoint.array.batched.draws import rewind
from adjoint.array.batched.levels import BatchedValueError, Level, stack
from adjoint.core.looping import note_loop, without_frames
from adjoint.core.tensor_base import TensorBase, birthplace
from adjoint.ops.batching import enter, has_level, inside, leave
from adjoint.ops.create import zeros_like
from adjoint.ops.join import stack as stack_tensors
from adjoint.ops.join import unbind

__all__ = ["VmapInfo", "apply_batched", "backward_by_sample"]

_DOCS = "https://pytorch.org/docs/main/notes/extending.func.html"


class VmapInfo(NamedTuple):
    """What the ``vmap`` staticmethod of a Function is told: how many samples, which randomness."""

    batch_size: int
    randomness: str


def apply_batched(
    cls: Any, args: tuple[Any, ...], own_rule: bool, plain: Callable[[tuple[Any, ...]], Any]
) -> Any:
    """The results of a Function on arguments some of which may be batched.

    ``own_rule``: it has a ``vmap`` staticmethod; ``plain``: what it is without `vmap`.
    """
    level = _innermost(args)
    if level is None:
        return plain(args)
    if own_rule:
        if cls.generate_vmap_rule:
            raise RuntimeError(
                f"You tried to vmap over {cls.__name__}, but it has both generate_vmap_rule=True "
                "and an overridden vmap staticmethod. Please set generate_vmap_rule=False or "
                "delete the overridden vmap staticmethod to avoid ambiguity. For more details, "
                f"please see {_DOCS}"
            )
        return _by_rule(cls, args, level)
    versions = _versions(args)
    try:
        return plain(args)
    except BatchedValueError as error:
        level = error.levels[-1]
        written = versions != _versions(args)
        if written or not level.size or not any(has_level(t, level) for t in _tensors(args)):
            raise
        reason = without_frames(error)
    return _by_sample(cls, args, level, reason, plain)


# ---- trees ---------------------------------------------------------------------------------------


def _tensors(value: Any) -> Iterator[Any]:
    """The tensors in a value, also in containers."""
    if isinstance(value, TensorBase):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _tensors(part)
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))


def _versions(args: Any) -> list[int]:
    return [0 if t._counter is None else t._counter.value for t in _tensors(args)]


def _mapped(function: Callable[[Any], Any], value: Any) -> Any:
    """``value`` with ``function`` of every leaf."""
    if isinstance(value, tuple | list):
        parts = [_mapped(function, part) for part in value]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, dict):
        return type(value)((key, _mapped(function, part)) for key, part in value.items())
    return function(value)


def _innermost(args: Any) -> Level | None:
    found: Level | None = None
    for t in _tensors(args):
        for level in t._desc.type.levels[:1]:
            if found is None or level.number > found.number:
                found = level
    return found


@contextmanager
def _outside(level: Level) -> Iterator[None]:
    """A block that computes as if ``level`` and all inside of it were not open."""
    kept = tuple([one for one in stack.get() if one.number < level.number])
    token = stack.set(kept)
    born = birthplace.set(kept[-1].number if kept else 0)
    try:
        yield
    finally:
        birthplace.reset(born)
        stack.reset(token)


# ---- the user's rule -----------------------------------------------------------------------------


def _by_rule(cls: Any, args: tuple[Any, ...], level: Level) -> Any:
    def is_batched(leaf: Any) -> bool:
        return isinstance(leaf, TensorBase) and has_level(leaf, level)

    in_dims = _mapped(lambda leaf: 0 if is_batched(leaf) else None, args)
    whole = _mapped(lambda leaf: leave(leaf, 0, level) if is_batched(leaf) else leaf, args)
    with _outside(level):
        returned = cls.vmap(VmapInfo(level.size, level.randomness), in_dims, *whole)
    if not isinstance(returned, tuple) or len(returned) != 2:
        got = f"{len(returned)} returns" if isinstance(returned, tuple) else f"a {type(returned)}"
        raise RuntimeError(
            "Expected the vmap staticmethod to have two returns, an output and out_dims with "
            f"pytree structure compatible with the output. Got {got} instead"
        )
    output, out_dims = returned
    return _entered(output, out_dims, level, returned)


def _entered(output: Any, out_dims: Any, level: Level, returned: Any) -> Any:
    """The rule's output with its samples hidden."""
    if isinstance(out_dims, tuple | list | dict):
        same = type(out_dims) is type(output) and len(out_dims) == len(output)
        if not same or (isinstance(out_dims, dict) and list(out_dims) != list(output)):
            raise RuntimeError(
                "The autograd.Function's vmap staticmethod returned an incompatible (output, "
                f"out_dims) tuple. Expected out_dims={returned[1]} to be compatible with the "
                f"structure of `output`. For more details, please see {_DOCS}"
            )
        if isinstance(out_dims, dict):
            return {k: _entered(output[k], d, level, returned) for k, d in out_dims.items()}
        parts = [_entered(o, d, level, returned) for o, d in zip(output, out_dims)]
        return type(output)(*parts) if hasattr(output, "_fields") else type(output)(parts)
    if out_dims is None:
        return output
    return _mapped(lambda leaf: _with_dim(leaf, out_dims, level), output)


def _with_dim(leaf: Any, dim: int, level: Level) -> Any:
    if not isinstance(leaf, TensorBase):
        return leaf
    shape = leaf._desc.shape
    ndim = len(shape)
    if dim < -ndim or dim >= ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-ndim}, {ndim - 1}], but got "
            f"{dim})"
        )
    if shape[dim] != level.size:
        raise RuntimeError(
            f"The vmap staticmethod returned a tensor of shape {list(shape)} whose dim {dim} does "
            f"not count the {level.size} samples."
        )
    return enter(leaf, dim % ndim, level)


# ---- sample by sample ----------------------------------------------------------------------------


class _Samples:
    """The samples of tensors at one level, taken apart once."""

    def __init__(self, level: Level) -> None:
        self.level = level
        self.found: dict[int, tuple[Any, Any]] = {}

    def of(self, value: Any, i: int) -> Any:
        """Sample ``i`` of a value that may contain tensors."""
        return _mapped(lambda leaf: self._one(leaf, i), value)

    def _one(self, leaf: Any, i: int) -> Any:
        if not isinstance(leaf, TensorBase) or not has_level(leaf, self.level):
            return leaf
        if id(leaf) not in self.found:
            self.found[id(leaf)] = leaf, unbind(leave(leaf, 0, self.level), 0)
        return self.found[id(leaf)][1][i]


def _joined(column: Sequence[Any], level: Level, reason: BaseException) -> Any:
    """One result of all samples; None counts as zeros where others are tensors."""
    first = next((x for x in column if isinstance(x, TensorBase)), None)
    if first is None:
        return column[0]
    filled = [zeros_like(first) if x is None else x for x in column]
    if len({x._desc.shape for x in filled}) > 1:
        raise reason
    return enter(stack_tensors(filled, 0), 0, level)


def _by_sample(
    cls: Any,
    args: tuple[Any, ...],
    level: Level,
    reason: BatchedValueError,
    plain: Callable[[tuple[Any, ...]], Any],
) -> Any:
    if not level.rows and not any(one.looped for one in stack.get()):
        note_loop(f"{cls.__name__}.forward", level.size, reason)
    samples, rows = _Samples(level), []
    looped = Level(level.size, level.randomness, looped=True)
    with _outside(level), inside(looped):
        for i in range(level.size):
            if level.randomness == "same":
                rewind(looped)
            rows.append(apply_batched(cls, samples.of(args, i), False, plain))
        if not isinstance(rows[0], tuple):
            return _joined(rows, level, reason)
        return tuple([_joined(column, level, reason) for column in zip(*rows)])


def backward_by_sample(
    error: BatchedValueError,
    context: Any,
    grads: list[Any],
    ask: Callable[[Any, list[Any]], tuple[Any, ...]],
    announced: bool = False,
) -> tuple[Any, ...]:
    """What ``ask(context, grads)``, which raised ``error``, gives sample by sample.

    Raises: ``error`` where none of the values it can see differs from sample to sample.
    """
    level = error.levels[-1]
    seen = (context.__dict__, context.saved_tensors, grads)
    if not level.size or not any(has_level(t, level) for t in _tensors(seen)):
        raise error
    if not announced:
        note_loop(f"{context._function.__name__}.backward", level.size, error)
    samples, rows = _Samples(level), []
    for i in range(level.size):
        one = context._with_tensors(lambda value, i=i: samples.of(value, i))
        try:
            rows.append(ask(one, samples.of(grads, i)))
        except BatchedValueError as inner:
            deeper = without_frames(inner)
            rows.append(backward_by_sample(deeper, one, samples.of(grads, i), ask, True))
    return tuple([_joined(column, level, error) for column in zip(*rows)])
