"""Datasets and loaders: every sample once, in an order that the seed decides."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import adjoint as torch
from adjoint.utils.data import (
    BatchSampler,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    Subset,
    TensorDataset,
    default_collate,
    random_split,
)


class Slow(Dataset[Any]):
    """A TensorDataset that the loader does not recognise."""

    def __init__(self, *tensors: Any) -> None:
        self.inner = TensorDataset(*tensors)

    def __getitem__(self, index: Any) -> Any:
        return self.inner[index]

    def __len__(self) -> int:
        return len(self.inner)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("drop_last", [False, True])
def test_gathering_at_once_gives_the_same_batches(shuffle: bool, drop_last: bool) -> None:
    x, y = torch.randn(11, 3), torch.arange(11)
    found = []
    for dataset in (TensorDataset(x, y), Slow(x, y)):
        torch.manual_seed(5)
        loader = DataLoader(dataset, batch_size=4, shuffle=shuffle, drop_last=drop_last)
        epochs = [list(loader), list(loader)]
        found.append(epochs)
        assert [len(epoch) for epoch in epochs] == [len(loader)] * 2 == [2 if drop_last else 3] * 2
    for fast, slow in zip(*found):
        for a, b in zip(fast, slow):
            assert type(a) is type(b) is list
            assert all(torch.equal(s, t) for s, t in zip(a, b))


def test_every_sample_comes_once_in_a_new_order() -> None:
    torch.manual_seed(0)
    loader = DataLoader(range(20), batch_size=6, shuffle=True)
    first, second = (np.concatenate([b.numpy() for b in loader]) for _ in range(2))
    assert sorted(first) == sorted(second) == list(range(20))
    assert list(first) != list(second)
    torch.manual_seed(0)
    again = np.concatenate([b.numpy() for b in DataLoader(range(20), batch_size=6, shuffle=True)])
    assert list(again) == list(first)


def test_batches_do_not_share_memory_with_the_dataset() -> None:
    x = torch.zeros(4)
    for (batch,) in DataLoader(TensorDataset(x), batch_size=4):
        batch.fill_(7)
    assert x.sum().item() == 0


def test_a_subset_of_tensors_is_gathered_too() -> None:
    x = torch.arange(10.0)
    part = Subset(TensorDataset(x), [7, 1, 4])
    assert [b[0].tolist() for b in DataLoader(part, batch_size=2)] == [[7, 1], [4]]


def test_tensors_that_require_grad_keep_their_history() -> None:
    x = torch.arange(4.0, requires_grad=True)
    (batch,) = next(iter(DataLoader(TensorDataset(x), batch_size=2)))
    batch.sum().backward()
    np.testing.assert_array_equal(x.grad, [1, 1, 0, 0])


def test_split_is_a_partition() -> None:
    parts = random_split(range(10), [0.5, 0.3, 0.2], torch.Generator().manual_seed(1))
    assert [len(part) for part in parts] == [5, 3, 2]
    assert sorted(i for part in parts for i in part.indices) == list(range(10))


def test_streams_are_batched_in_order() -> None:
    class Stream(IterableDataset[int]):
        def __iter__(self) -> Any:
            return iter(range(5))

    assert [b.tolist() for b in DataLoader(Stream(), batch_size=2)] == [[0, 1], [2, 3], [4]]


def test_samplers() -> None:
    torch.manual_seed(0)
    assert list(BatchSampler(SequentialSampler(range(5)), 2, True)) == [[0, 1], [2, 3]]
    assert sorted(RandomSampler(range(6))) == list(range(6))
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=100))
    assert set(drawn) == {0, 1, 2}
    assert len(drawn) == 100


def test_concatenation_counts_through() -> None:
    both = ConcatDataset([range(3), range(10, 12)])
    assert [both[i] for i in range(5)] == [0, 1, 2, 10, 11]
    assert both[-1] == 11


def test_collating_keeps_the_structure() -> None:
    batch = default_collate([{"x": (1, [2.0])}, {"x": (3, [4.0])}])
    assert batch["x"][0].tolist() == [1, 3]
    assert batch["x"][1][0].dtype is torch.float64
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors"):
        default_collate([object()])


def test_workers_are_refused_with_a_cure() -> None:
    with pytest.raises(NotImplementedError, match="num_workers=0"):
        DataLoader(range(3), num_workers=2)
