"""Modules, layers, losses and whole training runs in both libraries."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.torch_parity import programs_nn, programs_nn_layers
from tests.torch_parity.harness import Program, both, collect, libraries


@pytest.mark.parametrize("program", collect(programs_nn, programs_nn_layers))
def test_nn(program: Program) -> None:
    both(program)


def _mlp(torch: Any, method: str, options: dict[str, Any]) -> list[float]:
    """Losses of a run with shuffled batches, dropout, clipping and a schedule."""
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(
        *(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh()),
        *(nn.Dropout(0.1), nn.Linear(32, 5)),
    )
    data = torch.utils.data.TensorDataset(torch.randn(96, 20), torch.randint(0, 5, (96,)))
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    optimizer = getattr(torch.optim, method)(net.parameters(), **options)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 10)
    criterion = nn.CrossEntropyLoss()
    losses = []
    for _ in range(8):
        for x, y in loader:
            optimizer.zero_grad()
            loss = criterion(net(x), y)
            loss.backward()
            nn.utils.clip_grad_norm_(net.parameters(), 1.0)
            optimizer.step()
            losses.append(loss.item())
        schedule.step()
    return losses


def _cnn(torch: Any, method: str, options: dict[str, Any]) -> list[float]:
    """Losses of a run with convolutions and normalisation, then one in evaluation.

    No bias before a normalisation: its gradient would be rounding noise, which Adam magnifies.
    """
    torch.manual_seed(0)
    nn = torch.nn
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(4, 8, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.LayerNorm(32)),
        nn.Linear(32, 10),
    )
    x, y = torch.randn(16, 1, 12, 12), torch.randint(0, 10, (16,))
    optimizer = getattr(torch.optim, method)(net.parameters(), **options)
    losses = []
    for _ in range(10):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), y, label_smoothing=0.1)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    net.eval()
    return [*losses, nn.functional.cross_entropy(net(x), y).item()]


@pytest.mark.parametrize("run", [_mlp, _cnn])
@pytest.mark.parametrize(
    ("method", "options"),
    [
        ("SGD", {"lr": 0.02, "momentum": 0.9}),
        ("Adam", {"lr": 1e-3}),
        ("AdamW", {"lr": 1e-3, "amsgrad": True}),
        ("RMSprop", {"lr": 1e-3}),
    ],
)
def test_training_runs_agree(run: Any, method: str, options: dict[str, Any]) -> None:
    oracle, ours = libraries()
    np.testing.assert_allclose(
        run(ours, method, options), run(oracle, method, options), rtol=1e-5, atol=1e-5
    )
