"""Jacobians, Hessians, gradients per sample: ``python -m benchmarks.derivatives [--quick]``.

In: nothing. Out: a table of times, ratios and peaks. Every function is one text for all libraries
(``xp`` is ``torch``, ``adjoint``, ``autograd.numpy`` or ``jax.numpy``), and every library has its
ways, each measured for itself: the ratio that counts is to the fastest of them. All compute in
float64, as HIPS autograd does. ``torch.compile`` is left out: this is about eager programs.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import report
from benchmarks.cli import main
from benchmarks.harness import BUILT, FLOOR, HIPS, JAX, OURS, REFERENCE, Build, Case, Step
from benchmarks.written_out import (
    elementwise_jacobian,
    layer_jacobian,
    per_sample_gradients,
    residual_jacobian,
    rosenbrock_hessian,
    rosenbrock_product,
)

SIDES = (OURS, BUILT, REFERENCE, HIPS, JAX, FLOOR)
TARGETS = {REFERENCE: 3.0, HIPS: 10.0}

Function = Callable[[Any], Any]
Problem = Callable[[Any, Callable[[Any], Any]], tuple[Function, Any]]
Use = Callable[[Any, Function, Any], Step]


# ---- the functions; each with the point at which it is differentiated


def numbers(*shape: int) -> Any:
    """Return the same normal numbers for every library."""
    return np.random.default_rng(0).standard_normal(shape)


def layer(size: int) -> Problem:
    """A layer of a network: R^size to R^size, a dense Jacobian."""

    def problem(xp: Any, array: Any) -> tuple[Function, Any]:
        weight = array(numbers(size, size) / size**0.5)
        return lambda x: xp.tanh(weight @ x), array(numbers(size))

    return problem


def rosenbrock(size: int) -> Problem:
    """Rosenbrock's function in the form that couples neighbours: a tridiagonal Hessian."""

    def problem(xp: Any, array: Any) -> tuple[Function, Any]:
        def f(x: Any) -> Any:
            return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()

        return f, array(numbers(size))

    return problem


def extended_rosenbrock(size: int) -> Problem:
    """Rosenbrock's function of pairs: blocks of 2 x 2 in the Hessian."""

    def problem(xp: Any, array: Any) -> tuple[Function, Any]:
        def f(x: Any) -> Any:
            return (100 * (x[1::2] - x[::2] ** 2) ** 2 + (1 - x[::2]) ** 2).sum()

        return f, array(numbers(size))

    return problem


def elementwise(size: int) -> Problem:
    """A function of each element for itself: a diagonal Jacobian, which nobody was told."""

    def problem(xp: Any, array: Any) -> tuple[Function, Any]:
        return lambda x: xp.sin(x) * x, array(numbers(size))

    return problem


def residual(size: int) -> Problem:
    """A discretised boundary value problem, u'' = u^3: a tridiagonal Jacobian."""

    def problem(xp: Any, array: Any) -> tuple[Function, Any]:
        edge = array(np.zeros(1))

        def f(u: Any) -> Any:
            whole = xp.concatenate([edge, u, edge])
            return whole[2:] - 2 * u + whole[:-2] - u**3

        return f, array(numbers(size))

    return problem


def laplace(side: int) -> Problem:
    """The five-point Laplacian on a square grid with a cubic term: five diagonals."""

    def problem(xp: Any, array: Any) -> tuple[Function, Any]:
        def f(u: Any) -> Any:
            inner = u[1:-1, 1:-1]
            around = u[2:, 1:-1] + u[:-2, 1:-1] + u[1:-1, 2:] + u[1:-1, :-2]
            return around - 4 * inner - inner**3

        return f, array(numbers(side, side))

    return problem


# ---- libraries and their ways


def door(lib: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Return what a function computes with, and how an array of NumPy becomes one of ``lib``."""
    if lib.__name__ == "autograd":
        import autograd.numpy

        return autograd.numpy, np.asarray
    if lib.__name__ == "jax":
        import jax.numpy

        lib.config.update("jax_enable_x64", True)
        return jax.numpy, jax.numpy.asarray
    return lib, getattr(lib, "as_tensor", np.asarray)


def way(problem: Problem, use: Use) -> Build:
    """Return what makes the step of one way: ``use(lib, f, x)``."""

    def build(lib: Any) -> Step:
        return use(lib, *problem(*door(lib)))

    return build


def waited(step: Step) -> Step:
    """Return the step with its result waited for: JAX hands out promises."""
    return lambda: step().block_until_ready()


def planned(prepare: str, **options: Any) -> Use:
    """Return the way of a plan: made once, evaluated in the step."""

    def use(lib: Any, f: Function, x: Any) -> Step:
        plan = getattr(lib, prepare)(f, x, **options)
        return lambda: plan(x)

    return use


def jacobians(problem: Problem, by_hand: Build) -> dict[str, dict[str, Build]]:
    """Return every library's ways to a Jacobian."""

    def functional(lib: Any, **options: Any) -> Callable[[Function, Any], Step]:
        compute = lib.autograd.functional.jacobian
        return lambda f, x: lambda: compute(f, x, **options)

    forward = {"vectorize": True, "strategy": "forward-mode"}
    ours: dict[str, Use] = {
        "jacobian": lambda lib, f, x: lambda: lib.jacobian(f, x),
        "plan": planned("prepare_jacobian"),
    }
    torch: dict[str, Use] = {
        "func.jacrev": lambda lib, f, x: lambda: lib.func.jacrev(f)(x),
        "func.jacfwd": lambda lib, f, x: lambda: lib.func.jacfwd(f)(x),
        "functional, vectorized": lambda lib, f, x: functional(lib, vectorize=True)(f, x),
        "functional, forward": lambda lib, f, x: functional(lib, **forward)(f, x),
        "functional, loop": lambda lib, f, x: functional(lib)(f, x),
    }
    hips: dict[str, Use] = {"jacobian": lambda lib, f, x: lambda: lib.jacobian(f)(x)}
    jax: dict[str, Use] = {
        "jit(jacrev)": lambda lib, f, x: with_jit(lib, lib.jacrev(f), x),
        "jit(jacfwd)": lambda lib, f, x: with_jit(lib, lib.jacfwd(f), x),
    }
    return made(problem, {OURS: ours, REFERENCE: torch, HIPS: hips, JAX: jax}, by_hand)


def with_jit(lib: Any, derivative: Callable[..., Any], *arguments: Any) -> Step:
    """Return the step of a derivative that JAX compiles once."""
    compiled = lib.jit(derivative)
    return waited(lambda: compiled(*arguments))


def made(
    problem: Problem, uses: dict[str, dict[str, Use]], by_hand: Build | None = None
) -> dict[str, dict[str, Build]]:
    """Return the builders of ways by side and name; ``by_hand``: the floor."""
    found = {
        side: {name: way(problem, use) for name, use in ways.items()} for side, ways in uses.items()
    }
    return found if by_hand is None else {**found, FLOOR: {"": by_hand}}


def hessians(problem: Problem, by_hand: Build) -> dict[str, dict[str, Build]]:
    """Return every library's ways to a Hessian."""

    def functional(**options: Any) -> Use:
        def use(lib: Any, f: Function, x: Any) -> Step:
            return lambda: lib.autograd.functional.hessian(f, x, **options)

        return use

    ours: dict[str, Use] = {
        "hessian": lambda lib, f, x: lambda: lib.hessian(f, x),
        "plan": planned("prepare_hessian"),
        "plan, sparse": planned("prepare_hessian", sparse=True),
    }
    torch: dict[str, Use] = {
        "func.hessian": lambda lib, f, x: lambda: lib.func.hessian(f)(x),
        "jacrev(jacrev)": lambda lib, f, x: lambda: lib.func.jacrev(lib.func.jacrev(f))(x),
        "functional, vectorized": functional(vectorize=True),
        "functional, forward": functional(vectorize=True, outer_jacobian_strategy="forward-mode"),
        "functional, loop": functional(),
    }
    hips: dict[str, Use] = {"hessian": lambda lib, f, x: lambda: lib.hessian(f)(x)}
    jax: dict[str, Use] = {"jit(hessian)": lambda lib, f, x: with_jit(lib, lib.hessian(f), x)}
    return made(problem, {OURS: ours, REFERENCE: torch, HIPS: hips, JAX: jax}, by_hand)


def products(problem: Problem, by_hand: Build) -> dict[str, dict[str, Build]]:
    """Return every library's ways to the product of a Hessian with a vector."""

    def direction(lib: Any, x: Any) -> Any:
        return door(lib)[1](numbers(2, len(x))[1])

    def ours(lib: Any, f: Function, x: Any) -> Step:
        v = direction(lib, x)
        return lambda: lib.hvp(f, x, v)

    def plan(lib: Any, f: Function, x: Any) -> Step:
        v, prepared = direction(lib, x), lib.prepare_hvp(f, x)
        return lambda: prepared(x, v)

    def at(lib: Any, f: Function, x: Any) -> Step:
        v, times = direction(lib, x), lib.prepare_hvp(f, x).at(x)
        return lambda: times(v)

    def forward(lib: Any, f: Function, x: Any) -> Step:
        v = direction(lib, x)
        return lambda: lib.func.jvp(lib.func.grad(f), (x,), (v,))[1]

    def functional(name: str) -> Use:
        def use(lib: Any, f: Function, x: Any) -> Step:
            v = direction(lib, x)
            return lambda: getattr(lib.autograd.functional, name)(f, x, v)[1]

        return use

    def twice(lib: Any, f: Function, x: Any) -> Step:
        v, grad = direction(lib, x), lib.autograd.grad

        def step() -> Any:
            point = x.detach().requires_grad_()
            (first,) = grad(f(point), point, create_graph=True)
            return grad(first, point, v)[0]

        return step

    def hips(lib: Any, f: Function, x: Any) -> Step:
        v, product = direction(lib, x), lib.hessian_vector_product(f)
        return lambda: product(x, v)

    def hips_prepared(lib: Any, f: Function, x: Any) -> Step:
        v, product = direction(lib, x), lib.make_hvp(f)
        return lambda: product(x)[0](v)

    def jax(lib: Any, f: Function, x: Any) -> Step:
        def product(x: Any, v: Any) -> Any:
            return lib.jvp(lib.grad(f), (x,), (v,))[1]

        return with_jit(lib, product, x, direction(lib, x))

    uses: dict[str, dict[str, Use]] = {
        OURS: {"hvp": ours, "plan": plan, "plan, at one point": at},
        REFERENCE: {
            "jvp(grad)": forward,
            "functional.hvp": functional("hvp"),
            "functional.vhp": functional("vhp"),
            "grad of grad": twice,
        },
        HIPS: {"hessian_vector_product": hips, "make_hvp": hips_prepared},
        JAX: {"jit(jvp(grad))": jax},
    }
    return made(problem, uses, by_hand)


# ---- gradients per sample


def batch(sizes: tuple[int, int, int], count: int) -> tuple[list[Any], Any, Any]:
    """Return weights and biases of two layers, inputs and classes, as arrays."""
    draw = np.random.default_rng(0)
    parameters = []
    for i, o in ((sizes[0], sizes[1]), (sizes[1], sizes[2])):
        parameters += [draw.standard_normal((o, i)) / i**0.5, draw.standard_normal(o) / 10]
    return parameters, draw.standard_normal((count, sizes[0])), draw.integers(0, sizes[2], count)


def network(lib: Any, sizes: tuple[int, int, int], count: int) -> tuple[Any, Any, Any]:
    """Return a model of `nn` with these parameters, and the batch, as tensors."""
    arrays, x, y = batch(sizes, count)
    nn = lib.nn
    model = nn.Sequential(
        nn.Linear(sizes[0], sizes[1]), nn.Tanh(), nn.Linear(sizes[1], sizes[2])
    ).double()
    with lib.no_grad():
        for parameter, array in zip(model.parameters(), arrays):
            parameter.copy_(lib.as_tensor(array))
    return model, lib.as_tensor(x), lib.as_tensor(y)


def samples(sizes: tuple[int, int, int], count: int) -> dict[str, dict[str, Build]]:
    """Return every library's ways to the gradient of each sample's loss."""

    def ours(lib: Any) -> Step:
        model, x, y = network(lib, sizes, count)
        parameters, cross_entropy = list(model.parameters()), lib.nn.functional.cross_entropy

        def step() -> Any:
            losses = cross_entropy(model(x), y, reduction="none")
            return lib.grad(losses, parameters, per_sample=True)

        return step

    def functional(lib: Any) -> Step:
        model, x, y = network(lib, sizes, count)
        parameters = {name: p.detach() for name, p in model.named_parameters()}
        call, cross_entropy = lib.func.functional_call, lib.nn.functional.cross_entropy

        def loss(parameters: Any, x: Any, y: Any) -> Any:
            return cross_entropy(call(model, parameters, (x[None],)), y[None])

        gradients = lib.func.vmap(lib.func.grad(loss), in_dims=(None, 0, 0))
        return lambda: list(gradients(parameters, x, y).values())

    def rows(lib: Any) -> Step:
        model, x, y = network(lib, sizes, count)
        parameters, units = list(model.parameters()), lib.eye(count, dtype=lib.float64)
        cross_entropy = lib.nn.functional.cross_entropy

        def step() -> Any:
            losses = cross_entropy(model(x), y, reduction="none")
            return lib.autograd.grad(losses, parameters, units, is_grads_batched=True)

        return step

    def loop(lib: Any) -> Step:
        model, x, y = network(lib, sizes, count)
        parameters, cross_entropy = list(model.parameters()), lib.nn.functional.cross_entropy

        def step() -> Any:
            found = [
                lib.autograd.grad(cross_entropy(model(x[i : i + 1]), y[i : i + 1]), parameters)
                for i in range(count)
            ]
            return [lib.stack(column) for column in zip(*found)]

        return step

    def by_hand(xp: Any, parameters: Any, x: Any, y: Any) -> Any:
        w1, b1, w2, b2 = parameters
        scores = xp.tanh(x @ w1.T + b1) @ w2.T + b2
        top = xp.max(scores, axis=-1, keepdims=True)
        return xp.log(xp.sum(xp.exp(scores - top), axis=-1)) + (top - scores)[xp.arange(len(x)), y]

    def hips(lib: Any) -> Step:
        xp, (arrays, x, y) = door(lib)[0], batch(sizes, count)
        gradient = lib.grad(lambda p, x, y: by_hand(xp, p, x, y)[0])

        def step() -> Any:
            found = [gradient(arrays, x[i : i + 1], y[i : i + 1]) for i in range(count)]
            return [np.stack(column) for column in zip(*found)]

        return step

    def hips_rows(lib: Any) -> Step:
        xp, (arrays, x, y) = door(lib)[0], batch(sizes, count)
        losses = [
            lib.jacobian(lambda p, k=k: by_hand(xp, [*arrays[:k], p, *arrays[k + 1 :]], x, y))
            for k in range(4)
        ]
        return lambda: [jacobian(p) for jacobian, p in zip(losses, arrays)]

    def jax(lib: Any) -> Step:
        (xp, array), (arrays, x, y) = door(lib), batch(sizes, count)

        def loss(p: Any, x: Any, y: Any) -> Any:
            return by_hand(xp, p, x[None], y[None])[0]

        compiled = lib.jit(lib.vmap(lib.grad(loss), in_axes=(None, 0, 0)))
        arguments = [array(p) for p in arrays], array(x), array(y)
        return lambda: lib.block_until_ready(compiled(*arguments))

    return {
        OURS: {"grad, per_sample": ours},
        REFERENCE: {"vmap(grad)": functional, "is_grads_batched": rows, "loop": loop},
        HIPS: {"loop of grad": hips, "jacobian": hips_rows},
        JAX: {"jit(vmap(grad))": jax},
        FLOOR: {"": lambda lib: per_sample_gradients(*batch(sizes, count))},
    }


# ---- large sparse matrices: adjoint alone, for seconds and memory


def scaled(prepare: str, problem: Problem) -> dict[str, dict[str, Build]]:
    """Return the ways of a sparse plan: making it, and evaluating it."""

    def making(lib: Any, f: Function, x: Any) -> Step:
        return lambda: getattr(lib, prepare)(f, x, sparse=True).pattern

    return made(problem, {OURS: {"prepare": making, "plan": planned(prepare, sparse=True)}})


def detection(problem: Problem) -> dict[str, dict[str, Build]]:
    """Return the ways to a pattern alone."""

    def use(lib: Any, f: Function, x: Any) -> Step:
        from adjoint.sparse import detect_jacobian

        return lambda: detect_jacobian(f, x)

    return made(problem, {OURS: {"detect_jacobian": use}})


# ---- comparing


def digest(result: Any) -> float | None:
    """Return a number that depends on every entry and its place; None for a mere pattern."""
    if isinstance(result, list | tuple):
        return sum(found for part in result if (found := digest(part)) is not None)
    if hasattr(result, "indptr"):
        if getattr(result, "dtype", np.dtype(bool)).kind == "b":
            return None
        rows = np.repeat(np.arange(result.shape[0]), np.diff(result.indptr))
        return float(result.data @ (np.cos(rows) * np.sin(1.0 + result.indices)))
    array = np.asarray(result.detach() if hasattr(result, "detach") else result)
    if array.ndim == 1:
        return float(array @ np.sin(1.0 + np.arange(array.size)))
    array = array.reshape(len(array), -1)
    return float(
        np.cos(np.arange(array.shape[0])) @ array @ np.sin(1.0 + np.arange(array.shape[1]))
    )


def case(name: str, ways: dict[str, dict[str, Build]], **rest: Any) -> Case:
    """Return a case that is compared entry by entry."""
    return Case(name, ways=ways, memory=True, digest=digest, **rest)


def scale_cases(count: int, side: int, detected: int) -> list[Case]:
    """Return the large cases, for so many variables, points on a side, variables to detect."""
    return [
        case(
            f"tridiagonal Jacobian, n = {count:,}",
            scaled("prepare_jacobian", residual(count)),
            rounds=5,
        ),
        case(
            f"five-point Laplacian, {side} x {side}",
            scaled("prepare_jacobian", laplace(side)),
            rounds=5,
        ),
        case(
            f"Hessian, extended Rosenbrock, n = {count:,}",
            scaled("prepare_hessian", extended_rosenbrock(count)),
            rounds=5,
        ),
        case(f"detection, n = {detected:,}", detection(residual(detected)), rounds=5),
    ]


def small_cases(size: int, large: int, sizes: tuple[int, int, int], count: int) -> list[Case]:
    """Return the cases that are compared, for dense and for structured sizes, and a network."""
    structured = jacobians(residual(large), residual_jacobian(numbers(large)))
    structured[OURS]["plan, sparse"] = way(
        residual(large), planned("prepare_jacobian", sparse=True)
    )
    structured_targets = {REFERENCE: 30.0, HIPS: 10.0}
    return [
        case(
            f"Jacobian, tanh(W x), n = {size}",
            jacobians(layer(size), layer_jacobian(numbers(size, size) / size**0.5, numbers(size))),
            targets=TARGETS,
        ),
        case(
            f"Hessian, Rosenbrock, n = {size}",
            hessians(rosenbrock(size), rosenbrock_hessian(numbers(size))),
            targets=TARGETS,
        ),
        case(
            f"Hessian times vector, n = {large}",
            products(rosenbrock(large), rosenbrock_product(numbers(large), numbers(2, large)[1])),
            targets=TARGETS,
        ),
        case(
            f"gradients per sample, MLP {'-'.join(map(str, sizes))}, batch {count}",
            samples(sizes, count),
            targets=TARGETS,
        ),
        case(
            f"Jacobian, sin(x) x, n = {large}",
            jacobians(elementwise(large), elementwise_jacobian(numbers(large))),
            targets=TARGETS,
        ),
        case(f"Jacobian, tridiagonal, n = {large}", structured, targets=structured_targets),
    ]


CASES = [
    *small_cases(50, 1000, (64, 64, 10), 64),
    *scale_cases(1_000_000, 1000, 100_000),
]

if __name__ == "__main__":
    main(
        "benchmarks.derivatives",
        CASES,
        "Jacobians, Hessians and gradients per sample against PyTorch and HIPS autograd.",
        sides=SIDES,
        layout=report.WAYS,
        place="derivatives",
    )
