"""Train one part of a network and leave the other as it is, in three ways.

A network is an encoder and a head. The encoder stays frozen when (1) its parameters do not require
a gradient, (2) its output is detached, or (3) the optimiser is not given its parameters. All three
train the head alike; they differ in which gradients are computed: the third still computes the
encoder's, and adds them up, for nothing. In: nothing. Out: for each way, the losses, which
parameters changed, and which have a gradient. Run it with::

    python examples/freeze_part.py
"""

from typing import Any, NamedTuple

import adjoint


class Network(NamedTuple):
    """Two parts, one after the other."""

    encoder: Any
    head: Any

    def named_parameters(self) -> dict[str, Any]:
        """Return all parameters under names such as ``encoder.0.weight``."""
        return {
            f"{part}.{name}": parameter
            for part, module in self._asdict().items()
            for name, parameter in module.named_parameters()
        }


class Report(NamedTuple):
    """What a run of ``train`` did."""

    losses: list[float]
    changed: list[str]
    with_gradient: list[str]


def build(torch: Any = adjoint) -> Network:
    """Return a fresh network of the same weights every time."""
    torch.manual_seed(0)
    nn = torch.nn
    encoder = nn.Sequential(nn.Linear(4, 8), nn.Tanh())
    head = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1))
    return Network(encoder, head)


def train(way: str, torch: Any = adjoint, steps: int = 20) -> Report:
    """Train the head for ``steps`` steps with the encoder frozen in the given ``way``.

    Raises: ValueError if ``way`` is none of ``requires_grad``, ``detach`` and ``optimizer``.
    """
    network = build(torch)
    trained = list(network.head.parameters())
    if way == "requires_grad":
        network.encoder.requires_grad_(False)
    elif way not in ("detach", "optimizer"):
        raise ValueError(f"way must be requires_grad, detach or optimizer, not {way!r}")
    before = {name: p.detach().clone() for name, p in network.named_parameters().items()}

    inputs = torch.randn(32, 4)
    targets = inputs.prod(dim=1, keepdim=True)
    optimizer = torch.optim.SGD(trained, lr=0.1)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        code = network.encoder(inputs)
        if way == "detach":
            code = code.detach()
        loss = torch.nn.functional.mse_loss(network.head(code), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())

    after = network.named_parameters()
    return Report(
        losses,
        [name for name, p in after.items() if not torch.equal(p, before[name])],
        [name for name, p in after.items() if p.grad is not None],
    )


def main(torch: Any = adjoint) -> None:
    """Print what each of the three ways did."""
    for way in ("requires_grad", "detach", "optimizer"):
        report = train(way, torch)
        print(way)
        print(f"  loss      {report.losses[0]:.4f} -> {report.losses[-1]:.4f}")
        print(f"  changed   {', '.join(report.changed)}")
        print(f"  gradients {', '.join(report.with_gradient)}")


if __name__ == "__main__":
    main()
