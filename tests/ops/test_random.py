"""Random tensors by themselves: graph, memory, state; the numbers are compared in torch_parity."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

import adjoint
from adjoint.array import random as stream
from adjoint.ops import random, random_inplace, random_sampling
from adjoint.ops.create import tensor, zeros

METHODS = [
    ("uniform_", ()),
    ("normal_", (1.0, 2.0)),
    ("bernoulli_", (0.3,)),
    ("bernoulli_", (tensor([0.3, 0.9]),)),
    ("exponential_", ()),
    ("cauchy_", ()),
    ("log_normal_", ()),
    ("geometric_", (0.4,)),
    ("random_", ()),
    ("random_", (5,)),
    ("random_", (2, 5)),
]


def call(name: str, x: Any, *arguments: Any, **keyword: Any) -> Any:
    return getattr(random_inplace, name)(x, *arguments, **keyword)


def test_known_numbers() -> None:
    random.manual_seed(0)
    assert repr(random.randn(3)) == "tensor([ 1.5410, -0.2934, -2.1788])"
    random.manual_seed(0)
    assert repr(random.rand(2)) == "tensor([0.4963, 0.7682])"
    random.manual_seed(0)
    assert random.randint(10, (5,)).tolist() == [4, 9, 3, 0, 3]


def test_there_is_one_default_generator() -> None:
    assert random.default_generator is stream.default_generator
    random.manual_seed(5)
    first = stream.uniform(stream.default_generator, (2,), tensor(1.0)._desc.numpy).tolist()
    random.manual_seed(5)
    assert random.rand(2).tolist() == first
    assert random.initial_seed() == 5
    assert random.seed() == random.initial_seed()


def test_states_are_tensors_of_bytes() -> None:
    random.manual_seed(1)
    state = random.get_rng_state()
    assert (state.dtype, tuple(state.shape)) == (adjoint.uint8, (5056,))
    drawn = random.randn(20).tolist()
    random.set_rng_state(state)
    assert random.randn(20).tolist() == drawn
    generator = random.Generator()
    assert generator.set_state(state) is generator
    assert random.randn(20, generator=generator).tolist() == drawn


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda g: pickle.loads(pickle.dumps(g))])
def test_copies_of_generators(copied: Any) -> None:
    generator = random.Generator().manual_seed(2)
    random.randn(1, generator=generator)
    twin = copied(generator)
    assert type(twin) is random.Generator
    assert random.randn(3, generator=twin).tolist() == random.randn(3, generator=generator).tolist()
    clone = generator.clone_state()
    assert random.rand(3, generator=clone).tolist() == random.rand(3, generator=generator).tolist()


def test_fork_rng_leaves_no_trace() -> None:
    random.manual_seed(3)
    wanted = [random.rand(2).tolist(), random.rand(2).tolist()]
    random.manual_seed(3)
    got = [random.rand(2).tolist()]
    with random.fork_rng():
        random.manual_seed(99)
        random.rand(5)
    got.append(random.rand(2).tolist())
    assert got == wanted


@pytest.mark.parametrize(("name", "arguments"), METHODS)
def test_methods_return_their_tensor_and_count_the_write(name: str, arguments: Any) -> None:
    x = zeros(3, 2)
    assert call(name, x, *arguments) is x
    assert x._version == 1
    scalar = zeros(())
    if arguments and isinstance(arguments[0], adjoint.Tensor):
        return
    assert call(name, scalar, *arguments) is scalar
    assert scalar._version == 1


@pytest.mark.parametrize(("name", "arguments"), METHODS)
def test_a_refused_call_draws_nothing(name: str, arguments: Any) -> None:
    x = zeros(2, requires_grad=True)
    state = random.get_rng_state().tolist()
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        call(name, x, *arguments)
    assert random.get_rng_state().tolist() == state
    assert x.tolist() == [0, 0]


@pytest.mark.parametrize(("name", "arguments"), METHODS)
def test_nothing_flows_back_to_the_old_values(name: str, arguments: Any) -> None:
    leaf = zeros(3, 2, requires_grad=True)
    x = leaf * 2
    call(name, x, *arguments)
    assert x.grad_fn.name().removesuffix("Backward0")[:4].lower() == name[:4].replace(
        "log_", "logn"
    )
    (x * 3).sum().backward()
    assert leaf.grad.tolist() == [[0, 0], [0, 0], [0, 0]]


def test_a_part_of_a_tensor_is_filled_and_the_rest_keeps_its_history() -> None:
    leaf = zeros(4, requires_grad=True)
    x = leaf * 2
    random_inplace.uniform_(x[1:3])
    x.sum().backward()
    assert x.grad_fn.name().endswith("CopySlices")
    assert leaf.grad.tolist() == [2, 0, 0, 2]


@pytest.mark.parametrize("name", ["uniform_", "normal_", "exponential_", "random_", "log_normal_"])
def test_only_the_view_is_written(name: str) -> None:
    base = zeros(4, 6)
    call(name, base.t()[::2])
    assert base[:, 1::2].tolist() == [[0] * 3] * 4
    assert (base[:, ::2] != 0).all()


def test_methods_write_through_to_numpy() -> None:
    x = zeros(5)
    shared = x.numpy()
    random_inplace.normal_(x)
    assert shared.tolist() == x.tolist() != [0] * 5


@pytest.mark.parametrize(
    "sampled",
    [
        lambda p: random_sampling.bernoulli(p),
        lambda p: random_sampling.normal(p, 1.0),
        lambda p: random_sampling.normal(0.0, p),
        lambda p: random_sampling.normal(p, p),
        lambda p: random_sampling.poisson(p),
    ],
)
def test_gradients_of_samples_are_zeros(sampled: Any) -> None:
    p = tensor([0.5, 0.25, 1.0], requires_grad=True)
    drawn = sampled(p)
    assert drawn.requires_grad
    drawn.sum().backward()
    assert p.grad.tolist() == [0, 0, 0]


def test_out_takes_shape_and_values() -> None:
    out = zeros(3)
    before = out.numpy()
    random.manual_seed(4)
    assert random.rand(3, out=out) is out
    random.manual_seed(4)
    assert before.tolist() == random.rand(3).tolist()
    grown = zeros(0)
    assert random.randn(2, 2, out=grown) is grown
    assert tuple(grown.shape) == (2, 2)
    places = zeros(0, dtype=adjoint.int64)
    random_sampling.multinomial(tensor([1.0, 2.0]), 5, True, out=places)
    assert tuple(places.shape) == (5,)


def test_like_keeps_the_order_of_memory() -> None:
    x = zeros(3, 4).t()
    for like in (random.rand_like, random.randn_like, lambda x: random.randint_like(x, 9)):
        assert like(x).stride() == (1, 4)
        assert tuple(like(x).shape) == (4, 3)


def test_size_by_keyword_and_unknown_keywords() -> None:
    assert tuple(random.rand(size=(2, 3)).shape) == (2, 3)
    with pytest.raises(TypeError, match="unexpected keyword argument 'sizes'"):
        random.rand(sizes=(2, 3))
    with pytest.raises(TypeError, match="multiple values"):
        random.rand(2, size=(2, 3))
    with pytest.raises(TypeError, match=r"rand\(\): argument 'generator' must be torch.Generator"):
        random.rand(2, generator=3)  # type: ignore[arg-type]


def test_bounds_by_keyword() -> None:
    x = random_inplace.uniform_(zeros(100), **{"from": 5.0, "to": 6.0})
    assert 5 <= min(x.tolist()) <= max(x.tolist()) < 6
    y = random_inplace.random_(zeros(100), **{"from": 5, "to": 7})
    assert set(y.tolist()) == {5, 6}
    with pytest.raises(TypeError, match="unexpected keyword argument 'low'"):
        random_inplace.uniform_(x, low=1)


def test_numbers_that_are_tensors_or_numpys() -> None:
    x = random_inplace.normal_(zeros(50), tensor(100.0), 0.5)
    assert min(x.tolist()) > 50
    with pytest.raises(TypeError, match="must be float, not complex"):
        random_inplace.normal_(x, 1j)  # type: ignore[arg-type]
