"""Checkpoints: trade computation for memory by running a part of the forward again in backward.

In: a function and its arguments.  Out: the function's result; what its operations would have saved
for backward is not kept, but computed again when a gradient comes back to it.

Note [Two ways]
    ``use_reentrant=False`` records the function as usual, under saved-tensor hooks that keep
    nothing (utils/checkpoint_frames.py): the graph is the ordinary one, and everything that works
    on graphs works. ``use_reentrant=True`` is PyTorch's older way: one node for the whole function,
    which runs it unrecorded, and in backward once more, recorded, with a backward inside backward.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from adjoint.autograd.function import Function
from adjoint.core import engine, errors
from adjoint.core import mode as modes
from adjoint.core.backward import backward
from adjoint.core.mode import get_mode, mode_bits
from adjoint.core.saved import PackedValue, pack, saved_hooks
from adjoint.core.tensor_base import TensorBase
from adjoint.ops.random import fork_rng, get_rng_state, set_rng_state
from adjoint.utils.checkpoint_frames import FACTS, CheckpointError, Frame

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]

Tensor = Any
Contexts = tuple[AbstractContextManager[Any], AbstractContextManager[Any]]

_early_stop: ContextVar[bool | None] = ContextVar("adjoint_early_stop", default=None)
_debug: ContextVar[bool | None] = ContextVar("adjoint_checkpoint_debug", default=None)


@contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """A block whose checkpoints stop their recomputation as soon as all is there (or do not).

    It acts on checkpoints made inside it, and goes before their own ``early_stop``.
    """
    token = _early_stop.set(enable)
    try:
        yield
    finally:
        _early_stop.reset(token)


@contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """A block whose checkpoints have ``debug=enabled``, whatever they say; None: what they say."""
    token = _debug.set(enabled)
    try:
        yield
    finally:
        _debug.reset(token)


def noop_context_fn() -> Contexts:
    """Return two contexts that do nothing."""
    return nullcontext(), nullcontext()


# ---- the public function -------------------------------------------------------------------------


def checkpoint(
    function: Callable[..., Any],
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable[[], Contexts] = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """Return ``function(*args, **kwargs)`` without keeping what backward needs of its inside.

    Backward runs the function again. It must do the same as before; random numbers of this library
    are the same (``preserve_rng_state=True``).

    Args: ``use_reentrant``: False records the function as usual and is the better choice; True (the
    default, with a warning) puts one node in its place, see docs/checkpoint.md; ``context_fn``:
    returns a context for the first run and one for the recomputation; ``determinism_check``:
    "default" compares shapes, dtypes and devices, "none" nothing; ``debug``: show the lines that
    saved tensors when both runs differ; ``early_stop``: end the recomputation when all is there.
    Raises: ValueError for keyword arguments, ``context_fn`` or ``debug`` with
    ``use_reentrant=True``; in backward, CheckpointError if the function saved other tensors.

    Example:
        >>> import adjoint as torch
        >>> from adjoint.utils.checkpoint import checkpoint
        >>> x = torch.tensor([0.5, 1.0], requires_grad=True)
        >>> checkpoint(lambda x: x.sin().exp(), x, use_reentrant=False).sum().backward()
        >>> x.grad
        tensor([1.4174, 1.2534])
    """
    if use_reentrant is None:
        _warn_of_default(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an "
            "exception. "
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if use_reentrant:
        if kwargs:
            raise ValueError(
                f"Unexpected keyword arguments: {','.join(kwargs)}. (With use_reentrant=True the "
                "function gets positional arguments only.)"
            )
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        return CheckpointFunction.apply(function, preserve, *args)
    if determinism_check not in FACTS:
        raise ValueError(
            f"determinism_check should be one of {list(FACTS)}, but got {determinism_check}"
        )
    wanted = _debug.get()
    debug = debug if wanted is None else wanted
    if debug and context_fn is not noop_context_fn:
        raise ValueError("debug=True is incompatible with non-default context_fn")
    first, again = context_fn()
    if not get_mode() & modes.GRAD:
        return function(*args, **kwargs)
    stop = _early_stop.get()
    rerun = _Rerun(function, args, kwargs, again, preserve)
    frame = Frame(rerun, FACTS[determinism_check], early_stop if stop is None else stop, debug)
    with frame.hooks(), first:
        result = function(*args, **kwargs)
    frame.over = True
    return result


def _warn_of_default(start: str) -> None:
    warnings.warn(
        f"{start}use_reentrant=False is recommended, but if you need to preserve the current "
        "default behavior, you can pass use_reentrant=True. Refer to docs for more details on the "
        "differences between the two variants.",
        UserWarning,
        stacklevel=3,
    )


class _Rerun:
    """The call, to be made once more: arguments as they were saved, modes, random numbers."""

    __slots__ = ("args", "context", "function", "kwargs", "mode", "random")

    def __init__(
        self,
        function: Callable[..., Any],
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        context: AbstractContextManager[Any],
        preserve: bool,
    ) -> None:
        self.function = function
        self.kwargs = kwargs
        self.context = context
        self.mode = get_mode() & modes.MASKED
        self.random = get_rng_state() if preserve else None
        # Under the hooks in force around: an outer checkpoint gives the arguments back, too.
        packing = get_mode() & modes.SAVED_HOOKS and saved_hooks.get()
        self.args = tuple(
            [_saved(a, packing) if isinstance(a, TensorBase) else (a, None) for a in args]
        )

    def name(self) -> str:
        """What messages call the place that saved the arguments."""
        return "checkpoint"

    def __call__(self) -> Any:
        args = [self._argument(i, *entry) for i, entry in enumerate(self.args)]
        with (
            _random_state(self.random),
            mode_bits(modes.GRAD | self.mode, modes.INFERENCE | modes.MASKED & ~self.mode),
            self.context,
        ):
            return self.function(*args, **self.kwargs)

    def _argument(self, i: int, value: Any, version: int | None) -> Any:
        if type(value) is PackedValue:
            return value.unpack(self, f"argument {i}")
        if version is not None and value._version != version:
            origin = errors.output_of(value._edge)
            counter = value._version_counter()
            raise errors.modified(self, f"argument {i}", value._desc, counter, version, origin)
        return value


def _saved(tensor: Tensor, packing: Any) -> tuple[Any, int]:
    return (pack(tensor, False) if packing else tensor), tensor._version


@contextmanager
def _random_state(state: Tensor | None) -> Iterator[None]:
    """A block that draws the random numbers from ``state`` on; afterwards those from before."""
    with fork_rng(enabled=state is not None):
        if state is not None:
            set_rng_state(state)
        yield


# ---- the reentrant way ---------------------------------------------------------------------------


def check_backward_validity(inputs: Iterable[Any]) -> None:
    """Warn if no tensor among ``inputs`` requires grad: no gradient would get out."""
    if not any(isinstance(x, TensorBase) and x._edge is not None for x in inputs):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )


def detach_variable(inputs: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return the tensors of a tuple as leaves of their own, which require grad as they did.

    Raises: RuntimeError if ``inputs`` is no tuple.
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple([_leaf(x) if isinstance(x, TensorBase) else x for x in inputs])


def _leaf(tensor: Tensor) -> Tensor:
    made = tensor.detach()
    made.requires_grad = tensor.requires_grad
    return made


class CheckpointFunction(Function):
    """One node for a whole function: forward runs it unrecorded, backward once more, recorded."""

    @staticmethod
    def forward(ctx: Any, run_function: Any, preserve_rng_state: bool, *args: Any) -> Any:
        """Run the function; keep its arguments."""
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.random = get_rng_state() if preserve_rng_state else None
        ctx.mode = get_mode() & modes.MASKED
        ctx.others = tuple([None if isinstance(a, TensorBase) else a for a in args])
        ctx.save_for_backward(*[a if isinstance(a, TensorBase) else None for a in args])
        return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *args: Any) -> Any:
        """Run the function again and a backward through what it recorded."""
        walk = engine.running.get()
        if walk is not None and walk.needed is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can "
                "either set use_reentrant=False, or call .backward() without passing the `inputs` "
                "argument."
            )
        tensors = ctx.saved_tensors
        pairs = zip(tensors, ctx.others)
        inputs = detach_variable(tuple([o if t is None else t for t, o in pairs]))
        off = modes.INFERENCE | modes.MASKED & ~ctx.mode
        with _random_state(ctx.random), mode_bits(modes.GRAD | ctx.mode, off):
            outputs = ctx.run_function(*inputs)
        if not isinstance(outputs, tuple):
            outputs = (outputs,)
        wanted = [
            (out, g)
            for out, g in zip(outputs, args)
            if isinstance(out, TensorBase) and out._edge is not None
        ]
        if not wanted:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([out for out, _ in wanted], [g for _, g in wanted])
        grads = [x.grad if t is not None else None for x, t in zip(inputs, tensors)]
        return (None, None, *grads)


# ---- several functions in a row ------------------------------------------------------------------


def checkpoint_sequential(
    functions: Any,
    segments: int,
    input: Any,
    use_reentrant: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Return ``input`` sent through ``functions`` one after the other, in checkpointed segments.

    Args: ``functions``: an `nn.Sequential` or a list; ``segments``: how many pieces of equal length
    (the last takes the rest, and is not checkpointed); ``preserve_rng_state``: as in `checkpoint`.
    Raises: ValueError for other keyword arguments, or more segments than functions.

    Example:
        >>> import adjoint as torch
        >>> from adjoint.utils.checkpoint import checkpoint_sequential
        >>> x = torch.tensor([0.5], requires_grad=True)
        >>> checkpoint_sequential([torch.sin, torch.exp], 2, x, use_reentrant=False)
        tensor([1.6151], grad_fn=<ExpBackward0>)
    """
    if use_reentrant is None:
        _warn_of_default(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly. In version 2.9 we will raise an exception if use_reentrant is not "
            "passed. "
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError(f"Unexpected keyword arguments: {','.join(kwargs)}")
    steps = list(functions.children()) if hasattr(functions, "children") else list(functions)
    length = len(steps) // segments
    if not length:
        raise ValueError(
            f"range() arg 3 must not be zero. ({len(steps)} functions do not make {segments} "
            "segments.)"
        )
    done = 0
    for _ in range(segments - 1):
        part = _Segment(steps[done : done + length])
        done += length
        options = {"use_reentrant": use_reentrant, "preserve_rng_state": preserve}
        input = checkpoint(part, input, **options)
    return _Segment(steps[done:])(input)


class _Segment:
    """Some functions one after the other, as one."""

    __slots__ = ("steps",)

    def __init__(self, steps: Sequence[Callable[[Any], Any]]) -> None:
        self.steps = steps

    def __call__(self, input: Any) -> Any:
        for step in self.steps:
            input = step(input)
        return input


# ---- devices -------------------------------------------------------------------------------------


def get_device_states(*args: Any) -> tuple[list[int], list[Tensor]]:
    """Return the devices beside the CPU that ``args`` live on, and their random states: none."""
    return [], []


def set_device_states(devices: Any, states: Any, *, device_type: str | None = None) -> None:
    """Set the random states of devices beside the CPU; there are none.

    Raises: RuntimeError if there is a device in ``devices``.
    """
    if list(devices):
        raise RuntimeError(f"there is no device but the CPU (got {list(devices)})")
