"""Programs on modules and functions of ``nn`` inside ``vmap``."""

from __future__ import annotations

from typing import Any

from tests.torch_parity.harness import differs, raises, variants


def _images(torch: Any) -> Any:
    torch.manual_seed(0)
    return torch.randn(3, 4, 2, 5, 5, dtype=torch.float64)


def _filled(torch: Any, module: Any) -> Any:
    """A module in double precision whose parameters are numbers in steps."""
    module = module.double()
    with torch.no_grad():
        for k, p in enumerate(module.parameters()):
            p.copy_(torch.linspace(-0.5, 0.7 + k / 10, p.numel()).view(p.shape))
    return module


MODULES = {
    "conv": lambda nn: nn.Conv2d(2, 3, 3),
    "conv_strided": lambda nn: nn.Conv2d(2, 4, 3, stride=2, padding=1, groups=2),
    "conv_transposed": lambda nn: nn.ConvTranspose2d(2, 3, 3),
    "max_pool": lambda nn: nn.MaxPool2d(2),
    "avg_pool": lambda nn: nn.AvgPool2d(2),
    "adaptive": lambda nn: nn.AdaptiveAvgPool2d(2),
    "linear": lambda nn: nn.Linear(5, 3),
    "layer_norm": lambda nn: nn.LayerNorm(5),
    "layer_norm_two": lambda nn: nn.LayerNorm((5, 5)),
    "group_norm": lambda nn: nn.GroupNorm(2, 2),
    "batch_norm_evaluated": lambda nn: nn.BatchNorm2d(2).eval(),
    "batch_norm_untracked": lambda nn: nn.BatchNorm2d(2, track_running_stats=False),
    "softmax": lambda nn: nn.Softmax(dim=-1),
    "activations": lambda nn: nn.Sequential(nn.Tanh(), nn.GELU(), nn.SiLU(), nn.LeakyReLU(0.1)),
    "flat": lambda nn: nn.Sequential(nn.Flatten(), nn.Linear(50, 2)),
    "network": lambda nn: nn.Sequential(
        nn.Conv2d(2, 4, 3),
        nn.BatchNorm2d(4, track_running_stats=False),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(4, 2),
    ),
}


@variants(**MODULES)
def p_modules(torch: Any, make: Any) -> list[Any]:
    x = _images(torch)
    module = _filled(torch, make(torch.nn))
    vmap, parameters = torch.func.vmap, list(module.parameters())
    leaf = x.clone().requires_grad_()
    y = vmap(module)(leaf)
    gradients = torch.autograd.grad((y * y).sum(), (leaf, *parameters))
    return [y.detach(), *gradients, vmap(module, in_dims=1, out_dims=1)(x).detach()]


@variants(
    one_sample=lambda nn: nn.Conv2d(2, 3, 3),
    embedding=lambda nn: nn.Embedding(5, 3),
)
def p_without_a_batch(torch: Any, make: Any) -> list[Any]:
    module = _filled(torch, make(torch.nn))
    x = _images(torch)[:, 0]
    if isinstance(module, torch.nn.Embedding):
        x = torch.tensor([0, 4, 2])
    return [torch.func.vmap(module)(x).detach()]


def p_parameters_of_each_sample(torch: Any) -> list[Any]:
    x = _images(torch)
    torch.manual_seed(1)
    w, b = torch.randn(3, 3, 2, 3, 3).double(), torch.randn(3, 3).double()
    F, vmap = torch.nn.functional, torch.func.vmap
    scale = torch.rand(3, 2).double()
    rows = torch.arange(30.0).view(3, 5, 2)
    places = torch.tensor([[0, 1], [4, 4], [2, 3]])
    return [
        vmap(F.conv2d)(x, w, b),
        vmap(lambda w: F.conv2d(x[0], w))(w),
        vmap(lambda x, w: F.conv2d(x, w, padding=1), in_dims=(1, 0))(x[:, :3].clone(), w),
        vmap(lambda x, s: F.group_norm(x, 2, s))(x, scale),
        vmap(lambda x, s: F.batch_norm(x, None, None, s, training=True))(x, scale),
        vmap(lambda w, p: F.embedding(p, w))(rows, places),
        vmap(lambda w: F.embedding(places[0], w))(rows),
        vmap(lambda p: F.embedding(p, rows[0], padding_idx=1))(places),
        vmap(F.linear)(x, torch.randn(3, 4, 5).double()),
    ]


def p_losses(torch: Any) -> list[Any]:
    torch.manual_seed(0)
    scores = torch.randn(3, 4, 5).double()
    target = torch.tensor([[0, 1, 2, 3], [4, 4, 0, 1], [1, 1, -100, 2]])
    F, vmap = torch.nn.functional, torch.func.vmap

    def loss(**options: Any) -> Any:
        return lambda s, t: F.cross_entropy(s, t, **options)

    return [
        vmap(loss())(scores, target),
        vmap(loss(reduction="sum", weight=torch.arange(5.0).double()))(scores, target),
        vmap(loss(reduction="none", label_smoothing=0.1))(scores, target),
        vmap(loss(), in_dims=(0, None))(scores, target[0]),
        vmap(loss(), in_dims=(None, 0))(scores[0], target),
        vmap(loss())(scores[:, 0], target[:, 0]),
        vmap(loss())(scores, scores.softmax(-1)),
        vmap(F.nll_loss)(scores, target),
        vmap(F.mse_loss)(scores, scores * 2),
        vmap(F.binary_cross_entropy)(scores.sigmoid(), scores.abs().clamp(0, 1)),
        vmap(lambda s, t, w: F.cross_entropy(s, t, weight=w))(scores, target, scores[:, 0].exp()),
    ]


def _statistics(torch: Any, batched: bool) -> Any:
    shape = (3, 2) if batched else (2,)
    return torch.zeros(shape).double(), torch.ones(shape).double()


def p_running_statistics_of_each_sample(torch: Any) -> list[Any]:
    x = _images(torch)
    mean, var = _statistics(torch, True)
    F, vmap = torch.nn.functional, torch.func.vmap
    y = vmap(lambda x, m, v: F.batch_norm(x, m, v, training=True, momentum=0.3))(x, mean, var)
    return [
        *(y, mean, var),
        vmap(lambda x, m, v: F.batch_norm(x, m, v))(x, mean, var),
        vmap(lambda m, v: F.batch_norm(x[0], m, v))(mean, var),
    ]


@variants(neither=(False, False), mean=(True, False), var=(False, True))
def p_running_statistics_without_room(torch: Any, batched: Any) -> list[Any]:
    """Refused before anything is written."""
    x = _images(torch)
    mean, var = (_statistics(torch, b)[k] for k, b in enumerate(batched))
    dims = (0, *(0 if b else None for b in batched))

    def normalised(x: Any, m: Any, v: Any) -> Any:
        return torch.nn.functional.batch_norm(x, m, v, training=True)

    return [raises(lambda: torch.func.vmap(normalised, dims)(x, mean, var)), mean, var]


@variants(usual=0.1, cumulative=None)
def p_modules_that_keep_statistics(torch: Any, momentum: Any) -> list[Any]:
    x = _images(torch)
    module = torch.nn.BatchNorm2d(2, momentum=momentum).double()
    error = raises(lambda: torch.func.vmap(module)(x))
    return [error, module.running_mean, module.running_var, module.num_batches_tracked]


def p_statistics_of_what_is_the_same_for_all(torch: Any) -> list[Any]:
    x = _images(torch)
    mean, var = _statistics(torch, False)
    F = torch.nn.functional

    def normalised(s: Any) -> Any:
        return F.batch_norm(x[0], mean, var, weight=s, training=True)

    return [torch.func.vmap(normalised)(torch.rand(3, 2).double()), mean, var]


def p_dropout(torch: Any) -> list[Any]:
    x = torch.ones(3, 4)
    module, vmap = torch.nn.Dropout(0.5), torch.func.vmap
    return [
        raises(lambda: vmap(module)(x)),
        vmap(module, randomness="different")(x),
        vmap(module, randomness="same")(x),
        vmap(module.eval())(x),
    ]


def p_errors_of_targets_and_places(torch: Any) -> list[Any]:
    module = _filled(torch, torch.nn.Embedding(5, 3))
    return [raises(lambda: torch.func.vmap(module)(torch.tensor([[0], [5]])))]


def p_longer_rows_are_not_shortened_outside(torch: Any) -> list[Any]:
    rows = torch.arange(10.0).view(5, 2)
    F = torch.nn.functional
    error = raises(
        lambda: torch.func.vmap(lambda p: F.embedding(p, rows, max_norm=1.0))(torch.arange(3))
    )
    return [error, rows]


@differs("statistics made inside get room for those of each sample")
def p_statistics_made_inside(torch: Any) -> list[Any]:
    def normalised(x: Any) -> Any:
        mean, var = _statistics(torch, False)
        return torch.nn.functional.batch_norm(x, mean, var, training=True), mean, var

    return [torch.func.vmap(normalised)(_images(torch))]
