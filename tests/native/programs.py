"""Programs that the compiled core and Python's must run alike, to the last bit.

In: nothing. Out: for each function of this file, everything that a user could see of what it did,
as text on standard output. `test_same.py` runs it once with the compiled core and once without.
"""

import copy
import gc
import pickle
import sys
import threading
import traceback
import warnings

import numpy as np

import adjoint as torch
from adjoint import nn
from adjoint.core.native import library
from adjoint.ops import pointwise


def show(*values):
    """Print values; tensors with their bits, their history and their dtype."""
    for value in values:
        if isinstance(value, torch.Tensor):
            raw = value.detach().numpy()
            contiguous = raw.flags.c_contiguous
            if raw.dtype.kind in "fc":  # arithmetic may give a nan either sign, and nobody can tell
                raw = np.where(np.isnan(raw), raw.dtype.type(np.nan), raw)
            bits = raw.tobytes().hex() if raw.size < 200 else hash(raw.tobytes())
            name = type(value.grad_fn).__name__
            print(raw.dtype, raw.shape, contiguous, bits, name)
            if not value.is_inference():
                print(value._version)
        else:
            print(value)


def history(tensor):
    """Print the graph behind a tensor: names, outputs, what is saved."""
    seen, todo = {}, [tensor.grad_fn]
    while todo:
        node = todo.pop(0)
        if node is None or node in seen:
            continue
        seen[node] = len(seen)
        saved = [n for n in dir(node) if n.startswith("_saved_")]
        following = [(type(n).__name__, nr) for n, nr in node.next_functions]
        print(node.name(), following, saved)
        for name in saved:
            try:
                show(getattr(node, name))
            except RuntimeError as error:
                print(str(error).splitlines()[0])
        todo += [n for n, _ in node.next_functions]


def refused(function, *args, **kwargs):
    """Print how a call fails."""
    try:
        show("no error", function(*args, **kwargs))
    except Exception as error:
        # the name that Python's own functions have is no user's business
        first = str(error).splitlines()[0]
        print(type(error).__name__, first.rpartition("<locals>.call")[2])


def leaf(*values, dtype=torch.float32):
    return torch.tensor(values, dtype=dtype, requires_grad=True)


BINARY = [torch.add, torch.sub, torch.mul, torch.div, torch.pow, torch.maximum, torch.atan2]
UNARY = [
    *(torch.exp, torch.log, torch.sqrt, torch.sin, torch.tanh, torch.sigmoid, torch.neg, torch.abs),
    *(torch.relu, torch.reciprocal, torch.square, torch.erf),
]


def binary_operators():
    for dtype in (torch.float32, torch.float64):
        for shape in ((), (1,), (3,), (2, 3), (0,), (2, 0, 3), (17, 33), (65, 64), (300, 40)):
            torch.manual_seed(1)
            x = torch.rand(shape, dtype=dtype).requires_grad_()
            y = (torch.rand(shape, dtype=dtype) + 0.5).requires_grad_()
            for f in BINARY:
                z = f(x, y)
                show(z)
                z.sum().backward()
            show(x.grad, y.grad)
            x.grad = None
            (x * x + x + x).sum().backward()
            show(x.grad)


def numbers():
    numbers = [2, 3.5, 0, -1, 0.0, -0.0, 1e-40, 1e30, 1e39, -1e300, 2**40, 2**70, True]
    numbers += [float("nan"), float("inf"), 1 / 3, 16777217, 9007199254740993]
    for dtype in (torch.float32, torch.float64, torch.float16, torch.int64, torch.int32):
        for value in (3, [1, -2, 5]):
            x = torch.tensor(value, dtype=dtype)
            if dtype.is_floating_point:
                x.requires_grad_()
            for number in numbers:
                for f in (torch.add, torch.sub, torch.mul, torch.div):
                    try:
                        z = f(x, number)
                        show(z)
                        if z.requires_grad:
                            z.sum().backward()
                            show(x.grad)
                            x.grad = None
                    except Exception as error:
                        print(type(error).__name__, str(error).splitlines()[0])
                for f in (torch.gt, torch.eq, torch.le):
                    refused(f, x, number)
                refused(lambda: number - x)  # noqa: B023
                refused(lambda: number / x)  # noqa: B023


def numbers_as_parameters():
    numbers = [0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.0, 2.5, -3, True, 1e39, -1e300, 2**24 + 1]
    numbers += [2**53, -(2**53), 2**53 + 1, 2**70, 10**400, float("nan"), float("inf")]
    numbers += [1j, None, "a"]
    for dtype in (torch.float32, torch.float64, torch.float16, torch.int64):
        for value in (3, [1, -2, 5], [[0.5, 0.0]], []):
            x = torch.tensor(value, dtype=dtype)
            if dtype.is_floating_point:
                x.requires_grad_()
            for number in numbers:
                for f in (lambda a, n: a**n, lambda a, n: n - a, torch.pow, torch.rsub):
                    try:
                        z = f(x, number)
                        show(z)
                        if z.requires_grad:
                            history(z)
                            z.backward(torch.ones_like(z))
                            show(x.grad)
                            x.grad = None
                    except Exception as error:
                        print(type(error).__name__, str(error).splitlines()[0])
    x = leaf(2.0, 3.0, dtype=torch.float64)
    y = ((1 - x) ** 3 + x**2).sum()
    (g,) = torch.autograd.grad(y, x, create_graph=True)
    history(g)
    g.sum().backward()
    show(x.grad)
    with torch.no_grad():
        square, difference = x**2, 1 - x
        x.mul_(2)
    show(square, difference)
    z = x**2
    show(z.grad_fn._saved_exponent, z.grad_fn._saved_self)
    with torch.no_grad():
        x.add_(1)
    refused(z.sum().backward)
    zero_d = torch.ones(3, requires_grad=True)[0]
    (zero_d**2 + (1 - zero_d) + zero_d**3).backward()
    big = torch.full((2,), 1e30, requires_grad=True)
    with warnings.catch_warnings(record=True) as heard:
        show(big**2, big**5, 1e38 - big, torch.zeros(2) ** -1)
    print(len(heard))
    with np.errstate(all="raise"):
        show(big**2, big**5, -1e38 - big * 1e8, torch.zeros(2) ** -1)
    power = pointwise._pow_number
    show(power(x, exponent=2), power(input=x, exponent=3), pointwise._rsub_number(x, other=1))
    for wrong in ({}, {"other": 1}, {"exponent": 2, "other": 1}):
        try:
            power(x, **wrong)
        except Exception as error:
            print(type(error).__name__)


def reading():
    for shape in ((4,), (3, 4), (2, 3, 4), ()):
        count = int(np.prod(shape))
        x = torch.arange(float(count)).reshape(shape).requires_grad_()
        whole = x * 1
        items = [0, -1, 7, -9, (0,), (1, 2), (-1, -2), (1, 9), (0, 1, 2), (0, 1, 2, 3), (), (True,)]
        items += [slice(1, 3), slice(None), slice(3, 1), slice(None, None, 2), slice(-2, None)]
        items += [slice(0, 9, -1), (slice(None), 1), (..., 0), None, (1, slice(1, 2)), True, 1.5]
        for item in items:
            for source in (x, whole):
                try:
                    y = source[item]
                    show(y)
                    print(y._is_view(), y._base is source, y.stride())
                    history(y)
                    z = (y * y).sum()
                    z.backward(retain_graph=True)
                    show(x.grad)
                    y[...].mul_(1) if source is whole else None
                except Exception as error:
                    print(type(error).__name__, str(error).splitlines()[0])
    x = torch.arange(12.0).reshape(3, 4)
    row = x[1]
    part = row[1:3]
    part[0] = 50
    print(part._base is x, row._version, x._version)
    show(x, part[1], x.t()[0], x.t()[0, 1], x.narrow(1, 1, 2), x.select(1, 2), x.transpose(0, 1)[2])
    with torch.no_grad():
        view = leaf(1.0, 2.0, 3.0)[1:]
    print(view.requires_grad, view._is_view())
    refused(view.mul_, 2)
    with torch.inference_mode():
        inner = torch.ones(3, 3)[0][1]
    print(inner.is_inference(), inner._is_view())


def unary_operators():
    for dtype in (torch.float32, torch.float64):
        for values in (0.5, [0.25, 0.5, 2.0], [[1.0], [0.0]], [], [-1.0, float("nan"), 1e38]):
            for f in UNARY:
                x = torch.tensor(values, dtype=dtype, requires_grad=True)
                y = f(x)
                show(y)
                y.backward(torch.ones_like(y))
                show(x.grad)
            for power in (2, 3, -1, 0.5, 0, 2.5):
                x = torch.tensor(values, dtype=dtype, requires_grad=True)
                y = x**power + (1 - x) * (2.5 - x) + 2 / x
                show(y)
                y.backward(torch.ones_like(y))
                show(x.grad)
    refused(torch.exp)
    refused(torch.exp, torch.ones(2), torch.ones(2))
    refused(torch.exp, 3)
    refused(torch.exp, inputs=torch.ones(2))
    refused(torch.mul, torch.ones(2))
    refused(torch.mul, torch.ones(2), "a")
    refused(torch.mul, torch.ones(2), torch.ones(3))
    refused(torch.mul, torch.ones(2), None)
    refused(torch.exp, torch.ones(2, dtype=torch.bool))
    show(torch.exp(input=torch.zeros(2)), torch.mul(input=torch.ones(2), other=3))


def no_warning_is_heard():
    with warnings.catch_warnings(record=True) as heard:
        x = leaf(1000.0, -1.0, 0.0)
        y = torch.exp(x) + torch.log(x) + 1 / x + torch.sqrt(x) / 0 + x.pow(1e9)
        y.sum().backward()
        show(y, x.grad)
        big = torch.full((100, 100), 1e38)
        show((big * big).sum(), big.sum())
    print([str(w.message) for w in heard])
    with np.errstate(all="raise"):
        show(torch.exp(leaf(1000.0)), leaf(1.0) / 0)
    with warnings.catch_warnings(record=True) as heard:
        np.float32(1) / np.float32(0)
        np.exp(np.ones(2) * 1000)
    print(len(heard))


def dtypes_and_broadcasting():
    kinds = [torch.float32, torch.float64, torch.float16, torch.int64, torch.uint8, torch.bool]
    shapes = [(), (3,), (2, 3), (2, 1), (1,)]
    for a in kinds:
        for b in kinds:
            for s in shapes:
                for t in shapes:
                    x, y = torch.ones(s, dtype=a), torch.full(t, 2).to(b)
                    if a.is_floating_point:
                        x.requires_grad_()
                    for f in (torch.add, torch.mul, torch.div, torch.gt):
                        z = f(x, y)
                        show(z)
                        if z.requires_grad:
                            z.sum().backward()
                    show(x.grad)


def graphs():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    z = (x * y + torch.sin(x) * 2 - y / 3).exp().sum() + (x @ y) * x[0] + y.mean()
    history(z)
    z.backward(retain_graph=True)
    show(x.grad, y.grad)
    z.backward()
    show(x.grad, y.grad)
    refused(z.backward)
    history((torch.ones(3, 2) @ torch.ones(2, 4, requires_grad=True)).sum(0).relu().var())


def rows_on_matrices():
    torch.manual_seed(0)
    shapes = [
        ((64, 64), (64,)),
        ((2, 3, 4), (3, 4)),
        ((5,), (2, 5)),
        ((0, 3), (3,)),
        ((3, 0), (0,)),
    ]
    shapes += [((2, 3), (2,)), ((4, 1), (1,)), ((100, 50), (50,)), ((2, 1, 3), (1, 3))]
    for dtype in (torch.float32, torch.float64):
        for s, t in shapes:
            x = torch.randn(s, dtype=dtype, requires_grad=True)
            y = torch.rand(t, dtype=dtype, requires_grad=True)
            for f in (torch.add, torch.sub, torch.mul, torch.div):
                try:
                    z = f(x, y)
                    show(z)
                    (z * z).sum().backward()
                except RuntimeError as error:
                    print(str(error).splitlines()[0])
            show(x.grad, y.grad)


def create_graph():
    x = leaf(0.5, 1.5, dtype=torch.float64)
    y = (x**3 * torch.exp(x) / (1 + x * x)).sum()
    for _ in range(3):
        (y,) = torch.autograd.grad(y, x, create_graph=True)
        show(y)
        y = y.sum()
    history(y)


def versions():
    x = leaf(1.0, 2.0)
    y = x * 2
    z = y * y
    y.add_(1)
    refused(z.sum().backward)
    w = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        w.mul_(3)
    out = (w * w).sum()
    history(out)
    with torch.no_grad():
        w.add_(1)
    refused(out.backward)
    e = x.exp()
    s = e.sum()
    e.mul_(2)
    refused(s.backward)
    refused((e * 1).sum().backward)


def views_and_writes():
    x = leaf(1.0, 2.0, 3.0)
    y = torch.zeros(3)
    y[0] = x[1] ** 2
    y[1:] += x[:2]
    show(y)
    y.t().view(3).mul_(2)
    y.backward(torch.tensor([1.0, 10.0, 100.0]))
    show(x.grad)
    m = torch.arange(6.0).requires_grad_().reshape(2, 3)
    t = m.t()
    print(t._is_view(), t._base is m._base, t.is_contiguous(), t.stride())
    (t * torch.ones(3, 2)).sum().backward()
    with torch.no_grad():
        v = torch.ones(3, requires_grad=True)[1:]
    print(v.requires_grad, v.is_leaf)
    refused(v.mul_, 2)


def hooks():
    x, y = leaf(1.0, 2.0), leaf(3.0, 4.0)
    z = x * y
    w = z.exp() + z * 2
    z.register_hook(lambda g: print("tensor", g.tolist()))
    w.grad_fn.register_hook(lambda a, b: print("node", len(a), len(b)))
    w.grad_fn.register_prehook(lambda g: print("pre", len(g)))
    z.retain_grad()
    (w.sum() + x.sum()).backward()
    show(x.grad, y.grad, z.grad)
    x.register_post_accumulate_grad_hook(lambda t: print("post", t.grad.tolist()))
    (x * 2).sum().backward()


def functions():
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x, k):
            ctx.save_for_backward(x)
            ctx.k = k
            return x**3 * k, x * 2

        @staticmethod
        def backward(ctx, g, h):
            (x,) = ctx.saved_tensors
            return 3 * x * x * ctx.k * g + 2 * h, None

    x = leaf(1.0, 2.0)
    a, b = Cube.apply(x, 2)
    (a * b).sum().backward()
    show(x.grad)
    a, b = Cube.apply(x, 2)
    a.sum().backward()
    show(x.grad)


def several_outputs_and_sums():
    x = torch.arange(12.0).reshape(3, 4).requires_grad_()
    a, b = x.max(dim=1)
    c, d, e, f = x.unbind(1)
    s = x.sort(dim=0)
    (a.sum() + (c * d + e / (f + 1)).sum() + s.values[0].sum() + b.sum()).backward()
    show(x.grad)
    bias = torch.zeros(4, requires_grad=True)
    column = torch.zeros(3, 1, requires_grad=True)
    ((x + bias) * (x + column) + 2 * bias).sum().backward()
    show(bias.grad, column.grad, x.grad)
    large = torch.ones(300, 400, requires_grad=True)
    (large * 2 + large.exp() + large * large).sum().backward()
    show(large.grad)
    for rows, columns in ((1, 5), (7, 1), (32, 10), (1000, 4), (1000, 5), (2, 3000)):
        torch.manual_seed(0)
        for dtype in (torch.float32, torch.float64):
            bias = torch.zeros(columns, requires_grad=True, dtype=dtype)
            (torch.randn(rows, columns, dtype=dtype) * (bias + 1)).sum().backward()
            show(bias.grad)


def gradients_are_owned():
    x = leaf(1.0, 2.0)
    weights = torch.ones(2)
    (x + 0).backward(weights)
    x.grad.mul_(5)
    show(weights, x.grad)
    y = leaf(1.0, 2.0)
    (x + y).sum().backward()
    print(x.grad is y.grad, np.shares_memory(x.grad.numpy(), y.grad.numpy()))
    m = torch.randn(3, 4, requires_grad=True)
    (torch.ones(2, 4) @ m.t()).sum().backward()
    show(m.grad)
    print(m.grad.is_contiguous(), m.grad.stride(), m.grad.numpy().base is None)
    t = torch.randn(4, 3).t().requires_grad_()
    (t * 2).sum().backward()
    print(t.grad.stride())
    old = x.grad
    (x * 1).sum().backward()
    print(old is x.grad, old._version)


def training():
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(36, 10), nn.Tanh(),
        nn.LayerNorm(10), nn.Dropout(0.3), nn.Linear(10, 3, bias=False),
    )  # fmt: skip
    x, y = torch.randn(16, 1, 8, 8), torch.randint(0, 3, (16,))
    for make in (torch.optim.SGD, torch.optim.Adam):
        optimizer = make(net.parameters(), lr=0.05)
        for _ in range(3):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(net(x), y)
            loss.backward()
            optimizer.step()
            show(loss)
    history(loss)
    show(*net.parameters())
    with torch.inference_mode():
        show(net(x).sum())


def modes_and_transforms():
    x = leaf(1.0, 2.0)
    with torch.no_grad():
        show(x * 2, x.exp(), x.sum())
    with torch.inference_mode():
        t = x * 2
    print(t.is_inference())
    refused(lambda: (t * x).sum().backward())
    show(torch.vmap(lambda a: (a * a).sum())(torch.ones(3, 2)))
    show(torch.func.grad(lambda a: (a.sin() * a).sum())(x.detach()))
    show(*torch.func.jvp(lambda a: a.exp() * 2, (x.detach(),), (torch.ones(2),)))
    show(torch.jacobian(lambda a: a * a, x.detach()), torch.hessian(lambda a: (a**3).sum(), x))
    with torch.autograd.detect_anomaly(check_nan=True):
        refused(torch.log(x - 1).mul(0).sum().backward)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t * 2, lambda t: t / 2):
        y = (x * x).exp()
    y.sum().backward()
    show(x.grad)
    with torch.masked_gradients():
        z = leaf(0.0, 1.0)
        torch.where(z > 0, z.log(), z).sum().backward()
        show(z.grad)

    class Sub(torch.Tensor):
        pass

    s = torch.ones(2).as_subclass(Sub)
    print(type(s * 2).__name__, type(s.exp()).__name__, type(torch.ones(2) + s).__name__)


def deep_and_wide():
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y * 1.000001
    y.backward()
    show(x.grad)
    del y
    branches = [x * k for k in range(2000)]
    torch.stack([b * b for b in branches]).sum().backward(retain_graph=True)
    show(x.grad)
    total = branches[0]
    for b in branches[1:]:
        total = total + b
    total.backward()
    show(x.grad)


def threads():
    w = torch.ones(50, requires_grad=True)

    def work():
        for _ in range(50):
            (w * 2).sum().backward()

    crew = [threading.Thread(target=work) for _ in range(4)]
    for t in crew:
        t.start()
    for t in crew:
        t.join()
    show(w.grad)


def nothing_leaks():
    x, y = leaf(1.0, 2.0), torch.ones(2, 2, requires_grad=True)
    gc.collect()
    gc.disable()

    def step():
        z = ((x * y + 2).exp() * 3 - x / y).tanh().sum() + (y @ x).relu().mean()
        z.backward()
        (torch.autograd.grad((x * x * x).sum(), x, create_graph=True)[0].sum()).backward()
        x.grad = y.grad = None
        return z

    for _ in range(50):
        step()
    held = [sys.getrefcount(o) for o in (x, y, None, (), x._desc, x._array)]
    count = len(gc.get_objects())
    for _ in range(300):
        step()
    after = [sys.getrefcount(o) for o in (x, y, None, (), x._desc, x._array)]
    print([abs(a - b) < 20 for a, b in zip(held, after)], abs(len(gc.get_objects()) - count) < 20)
    gc.enable()


def failures_leave_everything():
    x = leaf(1.0, 2.0)
    before = [sys.getrefcount(x), sys.getrefcount(x._array)]
    for _ in range(200):
        for bad in ("a", None, [1], torch.ones(3), object(), 1j * 0):
            try:
                x * bad
            except Exception:
                traceback.format_exc()
    print([sys.getrefcount(x), sys.getrefcount(x._array)] == before)

    class Bad(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a):
            return a * 1

        @staticmethod
        def backward(ctx, g):
            raise ValueError("no")

    y = leaf(1.0, 2.0)
    refused((Bad.apply(x * y) + y).sum().backward)
    print(x.grad, y.grad)

    class Wrong(Bad):
        @staticmethod
        def backward(ctx, g):
            return g, g

    refused((Wrong.apply(x * y) + y).sum().backward)
    print(x.grad, y.grad)


def names():
    for f in (torch.exp, torch.matmul, torch.Tensor.exp, torch.ones(1).exp):
        print(f.__name__, bool(f.__doc__), callable(f))
    print(copy.deepcopy(torch.exp) is torch.exp, torch.exp.op.name)
    refused(lambda: pickle.loads(pickle.dumps(torch.exp)) is torch.exp)


if __name__ == "__main__":
    for name, function in list(globals().items()):
        if callable(function) and getattr(function, "__module__", "") == "__main__":
            if name in ("show", "history", "refused", "leaf"):
                continue
            print("#", name)
            function()
    print("core:", library.state().split()[0], file=sys.stderr)
