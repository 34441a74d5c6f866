"""The same work by hand on plain NumPy arrays: what a tape over NumPy cannot beat.

In: ``np``. Out: the step of one case, with the derivatives written out. Only what the step needs is
computed, in place where that is the natural thing to write.
"""

from itertools import pairwise
from typing import Any

from benchmarks.harness import Step

REPEAT = 100


def add(np: Any) -> Step:
    """Return ``x + x`` on a 2x2 array."""
    x = np.ones((2, 2), np.float32)

    def step() -> Any:
        for _ in range(REPEAT):
            y = x + x
        return y

    return step


def broadcasting(np: Any) -> Step:
    """Return a 64x64 array plus a row."""
    x, row = np.ones((64, 64), np.float32), np.ones(64, np.float32)

    def step() -> Any:
        for _ in range(REPEAT):
            y = x + row
        return y

    return step


def mean_example(np: Any) -> Step:
    """Return the gradient of ``mean(3 (x + 2)^2)``."""
    x = np.ones((2, 2), np.float32)

    def step() -> Any:
        y = x + np.float32(2)
        out = (y * y * np.float32(3)).mean()
        return out, y * np.float32(6 / 4)

    return lambda: step()[0]


def chain(np: Any, length: int) -> Step:
    """Return a product of scalars and its derivative, one factor at a time."""
    factor = np.float32(1.01)

    def step() -> Any:
        a = np.float32(1)
        for _ in range(length):
            a = a * factor
        g = np.float32(1)
        for _ in range(length):
            g = g * factor
        return a

    return step


def gelu(np: Any, count: int) -> Step:
    """Return value and gradient of the tanh formula of gelu, with shared subexpressions."""
    x = np.random.default_rng(0).standard_normal(count, np.float32)
    c, d = np.float32(0.7978845608), np.float32(0.044715)
    one, half, three = np.float32(1), np.float32(0.5), np.float32(3)

    def step() -> Any:
        square = x * x
        t = np.tanh(c * (x + d * (square * x)))
        y = half * x * (one + t)
        inner = c * (one + three * d * square)
        return y, half * (one + t) + half * x * (one - t * t) * inner

    return lambda: step()[0]


def matmul(np: Any, size: int, backward: bool) -> Step:
    """Return ``a @ b`` and, if asked, both gradients of its sum."""
    draw = np.random.default_rng(0)
    a = draw.standard_normal((size, size), np.float32)
    b = draw.standard_normal((size, size), np.float32)
    ones = np.ones((size, size), np.float32)

    def step() -> Any:
        y = a @ b
        if backward:
            return y, ones @ b.T, a.T @ ones
        return (y,)

    return lambda: step()[0]


def mlp(np: Any, sizes: tuple[int, ...], batch: int, adam: bool) -> Step:
    """Return one training step of a multilayer perceptron: relu, cross entropy, SGD or Adam."""
    draw = np.random.default_rng(0)
    x = draw.standard_normal((batch, sizes[0]), np.float32)
    y = draw.integers(0, sizes[-1], batch)
    rows = np.arange(batch)
    weights = [
        (draw.standard_normal((o, i), np.float32) * np.float32(i**-0.5), np.zeros(o, np.float32))
        for i, o in pairwise(sizes)
    ]
    parameters = [p for pair in weights for p in pair]
    state = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    count = 0

    def gradients() -> tuple[Any, list[Any]]:
        inputs, h = [], x
        for k, (w, b) in enumerate(weights):
            inputs.append(h)
            h = h @ w.T
            h += b
            if k < len(weights) - 1:
                np.maximum(h, 0, out=h)
        h -= h.max(1, keepdims=True)
        p = np.exp(h)
        total = p.sum(1, keepdims=True)
        loss = (np.log(total[:, 0]) - h[rows, y]).mean()
        p /= total
        p[rows, y] -= 1
        p /= np.float32(batch)
        found = []
        for k in reversed(range(len(weights))):
            found += [p.sum(0), p.T @ inputs[k]]
            if k:
                p = p @ weights[k][0]
                p *= inputs[k] > 0
        return loss, found[::-1]

    def step() -> Any:
        nonlocal count
        loss, found = gradients()
        count += 1
        for p, g, (m, v) in zip(parameters, found, state):
            if adam:
                m += np.float32(0.1) * (g - m)
                v *= np.float32(0.999)
                v += np.float32(0.001) * g * g
                scale = (v / np.float32(1 - 0.999**count)) ** np.float32(0.5) + np.float32(1e-8)
                p -= np.float32(1e-3 / (1 - 0.9**count)) * m / scale
            else:
                m *= np.float32(0.9)
                m += g
                p -= np.float32(0.01) * m
        return loss

    return step
