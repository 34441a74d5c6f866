"""The random stream in both libraries: the same bits and the same state after every call."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch_parity compares with PyTorch, which is missing")

from adjoint.array import random as stream
from adjoint.array import random_families as families
from adjoint.array import random_normal as normals
from adjoint.array import random_rejection as rejection

FLOATS = ("float32", "float64", "float16")
INTS = ("int64", "int32", "int16", "int8", "uint8")
SIZES = (*range(71), 623, 624, 625, 1000, 1248, 10007)
SEEDS = (0, 1, 42, -5, 2**40 + 7, 2**64 - 1, -(2**63))


def pair(seed: int) -> tuple[stream.Generator, Any]:
    """Generators of both libraries at the same seed."""
    return stream.Generator().manual_seed(seed), torch.Generator().manual_seed(seed)


def same(ours: Any, theirs: Any) -> None:
    """Equal in shape, dtype and every bit."""
    wanted = theirs.numpy() if theirs.dtype != torch.bfloat16 else theirs.view(torch.int16).numpy()
    got = ours.view(np.int16) if ours.dtype.name == "bfloat16" else ours
    assert got.shape == wanted.shape
    assert got.dtype == wanted.dtype
    assert np.ascontiguousarray(got).tobytes() == np.ascontiguousarray(wanted).tobytes()


def same_state(ours: stream.Generator, theirs: Any) -> None:
    """Equal in all 5056 bytes."""
    assert ours.get_state().tobytes() == theirs.get_state().numpy().tobytes()


def kinds(*names: str) -> list[tuple[Any, Any]]:
    """NumPy's and PyTorch's dtypes of these names; bfloat16 where NumPy has it."""
    found = [(np.dtype(name), getattr(torch, name)) for name in names]
    try:
        import ml_dtypes  # noqa: PLC0415 - optional
    except ImportError:
        return found
    if set(FLOATS) <= set(names):
        found.append((np.dtype(ml_dtypes.bfloat16), torch.bfloat16))
    return found


@pytest.mark.parametrize("seed", SEEDS)
def test_state_of_a_seed(seed: int) -> None:
    ours, theirs = pair(seed)
    same_state(ours, theirs)
    assert ours.initial_seed() == theirs.initial_seed()
    ours.words(1)
    torch.rand(1, generator=theirs)
    same_state(ours, theirs)


def test_default_seed() -> None:
    assert stream.Generator().initial_seed() == torch.Generator().initial_seed()
    same_state(stream.Generator(), torch.Generator())


@pytest.mark.parametrize("seed", SEEDS)
def test_uniform(seed: int) -> None:
    ours, theirs = pair(seed)
    for n in SIZES:
        for dtype, wanted in kinds(*FLOATS):
            same(stream.uniform(ours, (n,), dtype), torch.rand(n, dtype=wanted, generator=theirs))
        for name in ("complex64", "complex128"):
            wanted = getattr(torch, name)
            drawn = torch.rand(n, dtype=wanted, generator=theirs)
            same(stream.uniform(ours, (n,), np.dtype(name)), drawn)
    same_state(ours, theirs)


@pytest.mark.parametrize(
    ("low", "high"),
    [(-1, 3), (0.1, 0.7), (100, 101), (-0.3, 1e3), (5e4, 50000.1), (-0.0441, 0.0441), (2, 2)],
)
def test_uniform_between(low: float, high: float) -> None:
    ours, theirs = pair(3)
    for n in (1, 15, 16, 70, 20011):
        for dtype, wanted in kinds(*FLOATS):
            if dtype.itemsize == 2 and low > 1e3:
                continue
            drawn = torch.empty(n, dtype=wanted).uniform_(low, high, generator=theirs)
            same(stream.uniform(ours, (n,), dtype, low, high), drawn)
    same_state(ours, theirs)


@pytest.mark.parametrize("seed", SEEDS)
def test_normal(seed: int) -> None:
    ours, theirs = pair(seed)
    for n in SIZES:
        for dtype, wanted in kinds(*FLOATS):
            drawn = torch.empty(n, dtype=wanted).normal_(generator=theirs)
            same(normals.normal(ours, (n,), dtype), drawn)
        for name in ("complex64", "complex128"):
            drawn = torch.randn(n, dtype=getattr(torch, name), generator=theirs)
            same(normals.normal(ours, (n,), np.dtype(name)), drawn)
        same_state(ours, theirs)


@pytest.mark.parametrize(("mean", "std"), [(0, 0.02), (1.5, 1), (0.3, 0.7), (1e3, 1e-2), (-2, 0)])
def test_normal_of_mean_and_std(mean: float, std: float) -> None:
    ours, theirs = pair(8)
    for n in (1, 2, 15, 16, 17, 40, 20011):
        for dtype, wanted in kinds(*FLOATS):
            drawn = torch.empty(n, dtype=wanted).normal_(mean, std, generator=theirs)
            same(normals.normal(ours, (n,), dtype, mean, std), drawn)
            drawn = torch.empty(3, n, dtype=wanted).t().normal_(mean, std, generator=theirs)
            if n > 1:
                same(normals.normal_in_memory_order(ours, (3, n), dtype, mean, std).T, drawn)
            else:
                same(normals.normal(ours, (3, n), dtype, mean, std).T, drawn)
    same_state(ours, theirs)


@pytest.mark.parametrize("seed", range(4))
def test_a_million_normal_numbers(seed: int) -> None:
    ours, theirs = pair(seed)
    drawn = torch.randn(1_000_003, generator=theirs)
    same(normals.normal(ours, (1_000_003,), np.dtype("float32")), drawn)
    same_state(ours, theirs)


def test_radius_and_direction_of_every_uniform() -> None:
    # A step through all 2**24 numbers that meets every octave and octant; radius and angle are
    # told apart by feeding PyTorch chosen words.
    every = np.arange(0, 1 << 24, 1009, dtype=np.uint32)
    words = np.zeros((every.size, 16), np.uint32)
    words[:, :8] = every[:, None]
    words[:, 8:] = every[::-1, None] + np.arange(8, dtype=np.uint32)
    ours = np.empty(words.size, np.float32)
    source = (words & 0xFFFFFF).astype(np.int32).reshape(-1)
    normals._blocks(source, ours, normals._Pairs32(normals._CHUNK))
    theirs = torch.cat([torch.randn(608, generator=fed(part)) for part in chunks(words)])
    same(ours[: theirs.numel()] + np.float32(0), theirs)


def chunks(words: Any) -> list[Any]:
    flat = words.reshape(-1)
    return [flat[i : i + 608] for i in range(0, flat.size - 607, 608)]


def fed(words: Any) -> Any:
    """PyTorch's generator, about to give these words (at most 623): the tempering undone."""
    y = words ^ (words >> np.uint32(18))
    y ^= (y << np.uint32(15)) & np.uint32(0xEFC60000)
    undone = y
    for _ in range(5):
        undone = y ^ ((undone << np.uint32(7)) & np.uint32(0x9D2C5680))
    y = undone
    for _ in range(3):
        undone = y ^ (undone >> np.uint32(11))
    record = stream.Generator().get_state().view(stream._LAYOUT)
    record["left"], record["next"] = 624, 0
    record["key"][0, : undone.size] = undone
    generator = torch.Generator()
    generator.set_state(torch.from_numpy(record.view(np.uint8)))
    return generator


@pytest.mark.parametrize("seed", SEEDS[:4])
def test_integers(seed: int) -> None:
    ours, theirs = pair(seed)
    bounds = [(0, 1), (0, 2), (3, 100), (-100, 100), (0, 2**28 - 1), (0, 2**28), (-7, 2**62 + 3)]
    bounds += [(-(2**40), 2**41), (-(2**63), 2**63 - 1)]
    for n in (0, 1, 16, 70, 5000):
        for low, high in bounds:
            drawn = torch.randint(low, high, (n,), generator=theirs)
            same(stream.integers(ours, (n,), np.dtype("int64"), low, high), drawn)
        for dtype, wanted in kinds(*INTS, *FLOATS):
            drawn = torch.empty(n, dtype=wanted).random_(3, 100, generator=theirs)
            same(stream.integers(ours, (n,), dtype, 3, 100), drawn)
        drawn = torch.empty(n, dtype=torch.int64).random_(-(2**63), None, generator=theirs)
        same(stream.integers(ours, (n,), np.dtype("int64"), -(2**63), 2**63), drawn)
    same_state(ours, theirs)


@pytest.mark.filterwarnings("ignore:(to|from)")
def test_integers_beyond_the_mantissa() -> None:
    ours, theirs = pair(5)
    for low, high in [(-5, 2**30), (0, 2**24 + 1), (-(2**40), 3), (0, 2**60), (2**25 + 1, 2**26)]:
        drawn = torch.empty(100).random_(low, high, generator=theirs)
        same(stream.integers(ours, (100,), np.dtype("float32"), low, high), drawn)
    same_state(ours, theirs)


def test_integers_over_a_whole_dtype() -> None:
    ours, theirs = pair(6)
    for n in (0, 1, 16, 5000):
        for dtype, wanted in kinds(*INTS, "bool", *FLOATS):
            drawn = torch.empty(n, dtype=wanted).random_(generator=theirs)
            same(stream.integers_in_dtype(ours, (n,), dtype), drawn)
    same_state(ours, theirs)


@pytest.mark.parametrize("seed", SEEDS[:3])
def test_permutation(seed: int) -> None:
    ours, theirs = pair(seed)
    for n in (*SIZES, 16383, 16384, 60000):
        for name in ("int64", "int32", "float32", "float64"):
            drawn = torch.randperm(n, dtype=getattr(torch, name), generator=theirs)
            same(stream.permutation(ours, n, np.dtype(name)), drawn)
    same_state(ours, theirs)


@pytest.mark.parametrize("p", [0, 1, 0.5, 0.3, 1e-9, 1 - 2.0**-53])
def test_bernoulli_of_a_number(p: float) -> None:
    ours, theirs = pair(9)
    for n in (0, 1, 70, 20011):
        for dtype, wanted in kinds("int64", "uint8", "bool", *FLOATS):
            drawn = torch.empty(n, dtype=wanted).bernoulli_(p, generator=theirs)
            same(stream.bernoulli(ours, (n,), dtype, p), drawn)
    same_state(ours, theirs)


def test_bernoulli_of_probabilities() -> None:
    ours, theirs = pair(10)
    for n in (0, 1, 70, 20011):
        for name in FLOATS:
            p = np.linspace(0, 1, n).astype(name)
            for result in ("float32", "float64", "int64"):
                drawn = torch.empty(n, dtype=getattr(torch, result))
                drawn.bernoulli_(torch.from_numpy(p), generator=theirs)
                same(stream.bernoulli(ours, (n,), np.dtype(result), p), drawn)
    same_state(ours, theirs)


Draw = Callable[..., Any]
CONTINUOUS: list[tuple[str, Draw, tuple[float, ...]]] = [
    ("exponential_", families.exponential, (1.0,)),
    ("exponential_", families.exponential, (0.3,)),
    ("cauchy_", families.cauchy, (0.0, 1.0)),
    ("cauchy_", families.cauchy, (-3.0, 0.01)),
    ("log_normal_", families.log_normal, (1.0, 2.0)),
    ("log_normal_", families.log_normal, (0.0, 0.01)),
    ("geometric_", families.geometric, (0.5,)),
    ("geometric_", families.geometric, (1e-3,)),
]


@pytest.mark.parametrize(("name", "draw", "parameters"), CONTINUOUS)
def test_families(name: str, draw: Draw, parameters: tuple[float, ...]) -> None:
    ours, theirs = pair(12)
    for n in (*range(20), 1000, 20011):
        for dtype, wanted in kinds(*FLOATS):
            drawn = getattr(torch.empty(n, dtype=wanted), name)(*parameters, generator=theirs)
            same(draw(ours, (n,), dtype, *parameters), drawn)
        same_state(ours, theirs)


def test_geometric_integers() -> None:
    ours, theirs = pair(13)
    drawn = torch.empty(5000, dtype=torch.int64).geometric_(0.2, generator=theirs)
    same(families.geometric(ours, (5000,), np.dtype("int64"), 0.2), drawn)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_multinomial(name: str) -> None:
    ours, theirs = pair(14)
    for n in (1, 2, 7, 100, 3000):
        weights = np.random.default_rng(n).random((5, n)).astype(name)
        for count, replacement in ((1, False), (n // 2 + 1, False), (1, True), (3 * n, True)):
            for given in (weights, weights[0]):
                drawn = torch.multinomial(
                    torch.from_numpy(given), count, replacement, generator=theirs
                )
                same(families.multinomial(ours, given, count, replacement), drawn)
    same_state(ours, theirs)


@pytest.mark.parametrize("name", ["float32", "float64"])
def test_rejection(name: str) -> None:
    ours, theirs = pair(15)
    given = np.random.default_rng(15).random((4, 500)).astype(name)
    rates = given * np.array([[1], [9], [40], [300]], name)
    rates[0, :3] = 0
    same(rejection.poisson(ours, rates), torch.poisson(torch.from_numpy(rates), theirs))
    counts = np.floor(rates[::-1])
    drawn = torch.binomial(torch.tensor(counts), torch.from_numpy(given), generator=theirs)
    same(rejection.binomial(ours, counts, given), drawn)
    shapes = rates + np.array(0.01, name)
    drawn = torch._standard_gamma(torch.from_numpy(shapes), theirs)
    same(rejection.standard_gamma(ours, shapes), drawn)
    same_state(ours, theirs)


def test_calls_of_all_kinds_after_one_another() -> None:
    # The second number of a pair of normal numbers waits in the generator through other calls.
    ours, theirs = pair(16)
    float32, int64 = np.dtype("float32"), np.dtype("int64")
    order = np.random.default_rng(16)
    for _ in range(300):
        n = int(order.integers(0, 40))
        match order.integers(0, 6):
            case 0:
                drawn, mine = torch.rand(n, generator=theirs), stream.uniform(ours, (n,), float32)
            case 1 | 2:
                drawn, mine = torch.randn(n, generator=theirs), normals.normal(ours, (n,), float32)
            case 3:
                drawn, mine = (
                    torch.randperm(n, generator=theirs),
                    stream.permutation(ours, n, int64),
                )
            case 4:
                drawn = torch.empty(n).log_normal_(generator=theirs)
                mine = families.log_normal(ours, (n,), float32)
            case _:
                drawn = torch.empty(n).bernoulli_(0.3, generator=theirs)
                mine = stream.bernoulli(ours, (n,), float32, 0.3)
        same(mine, drawn)
        same_state(ours, theirs)


def test_states_travel_between_the_libraries() -> None:
    ours, theirs = pair(17)
    torch.rand(77, generator=theirs)
    torch.randn(1, generator=theirs)
    ours.set_state(theirs.get_state().numpy())
    same(normals.normal(ours, (5,), np.dtype("float32")), torch.randn(5, generator=theirs))
    ours.words(1000)
    theirs.set_state(torch.from_numpy(ours.get_state()))
    same(stream.permutation(ours, 50, np.dtype("int64")), torch.randperm(50, generator=theirs))
    same_state(ours, theirs)


@pytest.mark.parametrize(
    ("shape", "axes", "cut"),
    [
        ((8, 6), (1, 0), 1),
        ((8, 12), (0, 1), 2),
        ((4, 5, 6), (2, 0, 1), 1),
        ((4, 5, 6), (1, 2, 0), 2),
    ],
)
def test_arrays_in_another_memory_order(shape: Any, axes: Any, cut: int) -> None:
    ours, theirs = pair(18)
    float32 = np.dtype("float32")
    for name in ("uniform_", "exponential_", "random_", "normal_", "log_normal_"):
        whole = torch.zeros(shape)
        whole.permute(axes)[..., ::cut].__getattribute__(name)(generator=theirs)
        mine = np.zeros(shape, float32)
        view = stream.memory_order(mine.transpose(axes)[..., ::cut])
        draw: Draw = {
            "uniform_": stream.uniform,
            "exponential_": families.exponential,
            "random_": stream.integers_in_dtype,
            "normal_": normals.normal_in_memory_order,
            "log_normal_": families.log_normal,
        }[name]
        view[...] = draw(ours, view.shape, float32)
        same(mine, whole)
    same_state(ours, theirs)
