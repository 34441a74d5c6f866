"""Programs on datasets, samplers, loaders and collating: values, order, random stream, errors."""

from __future__ import annotations

from collections import namedtuple
from typing import Any

import numpy as np

from tests.torch_parity.harness import raises, variants, warned

Pair = namedtuple("Pair", "a b")


def _data(torch: Any) -> Any:
    return torch.utils.data


def p_datasets(torch: Any) -> list[Any]:
    data = _data(torch)
    x, y = torch.arange(10.0).view(5, 2), torch.arange(5)
    pairs = data.TensorDataset(x, y)
    both = data.ConcatDataset([pairs, pairs])
    part = data.Subset(pairs, [3, 1])
    stacked = data.StackDataset(a=x, b=y)
    return [
        *(pairs[1], len(pairs), pairs[1:3], both[7], both[-1], len(both), both.cumulative_sizes),
        *(len(pairs + pairs), part[0], part[[0, 1]], len(part), part.__getitems__([1, 0])),
        *(stacked[1], len(stacked), data.StackDataset(x, y)[2]),
        raises(lambda: data.TensorDataset(x, y[:3])),
        raises(lambda: pairs[7]),
        raises(lambda: data.ConcatDataset([])),
        raises(lambda: both[-11]),
        raises(lambda: data.StackDataset()),
        raises(lambda: data.StackDataset(x, y[:2])),
        raises(lambda: data.StackDataset(x, a=y)),
        raises(lambda: data.Dataset()[0]),
    ]


def p_random_split(torch: Any) -> list[Any]:
    data = _data(torch)
    return [
        [list(part.indices) for part in data.random_split(range(10), [3, 7])],
        [len(part) for part in data.random_split(range(10), [0.31, 0.69])],
        [
            list(part.indices)
            for part in data.random_split(range(6), [2, 4], torch.Generator().manual_seed(1))
        ],
        torch.rand(1),
        raises(lambda: data.random_split(range(10), [3, 6])),
        raises(lambda: data.random_split(range(10), [0.3, 0.8])),
        raises(lambda: data.random_split(range(10), [-0.3, 1.3])),
        warned(lambda: data.random_split(range(1), [0.5, 0.5])),
    ]


def p_samplers(torch: Any) -> list[Any]:
    data = _data(torch)
    return [
        list(data.SequentialSampler(range(4))),
        list(data.RandomSampler(range(5))),
        list(data.RandomSampler(range(5), replacement=True, num_samples=70)),
        list(data.RandomSampler(range(5), num_samples=12)),
        list(data.RandomSampler(range(5), generator=torch.Generator().manual_seed(3))),
        list(data.SubsetRandomSampler([3, 5, 7, 9])),
        list(data.WeightedRandomSampler([0.1, 0.5, 0.4], 5)),
        list(data.WeightedRandomSampler([0.1, 0.5, 0.4], 3, replacement=False)),
        torch.rand(1),
        list(data.BatchSampler(range(7), 3, False)),
        list(data.BatchSampler(range(7), 3, True)),
        (len(data.BatchSampler(range(7), 3, True)), len(data.BatchSampler(range(7), 3, False))),
        raises(lambda: data.RandomSampler([])),
        raises(lambda: data.RandomSampler(range(3), replacement=3)),
        raises(lambda: data.WeightedRandomSampler([0.1], 0)),
        raises(lambda: data.WeightedRandomSampler([[0.1]], 1)),
        raises(lambda: data.WeightedRandomSampler([0.1], 1, 3)),
        raises(lambda: data.BatchSampler(range(7), 0, True)),
        raises(lambda: data.BatchSampler(range(7), 3, 1)),
    ]


@variants(
    plain={"batch_size": 4},
    shuffled={"batch_size": 4, "shuffle": True},
    dropped={"batch_size": 4, "shuffle": True, "drop_last": True},
    single={"shuffle": True},
    unbatched={"batch_size": None, "shuffle": True},
    gathered={"batch_size": 3, "collate_fn": list},
)
def p_loader(torch: Any, options: dict[str, Any]) -> list[Any]:
    data = _data(torch)
    x, y = torch.randn(10, 2), torch.arange(10)
    pairs = data.TensorDataset(x, y)
    seen: list[Any] = []
    for dataset in (range(10), pairs, data.Subset(pairs, [3, 1, 4, 1, 5, 9]), [{"a": 1}] * 5):
        loader = data.DataLoader(dataset, **options)
        seen += [list(loader), list(loader), len(loader), torch.rand(2)]
    return seen


def p_loader_with_generator(torch: Any) -> list[Any]:
    data = _data(torch)
    pairs = data.TensorDataset(torch.arange(10.0))
    loader = data.DataLoader(
        pairs, batch_size=4, shuffle=True, generator=torch.Generator().manual_seed(5)
    )
    weighted = data.DataLoader(
        range(4), sampler=data.WeightedRandomSampler([1.0, 2.0, 3.0, 4.0], 6), batch_size=4
    )
    own = data.DataLoader(pairs, batch_sampler=[[1, 2], [3]])
    return [list(loader), list(loader), torch.rand(1), list(weighted), list(own), len(own)]


def p_loader_asks_for_many(torch: Any) -> list[Any]:
    data = _data(torch)
    seen: list[Any] = []

    class Many(data.Dataset):  # type: ignore[misc, name-defined]
        def __getitems__(self, indices: list[int]) -> list[int]:
            seen.append(list(indices))
            return [i * 10 for i in indices]

        def __len__(self) -> int:
            return 3

    return [list(data.DataLoader(Many(), batch_size=2)), seen]


def p_streams(torch: Any) -> list[Any]:
    data = _data(torch)

    class Stream(data.IterableDataset):  # type: ignore[misc, name-defined]
        def __iter__(self) -> Any:
            return iter(range(7))

    return [
        list(data.DataLoader(Stream(), batch_size=3)),
        list(data.DataLoader(Stream(), batch_size=3, drop_last=True)),
        list(data.DataLoader(Stream(), batch_size=None)),
        list(data.DataLoader(data.ChainDataset([Stream(), Stream()]), batch_size=7)),
        list(Stream() + Stream()),
        raises(lambda: data.DataLoader(Stream(), shuffle=True)),
        raises(lambda: data.DataLoader(Stream(), sampler=[1])),
        raises(lambda: data.DataLoader(Stream(), batch_sampler=[1])),
        raises(lambda: len(data.DataLoader(Stream()))),
    ]


def p_loader_errors(torch: Any) -> list[Any]:
    data = _data(torch)
    loader = data.DataLoader(range(4), batch_size=2)
    return [
        raises(lambda: data.DataLoader(range(3), batch_size=0)),
        raises(lambda: data.DataLoader(range(3), shuffle=True, sampler=[1])),
        raises(lambda: data.DataLoader(range(3), batch_sampler=[[1]], batch_size=2)),
        raises(lambda: data.DataLoader(range(3), batch_size=None, drop_last=True)),
        raises(lambda: data.DataLoader(range(3), num_workers=-1)),
        raises(lambda: data.DataLoader(range(3), timeout=-1)),
        raises(lambda: data.DataLoader(range(3), prefetch_factor=2)),
        raises(lambda: data.DataLoader(range(3), persistent_workers=True)),
        raises(lambda: data.DataLoader([], shuffle=True)),
        list(data.DataLoader([])),
        raises(lambda: setattr(loader, "batch_size", 3)),
        raises(lambda: setattr(loader, "dataset", 3)),
        (loader.batch_size, loader.drop_last, loader.num_workers, loader.pin_memory),
        (len(iter(loader)), next(iter(loader))),
        data.get_worker_info(),
    ]


def p_collate(torch: Any) -> list[Any]:
    collate = _data(torch).default_collate
    batches: list[Any] = [
        [1, 2],
        [1.0, 2.0],
        [1, 2.5],
        [True, False],
        [np.float32(1), np.float32(2)],
        [np.zeros(2), np.ones(2)],
        [np.array(1), np.array(2)],
        [torch.zeros(2), torch.ones(2)],
        ["a", "b"],
        [b"a", b"b"],
        [(1, "a"), (2, "b")],
        [[1, 2], [3, 4]],
        [{"a": 1, "b": [2, 3]}, {"a": 4, "b": [5, 6]}],
        [Pair(1, 2.0), Pair(3, 4.0)],
    ]
    wrong: list[Any] = [
        *([None, None], [object()], [[1], [1, 2]], [np.array(["a"])]),
        [torch.zeros(2), torch.zeros(3)],
    ]
    return [
        *map(collate, batches),
        *(raises(lambda batch=batch: collate(batch)) for batch in wrong),
    ]


def p_convert(torch: Any) -> list[Any]:
    convert = _data(torch).default_convert
    values: list[Any] = [
        *(1, 1.5, np.zeros(2), "a", np.float64(3), torch.ones(1)),
        *([1, np.ones(1)], {"a": np.ones(1)}, (np.ones(1), 2), Pair(np.ones(1), 1)),
    ]
    return list(map(convert, values))
