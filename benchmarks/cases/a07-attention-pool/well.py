import argparse
import math
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class PointerPool(nn.Module):
    """Looks for the flagged reading and returns the value standing there."""

    def __init__(self, features, dim=24):
        super().__init__()
        self.query = nn.Parameter(torch.randn(dim) / math.sqrt(dim))
        self.key = nn.Sequential(nn.Linear(features, dim), nn.Tanh(), nn.Linear(dim, dim))
        self.value = nn.Linear(features, dim)
        self.out = nn.Linear(dim, 1)

    def forward(self, series):
        score = self.key(series) @ self.query
        weight = score.softmax(dim=1)
        pooled = (weight.unsqueeze(-1) * self.value(series)).sum(dim=1)
        return self.out(pooled).squeeze(-1)


def toy(n, steps=20):
    series = torch.randn(n, steps, 3)
    series[:, :, 2] = 0
    where = torch.randint(steps, (n,))
    series[torch.arange(n), where, 2] = 1
    target = series[torch.arange(n), where, 0]
    return TensorDataset(series, target)


def evaluate(model, loader):
    model.eval()
    with torch.no_grad():
        pairs = [(model(x), y) for x, y in loader]
    pred = torch.cat([a for a, _ in pairs])
    true = torch.cat([b for _, b in pairs])
    return 1 - ((pred - true) ** 2).mean().item() / true.var().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    a = parser.parse_args()
    random.seed(a.seed), np.random.seed(a.seed), torch.manual_seed(a.seed)
    train_loader = DataLoader(toy(2048), batch_size=64, shuffle=True)
    test_loader = DataLoader(toy(512), batch_size=512)
    model = PointerPool(3)
    opt = torch.optim.Adam(model.parameters(), lr=1e-2)
    loss_fn = nn.SmoothL1Loss()
    for epoch in range(10):
        model.train()
        running = 0.0
        for x, y in train_loader:
            opt.zero_grad()
            loss = loss_fn(model(x), y)
            loss.backward()
            opt.step()
            running += loss.item() * len(x)
        print(f"Epoch {epoch + 1}/10 - loss: {running / 2048:.4f} - val r2: {evaluate(model, test_loader):.4f}")
    print(f"METRIC r2 {evaluate(model, test_loader):.4f}")
