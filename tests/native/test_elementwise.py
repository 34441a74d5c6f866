"""The compiled elementwise functions and sums give what NumPy's give, to the last bit."""

import gc
import threading

import numpy as np
import pytest

from adjoint.array import special
from adjoint.array.kernels import ufuncs
from tests.native.conftest import run_python

UNARY = """
    absolute arccos arccosh arcsin arcsinh arctan arctanh ceil cos cosh exp exp2 expm1 floor
    isfinite isinf isnan log log10 log1p log2 logical_not negative reciprocal rint sign sin sinh
    sqrt square tan tanh trunc
""".split()
BINARY = """
    add arctan2 copysign divide equal fmod greater greater_equal hypot less less_equal logaddexp
    logical_and maximum minimum multiply not_equal power remainder subtract
""".split()
SHAPES = [(), (1,), (7,), (1000,), (65_536,), (100_003,), (300, 500)]
PAIRS = [
    *(((), ()), ((7,), (7,)), ((100_003,), (100_003,)), ((300, 500), (500,))),
    *(((64,), (2000, 64)), ((40, 50, 60), (50, 60)), ((70_000,), ()), ((), (70_000,))),
]
SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1e-40)


@pytest.fixture(scope="module")
def library(kernels):
    """The compiled kernels, working on three threads."""
    kernels.ask_threads(lambda: 3)
    return kernels


@pytest.fixture(autouse=True)
def quiet():
    with np.errstate(all="ignore"):
        yield


def numbers(shape, dtype, seed=0):
    """Normal numbers, special ones among them; a scalar for no dimensions."""
    made = np.random.default_rng(seed).standard_normal(shape) * 3
    if shape and made.size > len(SPECIAL):
        made.reshape(-1)[: len(SPECIAL)] = SPECIAL
    return np.asarray(made, dtype) if shape else np.dtype(dtype).type(made)


def assert_same(made, expected):
    assert type(made) is type(expected)
    assert made.dtype == expected.dtype and made.shape == expected.shape
    made, expected = np.asarray(made), np.asarray(expected)
    if made.dtype.kind == "f":  # a nan of either sign is a nan
        made, expected = (np.where(np.isnan(x), x.dtype.type(np.nan), x) for x in (made, expected))
    assert made.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("name", UNARY)
def test_functions_of_one_array(library, name, dtype):
    ufunc = getattr(np, name)
    function = library.Elementwise(ufunc)
    for shape in SHAPES:
        x = numbers(shape, dtype)
        assert_same(function(x), ufunc(x))


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("name", BINARY)
def test_functions_of_two_arrays(library, name, dtype):
    ufunc = getattr(np, name)
    function = library.Elementwise(ufunc)
    for first, second in PAIRS:
        x, y = numbers(first, dtype), numbers(second, dtype, 1)
        assert_same(function(x, y), ufunc(x, y))
        for number in (2, -1, 0.3, 10**8, 1e40):
            assert_same(function(x, number), ufunc(x, number))
            assert_same(function(number, y), ufunc(number, y))


@pytest.mark.parametrize("name", ["exp", "add", "maximum"])
def test_whatever_is_not_plain_is_numpys(library, name):
    ufunc = getattr(np, name)
    function = library.Elementwise(ufunc)
    x = numbers((300, 400), "f")
    read_only = x.copy()
    read_only.flags.writeable = False
    swapped = x.astype(x.dtype.newbyteorder())
    shifted = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(x.shape)
    arrays = [
        *(x.T, x[:, ::2], x[::-1], x[:0], read_only, swapped, shifted, np.ma.masked_array(x)),
        *(x.astype(int), x.astype("e"), x > 0, np.asarray(x[0, 6]), np.broadcast_to(x[0], x.shape)),
    ]
    for array in arrays:
        given = (array,) if ufunc.nin == 1 else (array, array)
        made, expected = function(*given), ufunc(*given)
        assert type(made) is type(expected) and made.dtype == expected.dtype
        np.testing.assert_array_equal(made, expected)
    if ufunc.nin == 2:
        assert_same(function(x, x.astype("d")), ufunc(x, x.astype("d")))
        assert_same(function(x, x[:, :1]), ufunc(x, x[:, :1]))
        with pytest.raises(ValueError, match="could not be broadcast"):
            function(x, x[:, 1:])


def test_words_and_attributes_are_the_ufuncs(library):
    function = library.Elementwise(np.add)
    x = numbers((5,), "f")
    assert_same(function(x, x, dtype="d"), np.add(x, x, dtype="d"))
    assert function.nin == 2 and function.reduce is not None and function.ufunc is np.add
    assert repr(function) == "Elementwise(<ufunc 'add'>)"
    with pytest.raises(TypeError):
        function(x)
    with pytest.raises(AttributeError, match="nothing"):
        function.nothing
    for wrong in (np.matmul, np.modf, max, 3):
        with pytest.raises(TypeError, match="ufunc of one or two operands"):
            library.Elementwise(wrong)


@pytest.mark.parametrize("count", [10, 200_000])
def test_results_in_memory_that_is_there(library, count):
    function = library.Elementwise(np.subtract)
    base = numbers((count + 8,), "d")
    other = numbers((count,), "d", 1)
    cases = [
        lambda x, out: (x[:count], other, out),
        lambda x, out: (x[:count], other, x[:count]),
        lambda x, out: (other, x[:count], x[:count]),
        lambda x, out: (x[:count], other, x[8:]),  # what is written is read later
        lambda x, out: (x[8:], x[:count], x[8:]),
        lambda x, out: (x[:count], 2.0, x[:count]),
        lambda x, out: (x[:count], x[:1], x[:count]),
        lambda x, out: (x[:count], other, out.astype("f")),
        lambda x, out: (x[:count], other, out.reshape(2, -1)[:1]),
    ]
    for case in cases:
        ours, theirs = base.copy(), base.copy()
        given, expected = case(ours, np.empty(count)), case(theirs, np.empty(count))
        try:
            np.subtract(*expected)
        except (TypeError, ValueError) as error:
            with pytest.raises(type(error)):
                function(*given)
            continue
        assert function(*given) is given[2]
        assert_same(given[2], expected[2])
        assert_same(ours, theirs)


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize(
    "shape",
    [
        *((1,), (5,), (7,), (8,), (130,), (1000,), (70_001,), (300_001,), (5, 4), (256, 10)),
        *((4096, 64), (3, 700), (1000, 130), (20, 30, 40), (50, 1, 60), (70, 80, 1), (1, 9)),
        *((9, 1), (2, 3, 40_000)),
    ],
)
def test_sums(library, shape, dtype):
    axes = [None, 0, -1, (0,), (0, 1), (1, 0), (1,), (1, 2), (0, 2), tuple(range(len(shape)))]
    found = 0
    for x in (numbers(shape, dtype), -np.zeros(shape, dtype), np.ones(shape, dtype)):
        for axis in axes:
            if axis is not None and max(np.atleast_1d(axis)) >= len(shape):
                continue
            for keep in (False, True):
                made = library.add_reduce(x, axis, keep)
                if made is not None:
                    found += 1
                    assert_same(made, np.add.reduce(x, axis, x.dtype, None, keep))
    assert found


def test_sums_in_another_order_than_numpys_would_be_noticed(library, monkeypatch):
    monkeypatch.setattr(ufuncs, "compiled", library)
    assert ufuncs._adds_in_the_same_order()

    class Backwards:
        def add_reduce(self, x, axis, keep):
            return np.add.reduce(x[..., ::-1] if axis != 0 else x[::-1], axis, keepdims=keep)

    monkeypatch.setattr(ufuncs, "compiled", Backwards())
    assert not ufuncs._adds_in_the_same_order()


def test_sums_that_are_left_to_numpy(library):
    x = numbers((30, 40), "f")
    for given in (x.T, x[:, ::2], x.astype("e"), x.astype(int), x[:0], np.float32(3), x[0, 0:0]):
        assert library.add_reduce(given, None, False) is None
    for axis in (2, -3, (0, 0), (), "0", 1.0, 2**70):
        assert library.add_reduce(x, axis, False) is None


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("shape", [(5,), (4096, 64), (3, 1003), (20, 30, 40), (7, 1), (2, 90_001)])
def test_extremes(library, shape, dtype):
    found = 0
    for x in (numbers(shape, dtype), 1 + abs(numbers(shape, dtype, 1)), np.zeros(shape, dtype)):
        for reduce, sign in ((np.maximum.reduce, 1), (np.minimum.reduce, -1)):
            for axis in (-1, None, (0,), (1,), (1, 2), tuple(range(len(shape)))):
                if axis is not None and max(np.atleast_1d(axis)) >= len(shape):
                    continue
                for keep in (False, True):
                    made = library.extreme(x, axis, keep, sign)
                    if made is not None:
                        found += 1
                        assert_same(made, reduce(x, axis, None, None, keep))
    assert found or len(shape) == 1
    assert library.extreme(np.zeros(shape, dtype), -1, True, 1) is None


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("size", [1, 5, 4096, 100_003])
def test_programs(library, dtype, size):
    functions = [np.add, np.multiply, np.subtract, np.exp, np.maximum, np.tanh, np.negative]
    for seed in range(12):
        draw = np.random.default_rng(seed)
        inputs = [numbers((size,), dtype, seed), numbers((size,), dtype, seed + 1)]
        inputs += [np.dtype(dtype).type(0.3), np.asarray(-0.7, dtype), 2, -0.5]
        values, steps = list(inputs), []
        for _ in range(30):
            ufunc = functions[draw.integers(len(functions))]
            operands = [int(i) for i in draw.integers(len(values), size=ufunc.nin)]
            if all(type(values[i]) in (int, float) for i in operands):
                operands[0] = 0
            steps.append((library.Elementwise(ufunc), *operands))
            values.append(ufunc(*[values[i] for i in operands]))
        wanted = {int(i) for i in draw.integers(len(inputs), len(values), size=4)}
        results = [(i, np.full(size, 7, dtype)) for i in sorted(wanted)]
        assert library.program(tuple(inputs), tuple(steps), tuple(results), size, dtype == "d")
        for i, made in results:
            assert_same(made, np.array(np.broadcast_to(values[i], (size,))))


def test_programs_that_are_refused(library):
    x, out = numbers((100,), "f"), np.zeros(100, np.float32)
    add, exp, less = map(library.Elementwise, (np.add, np.exp, np.less))
    steps, results = ((exp, 0),), ((1, out),)
    assert library.program((x,), steps, results, 100, False)
    assert_same(out, np.exp(x))
    refused = [
        *(((x,), steps, results, 99, False), ((x,), steps, results, 100, True)),
        *(((x[::2],), steps, results, 50, False), ((x.astype("d"),), steps, results, 100, False)),
        *((("x",), steps, results, 100, False), ((x, np.float64(2)), steps, results, 100, False)),
        *(((x,), ((exp, 1),), results, 100, False), ((x,), ((exp, -1),), results, 100, False)),
        *(((x,), ((np.exp, 0),), results, 100, False), ((x,), ((add, 0),), results, 100, False)),
        *(((x,), ((less, 0, 0),), results, 100, False), ((x,), (), results, 100, False)),
        *(((x,), steps, ((0, out),), 100, False), ((x,), steps, ((2, out),), 100, False)),
        *(((x,), steps, ((1, out[:50]),), 100, False), ((x,), steps, (1, out), 100, False)),
        *(((x,), steps, ((1, out), (1, out)), 100, False), ((x, 1e40), steps, results, 100, False)),
        *(((x,), ((exp,),), results, 100, False), ((x,), (exp,), results, 100, False)),
    ]
    out[:] = 7
    for given in refused:
        assert library.program(*given) is False, given
    assert (out == 7).all()
    with pytest.raises(TypeError):
        library.program([x], steps, results, 100, False)


def test_the_error_function(library):
    exp = library.Elementwise(np.exp)
    for shape in ((5000,), (300, 500)):
        x = numbers(shape, "f")
        made = library.erf(x, special._BELOW, special._BEYOND, special._rest(), exp)
        assert_same(made, special._single_erf(x))
    for wrong in (x.astype("d"), x.T, x[0, 0]):
        given = (wrong, special._BELOW, special._BEYOND, special._rest(), exp)
        assert library.erf(*given) is None
    assert library.erf(x, special._BELOW[1:], special._BEYOND, 0.1, exp) is None
    assert library.erf(x, special._BELOW, special._BEYOND, 0.1, np.exp) is None


def test_the_rule_of_relu(library):
    for dtype in ("f", "d"):
        for shape in ((7,), (300, 500)):
            g, out = numbers(shape, dtype), np.maximum(numbers(shape, dtype, 1), 0)
            assert_same(library.threshold_backward(g, out), ufuncs._threshold_backward(g, out))
    assert library.threshold_backward(g, out.astype("f")) is None
    assert library.threshold_backward(g.T, out.T) is None
    assert library.threshold_backward(g, out[0]) is None


def test_several_threads_of_python_at_once(library):
    function = library.Elementwise(np.tanh)
    x = numbers((400_000,), "f")
    expected, sums = np.tanh(x), np.add.reduce(np.abs(x[10:]))
    failures = []

    def work():
        for _ in range(20):
            if not np.array_equal(function(x), expected, equal_nan=True):
                failures.append("tanh")
            if library.add_reduce(np.abs(x[10:]), None, False) != sums:
                failures.append("sum")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_all_threads_treat_denormals_as_the_caller_does(library):
    torch = pytest.importorskip("torch")  # it can switch the processor's flushing on
    function = library.Elementwise(np.multiply)
    x = np.full(400_000, 1e-39, np.float32)
    assert (function(x, 0.5) > 0).all()
    if not torch.set_flush_denormal(True):
        pytest.skip("this processor does not flush denormals")
    try:
        flushed = [function(x, 0.5) for _ in range(20)]
    finally:
        torch.set_flush_denormal(False)
    assert all((made == 0).all() for made in flushed)
    assert (function(x, 0.5) > 0).all()


def test_nothing_is_kept_alive(library):
    function = library.Elementwise(np.add)
    x = numbers((100,), "f")
    before = len(gc.get_objects())
    for _ in range(1000):
        function(x, x)
        function(x, 2.0)
        library.add_reduce(x, 0, True)
    assert len(gc.get_objects()) < before + 100


PROGRAM = """
import zlib, sys
import adjoint as torch
torch.manual_seed(0)
for n in (100, 20_000, 300_000):
    x = torch.randn(n // 50, 50, requires_grad=True)
    w = torch.randn(50, requires_grad=True)
    y = torch.relu(x * w + 1).tanh() * torch.erf(x) + torch.nn.functional.gelu(x)
    y = y + torch.sigmoid(x) / (1 + x * x) - w.exp()
    z = (y.sum(1).softmax(0) * y.mean(1)).sum() + y.sum(0).norm() + (x - 2).abs().sqrt().sum()
    z.backward()
    for t in (z, x.grad, w.grad):
        print(zlib.crc32(t.detach().numpy().tobytes()))
x = torch.randn(90_000)
x += 3; x *= x; x -= 0.5; x /= 7
print(zlib.crc32(x.numpy().tobytes()))
"""


def test_programs_have_the_same_bits_either_way(cache):
    compiled = run_python("-c", PROGRAM, ADJOINT_CACHE=cache)
    plain = run_python("-c", PROGRAM, ADJOINT_NO_NATIVE="1")
    assert compiled.returncode == plain.returncode == 0, compiled.stderr + plain.stderr
    assert compiled.stdout == plain.stdout
    assert len(compiled.stdout.split()) == 10
