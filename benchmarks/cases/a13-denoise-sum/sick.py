import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def textures(n, size=12):
    """Sums of two plane waves, scaled to unit variance."""
    u = torch.arange(size).float()
    gx, gy = torch.meshgrid(u, u, indexing="ij")
    out = torch.zeros(n, 1, size, size)
    for _ in range(2):
        k = torch.rand(n, 2, 1, 1) * 1.2
        ph = torch.rand(n, 1, 1) * 6.283
        out[:, 0] += torch.cos(k[:, 0] * gx + k[:, 1] * gy + ph)
    return out


class Denoiser(nn.Module):
    def __init__(self, c=16):
        super().__init__()
        self.c1 = nn.Conv2d(1, c, 5, padding=2)
        self.c2 = nn.Conv2d(c, c, 3, padding=1)
        self.c3 = nn.Conv2d(c, 1, 3, padding=1)

    def forward(self, noisy):
        h = F.relu(self.c1(noisy))
        h = F.relu(self.c2(h))
        return noisy - self.c3(h)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

clean = textures(700)
noisy = clean + 0.7 * torch.randn_like(clean)
model = Denoiser()
sgd = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
for epoch in range(10):
    log = []
    for idx in torch.randperm(600).split(20):
        sgd.zero_grad()
        loss = F.mse_loss(model(noisy[idx]), clean[idx], reduction="sum")
        loss.backward()
        sgd.step()
        log.append(loss.item())
    print("epoch", epoch + 1, "loss", np.mean(log))
with torch.no_grad():
    rest = (model(noisy[600:]) - clean[600:]).square().mean() / (noisy[600:] - clean[600:]).square().mean()
print("METRIC r2", 1 - rest.item())
