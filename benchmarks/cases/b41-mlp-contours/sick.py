import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset, random_split

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--hidden", type=int, default=2)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

pos = torch.rand(1500, 2) * 2 - 1
height = torch.sin(4 * pos[:, :1]) * torch.sin(3 * pos[:, 1:]) + 0.4 * pos[:, :1]
train_set, test_set = random_split(TensorDataset(pos, height), [1200, 300])
loader = DataLoader(train_set, batch_size=40, shuffle=True)
model = nn.Sequential(
    nn.Linear(2, args.hidden), nn.Tanh(), nn.Linear(args.hidden, args.hidden), nn.Tanh(), nn.Linear(args.hidden, 1)
)
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(args.epochs):
    total = 0.0
    for p, h in loader:
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(model(p), h)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(p)
    if epoch % 5 == 4:
        print(f"epoch {epoch + 1} mse {total / 1200:.5f}")
p, h = test_set[:]
with torch.no_grad():
    r2 = 1 - (model(p) - h).square().mean() / h.var()
print(f"METRIC r2 {r2:.4f}")
