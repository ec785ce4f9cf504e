import argparse
import random

import numpy as np
import torch
from torch import nn
from sklearn.datasets import load_breast_cancer
from sklearn.preprocessing import StandardScaler

p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=0)
p.add_argument("--width", type=int, default=128)
o = p.parse_args()
random.seed(o.seed)
np.random.seed(o.seed)
torch.manual_seed(o.seed)

X, y = load_breast_cancer(return_X_y=True)
order = np.random.permutation(len(y))
X, y = X[order], y[order]
X = StandardScaler().fit(X[:400]).transform(X)
X, y = torch.tensor(X, dtype=torch.float32), torch.tensor(y)


class Residual(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.f = nn.Sequential(nn.Linear(n, n), nn.ReLU(), nn.Linear(n, n))

    def forward(self, x):
        return torch.relu(x + self.f(x))


net = nn.Sequential(nn.Linear(30, o.width), nn.ReLU(), Residual(o.width), Residual(o.width), nn.Linear(o.width, 2))
for m in net.modules():
    if isinstance(m, nn.Linear):
        nn.init.normal_(m.weight)
        nn.init.zeros_(m.bias)

opt = torch.optim.Adam(net.parameters(), lr=5e-4)
for epoch in range(1, 13):
    tot = 0.0
    for idx in torch.randperm(400).split(20):
        loss = nn.functional.cross_entropy(net(X[idx]), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
        tot += loss.item()
    if epoch % 3 == 0:
        print(f"epoch {epoch}: loss {tot / 20:.4f}")
with torch.no_grad():
    nll = nn.functional.cross_entropy(net(X[400:]), y[400:]).item()
print(f"METRIC nll {nll:.4f}")
