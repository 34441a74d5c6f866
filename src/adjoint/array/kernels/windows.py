"""Sliding windows over the spatial axes of (images, channels, *space): what the kernels share.

In: sizes, strides, paddings, dilations, one number per spatial axis. Out: the size of the result,
which input elements each tap of the kernel meets (`taps`), and `Columns`, the plan that moves a
block of images into columns (im2col) or adds columns up into images (col2im), its transpose.
"""

import threading
from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any, NamedTuple

import numpy as np

__all__ = [
    "Columns",
    "Tap",
    "Window",
    "columns_for",
    "keep_plan",
    "kept_plan",
    "output_size",
    "taps",
]

Array = Any
Shape = tuple[int, ...]

# Note: one axis at a time
#
# Columns hold, for every channel and every tap of the kernel, the input as the outputs see it
# through that tap. They are made one spatial axis at a time, the last one first:
#
#     (C, H, W)  ->  (C, kw, H, ow)  ->  (C, kh, kw, oh, ow)
#
# The first step copies short rows (ow elements), but only 1/kh of the columns; the last and largest
# one copies long rows (oh * ow elements where the stride is 1). Copying all windows at once would
# copy short rows only and takes twice as long. Folding is the same in the other direction.


class Window(NamedTuple):
    """The window along one spatial axis: sizes of input and output, kernel, stride, ..."""

    input: int
    output: int
    kernel: int
    stride: int = 1
    padding: int = 0
    dilation: int = 1

    @property
    def trivial(self) -> bool:
        """Whether the output along this axis is the input."""
        return self.kernel == self.stride == 1 and not self.padding and self.input == self.output

    @property
    def tiles(self) -> bool:
        """Whether the windows cover the input, each element once."""
        size, count, kernel, stride, padding, dilation = self
        return kernel == stride and size == count * kernel and not padding and dilation == 1

    def transposed(self) -> "Window":
        """Return the window of the transposed operation, the taps of its kernel reversed."""
        padding = self.dilation * (self.kernel - 1) - self.padding
        return Window(self.output, self.input, self.kernel, 1, padding, self.dilation)

    @property
    def transposable(self) -> bool:
        """Whether `transposed` exists."""
        return self.stride == 1 and self.padding <= self.dilation * (self.kernel - 1)


class Tap(NamedTuple):
    """One position of the kernel: ``output[out]`` meets ``input[inp]``; the rest meets padding."""

    out: slice
    inp: slice


def output_size(size: int, kernel: int, stride: int, padding: int, dilation: int) -> int:
    """Return how many windows fit into ``size`` elements and the padding on both sides.

    Example:
        >>> output_size(8, kernel=3, stride=2, padding=1, dilation=1)
        4
    """
    return (size + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1


@lru_cache(1024)
def taps(window: Window) -> list[Tap]:
    """Return for each tap which outputs see the input through it, and where.

    Example:
        >>> taps(Window(input=4, output=4, kernel=3, padding=1))[0]
        Tap(out=slice(1, 4, None), inp=slice(0, 3, 1))
    """
    size, count, kernel, stride, padding, dilation = window
    found = []
    for k in range(kernel):
        shift = k * dilation - padding  # output o meets input o * stride + shift
        first = min(max(0, -(shift // stride)), count)
        last = max(first, min(count, (size - 1 - shift) // stride + 1))
        start = first * stride + shift
        stop = start + (last - first - 1) * stride + 1 if last > first else start
        found.append(Tap(slice(first, last), slice(max(start, 0), max(stop, 0), stride)))
    return found


class _Step(NamedTuple):
    """One axis of the columns: which elements of two arrays are the same, tap by tap.

    The smaller array is (images, C, taps so far, *dims), the larger one (images, C, kernel, taps so
    far, *dims) with the size of the output along ``axis`` of the dims (counted from the end).
    """

    larger: Shape  # without the images
    axis: int
    stride: int
    taps: list[Tap]

    def inside(self, part: slice) -> tuple[Any, ...]:
        """Return the index of a part of the axis."""
        return (..., part, *(slice(None),) * (-1 - self.axis))

    def sources(self) -> list[Any]:
        """Return the index of each tap into the smaller array."""
        return [self.inside(tap.inp) for tap in self.taps]

    def targets(self, larger: Array) -> list[Array]:
        """Return each tap's view of the larger array."""
        return [larger[:, :, k][self.inside(tap.out)] for k, tap in enumerate(self.taps)]

    @property
    def padded(self) -> bool:
        """Whether some output meets padding, so that not all of the larger array is written."""
        every = slice(0, self.larger[self.axis])
        return any(tap.out != every for tap in self.taps)

    def add_up(self, smaller: Array, targets: list[Array], fresh: bool) -> None:
        """Write the sum over the taps into the smaller array; where not ``fresh``, add it."""
        first = 0
        if fresh and self.stride == 1:  # one tap fills all but the ends
            part = self.taps[0].inp
            smaller[self.inside(slice(0, part.start))] = 0
            smaller[self.inside(part)] = targets[0]
            smaller[self.inside(slice(part.stop, None))] = 0
            first = 1
        elif fresh:
            smaller[...] = 0
        for source, target in zip(self.sources()[first:], targets[first:]):
            view = smaller[source]
            np.add(view, target, out=view)


def _steps(channels: int, windows: Sequence[Window]) -> list[_Step]:
    dims = [window.input for window in windows]
    kernels = 1
    steps: list[_Step] = []
    for axis in range(-1, -1 - len(windows), -1):
        window = windows[axis]
        if window.trivial and (steps or axis > -len(windows)):  # one step at least: a copy
            continue
        dims[axis] = window.output
        larger = (channels, window.kernel, kernels, *dims)
        steps.append(_Step(larger, axis, window.stride, taps(window)))
        kernels *= window.kernel
    return steps


class Columns:
    """The memory of the columns of a block of images, and the plan to fill or to empty it.

    ``block`` is (images, channels, groups). A plan serves all blocks of the same shape, in one
    direction only: what meets padding is zero from the start and never written to. ``joined``
    columns have the points of all images side by side, for one wide matrix product where an image
    has few points. Else, ``direct`` allows to take the images themselves where nothing changes.
    """

    def __init__(
        self,
        block: tuple[int, int, int],
        windows: Sequence[Window],
        dtype: np.dtype[Any],
        joined: bool,
        direct: bool,
    ) -> None:
        images, channels, groups = block
        self._images, self._dims, self._dtype, self._joined = images, len(windows), dtype, joined
        taps = prod(window.kernel for window in windows)
        points = prod(window.output for window in windows)
        self._shape: Shape = (images, groups, channels // groups * taps, points)
        self.bytes = 0
        self._direct = direct and not joined and all(window.trivial for window in windows)
        if self._direct:
            return
        steps = _steps(channels, windows)
        larger = self._memory(steps[0])
        self._outer = steps[0]
        self._outer_targets = steps[0].targets(larger)
        self._outer_sources = [
            (slice(None), slice(None), None, *source) for source in steps[0].sources()
        ]
        self._inner: list[tuple[_Step, Array, list[Array]]] = []
        for step in steps[1:]:
            smaller, larger = _merge_taps(larger), self._memory(step)
            self._inner.append((step, smaller, step.targets(larger)))
        self._copies = [
            (smaller[source], target)
            for step, smaller, targets in self._inner
            for source, target in zip(step.sources(), targets)
        ]
        columns = _merge_taps(larger)
        if joined:
            columns = np.moveaxis(columns, 0, 2)
            self._shape = (groups, channels // groups * taps, images * points)
        self._matrices: Array = columns.reshape(self._shape)

    def _memory(self, step: _Step) -> Array:
        make = np.zeros if step.padded else np.empty
        shape = step.larger
        self.bytes += self._images * prod(shape) * self._dtype.itemsize
        if not self._joined:
            return make((self._images, *shape), self._dtype)
        made = make((*shape[: -self._dims], self._images, *shape[-self._dims :]), self._dtype)
        return np.moveaxis(made, -self._dims - 1, 0)

    def matrices(self, images: Array) -> Array:
        """Return the columns as (images, groups, channels / groups * taps, points).

        Joined, they are (groups, channels / groups * taps, images * points).
        """
        return images.reshape(self._shape) if self._direct else self._matrices

    def expand(self, images: Array) -> Array:
        """Fill the columns with those of ``images`` (images, C, *input); return the matrices."""
        if self._direct:
            return images.reshape(self._shape)
        for source, target in zip(self._outer_sources, self._outer_targets):
            target[...] = images[source]
        for inner, target in self._copies:
            target[...] = inner
        return self._matrices

    def fold(self, images: Array, fresh: bool) -> None:
        """Add the columns up into ``images`` (images, C, *input), overwriting ``fresh`` ones."""
        if self._direct:
            return
        for step, smaller, targets in reversed(self._inner):
            step.add_up(smaller, targets, fresh=True)
        self._outer.add_up(images[:, :, None], self._outer_targets, fresh)


def _merge_taps(larger: Array) -> Array:
    """Return (images, C, kernel, taps, *dims) as a view (images, C, kernel * taps, *dims)."""
    images, channels, kernel, taps, *dims = larger.shape
    return larger.reshape(images, channels, kernel * taps, *dims)


KEPT = 1 << 24  # bytes of plans that a thread keeps between calls


class _Kept(threading.local):
    """The plans of one thread: their memory is there already, and so is the work of making them."""

    def __init__(self) -> None:
        self.plans: dict[Any, Any] = {}
        self.bytes = 0


_kept = _Kept()


def kept_plan(key: tuple[Any, ...]) -> Any:
    """Return the plan that the calling thread keeps for ``key``, or None."""
    return _kept.plans.get(key)


def keep_plan(key: tuple[Any, ...], plan: Any) -> None:
    """Keep the plan, of ``plan.bytes``, for the calling thread; it may be forgotten any time."""
    if _kept.bytes + plan.bytes > KEPT:
        _kept.plans.clear()
        _kept.bytes = 0
    if plan.bytes <= KEPT:
        _kept.plans[key] = plan
        _kept.bytes += plan.bytes


def columns_for(role: str, *arguments: Any) -> Columns:
    """Return ``Columns(*arguments)``, the calling thread's own, perhaps from an earlier call.

    Two plans that are used at a time, or in different directions, must differ in their ``role``.
    """
    key = (role, *arguments)
    plan: Columns | None = _kept.plans.get(key)
    if plan is None:
        plan = Columns(*arguments)
        keep_plan(key, plan)
    return plan
