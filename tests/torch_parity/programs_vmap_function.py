"""Programs on ``autograd.Function`` inside ``vmap``: the user's rule, a generated one, or none."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, raises, variants


def _x(torch: Any) -> Any:
    return torch.arange(6.0).view(3, 2)


def _cube(torch: Any, **members: Any) -> Any:
    """A Function in the newer style, with more members."""

    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(a: Any) -> Any:
            return a**3

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.save_for_backward(*inputs)
            ctx.save_for_forward(*inputs)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (a,) = ctx.saved_tensors
            return g * 3 * a * a

        @staticmethod
        def jvp(ctx: Any, t: Any) -> Any:
            (a,) = ctx.saved_tensors
            return 3 * a * a * t

    for name, member in members.items():
        setattr(Cube, name, member)
    return Cube


def _with_rule(torch: Any, rule: Any) -> Any:
    return _cube(torch, vmap=staticmethod(rule))


def p_rule_sees_whole_arguments(torch: Any) -> list[Any]:
    x, seen = _x(torch), []

    def rule(info: Any, in_dims: Any, a: Any) -> Any:
        seen.append([info.batch_size, info.randomness, in_dims, a.shape, type(a).__name__])
        return cube.apply(a), in_dims[0]

    cube = _with_rule(torch, rule)
    vmap = torch.func.vmap
    return [
        vmap(cube.apply)(x),
        vmap(cube.apply, randomness="same")(x),
        vmap(vmap(cube.apply))(x),
        vmap(lambda a, b: cube.apply(a) + b)(x, x),
        cube.apply(x),
        *seen,
    ]


def p_rule_and_generated_rule(torch: Any) -> list[Any]:
    cube = _with_rule(torch, lambda info, in_dims, a: (a, 0))
    cube.generate_vmap_rule = True
    x = _x(torch)
    return [raises(lambda: torch.func.vmap(cube.apply)(x)), cube.apply(x)]


RETURNS = {
    "tensor": lambda torch, a: a * a,
    "rows": lambda torch, a: torch.ones(2, 3),
    "three": lambda torch, a: (a, a, 0),
    "list": lambda torch, a: [a * a, 0],
    "none": lambda torch, a: None,
    "without_dim": lambda torch, a: (a[0] * 3, None),
    "second_dim": lambda torch, a: ((a * a).t(), 1),
    "last_dim": lambda torch, a: ((a * a).t(), -1),
    "text": lambda torch, a: (a * a, "x"),
    "beyond": lambda torch, a: (a * a, 5),
    "tuple_for_one": lambda torch, a: (a * a, (0,)),
    "number": lambda torch, a: (3, None),
    "number_with_dim": lambda torch, a: (3, 0),
}


@variants(**RETURNS)
def p_returns_of_the_rule(torch: Any, value: Any) -> list[Any]:
    cube = _with_rule(torch, lambda info, in_dims, a: value(torch, a))
    found: list[Any] = []
    error = raises(lambda: found.append(torch.func.vmap(cube.apply)(_x(torch))))
    return [error, *found]


def _two(torch: Any, out_dims: Any) -> Any:
    class Two(torch.autograd.Function):
        @staticmethod
        def forward(a: Any, factor: Any, word: Any) -> Any:
            return a * factor, a + factor

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            ctx.factor = inputs[1]

        @staticmethod
        def backward(ctx: Any, g: Any, h: Any) -> Any:
            return g * ctx.factor + h, None, None

        @staticmethod
        def vmap(info: Any, in_dims: Any, a: Any, factor: Any, word: Any) -> Any:
            assert in_dims == (0, None, None)
            assert (factor, word) == (3.0, "s")
            return (a * factor, a + factor), out_dims

    return Two


@variants(one=0, two=(0, 0), list=[0, 0], three=(0, 0, 0), none=None, mixed=(0, None))
def p_several_results(torch: Any, out_dims: Any) -> list[Any]:
    two = _two(torch, out_dims)
    found: list[Any] = []

    def call() -> None:
        found.extend(
            torch.func.vmap(lambda a: tuple(r.sum(-1) for r in two.apply(a, 3.0, "s")))(_x(torch))
        )

    return [raises(call), *found]


def p_containers_among_the_arguments(torch: Any) -> list[Any]:
    seen: list[Any] = []

    def rule(info: Any, in_dims: Any, a: Any, pair: Any) -> Any:
        seen.append([in_dims, a.shape, pair[0].shape, pair[1]])
        return a * pair[0], 0

    class Times(torch.autograd.Function):
        @staticmethod
        def forward(a: Any, pair: Any) -> Any:
            return a * pair[0]

        @staticmethod
        def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
            pass

    Times.vmap = staticmethod(rule)
    return [torch.func.vmap(lambda a: Times.apply(a, [a, 1]))(_x(torch)), *seen]


def _square_rule(torch: Any) -> Any:
    cube = _with_rule(torch, lambda info, in_dims, a: (cube.apply(a.movedim(in_dims[0], 0)), 0))
    return cube


def _generated(torch: Any) -> Any:
    return _cube(torch, generate_vmap_rule=True)


@variants(rule=_square_rule, generated=_generated)
def p_gradients(torch: Any, make: Any) -> list[Any]:
    cube, x = make(torch), _x(torch)
    leaf = _x(torch).requires_grad_()
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    func = torch.func

    def total(a: Any) -> Any:
        return cube.apply(a).sum()

    first = torch.autograd.grad(func.vmap(cube.apply)(leaf).sum(), leaf, create_graph=True)[0]
    return [
        func.vmap(func.grad(total))(x),
        func.vmap(func.grad(lambda a: func.grad(total)(a).sum()))(x),
        first.detach(),
        *torch.autograd.grad(first.sum(), leaf),
        *torch.autograd.grad(func.vmap(lambda a: cube.apply(a * w).sum())(x).sum(), w),
        func.vmap(func.vmap(func.grad(lambda a: cube.apply(a))))(x),
        func.vmap(lambda a: func.jvp(cube.apply, (a,), (torch.ones(2),))[1])(x),
        func.jvp(func.vmap(cube.apply), (x,), (torch.ones(3, 2),))[1],
        func.vmap(func.jacrev(cube.apply))(x),
    ]


def p_keywords(torch: Any) -> list[Any]:
    cube = _generated(torch)
    return [torch.func.vmap(lambda a: cube.apply(a=a))(_x(torch))]


def p_the_default_rule(torch: Any) -> list[Any]:
    return [raises(lambda: torch.autograd.Function.vmap(1, 2))]


@differs("a Function without a rule computes with batched tensors here")
def p_without_a_rule(torch: Any) -> list[Any]:
    return [torch.func.vmap(_cube(torch).apply)(_x(torch))]


@differs("a Function of the older style is not refused here")
def p_older_style(torch: Any) -> list[Any]:
    class Old(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: Any) -> Any:
            ctx.save_for_backward(a)
            return a * a

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (a,) = ctx.saved_tensors
            return 2 * a * g

    return [torch.func.vmap(Old.apply)(_x(torch))]
