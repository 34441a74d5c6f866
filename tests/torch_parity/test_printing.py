"""The printed text of thousands of tensors, letter for letter PyTorch's."""

import random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch", reason="compares with PyTorch")

import adjoint
from adjoint import printing

FLOATS = ("float32", "float64", "float16", "bfloat16", "complex64", "complex128")
INTEGERS = ("bool", "uint8", "int8", "int16", "int32", "int64")
EDGE_VALUES = (
    *(0.0, -0.0, 1.0, -1.0, 1000.0, 1001.0, 1e-4, 0.00009, 0.5, 0.05, 99999999.0, 1e8, 1e8 + 8),
    *(9.99996, 999.99996, 0.99995, 1e-45, 3e38),
)
SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0)


@pytest.fixture(autouse=True)
def _default_options():
    yield
    use_options({})


def use_options(options: dict[str, Any]) -> None:
    for library in (torch, adjoint):
        library.set_printoptions(profile="default")
        if options:
            library.set_printoptions(**options)


def both(theirs: Any) -> Any:
    """The same tensor in our library."""
    if theirs.dtype is torch.bfloat16:
        return adjoint.from_numpy(theirs.float().numpy()).to(adjoint.bfloat16)
    return adjoint.from_numpy(theirs.numpy())


def random_floats(rng: np.random.Generator, n: int) -> np.ndarray:
    kind = rng.integers(8)
    if kind == 0:
        values = rng.standard_normal(n)
    elif kind == 1:
        values = rng.integers(-5, 6, n).astype(float)
    elif kind == 2:
        values = rng.standard_normal(n) * 10.0 ** rng.uniform(-30, 30)
    elif kind == 3:
        values = np.sign(rng.standard_normal(n)) * 10.0 ** rng.uniform(-30, 30, n)
    elif kind == 4:
        values = np.round(rng.standard_normal(n) * 10.0 ** rng.uniform(0, 9))
    elif kind == 5:
        values = rng.choice(EDGE_VALUES, n)
    elif kind == 6:
        values = rng.uniform(-1, 1, n) * 10.0 ** rng.integers(-5, 9)
    else:
        values = rng.choice([-2.0, 0.0, 1.0, 3.5], n)
    if rng.random() < 0.25:
        values = np.where(rng.random(n) < 0.3, rng.choice(SPECIAL, n), values)
    return values


def random_shape(rng: random.Random) -> tuple[int, ...]:
    if rng.random() < 0.05:
        return rng.choice(
            [(1000,), (1001,), (10, 100), (7, 143), (1000, 1), (1, 1001), (1001, 1), (6, 7, 24)]
        )
    ndim = rng.choice([0, 1, 1, 1, 2, 2, 2, 3, 3, 4, 5])
    longest = (1, 1200, 60, 14, 9, 7)[ndim] // rng.choice([1, 6, 6])
    return tuple(0 if rng.random() < 0.02 else rng.randint(1, max(2, longest)) for _ in range(ndim))


def random_tensor(seed: int) -> Any:
    rng, gen = random.Random(seed), np.random.default_rng(seed)
    shape = random_shape(rng)
    n = int(np.prod(shape))
    name = rng.choice((*FLOATS, *FLOATS, *FLOATS[:2], *INTEGERS))
    with np.errstate(all="ignore"):
        if name.startswith("complex"):
            values: Any = random_floats(gen, n) + 1j * random_floats(gen, n)
        elif name in FLOATS:
            values = random_floats(gen, n)
        elif name == "bool":
            values = gen.random(n) < 0.5
        else:
            bits = rng.choice([1, 3, 7, 20, 62])
            values = gen.integers(-(2**bits), 2**bits, n)
    made = torch.from_numpy(values.reshape(shape)).to(getattr(torch, name))
    return made.transpose(0, -1) if made.ndim > 1 and rng.random() < 0.2 else made


def random_options(rng: random.Random) -> dict[str, Any]:
    choices: dict[str, tuple[Any, ...]] = {
        "precision": (0, 1, 2, 6, 9),
        "threshold": (0, 5, 10, 100, float("inf")),
        "edgeitems": (0, 1, 2, 5),
        "linewidth": (1, 20, 40, 79, 81, 120),
        "profile": ("short", "full", "default", "SHORT"),
        "sci_mode": (True, False),
    }
    return {name: rng.choice(values) for name, values in choices.items() if rng.random() < 0.4}


@pytest.mark.parametrize("block", range(20))
def test_random_tensors(block):
    for seed in range(60 * block, 60 * block + 60):
        theirs = random_tensor(seed)
        assert repr(both(theirs)) == repr(theirs), (seed, theirs.dtype, theirs.shape)


@pytest.mark.parametrize("block", range(10))
def test_random_tensors_under_random_options(block):
    for seed in range(50 * block, 50 * block + 50):
        options = random_options(random.Random(seed))
        theirs = random_tensor(seed)
        use_options(options)
        assert repr(both(theirs)) == repr(theirs), (seed, options, theirs.dtype, theirs.shape)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.lists(
        st.one_of(st.floats(width=64), st.integers(-(10**9), 10**9).map(float)),
        min_size=1,
        max_size=8,
    )
)
def test_any_floats(values):
    array = np.array(values)
    assert repr(adjoint.from_numpy(array)) == repr(torch.from_numpy(array))


@pytest.mark.parametrize("name", FLOATS)
@pytest.mark.parametrize("columns", range(1, 11))
def test_suffixes_around_the_end_of_the_line(columns, name):
    def texts(library: Any) -> list[str]:
        kind = getattr(library, name)
        leaf = library.full((2, columns), 0.5, dtype=library.float64).to(kind).requires_grad_()
        made = [leaf, leaf[0], leaf * 2, leaf.view(-1), (leaf * 2)[1], leaf[:0], leaf.sum()]
        return [repr(t) for t in made]

    for linewidth in (40, 60, 75, 80):
        use_options({"linewidth": linewidth})
        assert texts(adjoint) == texts(torch)


@pytest.mark.parametrize("default", ["float32", "float64"])
@pytest.mark.parametrize("name", (*FLOATS, *INTEGERS))
def test_dtype_suffix_follows_the_default_dtype(name, default):
    def texts(library: Any) -> list[str]:
        before = library.get_default_dtype()
        library.set_default_dtype(getattr(library, default))
        try:
            kind = getattr(library, name)
            return [repr(library.zeros(shape, dtype=kind)) for shape in ((), (1,), (0,), (0, 3))]
        finally:
            library.set_default_dtype(before)

    assert texts(adjoint) == texts(torch)


def program(library: Any) -> list[str]:
    """Everything else that has a printed form of its own."""

    class Twice(library.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, g):
            return g * 2

    class Named(library.Tensor):
        pass

    x = library.arange(6.0).view(2, 3).requires_grad_()
    written = library.zeros(3)
    written[0] = x[0, 1]
    named = library.arange(1001.0).as_subclass(Named)
    return [
        repr(Twice.apply(x)),
        repr(written),
        repr(named),
        repr(named[:2]),
        repr(library.nn.Parameter(library.tensor(1.0))),
        repr(library.nn.Parameter(library.zeros(2, 30))),
        repr(library.nn.Parameter(library.zeros(2), requires_grad=False)),
        repr(library.nn.Buffer(library.zeros(2))),
        str(x),
        f"{x}",
        f"{x.sum()} {x.sum():.3f} {library.tensor(7):>5d} {library.tensor(True)}",
        f"{library.tensor([1 + 2j])}",
        f"{library.tensor(1 + 2j)} {library.nn.Parameter(library.tensor(1.5))}",
        str(library.tensor([0.1, 1.0]).tolist()),
        repr([library.tensor(1.0), library.tensor(2)]),
        repr(x.shape) + str(x.shape) + repr(x.dtype) + repr(x.device) + str(x.device),
        x.__repr__(tensor_contents="hello"),
    ]


def test_everything_else_that_is_printed():
    assert program(adjoint) == program(torch)


def tangents(library: Any) -> list[str]:
    forward_ad = library.autograd.forward_ad
    x = library.arange(6.0).view(2, 3)
    with forward_ad.dual_level():
        short = forward_ad.make_dual(x[0], x[1])
        dual = forward_ad.make_dual(x, x + 0.5)
        leaf = forward_ad.make_dual(library.ones(2, requires_grad=True), library.ones(2))
        return [repr(t) for t in (short, short * 2, dual, dual.sum(), dual * 2, leaf)]


# PyTorch compiles its decompositions when the first dual tensor is made, and warns of that.
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")
def test_dual_tensors_print_their_tangent():
    assert tangents(adjoint) == tangents(torch)


@pytest.mark.parametrize("spec", ["", ".3f", ">10", "d", "x", "{}"])
@pytest.mark.parametrize("value", [1.5, 3, True, 1 + 2j, [1.5]])
def test_format(value, spec):
    def outcome(library: Any) -> str:
        try:
            return format(library.tensor(value), spec)
        except (TypeError, ValueError) as error:
            return f"{type(error).__name__}: {error}"

    assert outcome(adjoint) == outcome(torch)


def test_printing_options_of_both_libraries_agree():
    for seed in range(40):
        options = random_options(random.Random(seed))
        use_options(options)
        assert printing.get_printoptions() == torch._tensor_str.get_printoptions()
