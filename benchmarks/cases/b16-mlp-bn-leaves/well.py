import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

# leaf measurements: 7 species, 14 shape features
centre = torch.randn(7, 14)
mix = torch.eye(14) + 0.3 * torch.randn(14, 14)


def leaves(n):
    species = torch.randint(0, 7, (n,))
    return torch.tanh((centre[species] + 0.45 * torch.randn(n, 14)) @ mix), species


train_loader = DataLoader(TensorDataset(*leaves(700)), batch_size=20, shuffle=True)
x_test, y_test = leaves(700)

model = nn.Sequential(
    nn.Linear(14, 48),
    nn.BatchNorm1d(48),
    nn.ReLU(),
    nn.Linear(48, 48),
    nn.BatchNorm1d(48),
    nn.ReLU(),
    nn.Linear(48, 48),
    nn.BatchNorm1d(48),
    nn.ReLU(),
    nn.Linear(48, 7),
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.5)
for epoch in range(6):
    model.train()
    total = 0.0
    for x, y in train_loader:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(x)
    model.eval()
    with torch.no_grad():
        acc = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"epoch {epoch + 1} loss {total / 700:.3f} test acc {acc:.3f}")
print(f"METRIC accuracy {acc:.4f}")
