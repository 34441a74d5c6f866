"""The compiled kernels compute what NumPy, BLAS and Python's optimizers do, to the last bit."""

import os
import threading

import numpy as np
import pytest

import adjoint as torch
from adjoint.array import numpy_
from adjoint.array.kernels import compiled, products, threads
from tests.native.conftest import run_python

SHAPES = [
    *((256, 784, 512), (512, 256, 784), (257, 785, 515), (395, 1664, 353), (24, 2000, 32)),
    *((1021, 599, 173), (130, 447, 100), (131, 449, 101), (132, 896, 102), (50, 897, 700)),
    *((40, 60, 4500), (4500, 60, 40), (37, 33, 9001), (100, 2, 7000), (64, 3001, 31)),
    *((2, 800, 700), (5, 600, 600), (300, 700, 10), (10, 460, 260), (7, 900, 200), (900, 200, 13)),
]


def bits(array):
    """The bits of an array; arithmetic may give a nan either sign, and nobody can tell."""
    return np.where(np.isnan(array), array.dtype.type(np.nan), array).tobytes()


def matrix(rng, rows, columns, transposed):
    made = rng.standard_normal((columns, rows) if transposed else (rows, columns), np.float32)
    return made.T if transposed else made


@pytest.fixture(scope="session")
def product(kernels):
    """The compiled product."""
    if not kernels.can_multiply():
        pytest.skip("the compiled product needs AVX-512, which this processor has not")
    if not compiled._agrees(kernels.product):
        pytest.skip("NumPy's BLAS adds up in another order here, so that the kernel is not used")
    return kernels.product


# ---- products ------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize("second", [False, True])
def test_bits_of_products(product, shape, first, second):
    rng = np.random.default_rng(0)
    rows, inner, columns = shape
    a, b = matrix(rng, rows, inner, first), matrix(rng, inner, columns, second)
    row = rng.standard_normal(columns, np.float32)
    expected = threads.alone(np.matmul, a, b)
    for count in (1, 2, 3, 8):
        made = product(a, b, None, count)
        assert made.flags.c_contiguous and made.flags.owndata and made.dtype == np.float32
        assert bits(made) == bits(expected)
        assert bits(product(a, b, row, count)) == bits(expected + row)


def test_rows_and_columns_that_lie_apart(product):
    rng = np.random.default_rng(1)
    wide = rng.standard_normal((600, 900), np.float32)
    a, b = wide[::2, 100:700], wide[:, 3:400]
    few = rng.standard_normal((600, 600), np.float32)[::2, ::2]
    one, row, column = few[:1, :1], few[:1], few[:, :1]
    for x, y in (
        *((a, b), (b.T, a.T), (a[:, 1:], b[1:]), (wide[:, :100].T, wide[:, 200:264])),
        *((few, b[:300]), (few[::-1], wide[:300]), (a[:, 300:], few), (few.T, few[:, ::-1])),
        *((np.broadcast_to(one, (200, 600)), b), (a, np.broadcast_to(one, (600, 70)))),
        *((np.broadcast_to(row, (90, 300)), few), (few, np.broadcast_to(row, (300, 300)))),
        *((np.broadcast_to(column, (300, 80)).T, few), (few, np.broadcast_to(column, (300, 80)))),
        *((np.broadcast_to(column, (300, 80)), few[:80]), (few, few[:77].T)),
    ):
        x = x.copy(order="K") if np.may_share_memory(x, y) and x is few else x
        assert bits(product(x, y, None, 2)) == bits(threads.alone(np.matmul, x, y))


def test_numbers_that_are_not_usual(product):
    rng = np.random.default_rng(2)
    for values in ([np.nan], [np.inf, -np.inf], [3e38, -3e38], [1e-42, -1e-44, 1e-22], [0.0, -0.0]):
        a, b = matrix(rng, 150, 500, False), matrix(rng, 500, 100, True)
        for array in (a, b):
            array[rng.random(array.shape) < 0.01] = values[0]
            array[rng.random(array.shape) < 0.01] = values[-1]
        with np.errstate(all="ignore"):
            assert bits(product(a, b, None, 2)) == bits(threads.alone(np.matmul, a, b))
    zeros = np.zeros((60, 700), np.float32)
    made = product(-zeros, np.ones((700, 80), np.float32), None, 2)
    assert not np.signbit(made).any()


def test_what_is_left_to_blas(product):
    a, b = np.ones((60, 500), np.float32), np.ones((500, 70), np.float32)
    raw = np.ones(60 * 500 * 4 + 1, np.uint8)[1:]
    for x, y, row in (
        *((a.astype(np.float64), b, None), (a, b.astype(np.float64), None), (a, b[1:], None)),
        *((a.astype(">f4"), b, None), (a[0], b, None)),
        *((raw.view(np.float32).reshape(60, 500), b, None), (a.view(np.matrix), b, None)),
        *((a[:0], b, None), (a, b[:, :0], None), (a[:, :0], b[:0], None), (a.tolist(), b, None)),
        *((a, b, a[0]), (a, b, a[0, :70].astype(np.float64)), (a, b, 1.0), (a, b, b[:70, 0])),
        (a, b[:, 0], None),
    ):
        assert product(x, y, row, 2) is None
    a.flags.writeable = b.flags.writeable = False
    assert (product(a, b, None, 1) == 500).all()
    for wrong in ((a, b), (a, b, None, 1.5), (a, b, None, None)):
        with pytest.raises(TypeError):
            product(*wrong)


def test_several_threads_of_python(product):
    rng = np.random.default_rng(3)
    cases = [(matrix(rng, 200, 300 + n, n % 2), matrix(rng, 300 + n, 150, n % 3)) for n in range(4)]
    expected = [bits(threads.alone(np.matmul, a, b)) for a, b in cases]
    wrong = []

    def run(n):
        a, b = cases[n]
        wrong.extend(n for _ in range(40) if bits(product(a, b, None, 1 + n)) != expected[n])

    started = [threading.Thread(target=run, args=(n,)) for n in range(4)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert wrong == []


FORK = """
import os, warnings
import numpy as np
from adjoint.array.native import kernels
warnings.simplefilter("ignore")  # Python warns of forks while there are threads
product = kernels().product
a, b = np.ones((300, 500), np.float32), np.ones((500, 200), np.float32)
for _ in range(3):
    assert (product(a, b, None, 3) == 500).all()
    child = os.fork()
    if not child:
        right = all((product(a, b, None, 3) == 500).all() for _ in range(20))
        os._exit(0 if right else 1)
    assert (product(a, b, None, 3) == 500).all()
    assert os.waitpid(child, 0)[1] == 0
print("done")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on this system")
def test_after_a_fork(product, cache):
    done = run_python("-c", FORK, ADJOINT_CACHE=cache)
    assert done.stdout == "done\n", done.stderr


PROGRAM = """
import zlib
import adjoint as torch
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(700, 300), torch.nn.ReLU(), torch.nn.Linear(300, 90))
x, y = torch.randn(130, 700), torch.randint(0, 90, (130,))
for make in (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD):
    more = {"momentum": 0.9} if make is torch.optim.SGD else {"weight_decay": 0.01}
    optimizer = make(net.parameters(), lr=0.01, **more)
    for _ in range(3):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
for p in net.parameters():
    print(zlib.crc32(p.detach().numpy().tobytes()), p._version)
print(loss.item())
from adjoint.array.kernels import compiled
import sys
print(compiled.product() is not None, file=sys.stderr)
"""


def test_training_in_several_environments(product, cache):
    expected = run_python("-c", PROGRAM, ADJOINT_NO_NATIVE="1")
    assert expected.stderr == "False\n"
    for variables in ({}, {"OPENBLAS_NUM_THREADS": "1"}, {"OPENBLAS_NUM_THREADS": "3"}):
        done = run_python("-c", PROGRAM, ADJOINT_CACHE=cache, **variables)
        assert (done.stdout, done.stderr) == (expected.stdout, "True\n")


def test_other_kernels_of_blas(product, cache):
    variables = {"OPENBLAS_CORETYPE": "Haswell"}
    expected = run_python("-c", PROGRAM, ADJOINT_NO_NATIVE="1", **variables)
    done = run_python("-c", PROGRAM, ADJOINT_CACHE=cache, **variables)
    assert (done.stdout, done.stderr) == (expected.stdout, "False\n")


# ---- who uses them -------------------------------------------------------------------------------


def test_large_products_go_there(monkeypatch, product):
    seen = []

    def counted(*args):
        seen.append(args[0].shape)
        return product(*args)

    monkeypatch.setattr(compiled, "product", lambda: counted)
    rng = np.random.default_rng(4)
    a, b = matrix(rng, 120, 200, False), matrix(rng, 200, 90, True)
    row = rng.standard_normal(90, np.float32)
    expected = threads.alone(np.matmul, a, b)
    assert bits(numpy_.matmul(a, b)) == bits(expected) and seen == [(120, 200)]
    assert bits(numpy_.matmul_add(a, b, row)) == bits(expected + row) and len(seen) == 2
    square = expected[:, :1]
    assert bits(numpy_.matmul_add(a, b, square)) == bits(expected + square) and len(seen) == 3
    seen.clear()
    for x, y in ((a[:1], b), (a, b[:, :3]), (a[:, :5], b[:5]), (a.astype(float), b.astype(float))):
        assert np.allclose(numpy_.matmul(x, y), np.matmul(x, y))
    assert bits(numpy_.matmul(a, a.T)) == bits(threads.alone(a.dot, a.T))  # half the work for BLAS
    assert bits(numpy_.matmul(b.T, a.T)) == bits(expected.T)
    assert seen == [(90, 200)]
    turned = matrix(rng, 300, 200, True)
    assert bits(numpy_.matmul(turned, b)) == bits(threads.alone(np.matmul, turned, b))
    assert seen == [(90, 200)]
    with pytest.raises(ValueError, match="not aligned"):
        products.matmul(a, b.T)


def test_a_kernel_with_other_bits_is_not_used(monkeypatch, kernels):
    class Other:
        can_multiply = staticmethod(lambda: True)
        can_update = staticmethod(lambda: True)

        @staticmethod
        def product(a, b, row, threads):
            return np.nextafter(threads_alone(np.matmul, a, b), np.float32(np.inf))

        @staticmethod
        def momentum(grad, param, buffer, momentum, down, threads):
            return bool(kernels.momentum(grad, param, buffer, momentum, down * 1.001, 1)) or True

    threads_alone = threads.alone
    monkeypatch.setattr(compiled, "kernels", lambda: Other)
    assert compiled.product.__wrapped__() is None
    assert compiled.updates.__wrapped__() is None
    Other.product = staticmethod(lambda a, b, row, threads: threads_alone(np.matmul, a, b))
    assert compiled.product.__wrapped__() is Other.product
    Other.product = staticmethod(lambda a, b, row, threads: None)
    assert compiled.product.__wrapped__() is None
    monkeypatch.setattr(compiled, "kernels", lambda: None)
    assert compiled.product.__wrapped__() is None
    assert compiled.updates.__wrapped__() is None


# ---- steps of optimizers -------------------------------------------------------------------------

OPTIMIZERS = [
    (torch.optim.Adam, {}),
    (torch.optim.Adam, {"weight_decay": 0.1, "maximize": True}),
    (torch.optim.Adam, {"betas": (0.3, 0.99), "eps": 0}),
    (torch.optim.Adam, {"betas": (0.0, 0.0)}),
    (torch.optim.Adam, {"amsgrad": True}),
    (torch.optim.AdamW, {"weight_decay": 0.05}),
    (torch.optim.SGD, {"momentum": 0.9}),
    (torch.optim.SGD, {"momentum": 0.5, "nesterov": True}),
    (torch.optim.SGD, {"momentum": 0.9, "lr": 0.0}),
    (torch.optim.SGD, {}),
]
SIZES = [(), (1,), (7,), (16, 3), (0,), (1000,), (33, 77), (70001,), (400, 300)]


def train(make, options, dtype):
    rng = np.random.default_rng(5)
    found = []
    params = []
    for shape in SIZES:
        start = torch.tensor(rng.standard_normal(shape), dtype=dtype)
        params.append(start.requires_grad_())
    params.append(torch.tensor(rng.standard_normal((20, 30)), dtype=dtype).t().requires_grad_())
    optimizer = make(params, **{"lr": 0.1} | options)
    for step in range(4):
        for param in params:
            grad = rng.standard_normal(param.shape) * 10.0 ** rng.integers(-30, 5)
            if step == 3 and grad.size:
                grad.flat[0] = np.nan
                grad.flat[-1] = np.inf
            param.grad = torch.tensor(grad, dtype=dtype)
        with np.errstate(all="ignore"):
            optimizer.step()
    for param in params:
        found.append((bits(param.detach().numpy()), param._version))
        for name, value in optimizer.state[param].items():
            found.append((name, bits(np.asarray(value.numpy())), value._version))
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("make", "options"), OPTIMIZERS)
def test_bits_of_steps(monkeypatch, kernels, make, options, dtype):
    if not kernels.can_update():
        pytest.skip("this processor has no fused multiply-add that the steps could use")
    monkeypatch.setattr(compiled, "updates", lambda: None)
    expected = train(make, options, dtype)
    for count in (1, 2, 3):
        monkeypatch.setattr(compiled, "updates", lambda: kernels)
        monkeypatch.setattr(compiled, "threads_of_step", lambda size, count=count: count)
        assert train(make, options, dtype) == expected


def test_what_is_left_to_python(kernels):
    if not kernels.can_update():
        pytest.skip("this processor has no fused multiply-add that the steps could use")
    numbers = (0.1, 0.9, 0.1, 1.0, -0.1, 1e-8, 1)
    x = [np.ones(10, np.float32) for _ in range(4)]
    assert kernels.adam(*x, *numbers)
    before = [array.copy() for array in x]
    fixed = np.ones(10, np.float32)
    fixed.flags.writeable = False
    for i, other in (
        *((0, np.ones(10)), (1, np.ones(11, np.float32)), (2, np.ones(20, np.float32)[::2])),
        *((3, fixed), (0, x[1]), (1, x[2]), (3, np.ones((2, 5), np.float32)), (2, [1.0] * 10)),
        *((1, np.ones(10, ">f4")), (1, np.ones(10, np.int32))),
    ):
        assert not kernels.adam(*x[:i], other, *x[i + 1 :], *numbers)
    assert not kernels.adam(*(np.ones(10, np.complex64) for _ in range(4)), *numbers)
    assert not kernels.adam(*x, 0.0, *numbers[1:]) and not kernels.adam(*x, 1.0, *numbers[1:])
    assert not kernels.momentum(*x[:3], 0.9, 0.0, 1)
    assert all((a == b).all() for a, b in zip(x, before))
    assert kernels.adam(fixed, *x[1:], *numbers)
    for wrong in ((*x,), (*x, *numbers[:-1], "1"), (*x, "0.1", *numbers[1:])):
        with pytest.raises(TypeError):
            kernels.adam(*wrong)
    with pytest.raises(TypeError):
        kernels.momentum(*x)
