"""Programs on random numbers inside ``vmap``: refused, different for each sample, or the same."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, raises, variants

MODES = ("error", "different", "same")


def _tried(torch: Any, draw: Any, *inputs: Any, **options: Any) -> list[Any]:
    """What `vmap` of ``draw`` gives in each mode, and where the stream is afterwards."""
    seen: list[Any] = []
    for mode in MODES:
        torch.manual_seed(0)
        found: list[Any] = []

        def call(mode: str = mode, found: list[Any] = found) -> None:
            found.append(torch.func.vmap(draw, randomness=mode, **options)(*inputs))

        seen += [raises(call), *found, torch.rand(2)]
    return seen


def _x(torch: Any) -> Any:
    return torch.arange(3.0)


DRAWS = {
    "rand": lambda torch, a: torch.rand(2),
    "rand_number": lambda torch, a: torch.rand(()),
    "randn": lambda torch, a: torch.randn(2),
    "randn_many": lambda torch, a: torch.randn(7),
    "randn_double": lambda torch, a: torch.randn(3, dtype=torch.float64),
    "randint": lambda torch, a: torch.randint(0, 10, (2,)),
    "randint_high": lambda torch, a: torch.randint(10, (2,)),
    "randperm": lambda torch, a: torch.randperm(5),
    "rand_like": lambda torch, a: torch.rand_like(a),
    "rand_like_shared": lambda torch, a: torch.rand_like(torch.ones(2)),
    "rand_like_turned": lambda torch, a: torch.rand_like(torch.ones(2, 3).t()),
    "randn_like": lambda torch, a: torch.randn_like(a),
    "randint_like": lambda torch, a: torch.randint_like(a, 3, 10),
    "normal_numbers": lambda torch, a: torch.normal(0.0, 1.0, (2,)),
    "normal_mean": lambda torch, a: torch.normal(a, 1.0),
    "normal_std": lambda torch, a: torch.normal(0.0, a + 1),
    "normal_both": lambda torch, a: torch.normal(a, a + 1),
    "normal_wide": lambda torch, a: torch.normal(a.expand(2), torch.ones(2)),
    "normal_shared": lambda torch, a: torch.normal(torch.zeros(2), torch.ones(2)),
    "bernoulli": lambda torch, a: torch.bernoulli(a * 0.4),
    "bernoulli_shared": lambda torch, a: torch.bernoulli(torch.ones(4) * 0.5),
    "bernoulli_p": lambda torch, a: torch.bernoulli(a, 0.5),
    "bernoulli_p_shared": lambda torch, a: torch.bernoulli(torch.ones(4), 0.5),
    "multinomial": lambda torch, a: torch.multinomial(a + torch.tensor([0.1, 0.5, 0.4]), 2),
    "multinomial_again": lambda torch, a: torch.multinomial(a + torch.tensor([1.0, 5.0]), 5, True),
    "multinomial_rows": lambda torch, a: torch.multinomial(a + torch.ones(2, 3), 2),
    "multinomial_shared": lambda torch, a: torch.multinomial(torch.tensor([0.1, 0.5, 0.4]), 2),
    "poisson": lambda torch, a: torch.poisson(a + 1),
    "poisson_shared": lambda torch, a: torch.poisson(torch.ones(2)),
    "binomial": lambda torch, a: torch.binomial(torch.full((2,), 5.0), (a / 4).expand(2)),
    "dropout": lambda torch, a: torch.nn.functional.dropout(a + torch.ones(4)),
    "dropout_shared": lambda torch, a: torch.nn.functional.dropout(torch.ones(4)),
    "dropout_none": lambda torch, a: torch.nn.functional.dropout(a + torch.ones(4), 0.0),
    "dropout_all": lambda torch, a: torch.nn.functional.dropout(a + torch.ones(4), 1.0),
    "dropout_off": lambda torch, a: torch.nn.functional.dropout(a + torch.ones(4), training=False),
    "dropout_channels": lambda torch, a: torch.nn.functional.dropout1d(a + torch.ones(4, 2)),
    "dropout_images": lambda torch, a: torch.nn.functional.dropout2d(a + torch.ones(4, 2, 2, 2)),
    "dropout_module": lambda torch, a: torch.nn.Dropout(0.3)(a + torch.ones(4)),
    "uniform_": lambda torch, a: (a + torch.zeros(2)).uniform_(),
    "uniform_range": lambda torch, a: (a + torch.zeros(2)).uniform_(-1, 3),
    "uniform_shared": lambda torch, a: torch.zeros(2).uniform_(),
    "normal_": lambda torch, a: (a + torch.zeros(2)).normal_(1, 2),
    "bernoulli_": lambda torch, a: (a + torch.zeros(2)).bernoulli_(0.5),
    "bernoulli_tensor": lambda torch, a: (a + torch.zeros(2)).bernoulli_(torch.full((2,), 0.5)),
    "bernoulli_batched": lambda torch, a: (a + torch.zeros(2)).bernoulli_((a * 0.4).expand(2)),
    "bernoulli_room": lambda torch, a: torch.zeros(2).bernoulli_(torch.full((2,), 0.5)),
    "random_": lambda torch, a: (a + torch.zeros(2)).random_(),
    "random_to": lambda torch, a: (a + torch.zeros(2)).random_(10),
    "random_between": lambda torch, a: (a + torch.zeros(2)).random_(3, 10),
    "exponential_": lambda torch, a: (a + torch.zeros(2)).exponential_(),
    "cauchy_": lambda torch, a: (a + torch.zeros(2)).cauchy_(),
    "log_normal_": lambda torch, a: (a + torch.zeros(2)).log_normal_(),
    "geometric_": lambda torch, a: (a + torch.zeros(2)).geometric_(0.5),
    "xavier": lambda torch, a: torch.nn.init.xavier_uniform_(a + torch.zeros(2, 2)),
    "xavier_shared": lambda torch, a: torch.nn.init.xavier_uniform_(torch.zeros(2, 2)),
    "kaiming": lambda torch, a: torch.nn.init.kaiming_normal_(a + torch.zeros(2, 2)),
    "orthogonal": lambda torch, a: torch.nn.init.orthogonal_(a + torch.zeros(2, 2)),
    "sparse": lambda torch, a: torch.nn.init.sparse_(a + torch.zeros(2, 2), 0.5),
    "layer": lambda torch, a: torch.nn.Linear(1, 2)(a[None]),
    "generator": lambda torch, a: torch.randn(2, generator=torch.Generator().manual_seed(1)),
    "seeded": lambda torch, a: (torch.manual_seed(1), torch.rand(2))[1],
    "shuffled": lambda torch, a: (a + torch.arange(4.0))[torch.randperm(4)],
    "recorded": lambda torch, a: torch.rand(2, requires_grad=True).detach(),
    "out": lambda torch, a: torch.rand(2, out=torch.zeros(2)),
    "randint_out": lambda torch, a: torch.randint(3, (2,), out=torch.zeros(2).long()),
    "bernoulli_out": lambda torch, a: torch.bernoulli(a, out=torch.zeros(())),
    "nothing_drawn": lambda torch, a: torch.get_rng_state()[:2],
}


@variants(**DRAWS)
def p_draws(torch: Any, draw: Any) -> list[Any]:
    return _tried(torch, lambda a: draw(torch, a), _x(torch))


@variants(
    rand_like=lambda torch, a: torch.rand_like(a),
    turned=lambda torch, a: torch.randn_like(a.t()),
    uniform_=lambda torch, a: a.clone().uniform_(),
    normal_=lambda torch, a: (a + 0).normal_(),
    bernoulli=lambda torch, a: torch.bernoulli(a + 0.5),
    normal=lambda torch, a: torch.normal(a, 1.0),
    dropout=lambda torch, a: torch.nn.functional.dropout(a + 1),
    inplace=lambda torch, a: torch.nn.functional.dropout(a + 1, inplace=True),
)
def p_order_in_memory(torch: Any, draw: Any) -> list[Any]:
    x = torch.zeros(2, 4, 3)
    return [
        *_tried(torch, lambda a: draw(torch, a), x, in_dims=2),
        *_tried(torch, lambda a: draw(torch, a), x, in_dims=1),
    ]


NESTED = {
    "rand": lambda torch, r, e: torch.rand(2),
    "randn": lambda torch, r, e: torch.randn(2),
    "randperm": lambda torch, r, e: torch.randperm(3),
    "rand_like": lambda torch, r, e: torch.rand_like(e),
    "rand_like_outer": lambda torch, r, e: torch.rand_like(r),
    "bernoulli": lambda torch, r, e: torch.bernoulli(e * 0 + 0.5),
    "bernoulli_outer": lambda torch, r, e: torch.bernoulli(r * 0 + 0.5),
    "uniform_outer": lambda torch, r, e: (r * 0 + torch.zeros(2)).uniform_(),
    "dropout": lambda torch, r, e: torch.nn.functional.dropout(e * 0 + torch.ones(2)),
}


@variants(**NESTED)
def p_two_levels(torch: Any, draw: Any) -> list[Any]:
    x = torch.arange(6.0).view(3, 2)
    seen = []
    for inner in MODES:

        def outer(r: Any, inner: str = inner) -> Any:
            return torch.func.vmap(lambda e: draw(torch, r, e), randomness=inner)(r)

        seen += _tried(torch, outer, x)
    return seen


@variants(
    uniform_=lambda torch, e: (e * 0 + torch.zeros(2)).uniform_(),
    bernoulli=lambda torch, e: torch.bernoulli(e * 0 + 0.5),
)
def p_two_levels_of_which_one_is_hidden(torch: Any, draw: Any) -> list[Any]:
    """The arguments differ along the inner level only."""
    x = torch.arange(6.0).view(3, 2)
    seen = []
    for inner in MODES:

        def outer(r: Any, inner: str = inner) -> Any:
            return torch.func.vmap(lambda e: draw(torch, e), randomness=inner)(torch.zeros(2))

        seen += _tried(torch, outer, x)
    return seen


def p_chunks(torch: Any) -> list[Any]:
    x = torch.arange(5.0)
    return [
        *_tried(torch, lambda a: torch.rand(2) + a, x, chunk_size=2),
        *_tried(torch, lambda a: torch.randn_like(a), x, chunk_size=3),
        *_tried(torch, lambda a: (torch.rand(1), torch.randperm(4)), x, chunk_size=2),
    ]


def p_arguments_of_draws(torch: Any) -> list[Any]:
    x = _x(torch)

    def tried(draw: Any) -> Any:
        return raises(lambda: torch.func.vmap(draw, randomness="different")(x))

    return [
        tried(lambda a: (a + torch.zeros(2)).uniform_(3, 1)),
        tried(lambda a: torch.normal(a, a - 5)),
        tried(lambda a: torch.poisson(a - 5)),
        tried(lambda a: torch.multinomial(a + torch.tensor([-9.0, 1.0]), 1)),
        tried(lambda a: torch.multinomial(a + torch.ones(2, 2, 2), 1)),
        tried(lambda a: torch.rand(2, dtype=torch.int64)),
    ]


@differs("PyTorch loses a level on the way; here two levels of which the inner one shares work")
def p_inner_shares_outer_differs_in_place(torch: Any) -> list[Any]:
    x = torch.zeros(3, 2)
    inner = torch.func.vmap(lambda e: (e + torch.zeros(2)).uniform_(), randomness="same")
    return [torch.func.vmap(inner, randomness="different")(x)]


@differs("probabilities of each sample make room for their numbers")
def p_probabilities_make_room(torch: Any) -> list[Any]:
    draw = torch.func.vmap(
        lambda a: torch.zeros(2).bernoulli_((a * 0.4).expand(2)), randomness="different"
    )
    return [draw(_x(torch))]
