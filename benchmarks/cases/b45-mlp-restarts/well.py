import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingWarmRestarts
from torch.utils.data import DataLoader, TensorDataset


def three_arms(n, rng):
    arm = rng.integers(0, 3, n)
    r = rng.uniform(0.1, 1, n)
    angle = 4.5 * r + arm * 2 * np.pi / 3 + rng.normal(0, 0.35, n)
    return torch.tensor(np.stack([r * np.cos(angle), r * np.sin(angle)], 1), dtype=torch.float32), torch.tensor(arm)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train_dl = DataLoader(TensorDataset(*three_arms(1500, rng)), batch_size=30, shuffle=True)
    x_test, y_test = three_arms(600, rng)
    model = nn.Sequential(nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.15, momentum=0.9)
    cycle = 4 * len(train_dl)
    scheduler = CosineAnnealingWarmRestarts(optimizer, T_0=cycle, eta_min=1e-4)
    for epoch in range(20):
        total = 0.0
        for x, y in train_dl:
            optimizer.zero_grad()
            loss = criterion(model(x), y)
            loss.backward()
            optimizer.step()
            scheduler.step()
            total += loss.item()
        print(f"epoch {epoch + 1}: lr {scheduler.get_last_lr()[0]:.4f}, loss {total / len(train_dl):.4f}")
    with torch.no_grad():
        print(f"METRIC accuracy {(model(x_test).argmax(1) == y_test).float().mean():.4f}")


main()
