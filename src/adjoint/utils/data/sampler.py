"""Samplers: in which order the samples of a dataset are taken.

In: a dataset or its length, a generator.  Out: iterables of numbers, the same as PyTorch's from the
same seed; `BatchSampler` gathers them into lists.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from adjoint.array.dtypes import float64, int64
from adjoint.ops.create import as_tensor, empty
from adjoint.ops.random import Generator, randint, randperm
from adjoint.ops.random_inplace import random_
from adjoint.ops.random_sampling import multinomial

__all__ = [
    "BatchSampler",
    "RandomSampler",
    "Sampler",
    "SequentialSampler",
    "SubsetRandomSampler",
    "WeightedRandomSampler",
    "drawn_seed",
]

T_co = TypeVar("T_co", covariant=True)

# How many numbers a sampling with replacement draws at a time.
_CHUNK = 32


def drawn_seed(generator: Any = None) -> int:
    """A seed drawn from a generator: an int64 of its stream."""
    return int(random_(empty((), dtype=int64), generator=generator).item())


class Sampler(Generic[T_co]):
    """The base of all samplers: subclasses define ``__iter__``, and ``__len__`` where they can."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError


class SequentialSampler(Sampler[int]):
    """The numbers in order."""

    data_source: Any

    def __init__(self, data_source: Any) -> None:
        self.data_source = data_source

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self.data_source)))

    def __len__(self) -> int:
        return len(self.data_source)


def _check_count(num_samples: Any) -> None:
    if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
        raise ValueError(
            f"num_samples should be a positive integer value, but got num_samples={num_samples}"
        )


class RandomSampler(Sampler[int]):
    """The numbers in random order, or (``replacement``) drawn independently.

    Args: ``num_samples``: how many (the length of the dataset); ``generator``: whose stream;
    without one, each iteration seeds its own from the default generator.
    Raises: TypeError or ValueError for a ``replacement`` or ``num_samples`` that is none.
    """

    data_source: Any
    replacement: bool
    generator: Any

    def __init__(
        self,
        data_source: Any,
        replacement: bool = False,
        num_samples: int | None = None,
        generator: Any = None,
    ) -> None:
        if not isinstance(replacement, bool):
            raise TypeError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        _check_count(self.num_samples)

    @property
    def num_samples(self) -> int:
        """How many numbers an iteration gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def source(self) -> Any:
        """The generator of one iteration."""
        return self.generator or Generator().manual_seed(drawn_seed())

    def __iter__(self) -> Iterator[int]:
        n, count, generator = len(self.data_source), self.num_samples, self.source()
        if self.replacement:
            sizes = [_CHUNK] * (count // _CHUNK) + [count % _CHUNK]
            for size in sizes:
                drawn = randint(high=n, size=(size,), dtype=int64, generator=generator)
                yield from drawn.tolist()
            return
        for _ in range(count // n):
            yield from randperm(n, generator=generator).tolist()
        yield from randperm(n, generator=generator).tolist()[: count % n]

    def __len__(self) -> int:
        return self.num_samples


class SubsetRandomSampler(Sampler[int]):
    """Some numbers in random order."""

    indices: Sequence[int]

    def __init__(self, indices: Sequence[int], generator: Any = None) -> None:
        self.indices = indices
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        for i in randperm(len(self.indices), generator=self.generator).tolist():
            yield self.indices[i]

    def __len__(self) -> int:
        return len(self.indices)


class WeightedRandomSampler(Sampler[int]):
    """Numbers drawn with given weights.

    Raises: ValueError if the weights are no sequence of numbers or an option is none.
    """

    def __init__(
        self,
        weights: Sequence[float],
        num_samples: int,
        replacement: bool = True,
        generator: Any = None,
    ) -> None:
        _check_count(num_samples)
        if not isinstance(replacement, bool):
            raise ValueError(
                f"replacement should be a boolean value, but got replacement={replacement}"
            )
        given = as_tensor(weights, dtype=float64)
        if given.ndim != 1:
            raise ValueError(
                f"weights should be a 1d sequence but given weights have shape {tuple(given.shape)}"
            )
        self.weights = given
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self) -> Iterator[int]:
        drawn = multinomial(
            self.weights, self.num_samples, self.replacement, generator=self.generator
        )
        yield from iter(drawn.tolist())

    def __len__(self) -> int:
        return self.num_samples


class BatchSampler(Sampler[list[int]]):
    """Lists of ``batch_size`` numbers of another sampler; a short last one unless ``drop_last``.

    Raises: ValueError if an option is none.

    Example:
        >>> list(BatchSampler(SequentialSampler(range(7)), batch_size=3, drop_last=False))
        [[0, 1, 2], [3, 4, 5], [6]]
    """

    sampler: Any
    batch_size: int
    drop_last: bool

    def __init__(self, sampler: Iterable[Any], batch_size: int, drop_last: bool) -> None:
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            raise ValueError(
                f"batch_size should be a positive integer value, but got batch_size={batch_size}"
            )
        if not isinstance(drop_last, bool):
            raise ValueError(f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self) -> Iterator[list[int]]:
        numbers = iter(self.sampler)
        while batch := list(itertools.islice(numbers, self.batch_size)):
            if len(batch) < self.batch_size and self.drop_last:
                return
            yield batch

    def __len__(self) -> int:
        n = len(self.sampler)
        return n // self.batch_size if self.drop_last else -(-n // self.batch_size)

    def arrays(self) -> Iterator[Any] | None:
        """The same batches as arrays, where the numbers come from this library's own samplers."""
        sampler, size = self.sampler, self.batch_size
        if type(sampler) is SequentialSampler:
            order = np.arange(len(sampler))
        elif (
            type(sampler) is RandomSampler
            and not sampler.replacement
            and sampler.num_samples == len(sampler.data_source)
        ):
            generator = sampler.source()
            order = randperm(sampler.num_samples, generator=generator)._array
            # PyTorch's sampler draws a second permutation, of which it takes nothing.
            randperm(sampler.num_samples, generator=generator)
        else:
            return None
        end = len(order) - len(order) % size if self.drop_last else len(order)
        return (order[start : start + size] for start in range(0, end, size))
