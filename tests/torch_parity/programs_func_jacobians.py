"""Programs on ``torch.func``: jacrev, jacfwd, hessian, and rows of gradients at once."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, raises, variants
from tests.torch_parity.programs_func import Data, attempt

_KINDS = ("jacrev", "jacfwd", "hessian")


def _by_all(torch: Any, *cases: Any, kinds: tuple[str, ...] = _KINDS) -> list[Any]:
    """Every case (a function of the data, which gives function, options and arguments) by each."""
    found = []
    for kind in kinds:
        for case in cases:
            d = Data(torch)

            def call(case: Any = case, kind: str = kind, d: Data = d) -> Any:
                func, options, args = case(d)
                return getattr(d, kind)(func, **options)(*args)

            found.append(attempt(call))
    return found


def p_shapes(torch: Any) -> list[Any]:
    return _by_all(
        torch,
        lambda d: (torch.sin, {}, (d.x,)),
        lambda d: (torch.sin, {}, (d.s,)),
        lambda d: (lambda x, y: (x * y.sum(), x.sum()), {"argnums": (0, 1)}, (d.x, d.m)),
        lambda d: (lambda x: {"a": x * 2, "b": (x, x.sum())}, {}, (d.x,)),
        lambda d: (lambda t: t["a"] * t["b"].sum(), {}, ({"a": d.x, "b": d.m},)),
        lambda d: (
            lambda t, e: (t["a"] * t["b"].sum(), e[0].sum()),
            {"argnums": (0, 1)},
            ({"a": d.x, "b": d.m}, [d.x]),
        ),
        lambda d: (lambda x: x.double(), {}, (d.x,)),
        lambda d: (lambda x: x[:0], {}, (d.x,)),
        lambda d: (lambda x: x * 2, {}, (torch.zeros(0),)),
        lambda d: (lambda x: x.sum(), {}, (torch.zeros(0, 3),)),
        lambda d: (lambda x: x, {"argnums": 0}, ([d.x],)),
    )


def p_argnums(torch: Any) -> list[Any]:
    return _by_all(
        torch,
        lambda d: (torch.sin, {"argnums": 1}, (d.x,)),
        lambda d: (torch.sin, {"argnums": (0,)}, (d.x,)),
        lambda d: (torch.sin, {"argnums": ()}, (d.x,)),
        lambda d: (torch.sin, {"argnums": "a"}, (d.x,)),
        lambda d: (torch.mul, {"argnums": (0, 0)}, (d.x, d.x)),
        lambda d: (torch.mul, {"argnums": (1, 0)}, (d.x, d.x)),
        lambda d: (torch.mul, {"argnums": 1}, (d.x, d.x)),
        lambda d: (lambda x, y: x * 2, {"argnums": 1}, (d.x, d.m)),
        lambda d: (torch.sin, {}, ()),
    )


def p_refused(torch: Any) -> list[Any]:
    return _by_all(
        torch,
        lambda d: (torch.sin, {}, (2.0,)),
        lambda d: (lambda x: 2.0, {}, (d.x,)),
        lambda d: (lambda x: (x, 2.0), {}, (d.x,)),
        lambda d: (lambda x: None, {}, (d.x,)),
        lambda d: (lambda x: (), {}, (d.x,)),
        lambda d: (lambda x: x, {}, (torch.tensor([1, 2]),)),
        lambda d: (lambda x: x**2, {}, (d.c,)),
        lambda d: (lambda x: x.abs(), {}, (d.c,)),
        lambda d: (lambda x: torch.complex(x, x * 2) ** 2, {}, (d.x,)),
        lambda d: (lambda x: x * 2, {}, ((d.x, 3.0),)),
        lambda d: (3, {}, (d.x,)),
    )


def p_independent(torch: Any) -> list[Any]:
    return _by_all(
        torch,
        lambda d: (lambda x: torch.ones(3), {}, (d.x,)),
        lambda d: (lambda x: (x * 2).detach(), {}, (d.x,)),
        lambda d: (lambda x: x.long(), {}, (d.x,)),
    )


def p_outside(torch: Any) -> list[Any]:
    """Whether the result stays on the tape, and the gradient through it."""
    found = _by_all(
        torch,
        lambda d: (lambda x: x**3, {}, (d.xr,)),
        lambda d: (lambda x: x**3 * d.w, {}, (d.x,)),
        lambda d: (lambda x: x * d.w, {}, (d.x,)),
    )
    for kind in _KINDS:
        d = Data(torch)
        getattr(d, kind)(lambda x: x**3 * d.w)(d.xr).sum().backward()  # noqa: B023
        found += [d.w.grad, d.xr.grad]
    with torch.no_grad():
        found += _by_all(torch, lambda d: (lambda x: x**3, {}, (d.xr,)))
    return found


def p_aux(torch: Any) -> list[Any]:
    return _by_all(
        torch,
        lambda d: (lambda x: (x * 2, x.sum()), {"has_aux": True}, (d.x,)),
        lambda d: (lambda x: x * 2, {"has_aux": True}, (d.x,)),
        lambda d: (lambda x: (x * 2, 3), {"has_aux": True}, (d.x,)),
        lambda d: (lambda x: (x * 2, {"q": x * d.w}), {"has_aux": True}, (d.x,)),
        lambda d: (lambda x: [x * 2, x], {"has_aux": True}, (d.x,)),
        kinds=("jacrev", "jacfwd"),
    )


@variants(one=1, two=2, three=3, many=100, zero=0, negative=-1)
def p_chunks(torch: Any, size: int) -> list[Any]:
    def f(x: Any) -> Any:
        return x**2, x * x.sum()

    x = torch.tensor([1.0, 2.0, 3.0])
    jacrev = torch.func.jacrev
    return [
        attempt(lambda: jacrev(f, chunk_size=size)(x)),
        attempt(lambda: jacrev(f, chunk_size=size, _preallocate_and_copy=True)(x)),
    ]


def p_randomness(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])

    def noisy(v: Any) -> Any:
        return v * torch.rand(2)

    jacfwd = torch.func.jacfwd
    found = [attempt(lambda: torch.func.jacrev(noisy)(x)), torch.rand(1)]
    found += [attempt(lambda: torch.func.hessian(noisy)(x)), attempt(lambda: jacfwd(noisy)(x))]
    for randomness in ("same", "different", "other"):
        torch.manual_seed(1)
        found.append(attempt(lambda r=randomness: jacfwd(noisy, randomness=r)(x)))
    return found


def p_data_dependent(torch: Any) -> list[Any]:
    return _by_all(
        torch,
        lambda d: (lambda x: x if x.sum() > 1 else x * 2, {}, (d.x,)),
        lambda d: (lambda x: x * x.sum().item(), {}, (d.x,)),
    )


def p_no_grad_inside(torch: Any) -> list[Any]:
    """Tangents go on where nothing is recorded."""

    def f(x: Any) -> Any:
        with torch.no_grad():
            c = x**2
        return x**2 - c + x * c

    def total(x: Any) -> Any:
        return f(x).sum()

    x, F = torch.tensor([1.0, 2.0]), torch.func
    return [F.jacrev(f)(x), F.jacfwd(f)(x), F.hessian(total)(x), F.jacfwd(F.jacrev(f))(x)]


def p_function_with_jvp(torch: Any) -> list[Any]:
    """A custom Function with rules of its own for both modes, on purpose different ones."""

    class Odd(torch.autograd.Function):
        @staticmethod
        def forward(x: Any) -> Any:
            return x * 2

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 3

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            return t * 5

        @staticmethod
        def vmap(info: Any, in_dims: Any, x: Any) -> Any:
            return Odd.apply(x), in_dims[0]

    x = torch.tensor([1.0, 2.0])
    return [torch.func.jacrev(Odd.apply)(x), torch.func.jacfwd(Odd.apply)(x)]


@differs("PyTorch's jacfwd gives zeros for arguments counted from behind")
@variants(
    one=lambda f, x: f.jacfwd(lambda a, b: a * b, argnums=-1)(x, x * 2),
    both=lambda f, x: f.jacfwd(lambda a, b: a * b, argnums=(0, -1))(x, x * 2),
)
def p_argnums_from_behind(torch: Any, expression: Any) -> list[Any]:
    return [expression(torch.func, torch.tensor([1.0, 2.0]))]


def p_argnums_from_behind_by_rows(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0])
    return [torch.func.jacrev(lambda a, b: a * b, argnums=(0, -1))(x, x * 2)]


# ---- autograd.grad(..., is_grads_batched=True) ---------------------------------------------------


def p_batched_grads(torch: Any) -> list[Any]:
    grad = torch.autograd.grad
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    w = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    eye = torch.eye(2)

    def batched(outputs: Any, inputs: Any, rows: Any, **options: Any) -> Any:
        return attempt(lambda: grad(outputs, inputs, rows, is_grads_batched=True, **options))

    y = x * x
    return [
        batched(x * x, x, eye),
        batched((x * x).sum(), x, torch.tensor([1.0, 2.0])),
        batched(x * x, [x, w], eye),
        batched(x * x, [x, w], eye, allow_unused=True),
        batched(x * x, [x, w], eye, materialize_grads=True),
        batched(x * x, x, None),
        batched((x * x).sum(), x, None),
        batched(x * x, x, torch.ones(2)),
        batched(x * x, x, torch.ones(2, 3)),
        batched(x * x, x, torch.ones(0, 2)),
        batched([x * x, w * 2], [x, w], [eye, torch.ones(2, 3)]),
        batched([x * x, w * 2], [x, w], [eye, torch.ones(3, 3)]),
        batched([x * x, w * 2], [x, w], [eye, None]),
        batched(x * x, x, eye.double()),
        batched(x * x, x, eye.long()),
        batched(x * x, x, torch.tensor(1.0)),
        batched(x * x, x, 3.0),
        batched(y, x, eye, retain_graph=True),
        batched(y, x, eye),
        batched(y, x, eye),
        batched(x, x, eye),
    ]


def p_batched_grads_recorded(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    rows = torch.eye(2, requires_grad=True)
    (g,) = torch.autograd.grad(x**3, x, rows, is_grads_batched=True, create_graph=True)
    (g * torch.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    return [g, x.grad, rows.grad]


def p_batched_grads_hooks(torch: Any) -> list[Any]:
    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    shapes: list[Any] = []

    def double(g: Any) -> Any:
        shapes.append(g.shape)
        return g * 2

    y.register_hook(double)
    return [torch.autograd.grad(y, x, torch.eye(2), is_grads_batched=True), shapes]


def p_batched_grads_function(torch: Any) -> list[Any]:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            return g * 2 * x

    x = torch.tensor([1.0, 2.0], requires_grad=True)
    y = Square.apply(x)
    return [
        torch.autograd.grad(y, x, torch.eye(2), is_grads_batched=True, retain_graph=True),
        raises(lambda: torch.autograd.grad(y, x, torch.ones(3, 4), is_grads_batched=True)),
    ]
