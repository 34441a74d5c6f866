"""class DataLoader: batches of a dataset, in order or shuffled, in this process.

In: a dataset, how to sample it and how to put samples together.  Out: an iterable of batches.
Random numbers are drawn as PyTorch draws them, so that the same seed gives the same batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np

from adjoint.core.tensor_base import make_tensor
from adjoint.utils.data.collate import default_collate, default_convert
from adjoint.utils.data.dataset import IterableDataset, Subset, TensorDataset
from adjoint.utils.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    drawn_seed,
)

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]


def get_worker_info() -> None:
    """Return None: samples are loaded in the main process."""
    return None


class _InfiniteSampler:
    """Says nothing, as often as asked: what a stream is sampled by."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader:
    """Batches of a dataset.

    Args: ``batch_size``: None hands out samples as they are; ``shuffle``: a new order in each
    iteration; ``sampler``, ``batch_sampler``: which samples, in which order; ``collate_fn``: makes
    a batch of a list of samples; ``drop_last``: leave out a short last batch; ``generator``: whose
    stream is used for shuffling. ``pin_memory`` and what only concerns workers is accepted.
    Raises: ValueError for options that contradict each other; NotImplementedError for
    ``num_workers`` above 0.

    Example:
        >>> for batch in DataLoader(range(5), batch_size=2):
        ...     print(batch)
        tensor([0, 1])
        tensor([2, 3])
        tensor([4])
    """

    dataset: Any
    batch_size: int | None
    num_workers: int
    drop_last: bool
    sampler: Any
    batch_sampler: Any

    def __init__(
        self,
        dataset: Any,
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Iterable[Any] | None = None,
        batch_sampler: Iterable[Any] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list[Any]], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: Any = None,
        generator: Any = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        if multiprocessing_context is not None:
            raise ValueError(
                "multiprocessing_context can only be used with multi-process loading "
                "(num_workers > 0), but got num_workers=0"
            )
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        streamed = isinstance(dataset, IterableDataset)
        if streamed:
            _check_stream(shuffle, sampler, batch_sampler)
        if sampler is not None and shuffle:
            raise ValueError("sampler option is mutually exclusive with shuffle")
        if batch_sampler is not None:
            if batch_size != 1 or shuffle or sampler is not None or drop_last:
                raise ValueError(
                    "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                    "and drop_last"
                )
            batch_size = None
        elif batch_size is None and drop_last:
            raise ValueError(
                "batch_size=None option disables auto-batching and is mutually exclusive with "
                "drop_last"
            )
        if sampler is None:
            if streamed:
                sampler = _InfiniteSampler()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__dict__["_initialized"] = True

    def __setattr__(self, name: str, value: Any) -> None:
        fixed = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset")
        if name in (*fixed, "persistent_workers") and "_initialized" in self.__dict__:
            raise ValueError(
                f"{name} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(name, value)

    def __len__(self) -> int:
        if not isinstance(self.dataset, IterableDataset):
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        length = len(self.dataset)  # type: ignore[arg-type]
        if self.batch_size is None:
            return length
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def __iter__(self) -> Iterator[Any]:
        # PyTorch draws the seed of its workers here, whether or not there are any.
        drawn_seed(self.generator)
        return _Iterator(self, self._batches())

    def _batches(self) -> Iterator[Any]:
        dataset, collate_fn = self.dataset, self.collate_fn
        if isinstance(dataset, IterableDataset):
            yield from self._streamed()
        elif self.batch_sampler is None:
            for index in self.sampler:
                yield collate_fn(dataset[index])
        else:
            columns = self._columns()
            arrays = self.batch_sampler.arrays() if columns is not None else None
            if arrays is not None:
                for index in arrays:
                    yield [make_tensor(column[index]) for column in columns or ()]
                return
            many = getattr(dataset, "__getitems__", None)
            for batch in self.batch_sampler:
                samples = many(batch) if many else [dataset[index] for index in batch]
                yield collate_fn(samples)

    def _streamed(self) -> Iterator[Any]:
        stream = iter(self.dataset)
        if self.batch_sampler is None:
            for sample in stream:
                yield self.collate_fn(sample)
            return
        while True:
            batch = [sample for _, sample in zip(range(self.batch_size or 1), stream)]
            if not batch or (self.drop_last and len(batch) < (self.batch_size or 1)):
                return
            yield self.collate_fn(batch)

    def _columns(self) -> list[Any] | None:
        """The raw arrays of a `TensorDataset`, from which a batch can be gathered at once."""
        if self.collate_fn is not default_collate or type(self.batch_sampler) is not BatchSampler:
            return None
        dataset, chosen = self.dataset, None
        if type(dataset) is Subset:
            dataset, chosen = dataset.dataset, np.asarray(dataset.indices)
        if type(dataset) is not TensorDataset or any(t.requires_grad for t in dataset.tensors):
            return None
        columns = [t._array for t in dataset.tensors]
        if not all(type(t) is type(columns[0]) is np.ndarray for t in columns):
            return None
        return columns if chosen is None else [column[chosen] for column in columns]


class _Iterator:
    """One pass through a loader."""

    def __init__(self, loader: DataLoader, batches: Iterator[Any]) -> None:
        self._loader = loader
        self._batches = batches

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return next(self._batches)

    def __len__(self) -> int:
        return len(self._loader)


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> None:
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers > 0:
        raise NotImplementedError(
            f"num_workers={num_workers} is not supported: samples are loaded in this process. Use "
            "num_workers=0 (the batches are the same)."
        )
    if prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 "
            "to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if persistent_workers:
        raise ValueError("persistent_workers option needs num_workers > 0")


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    options = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in options.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}"
            )
