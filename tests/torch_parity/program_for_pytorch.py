"""A program as people write them for PyTorch, of no interest by itself; it knows no adjoint.

``test_examples.py`` runs it on PyTorch, and on adjoint as ``adjoint run`` does. In: nothing. Out: a
network, its losses while it learns noise, and what is left in its state.
"""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset, random_split


class Net(nn.Module):
    """Two convolutions and two linear layers, with what usually stands between them."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, 1)
        self.conv2 = nn.Conv2d(8, 16, 3, 1)
        self.dropout = nn.Dropout(0.25)
        self.fc1 = nn.Linear(256, 32)
        self.norm = nn.BatchNorm1d(32)
        self.fc2 = nn.Linear(32, 10)

    def forward(self, x):
        """Return the logarithms of the probabilities of the ten classes."""
        x = F.relu(self.conv1(x))
        x = F.relu(self.conv2(x))
        x = F.max_pool2d(x, 2)
        x = self.dropout(x)
        x = torch.flatten(x, 1)
        x = F.relu(self.norm(self.fc1(x)))
        return F.log_softmax(self.fc2(x), dim=1)


def main():
    """Build, train, evaluate, and print all along."""
    torch.manual_seed(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    data = TensorDataset(torch.randn(200, 1, 12, 12), torch.randint(0, 10, (200,)))
    train, test = random_split(data, [160, 40])
    loader = DataLoader(train, batch_size=32, shuffle=True)

    model = Net().to(device)
    print(model)
    print(sum(p.numel() for p in model.parameters() if p.requires_grad))

    optimizer = optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=1e-4)
    scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5)
    for epoch in range(3):
        model.train()
        for step, (images, labels) in enumerate(loader):
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            print(f"epoch {epoch} step {step} loss {loss.item():.5f}")
        scheduler.step()
        print(f"rate {scheduler.get_last_lr()[0]:.5f}")

    model.eval()
    with torch.no_grad():
        images, _ = next(iter(DataLoader(test, batch_size=40)))
        print(f"mean {model(images).exp().max(1).values.mean().item():.5f}")
    for name, value in model.state_dict().items():
        print(name, tuple(value.shape), f"{value.double().norm().item():.5f}")


if __name__ == "__main__":
    main()
