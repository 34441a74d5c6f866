"""Random tensors: PyTorch's functions over PyTorch's CPU random stream.

In: sizes, bounds, a `Generator` (none: `default_generator`).  Out: Tensors with exactly PyTorch's
numbers. The stream itself is `array.random`; ``x.uniform_()`` and its like are in `random_inplace`,
distributions with tensors of parameters in `random_sampling`.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from adjoint._later import Later
from adjoint.array import dtypes
from adjoint.array import random as stream
from adjoint.core.tensor_base import TensorBase, make_tensor
from adjoint.ops.create_options import (
    check_options,
    check_requires_grad,
    checked_dtype,
    finish,
    like_memory,
    limits_of,
    not_implemented,
    out_dtype,
    shape_of,
    sized,
    tensor_operand,
)
from adjoint.ops.random_inplace import (
    check_integers,
    check_normal,
    check_uniform,
    normal_like,
    whole,
)
from adjoint.ops.random_source import along_memory, drawn, drawn_like, source

if TYPE_CHECKING:
    from adjoint.array import random_normal as normals
else:
    normals = Later("adjoint.array.random_normal")

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "rand",
    "rand_like",
    "randint",
    "randint_like",
    "randn",
    "randn_like",
    "randperm",
    "seed",
    "set_rng_state",
]

Array = Any
Tensor = Any
DType = Any


class Generator(stream.Generator):
    """A source of random numbers with a state of its own.

    Example:
        >>> g = Generator().manual_seed(0)
        >>> randn(3, generator=g)
        tensor([ 1.5410, -0.2934, -2.1788])
    """

    __slots__ = ()

    def get_state(self) -> Tensor:
        """A copy of the whole state, a tensor of 5056 bytes; PyTorch reads it, too."""
        return make_tensor(super().get_state())

    def set_state(self, state: Tensor) -> Self:  # type: ignore[override]
        """Continue from a state that `get_state` gave; returns the generator.

        Raises: TypeError if it is no tensor of bytes; RuntimeError if it is no state.
        """
        if not isinstance(state, TensorBase):
            raise TypeError(f"expected a torch.ByteTensor, but got {type(state).__name__}")
        if state._desc.dtype is not dtypes.uint8:
            raise TypeError("RNG state must be a torch.ByteTensor")
        super().set_state(state._array)
        return self

    def get_offset(self) -> int:
        """Refused: the CPU's generator has no offset."""
        raise RuntimeError("CPU Generator does not use offset")

    def set_offset(self, offset: int) -> Self:
        """Refused: the CPU's generator has no offset."""
        raise RuntimeError("CPU Generator does not use offset")


# There is one default generator, which the array floor made; from here on it speaks in tensors.
stream.default_generator.__class__ = Generator
default_generator: Final[Generator] = stream.default_generator  # type: ignore[assignment]


def manual_seed(seed: Any) -> Generator:
    """Start the default generator's stream of ``seed``; returns the generator.

    Raises: ValueError if ``seed`` is outside [-2**63, 2**64).
    """
    return default_generator.manual_seed(int(seed))


def seed() -> int:
    """Start an unforeseeable stream of the default generator; returns its seed."""
    return default_generator.seed()


def initial_seed() -> int:
    """The seed that started the default generator's stream."""
    return default_generator.initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator, a tensor of bytes."""
    return default_generator.get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Continue the default generator from a state that `get_rng_state` gave."""
    default_generator.set_state(new_state)


@contextlib.contextmanager
def fork_rng(devices: Any = None, enabled: bool = True, **options: Any) -> Iterator[None]:
    """A block after which the default generator goes on as if the block had drawn nothing."""
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)


# ---- from sizes ----------------------------------------------------------------------------------


def _floating(function: str, out: Any, dtype: DType) -> dtypes.dtype:
    return out_dtype(function, out, dtype) or dtypes.get_default_dtype()


def rand(
    *size: Any,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **keyword: Any,
) -> Tensor:
    """Return uniform numbers of [0, 1).

    Shape: as given, ``rand(2, 3)`` or ``rand((2, 3))``. Dtype: floating-point or complex.
    Raises: NotImplementedError for an integer dtype.

    Example:
        >>> rand(2, generator=Generator().manual_seed(0))
        tensor([0.4963, 0.7682])
    """
    shape = sized("rand", size, keyword)
    check_options("rand", device, layout, pin_memory)
    kind = _floating("rand", out, dtype)
    check_uniform(kind, 0, 1)
    from_ = source(generator, "rand")
    raw = drawn(from_, out, shape, lambda full: stream.uniform(from_, full, kind.numpy))
    return finish("rand", raw, out, requires_grad)


def randn(
    *size: Any,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
    **keyword: Any,
) -> Tensor:
    """Return normal numbers of mean 0 and variance 1 (complex: 1/2 for each part).

    Shape: as given, ``randn(2, 3)`` or ``randn((2, 3))``. Dtype: floating-point or complex.
    Raises: NotImplementedError for an integer dtype.
    """
    shape = sized("randn", size, keyword)
    check_options("randn", device, layout, pin_memory)
    kind = _floating("randn", out, dtype)
    check_normal(kind, 1)
    from_ = source(generator, "randn")
    raw = drawn(from_, out, shape, lambda full: normals.normal(from_, full, kind.numpy))
    return finish("randn", raw, out, requires_grad)


def randint(
    *args: Any,
    low: Any = None,
    high: Any = None,
    size: Any = None,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return integers of [low, high): ``randint(high, size)`` or ``randint(low, high, size)``.

    Dtype: int64, or as given (any but complex).
    Raises: RuntimeError if there is no such integer, or the dtype does not hold them all.

    Example:
        >>> randint(10, (5,), generator=Generator().manual_seed(0))
        tensor([4, 9, 3, 0, 3])
    """
    names = ["low", "high", "size"]
    given = {"low": low, "high": high, "size": size}
    free = [name for name in names if given[name] is None]
    if len(args) < len(free) and "low" in free:
        free.remove("low")
    if len(args) > len(free):
        raise TypeError(
            "randint() received an invalid combination of arguments - got "
            f"({', '.join(type(a).__name__ for a in args)}), but expected one of: "
            "(high, size), (low, high, size)"
        )
    given.update(zip(free, args))
    missing = [name for name in ("high", "size") if given[name] is None]
    if missing:
        raise TypeError(f'randint() missing 1 required positional arguments: "{missing[-1]}"')
    first = 0 if given["low"] is None else _bound("randint", "low", 1, given["low"])
    place = 2 if given["low"] is not None else 1
    last = _bound("randint", "high", place, given["high"])
    if not isinstance(given["size"], tuple | list):
        raise TypeError(
            f"randint(): argument 'size' (position {place + 1}) must be tuple of ints, not "
            f"{type(given['size']).__name__}"
        )
    shape = shape_of("randint", (tuple(given["size"]),))
    check_options("randint", device, layout, pin_memory)
    kind = out_dtype("randint", out, dtype) or dtypes.int64
    check_requires_grad(kind, requires_grad)
    check_integers(kind, first, last)
    from_ = source(generator, "randint")

    def sample(full: tuple[int, ...]) -> Array:
        return stream.integers(from_, full, kind.numpy, first, last)

    raw = drawn(from_, out, shape, sample)
    return finish("randint", raw, out, requires_grad)


def _bound(function: str, name: str, position: int, value: Any) -> int:
    try:
        return whole(function, value)
    except TypeError:
        raise TypeError(
            f"{function}(): argument '{name}' (position {position}) must be int, not "
            f"{type(value).__name__}"
        ) from None


def randperm(
    n: int,
    *,
    generator: Generator | None = None,
    out: Any = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    requires_grad: bool = False,
    pin_memory: bool = False,
) -> Tensor:
    """Return the numbers 0 ... n-1 in random order.

    Dtype: int64, or as given. Raises: RuntimeError if the dtype does not hold ``n``.

    Example:
        >>> randperm(5, generator=Generator().manual_seed(1))
        tensor([0, 4, 2, 3, 1])
    """
    count = _bound("randperm", "n", 1, n)
    check_options("randperm", device, layout, pin_memory)
    kind = out_dtype("randperm", out, dtype) or dtypes.int64
    if count < 0:
        raise RuntimeError(f"Trying to create tensor with negative dimension {count}: [{count}]")
    check_requires_grad(kind, requires_grad)
    if kind.category in (dtypes.BOOL, dtypes.COMPLEX):
        raise not_implemented("randperm", kind)
    if kind.category == dtypes.INTEGRAL and count > limits_of(kind)[1]:
        raise RuntimeError(f"value cannot be converted to type {kind.name}_t without overflow")
    if kind.category == dtypes.FLOATING and count > (1 << stream.MANTISSA[kind.name]) + 1:
        name = {"float16": "Half", "bfloat16": "BFloat16", "float32": "Float", "float64": "Double"}
        raise RuntimeError(
            f"n cannot be greater than {(1 << stream.MANTISSA[kind.name]) + 1} for "
            f"{name[kind.name]} type."
        )
    from_ = source(generator, "randperm")

    def sample(full: tuple[int, ...]) -> Array:
        lead = full[:-1]
        rows = [stream.permutation(from_, count, kind.numpy) for _ in range(math.prod(lead))]
        if not lead:
            return rows[0]
        # one after the other, those of the innermost level of vmap last, as PyTorch does
        table = np.array(rows, kind.numpy).reshape((*lead[::-1], count))
        return table.transpose((*range(len(lead) - 1, -1, -1), len(lead)))

    raw = drawn(from_, out, (count,), sample)
    return finish("randperm", raw, out, requires_grad)


# ---- like another tensor -------------------------------------------------------------------------


def _like(
    function: str,
    input: Tensor,
    dtype: DType,
    options: dict[str, Any],
    generator: Any,
    check: Callable[[dtypes.dtype], None],
    draw: Callable[[Array], Array],
) -> Tensor:
    """A tensor of the shape and memory order of ``input``, filled by ``draw``."""
    tensor_operand(function, "input", input)
    check_options(function, options["device"], options["layout"], options["pin_memory"])
    kind = checked_dtype(function, dtype) or input._desc.dtype
    check(kind)
    check_requires_grad(kind, options["requires_grad"])
    layout = options["memory_format"]

    def sample(like: Array) -> Array:
        return draw(like_memory(like, kind.numpy, layout))

    raw = drawn_like(generator, input._array, sample)
    return finish(function, raw, None, options["requires_grad"])


def rand_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return uniform numbers of [0, 1) in the shape, dtype and memory order of ``input``."""
    from_ = source(generator, "rand_like")
    return _like(
        "rand_like",
        input,
        dtype,
        _options(layout, device, pin_memory, requires_grad, memory_format),
        from_,
        lambda kind: check_uniform(kind, 0, 1),
        lambda made: along_memory(made, lambda shape: stream.uniform(from_, shape, made.dtype)),
    )


def randn_like(
    input: Tensor,
    *,
    generator: Generator | None = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return normal numbers in the shape, dtype and memory order of ``input``."""
    from_ = source(generator, "randn_like")
    return _like(
        "randn_like",
        input,
        dtype,
        _options(layout, device, pin_memory, requires_grad, memory_format),
        from_,
        lambda kind: check_normal(kind, 1),
        lambda made: normal_like(from_, made),
    )


def randint_like(
    input: Tensor,
    *args: Any,
    low: Any = None,
    high: Any = None,
    generator: Generator | None = None,
    dtype: DType = None,
    layout: Any = None,
    device: Any = None,
    pin_memory: bool = False,
    requires_grad: bool = False,
    memory_format: Any = None,
) -> Tensor:
    """Return integers of [low, high) in the shape, dtype and memory order of ``input``.

    ``randint_like(input, high)`` or ``randint_like(input, low, high)``.
    """
    if len(args) == 2:
        low, high = args
    elif args and high is None:
        (high,) = args
    elif args:
        (low,) = args
    if high is None:
        raise TypeError('randint_like() missing 1 required positional arguments: "high"')
    first = 0 if low is None else _bound("randint_like", "low", 2, low)
    last = _bound("randint_like", "high", 2 if low is None else 3, high)
    from_ = source(generator, "randint_like")
    return _like(
        "randint_like",
        input,
        dtype,
        _options(layout, device, pin_memory, requires_grad, memory_format),
        from_,
        lambda kind: check_integers(kind, first, last),
        lambda made: along_memory(
            made, lambda shape: stream.integers(from_, shape, made.dtype, first, last)
        ),
    )


def _options(
    layout: Any, device: Any, pin_memory: bool, requires_grad: bool, memory_format: Any
) -> dict[str, Any]:
    return {
        "layout": layout,
        "device": device,
        "pin_memory": pin_memory,
        "requires_grad": requires_grad,
        "memory_format": memory_format,
    }
