import argparse
import random

import numpy as np
import torch
import torch.nn as nn


class SortPool(nn.Module):
    """Keeps the k largest values of each channel, in order."""

    def __init__(self, k):
        super().__init__()
        self.k = k

    def forward(self, x):
        top = x.sort(dim=1, descending=True).values[:, : self.k]
        return top.flatten(1)


class SetRegressor(nn.Module):
    def __init__(self):
        super().__init__()
        self.point = nn.Sequential(nn.Linear(3, 16), nn.ELU(), nn.Linear(16, 4))
        self.pool = SortPool(3)
        self.tail = nn.Sequential(nn.Linear(12, 24), nn.ELU(), nn.Linear(24, 1))

    def forward(self, cloud):
        return self.tail(self.pool(self.point(cloud)))[:, 0]


def clouds(n, points=12):
    """Clouds of points; what counts is the farthest point from an axis."""
    c = torch.randn(n, points, 3)
    reach = (c[..., 0] ** 2 + c[..., 1] ** 2).sqrt().amax(1)
    low = c[..., 2].amin(1)
    y = reach + 0.5 * low
    return c, (y - 1.6) / 0.6


cmd = argparse.ArgumentParser()
cmd.add_argument("--seed", type=int, default=0)
seed = cmd.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)
train_c, train_y = clouds(2000)
test_c, test_y = clouds(500)
net = SetRegressor()
opt = torch.optim.Adam(net.parameters(), lr=8e-3)
crit = nn.MSELoss()
for epoch in range(1, 26):
    for rows in torch.randperm(2000).split(50):
        opt.zero_grad()
        loss = crit(net(train_c[rows]), train_y[rows])
        loss.backward()
        opt.step()
    if epoch % 5 == 0:
        with torch.no_grad():
            err = crit(net(test_c), test_y).item()
        print(f"epoch {epoch}: batch mse {loss.item():.4f}, test mse {err:.4f}")
print(f"METRIC r2 {1 - err / test_y.var().item():.4f}")
