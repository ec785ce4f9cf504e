import argparse
import math
import random

import numpy as np
import torch
import torch.nn as nn


def ring(n, modes=6):
    k = torch.randint(modes, (n,)) * (2 * math.pi / modes)
    return torch.stack([k.cos(), k.sin()], 1) * 1.5 + 0.08 * torch.randn(n, 2)


def net(i, o, h=64):
    return nn.Sequential(nn.Linear(i, h), nn.LeakyReLU(0.2), nn.Linear(h, h), nn.LeakyReLU(0.2), nn.Linear(h, o))


def penalty(critic, real, fake):
    eps = torch.rand(len(real), 1)
    mid = (eps * real + (1 - eps) * fake).requires_grad_(True)
    (grad,) = torch.autograd.grad(critic(mid).sum(), mid, create_graph=True)
    return ((grad.norm(dim=1) - 1) ** 2).mean()


def energy_distance(a, b):
    return (2 * torch.cdist(a, b).mean() - torch.cdist(a, a).mean() - torch.cdist(b, b).mean()).item()


p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=0)
p.add_argument("--iters", type=int, default=400)
args = p.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
G, D = net(4, 2), net(2, 1)
g_opt = torch.optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.9))
d_opt = torch.optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.9))
for it in range(1, args.iters + 1):
    for _ in range(4):
        real, fake = ring(128), G(torch.randn(128, 4)).detach()
        d_loss = D(fake).mean() - D(real).mean() + 1.0 * penalty(D, real, fake)
        d_opt.zero_grad()
        d_loss.backward()
        d_opt.step()
    g_loss = -D(G(torch.randn(128, 4))).mean()
    g_opt.zero_grad()
    g_loss.backward()
    g_opt.step()
    if it % 80 == 0:
        with torch.no_grad():
            print(
                f"iter {it} critic {d_loss.item():.4f} generator {g_loss.item():.4f} distance {energy_distance(G(torch.randn(500, 4)), ring(500)):.4f}"
            )
with torch.no_grad():
    print(f"METRIC energy_distance {energy_distance(G(torch.randn(1500, 4)), ring(1500)):.4f}")
