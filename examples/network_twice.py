"""Send data through one network twice: the gradients of the two passes add up.

First the fact, on one batch: the gradient of a loss in which the network occurs twice is the sum
of the gradients of its occurrences. Then its use: a siamese network, one encoder for both members
of a pair, learns to place points of the same ring together. In: nothing. Out: the compared
gradients, the loss while training, and the distances learnt. Run it with::

    python examples/network_twice.py
"""

from typing import Any

import adjoint


def build(torch: Any = adjoint) -> Any:
    """Return the encoder: points of the plane to codes of four numbers."""
    nn = torch.nn
    return nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 4))


def gradients(output: Any, network: Any) -> list[Any]:
    """Return the gradients of ``output`` by the parameters of ``network``, one each."""
    network.zero_grad()
    output.backward()
    return [parameter.grad.clone() for parameter in network.parameters()]


def compare(torch: Any = adjoint) -> tuple[list[Any], list[Any]]:
    """Return the gradients of a loss of two passes, and the sum of those of its occurrences."""
    torch.manual_seed(0)
    network = build(torch)
    first, second = torch.randn(5, 2), torch.randn(5, 2)

    def loss(left: Any, right: Any) -> Any:
        return (left * right).sum()

    together = gradients(loss(network(first), network(second)), network)
    left_only = gradients(loss(network(first), network(second).detach()), network)
    right_only = gradients(loss(network(first).detach(), network(second)), network)
    return together, [a + b for a, b in zip(left_only, right_only, strict=True)]


def rings(torch: Any, count: int) -> tuple[Any, Any]:
    """Return ``count`` noisy points on a ring of radius 1 or 2, and which of the two each is on."""
    which = torch.randint(2, (count,))
    angle = torch.rand(count) * (2 * torch.pi)
    radius = 1.0 + which + 0.1 * torch.randn(count)
    return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), which


def train(torch: Any = adjoint, steps: int = 200, lr: float = 0.05) -> tuple[Any, list[float]]:
    """Return a trained siamese encoder and the loss of every step.

    Codes of the same ring are drawn together, codes of different rings pushed apart up to 1.
    """
    torch.manual_seed(1)
    network = build(torch)
    optimizer = torch.optim.SGD(network.parameters(), lr=lr, momentum=0.9)
    losses = []
    for _ in range(steps):
        (points, which), (others, other_which) = rings(torch, 64), rings(torch, 64)
        distance = (network(points) - network(others)).pow(2).sum(dim=1).add(1e-6).sqrt()
        same = which == other_which
        loss = torch.where(same, distance**2, (1 - distance).clamp(min=0) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return network, losses


def distances(network: Any, torch: Any = adjoint) -> tuple[float, float]:
    """Return the mean distances of new codes within a ring and between the rings."""
    with torch.no_grad():
        (points, which), (others, other_which) = rings(torch, 512), rings(torch, 512)
        distance = (network(points) - network(others)).norm(dim=1)
        same = which == other_which
        return distance[same].mean().item(), distance[~same].mean().item()


def main(torch: Any = adjoint) -> None:
    """Print the comparison and the training."""
    together, added = compare(torch)
    for left, right in zip(together, added, strict=True):
        print(tuple(left.shape), torch.allclose(left, right, atol=1e-5))
    network, losses = train(torch)
    for step in (0, 10, 50, len(losses) - 1):
        print(f"step {step:3d}  loss {losses[step]:.3f}")
    within, between = distances(network, torch)
    print(f"distance within a ring {within:.2f}, between rings {between:.2f}")


if __name__ == "__main__":
    main()
