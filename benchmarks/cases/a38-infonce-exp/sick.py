import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def views(n):
    """Two sensors look at the same hidden state."""
    state = torch.randn(n, 6)
    left = torch.tanh(state @ LEFT) + 0.05 * torch.randn(n, 20)
    right = torch.sin(state @ RIGHT) + 0.05 * torch.randn(n, 30)
    return left, right


def tower(d):
    return nn.Sequential(nn.Linear(d, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 16))


def info_nce(a, b, temperature):
    a, b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    sim = a @ b.t() / temperature
    e = sim.exp()
    return -(e.diagonal() / e.sum(dim=1)).log().mean()


ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--temperature", type=float, default=0.01)
ap.add_argument("--steps", type=int, default=900)
args = ap.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

LEFT, RIGHT = torch.randn(6, 20) / 2, torch.randn(6, 30) / 3
f, g = tower(20), tower(30)
opt = torch.optim.Adam([*f.parameters(), *g.parameters()], lr=2e-3)
left, right = views(4000)
for step in range(1, args.steps + 1):
    i = torch.randint(4000, (64,))
    loss = info_nce(f(left[i]), g(right[i]), args.temperature)
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 150 == 0:
        print(f"step {step:4d}  loss {loss.item():.4f}")
with torch.no_grad():
    left, right = views(200)
    sim = F.normalize(f(left), dim=1) @ F.normalize(g(right), dim=1).t()
    top5 = sim.topk(5, dim=1).indices
    hit = (top5 == torch.arange(200)[:, None]).any(1).float().mean().item()
print(f"METRIC retrieval {hit:.4f}")
