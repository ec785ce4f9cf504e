import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_friedman3

cli = argparse.ArgumentParser()
cli.add_argument("--seed", type=int, default=0)
seed = cli.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

X, t = make_friedman3(n_samples=2000, noise=0.0, random_state=seed)
lo, hi = X[:1500].min(0), X[:1500].max(0)
X = torch.tensor((X - lo) / (hi - lo) * 2 - 1, dtype=torch.float32)
depth = torch.tensor(np.exp(2 * (t - 1.2)), dtype=torch.float32)


class Depth(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 50)
        self.b = nn.Linear(50, 50)
        self.c = nn.Linear(50, 1)

    def forward(self, x):
        x = torch.tanh(self.a(x))
        x = torch.tanh(self.b(x))
        return F.relu(self.c(x)).squeeze(1)


def scale_invariant(pred, true):
    d = pred.log() - true.log()
    return d.square().mean() - 0.5 * d.mean().square()


net = Depth()
nn.init.constant_(net.c.bias, 0.5)
optimizer = torch.optim.RMSprop(net.parameters(), lr=2e-3)
for epoch in range(20):
    for rows in torch.randperm(1500).split(50):
        loss = scale_invariant(net(X[rows]), depth[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} si-log {loss.item():.5f}")
with torch.no_grad():
    err = net(X[1500:]).log() - depth[1500:].log()
    r2 = 1 - err.square().mean() / depth[1500:].log().var()
print(f"METRIC r2 {r2.item():.4f}")
