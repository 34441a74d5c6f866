"""Layers and losses against NumPy, and against differences in float64."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from scipy import special

import adjoint as torch
from adjoint import nn
from adjoint.nn import functional as F


def _double(module: Any) -> Any:
    torch.manual_seed(0)
    return module.double()


CHECKED: dict[str, tuple[Any, tuple[int, ...]]] = {
    "linear": (lambda: nn.Linear(3, 2), (4, 3)),
    "conv2d": (lambda: nn.Conv2d(2, 3, 2, padding=1), (2, 2, 4, 3)),
    "batch_norm": (lambda: nn.BatchNorm1d(3), (5, 3)),
    "layer_norm": (lambda: nn.LayerNorm(3), (4, 3)),
    "gelu": (lambda: nn.GELU("tanh"), (3, 4)),
    "glu": (lambda: nn.GLU(), (3, 4)),
    "softmax": (lambda: nn.Softmax(0), (3, 4)),
    "pipeline": (lambda: nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2)), (5, 3)),
}


@pytest.mark.parametrize("name", CHECKED)
def test_gradients_of_inputs_and_parameters(name: str) -> None:
    make, shape = CHECKED[name]
    net = _double(make())
    x = torch.randn(*shape, dtype=torch.float64, requires_grad=True)
    wanted = [x, *net.parameters()]
    weights = np.random.default_rng(0).standard_normal(tuple(net(x).shape))

    def loss() -> Any:
        return (net(x) * torch.from_numpy(weights)).sum()

    gradients = torch.autograd.grad(loss(), wanted)
    for tensor, gradient in zip(wanted, gradients):
        memory = tensor.detach().numpy()
        for place in np.ndindex(memory.shape):
            kept = memory[place]
            ends = []
            for step in (1e-6, -1e-6):
                memory[place] = kept + step
                ends.append(loss().item())
            memory[place] = kept
            slope = (ends[0] - ends[1]) / 2e-6
            assert gradient.numpy()[place] == pytest.approx(slope, rel=1e-5, abs=1e-7)


def test_dropout_keeps_the_mean_and_only_works_in_training() -> None:
    torch.manual_seed(0)
    layer = nn.Dropout(0.25)
    x = torch.ones(4000)
    out = layer(x).numpy()
    assert set(np.unique(out)) == {np.float32(0), np.float32(1 / 0.75)}
    assert abs(out.mean() - 1) < 0.05
    assert layer.eval()(x) is x


def test_dropout_of_channels_drops_whole_channels() -> None:
    torch.manual_seed(0)
    out = nn.Dropout2d(0.5)(torch.ones(3, 8, 4, 4)).numpy()
    assert all(len(np.unique(channel)) == 1 for image in out for channel in image)
    assert {0.0, 2.0} == set(np.unique(out))


def test_batch_norm_learns_the_averages() -> None:
    torch.manual_seed(0)
    layer = nn.BatchNorm1d(2, momentum=None)
    batches = [torch.randn(50, 2) * 3 + 1 for _ in range(4)]
    for batch in batches:
        normal = layer(batch).detach().numpy()
        np.testing.assert_allclose(normal.mean(0), 0, atol=1e-6)
        np.testing.assert_allclose(normal.std(0), 1, atol=1e-3)
    raws = [batch.numpy() for batch in batches]
    np.testing.assert_allclose(layer.running_mean, np.mean([r.mean(0) for r in raws], 0), rtol=1e-5)
    expected = np.mean([r.var(0, ddof=1) for r in raws], 0)
    np.testing.assert_allclose(layer.running_var, expected, rtol=1e-5)
    assert layer.num_batches_tracked.item() == 4


def test_cross_entropy_is_that_of_scipy() -> None:
    rng = np.random.default_rng(0)
    scores, labels = rng.standard_normal((6, 4)), rng.integers(0, 4, 6)
    expected = -special.log_softmax(scores, 1)[np.arange(6), labels]
    x, y = torch.from_numpy(scores), torch.from_numpy(labels)
    np.testing.assert_allclose(F.cross_entropy(x, y, reduction="none"), expected)
    assert F.cross_entropy(x, y).item() == pytest.approx(expected.mean())
    chances = F.one_hot(y, 4).double()
    assert F.cross_entropy(x, chances).item() == pytest.approx(expected.mean())


def test_ignored_targets_contribute_nothing() -> None:
    x = torch.randn(3, 4, dtype=torch.float64)
    x[1] = float("nan")
    x.requires_grad_()
    loss = F.nll_loss(x, torch.tensor([0, -100, 2]))
    loss.backward()
    assert loss.item() == pytest.approx(-(x[0, 0] + x[2, 2]).item() / 2)
    assert x.grad[1].abs().sum().item() == 0


def test_a_target_out_of_range_is_named() -> None:
    with pytest.raises(IndexError, match=r"^Target 7 is out of bounds\. \(There are 3 classes"):
        F.cross_entropy(torch.zeros(2, 3), torch.tensor([0, 7]))


def test_mse_warns_of_broadcasting() -> None:
    with pytest.warns(UserWarning, match="likely lead to incorrect results due to broadcasting"):
        F.mse_loss(torch.zeros(3), torch.zeros(3, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert F.mse_loss(torch.ones(3), torch.zeros(3)).item() == 1


def test_losses_are_finite_at_the_ends() -> None:
    far = torch.tensor([200.0, -200.0], requires_grad=True)
    loss = F.binary_cross_entropy_with_logits(far, torch.tensor([0.0, 1.0]))
    loss.backward()
    assert loss.item() == 200
    np.testing.assert_allclose(far.grad.numpy(), [0.5, -0.5])
    assert F.logsigmoid(torch.tensor(-200.0)).item() == -200
    assert F.binary_cross_entropy(torch.tensor([0.0]), torch.tensor([1.0])).item() == 100


def test_softmax_of_large_numbers() -> None:
    x = torch.tensor([1000.0, 1000.0, -1000.0])
    np.testing.assert_allclose(F.softmax(x, 0), [0.5, 0.5, 0])
    np.testing.assert_allclose(F.log_softmax(x, 0)[:2], np.log([0.5, 0.5]), rtol=1e-6)


def test_embedding_adds_up_repeated_rows() -> None:
    layer = nn.Embedding(4, 2, padding_idx=0)
    layer(torch.tensor([1, 1, 3, 0])).sum().backward()
    np.testing.assert_array_equal(layer.weight.grad, [[0, 0], [2, 2], [0, 0], [1, 1]])


def test_embedding_shortens_long_rows() -> None:
    table = torch.tensor([[3.0, 4.0], [0.3, 0.4]])
    F.embedding(torch.tensor([0, 1]), table, max_norm=1.0)
    np.testing.assert_allclose(table, [[0.6, 0.8], [0.3, 0.4]], rtol=1e-5)


@pytest.mark.parametrize("mode", ["fan_in", "fan_out"])
def test_initial_variances(mode: str) -> None:
    torch.manual_seed(0)
    fan = {"fan_in": 300, "fan_out": 200}[mode]
    w = nn.init.kaiming_normal_(torch.empty(200, 300), mode=mode, nonlinearity="relu").numpy()
    assert w.std() == pytest.approx((2 / fan) ** 0.5, rel=0.02)
    w = nn.init.xavier_uniform_(torch.empty(200, 300)).numpy()
    assert w.std() == pytest.approx((2 / 500) ** 0.5, rel=0.02)
    w = nn.init.trunc_normal_(torch.empty(5000), a=-1.0, b=0.5).numpy()
    assert -1 <= w.min() <= w.max() <= 0.5


def test_orthogonal_matrices_are() -> None:
    q = nn.init.orthogonal_(torch.empty(3, 5), gain=2.0).numpy()
    np.testing.assert_allclose(q @ q.T, 4 * np.eye(3), atol=1e-5)


def test_initialising_is_not_recorded() -> None:
    p = nn.Parameter(torch.zeros(2, 2))
    assert nn.init.normal_(p) is p
    assert p.grad_fn is None
    assert p.requires_grad


def test_clipping_bounds_the_norm() -> None:
    params = [nn.Parameter(torch.zeros(3)) for _ in range(2)]
    for p in params:
        p.grad = torch.full((3,), 2.0)
    total = nn.utils.clip_grad_norm_(params, 1.0)
    assert total.item() == pytest.approx(24**0.5)
    found = np.concatenate([p.grad.numpy() for p in params])
    assert np.linalg.norm(found) == pytest.approx(1, rel=1e-5)
    nn.utils.clip_grad_value_(params, 0.1)
    assert all(p.grad.numpy().max() == np.float32(0.1) for p in params)


def test_what_a_convolution_refuses_it_refuses_after_equal_settings() -> None:
    """Settings are kept by their identity: those that are only equal are checked again."""
    x, w = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 3, 3)
    for function in (F.conv2d, F.conv_transpose2d):
        for padding in (1, (1, 1)):
            for _ in range(2):
                function(x, w, padding=padding)
        for wrong in (True, (True, 1), 1.0, (1, 1.0), "full"):
            for _ in range(2):
                with pytest.raises((TypeError, RuntimeError)):
                    function(x, w, padding=wrong)
        for _ in range(2):
            with pytest.raises(RuntimeError, match="same"):
                function(x, w.double(), padding=1)


def test_settings_of_a_convolution_may_change_in_place() -> None:
    x, w, stride = torch.ones(1, 1, 5, 5), torch.ones(1, 1, 1, 1), [1, 1]
    sizes = []
    for step in (1, 2, 4, 2):
        stride[:] = step, step
        sizes.append(F.conv2d(x, w, stride=stride).shape[-1])
    assert sizes == [5, 3, 2, 3]


def test_a_convolution_is_that_of_its_single_images() -> None:
    """Many small images at once, one image, and a large one are computed in different ways."""
    torch.manual_seed(0)
    for size, images in ((3, 300), (8, 32), (40, 16)):
        layer, x = (
            nn.Conv2d(3, 5, 3, stride=2, padding=1).double(),
            torch.randn(images, 3, size, size),
        )
        x = x.double().requires_grad_(True)
        singles = torch.cat([layer(x[i : i + 1]) for i in range(images)])
        g = torch.randn(*singles.shape).double()
        wanted = (x, *layer.parameters())
        for made, expected in zip(
            torch.autograd.grad(layer(x), wanted, g), torch.autograd.grad(singles, wanted, g)
        ):
            np.testing.assert_allclose(made.numpy(), expected.numpy(), atol=1e-11)
