"""The random stream by itself: known numbers of PyTorch's, states, bounds, errors."""

from __future__ import annotations

import copy
import math
import pickle
import zlib
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adjoint.array import random as stream
from adjoint.array import random_families as families
from adjoint.array import random_normal as normals
from adjoint.array import random_rejection as rejection
from adjoint.array import random_rounding as rounding

FLOAT32, FLOAT64, INT64 = (np.dtype(name) for name in ("float32", "float64", "int64"))

# What PyTorch 2.13 gave (checksums of the bytes).
UNIFORM_32 = 1294177143
UNIFORM_64 = 633878009
UNIFORM_BETWEEN = 447772813
NORMAL_32 = 448381501
NORMAL_FEW_64 = 959665215
NORMAL_SCALED = 4288198019
PERMUTATION_8 = [4, 0, 7, 3, 2, 5, 1, 6]
PERMUTATION_20000 = 2580533540
WIDE_INTEGERS = 542976125
BERNOULLI = 3313977026
EXPONENTIAL = 2307823029
MULTINOMIAL = [6, 7, 2, 4]
MULTINOMIAL_REPLACED = [7, 6, 5, 7]
POISSON = [2.0, 4.0, 41.0, 0.0]


def seeded(seed: int = 0) -> stream.Generator:
    return stream.Generator().manual_seed(seed)


def checksum(values: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(values).tobytes())


def test_the_first_words_are_those_of_the_mersenne_twister() -> None:
    # M. Matsumoto and T. Nishimura's reference output starts so for init_genrand(5489).
    words = seeded(5489).words(3)
    assert words.dtype == np.uint32
    assert words.tolist() == [3499211612, 581869302, 3890346734]


def test_few_and_many_words_are_the_same_stream() -> None:
    one, other = seeded(1), seeded(1)
    assert one.words(20000).tolist() == [
        *other.words(3).tolist(),
        *other.words(4093).tolist(),
        *other.words(15904).tolist(),
    ]


def test_a_double_word_has_its_first_draw_on_top() -> None:
    words, wide = seeded(2).words(6).tolist(), seeded(2).double_words(3)
    assert wide.tolist() == [(words[i] << 32) | words[i + 1] for i in (0, 2, 4)]


# PyTorch's numbers after manual_seed(0).


def test_known_uniform_numbers() -> None:
    wanted = np.array([0.49625658988952637, 0.7682217955589294, 0.08847743272781372], np.float32)
    assert stream.uniform(seeded(), (3,), FLOAT32).tobytes() == wanted.tobytes()
    assert checksum(stream.uniform(seeded(), (10007,), FLOAT32)) == UNIFORM_32
    assert checksum(stream.uniform(seeded(), (10007,), FLOAT64)) == UNIFORM_64
    assert checksum(stream.uniform(seeded(), (10007,), FLOAT32, -0.3, 0.7)) == UNIFORM_BETWEEN


def test_known_normal_numbers() -> None:
    wanted = np.array([1.5409960746765137, -0.293428897857666, -2.1787893772125244], np.float32)
    assert normals.normal(seeded(), (3,), FLOAT32).tobytes() == wanted.tobytes()
    assert checksum(normals.normal(seeded(), (10007,), FLOAT32)) == NORMAL_32
    assert checksum(normals.normal(seeded(), (15,), FLOAT64)) == NORMAL_FEW_64
    assert checksum(normals.normal(seeded(), (40,), FLOAT32, 0.5, 0.25)) == NORMAL_SCALED


def test_known_integers_and_permutations() -> None:
    assert stream.integers(seeded(), (5,), INT64, 0, 10).tolist() == [4, 9, 3, 0, 3]
    assert stream.permutation(seeded(), 8, INT64).tolist() == PERMUTATION_8
    assert checksum(stream.permutation(seeded(), 20000, INT64)) == PERMUTATION_20000
    assert checksum(stream.integers(seeded(), (99,), INT64, -(2**40), 2**41)) == WIDE_INTEGERS


def test_known_numbers_of_the_families() -> None:
    assert checksum(stream.bernoulli(seeded(), (999,), FLOAT32, 0.3)) == BERNOULLI
    assert checksum(families.exponential(seeded(), (9999,), FLOAT32)) == EXPONENTIAL
    weights = np.arange(1.0, 9.0, dtype=np.float32)
    assert families.multinomial(seeded(), weights, 4, False).tolist() == MULTINOMIAL
    assert families.multinomial(seeded(), weights, 4, True).tolist() == MULTINOMIAL_REPLACED
    rates = np.array([0.5, 3.0, 40.0, 0.0])
    assert rejection.poisson(seeded(), rates).tolist() == POISSON


# ---- states ----


def test_a_state_brings_back_the_stream_and_the_waiting_normal_number() -> None:
    generator = seeded(3)
    normals.normal(generator, (3,), FLOAT32)
    state = generator.get_state()
    assert state.shape == (5056,)
    assert state.dtype == np.uint8
    first = normals.normal(generator, (4,), FLOAT64).tolist()
    generator.set_state(state)
    assert normals.normal(generator, (4,), FLOAT64).tolist() == first
    assert generator.initial_seed() == 3


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copies_go_on_from_the_same_place(copied: Any) -> None:
    generator = seeded(4)
    normals.normal(generator, (1,), FLOAT32)
    twin = copied(generator)
    assert twin.get_state().tobytes() == generator.get_state().tobytes()
    wanted = normals.normal(generator, (7,), FLOAT32).tolist()
    assert normals.normal(twin, (7,), FLOAT32).tolist() == wanted
    assert normals.normal(generator.clone_state(), (7,), FLOAT32).tolist() != wanted


def test_seeds_of_the_same_lower_half_share_the_stream_but_not_the_name() -> None:
    one, other = seeded(7), seeded(7 + (5 << 32))
    assert one.words(5).tolist() == other.words(5).tolist()
    assert other.initial_seed() == 7 + (5 << 32)
    assert seeded(-1).initial_seed() == 2**64 - 1


def test_seed_starts_a_new_stream() -> None:
    generator = seeded(0)
    names = {generator.seed() for _ in range(4)}
    assert len(names) == 4
    assert generator.initial_seed() in names


@pytest.mark.parametrize("seed", [2**64, -(2**63) - 1])
def test_seeds_out_of_range(seed: int) -> None:
    generator = seeded(5)
    with pytest.raises(ValueError, match="Overflow when unpacking long long"):
        generator.manual_seed(seed)
    assert generator.initial_seed() == 5


@pytest.mark.parametrize("seed", [1.5, "1", None, True])
def test_seeds_that_are_no_int(seed: Any) -> None:
    with pytest.raises(RuntimeError, match="manual_seed expected a long, but got"):
        seeded().manual_seed(seed)


def test_states_that_are_none() -> None:
    generator = seeded(6)
    before = generator.get_state()
    with pytest.raises(RuntimeError, match="Expected a CPUGeneratorImplState of size 5056 but"):
        generator.set_state(np.zeros(3, np.uint8))
    with pytest.raises(RuntimeError, match="Invalid mt19937 state"):
        generator.set_state(np.zeros(5056, np.uint8))
    assert generator.get_state().tobytes() == before.tobytes()


def test_other_devices() -> None:
    with pytest.raises(RuntimeError, match="Cannot get CUDA generator"):
        stream.Generator("cuda")
    assert stream.Generator("cpu").device.type == "cpu"


# ---- bounds and rounding ----


def test_a_uniform_number_that_rounds_to_the_upper_end_becomes_the_lower() -> None:
    drawn = stream.uniform(seeded(), (5000,), np.dtype("float16"))
    assert drawn.max() < 1
    high = np.nextafter(np.float32(1), np.float32(2))
    drawn = stream.uniform(seeded(), (50,), FLOAT32, 1.0, float(high))
    assert set(drawn.tolist()) == {1.0}


def test_integers_stay_in_their_range() -> None:
    drawn = stream.integers(seeded(), (4000,), np.dtype("int8"), -128, 128)
    assert drawn.dtype == np.int8
    assert (drawn.min(), drawn.max()) == (-128, 127)
    wide = stream.integers(seeded(), (4000,), INT64, -(2**63), 2**63)
    assert wide.min() < -(2**62) < 2**62 < wide.max()


@pytest.mark.parametrize("n", [0, 1, 2, 1000, 16384])
def test_a_permutation_has_every_number_once(n: int) -> None:
    assert np.sort(stream.permutation(seeded(), n, INT64)).tolist() == list(range(n))


def test_memory_order_of_views() -> None:
    base = np.zeros((2, 3, 4))
    assert stream.memory_order(base.transpose(2, 0, 1)).shape == (2, 3, 4)
    assert stream.memory_order(base.transpose(2, 0, 1)[::2]).shape == (2, 3, 2)
    assert stream.memory_order(base) is base


finite = st.floats(-1e15, 1e15, allow_subnormal=False).filter(lambda x: x == 0 or abs(x) > 1e-15)


@given(finite, finite, finite)
def test_fused_multiply_add_in_float64(a: float, b: float, c: float) -> None:
    exact = float(Fraction(a) * Fraction(b) + Fraction(c))
    assert rounding.fused_64(np.array([a]), b, c)[0] == exact


singles = st.floats(-1e6, 1e6, width=32, allow_subnormal=False).filter(
    lambda x: x == 0 or abs(x) > 1e-6
)


@given(singles, singles, singles)
def test_fused_multiply_add_in_float32(a: float, b: float, c: float) -> None:
    exact = Fraction(a) * Fraction(b) + Fraction(c)
    got = rounding.fused_32(np.array([a], np.float32), b, c)[0]
    below, above = (np.nextafter(got, np.float32(end)) for end in (-math.inf, math.inf))
    distance = abs(Fraction(float(got)) - exact)
    for other in (below, above):
        others = abs(Fraction(float(other)) - exact)
        assert distance < others or (distance == others and not got.view(np.uint32) & 1)


def test_fused_multiply_add_next_to_the_middle_of_two_float32() -> None:
    # 1 + 2**-24 is the middle; the product is that far away that float64 drops the rest.
    a = np.array([1 + 2.0**-23, 1 - 2.0**-23], np.float32)
    b, c = 2.0**-24, 1.0
    exact = [np.float32(1 + 2.0**-23), np.float32(1.0)]
    assert rounding.fused_32(a, b, c).tolist() == [float(x) for x in exact]
    tiny = np.array([2.0**-24 + 2.0**-47], np.float32) * np.float32(2.0**-8)
    assert rounding.fused_32(tiny, 2.0**8, 1.0)[0] == np.float32(1 + 2.0**-23)


def test_families_at_their_limits() -> None:
    assert families._each(math.exp, np.array([0.0, 1000.0])).tolist() == [1.0, math.inf]
    assert families._each(math.log, np.array([1.0, 0.0])).tolist() == [0.0, -math.inf]
    probabilities = np.array([0.0, 1.0, 0.5, math.nan])
    drawn = rejection.binomial(seeded(), np.array([5.0, 5.0, 0.0, 5.0]), probabilities)
    assert drawn[:3].tolist() == [0, 5, 0]
    assert math.isnan(drawn[3])
    assert rejection.standard_gamma(seeded(), np.zeros(1))[0] == np.finfo(np.float64).tiny


def test_means_and_variances() -> None:
    drawn = normals.normal(seeded(1), (200000,), FLOAT32)
    assert abs(drawn.mean()) < 0.01
    assert abs(drawn.std() - 1) < 0.01
    waiting = families.exponential(seeded(1), (200000,), FLOAT32, 4.0)
    assert abs(waiting.mean() - 0.25) < 0.005
    gamma = rejection.standard_gamma(seeded(1), np.full(4000, 3.0))
    assert abs(gamma.mean() - 3) < 0.1
