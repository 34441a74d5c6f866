"""Eager execution against PyTorch: ``python -m benchmarks.eager [--quick] [--only NAME]``.

In: nothing. Out: a table of times, ratios and peaks. Every program is one text for both libraries
(``lib`` is ``torch`` or ``adjoint``); a program returns its result, so that the harness sees
whether both computed the same. The targets are the project's own (see README.md here).
"""

from typing import Any

from benchmarks import floors
from benchmarks.cli import main
from benchmarks.harness import Case, Step

REPEAT = floors.REPEAT  # operators in one step of the smallest cases: the loop must not be seen
IMPORT_LIMIT = 0.030


# ---- single operators on 2x2 tensors, recorded


def add_tensors(lib: Any) -> Step:
    x = lib.ones(2, 2, requires_grad=True)

    def step() -> Any:
        for _ in range(REPEAT):
            y = x + x
        return y

    return step


def multiply_tensors(lib: Any) -> Step:
    x = lib.ones(2, 2, requires_grad=True)

    def step() -> Any:
        for _ in range(REPEAT):
            y = x * x
        return y

    return step


def add_number(lib: Any) -> Step:
    x = lib.ones(2, 2, requires_grad=True)

    def step() -> Any:
        for _ in range(REPEAT):
            y = x + 2.0
        return y

    return step


def multiply_number(lib: Any) -> Step:
    x = lib.ones(2, 2, requires_grad=True)

    def step() -> Any:
        for _ in range(REPEAT):
            y = x * 3
        return y

    return step


def broadcasting(lib: Any) -> Step:
    x = lib.ones(64, 64, requires_grad=True)
    row = lib.ones(64, requires_grad=True)

    def step() -> Any:
        for _ in range(REPEAT):
            y = x + row
        return y

    return step


def without_grad(lib: Any) -> Step:
    def step() -> Any:
        for _ in range(REPEAT):
            with lib.no_grad():
                pass

    return step


# ---- small graphs, forward and backward


def mean_example(lib: Any) -> Step:
    x = lib.ones(2, 2, requires_grad=True)

    def step() -> Any:
        y = x + 2
        z = y * y * 3
        out = z.mean()
        x.grad = None
        out.backward()
        return x.grad

    return step


def chain(lib: Any, length: int) -> Step:
    start = lib.tensor(1.0, requires_grad=True)

    def step() -> Any:
        a = start
        for _ in range(length):
            a = a * 1.01
        start.grad = None
        a.backward()
        return start.grad

    return step


def second_derivatives(lib: Any) -> Step:
    x1 = lib.tensor(3.0, requires_grad=True)
    x2 = lib.tensor(1.0, requires_grad=True)
    grad = lib.autograd.grad

    def step() -> Any:
        y = x1**2 + x2**2 + x1 * x2
        first = grad(y, x1, retain_graph=True, create_graph=True)[0]
        return grad(first, x1, retain_graph=True)[0] + grad(first, x2)[0]

    return step


def item_assignment(lib: Any) -> Step:
    x1, x2, x3 = (lib.tensor(v, requires_grad=True) for v in (1.0, 2.0, 3.0))
    ones = lib.ones(3)

    def step() -> Any:
        y = lib.zeros(3)
        y[0] = x1**2 + 2 * x2 + x3
        y[1] = x1 + x2**3 + x3**2
        y[2] = 2 * x1 + x2**2 + x3**3
        x1.grad = x2.grad = x3.grad = None
        y.backward(ones)
        return x1.grad + x2.grad + x3.grad

    return step


# ---- large arrays


def gelu(lib: Any, count: int) -> Step:
    lib.manual_seed(0)
    x = lib.randn(count, requires_grad=True)

    def step() -> Any:
        y = 0.5 * x * (1 + lib.tanh(0.7978845608 * (x + 0.044715 * x**3)))
        loss = y.sum()
        x.grad = None
        loss.backward()
        return x.grad

    return step


def matmul(lib: Any, size: int, backward: bool) -> Step:
    lib.manual_seed(0)
    a = lib.randn(size, size, requires_grad=backward)
    b = lib.randn(size, size, requires_grad=backward)

    def forward() -> Any:
        return a @ b

    def both() -> Any:
        loss = (a @ b).sum()
        a.grad = b.grad = None
        loss.backward()
        return a.grad

    return both if backward else forward


# ---- training steps


def _training(lib: Any, model: Any, optimizer: Any, x: Any, y: Any) -> Step:
    cross_entropy = lib.nn.functional.cross_entropy

    def step() -> Any:
        optimizer.zero_grad()
        loss = cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def small_mlp(lib: Any) -> Step:
    lib.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 10)
    )
    x, y = lib.randn(32, 64), lib.randint(0, 10, (32,))
    return _training(lib, model, lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), x, y)


def mnist_mlp(lib: Any) -> Step:
    lib.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Linear(784, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10)
    )
    x, y = lib.randn(256, 784), lib.randint(0, 10, (256,))
    return _training(lib, model, lib.optim.Adam(model.parameters(), lr=1e-3), x, y)


def mnist_cnn(lib: Any) -> Step:
    lib.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 12 * 12, 10),
    )
    x, y = lib.randn(64, 1, 28, 28), lib.randint(0, 10, (64,))
    return _training(lib, model, lib.optim.SGD(model.parameters(), lr=0.01), x, y)


def digits_cnn(lib: Any) -> Step:
    lib.manual_seed(0)
    nn = lib.nn
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 2 * 2, 10),
    )
    x, y = lib.randn(32, 1, 8, 8), lib.randint(0, 10, (32,))
    return _training(lib, model, lib.optim.SGD(model.parameters(), lr=0.01, momentum=0.9), x, y)


_SMALL, _MNIST = (64, 64, 64, 10), (784, 512, 512, 10)
_GELU, _SIZE = 4_000_000, 1024

CASES = [
    Case("x + x", add_tensors, floors.add, per=REPEAT, target=2),
    Case("x * x", multiply_tensors, floors.add, per=REPEAT, target=2),
    Case("x + 2.0", add_number, floors.add, per=REPEAT, target=2),
    Case("x * 3", multiply_number, floors.add, per=REPEAT, target=2),
    Case("64x64 + 64", broadcasting, floors.broadcasting, per=REPEAT),
    Case("with no_grad()", without_grad, per=REPEAT, target=2),
    Case("mean(3 (x+2)^2)", mean_example, floors.mean_example, target=4),
    Case("100 scalar products", lambda l: chain(l, 100), lambda n: floors.chain(n, 100), target=8),
    Case(
        "1000 scalar products", lambda l: chain(l, 1000), lambda n: floors.chain(n, 1000), target=8
    ),
    Case("second derivatives", second_derivatives, target=1),
    Case("item assignment", item_assignment),
    Case("MLP 64-64-64-10, SGD", small_mlp, lambda n: floors.mlp(n, _SMALL, 32, False), target=2.5),
    Case("digits CNN", digits_cnn, target=1),
    Case(
        "gelu 4M",
        lambda l: gelu(l, _GELU),
        lambda n: floors.gelu(n, _GELU),
        threads=2,
        memory=True,
        target=1,
    ),
    Case(
        "matmul 1024, forward",
        lambda l: matmul(l, _SIZE, False),
        lambda n: floors.matmul(n, _SIZE, False),
        threads=2,
        memory=True,
        target=1,
    ),
    Case(
        "matmul 1024, backward",
        lambda l: matmul(l, _SIZE, True),
        lambda n: floors.matmul(n, _SIZE, True),
        threads=2,
        memory=True,
        target=1,
    ),
    Case(
        "MLP 784-512-512-10, Adam",
        mnist_mlp,
        lambda n: floors.mlp(n, _MNIST, 256, True),
        threads=2,
        memory=True,
        target=1,
    ),
    Case("MNIST CNN", mnist_cnn, threads=2, memory=True, target=0.5),
]

if __name__ == "__main__":
    main("benchmarks.eager", CASES, "Eager execution against PyTorch.", IMPORT_LIMIT)
