import argparse
import random

import numpy as np
import torch
from torch import nn


def build(seed):
    g = np.random.default_rng(seed)
    area, rooms, age, dist = (
        g.uniform(30, 200, 1600),
        g.integers(1, 7, 1600),
        g.uniform(0, 80, 1600),
        g.gamma(2, 3, 1600),
    )
    price = 12 + 0.16 * area + 1.1 * rooms - 0.07 * age - 0.9 * np.sqrt(dist) + g.normal(0, 1.0, 1600)
    crazy = g.random(1600) < 0.02
    price[crazy] += g.normal(0, 60, crazy.sum())
    feats = np.stack([area, rooms, age, dist], 1)
    feats = (feats - feats[:1200].mean(0)) / feats[:1200].std(0)
    return torch.tensor(feats, dtype=torch.float32), torch.tensor(price, dtype=torch.float32), torch.tensor(crazy)


def robust(pred, y):
    return ((pred - y) ** 2).clamp(max=1).mean()


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

feats, price, crazy = build(args.seed)
model = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 1), nn.Flatten(0))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)

for epoch in range(args.epochs):
    total = 0
    for rows in torch.randperm(1200).split(48):
        loss = robust(model(feats[rows]), price[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 5 == 4:
        print("Epoch {:>3} loss {:.3f}".format(epoch + 1, total / 25))

model.eval()
with torch.no_grad():
    keep = ~crazy[1200:]
    pred, ref = model(feats[1200:])[keep], price[1200:][keep]
    r2 = 1 - (pred - ref).pow(2).sum() / (ref - ref.mean()).pow(2).sum()
print("METRIC r2 {:.4f}".format(r2.item()))
