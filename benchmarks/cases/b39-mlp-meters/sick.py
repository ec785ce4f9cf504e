import argparse
import random

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

COLUMNS = ["serial", "flow", "warm", "cold", "age", "litres"]
N = 1500
table = np.empty((N, 6))
table[:, 0] = 31_000_000 + np.random.permutation(N) * 7
table[:, 1] = np.random.gamma(3, 0.4, N)
table[:, 2] = np.random.normal(0.6, 0.1, N)
table[:, 3] = np.random.normal(0.12, 0.03, N)
table[:, 4] = np.random.uniform(0, 2, N)
table[:, 5] = table[:, 1] * (table[:, 2] - table[:, 3]) * 2 - 0.2 * table[:, 4] + np.random.normal(0, 0.05, N)

features = [c for c in COLUMNS if c != "litres"]
X = torch.tensor(table[:, [COLUMNS.index(c) for c in features]], dtype=torch.float32)
y = torch.tensor(table[:, 5:], dtype=torch.float32)
train, test = slice(0, 1100), slice(1100, None)

model = nn.Sequential(nn.Linear(len(features), 30), nn.ReLU(), nn.Linear(30, 30), nn.ReLU(), nn.Linear(30, 1))
loss_fn = nn.L1Loss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
Xtr, ytr = X[train], y[train]
for epoch in range(40):
    for i in torch.randperm(len(Xtr)).split(44):
        optimizer.zero_grad()
        loss = loss_fn(model(Xtr[i]), ytr[i])
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 10 == 0:
        print(f"epoch {epoch + 1} | mae {loss.item():.4f}")
with torch.no_grad():
    r2 = 1 - (model(X[test]) - y[test]).pow(2).mean() / y[test].var()
print("METRIC r2", r2.item())
