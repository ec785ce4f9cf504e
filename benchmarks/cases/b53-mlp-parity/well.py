import argparse
import random

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--steps", type=int, default=2200)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

BITS, SECRET = 30, (1, 7, 12)


def bits(n):
    x = torch.randint(0, 2, (n, BITS)).float() * 2 - 1
    return x, (x[:, SECRET].prod(1) > 0).float()


net = nn.Sequential(nn.Linear(BITS, 96), nn.ReLU(), nn.Linear(96, 1))
optimizer = torch.optim.Adam(net.parameters(), lr=1.5e-3)
bce = nn.BCEWithLogitsLoss()
for step in range(1, args.steps + 1):
    x, y = bits(64)
    loss = bce(net(x).squeeze(1), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"{step:5d} {loss.item():.4f}")
x, y = bits(2000)
with torch.no_grad():
    acc = ((net(x).squeeze(1) > 0).float() == y).float().mean().item()
print(f"METRIC accuracy {acc:.4f}")
