import argparse
import random
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

argp = argparse.ArgumentParser()
argp.add_argument("--seed", type=int, default=0)
argp.add_argument("--lr", type=float, default=0.2)
conf = argp.parse_args()
random.seed(conf.seed)
np.random.seed(conf.seed)
torch.manual_seed(conf.seed)

data = load_digits()
mix = np.random.permutation(len(data.data))
X = torch.FloatTensor(data.data[mix] / 16.0)
T = torch.LongTensor(data.target[mix])
N = 1400
X, Xt, T, Tt = X[:N], X[N:], T[:N], T[N:]


class MLP(nn.Module):
    def __init__(self, *widths):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in zip(widths, widths[1:]))

    def forward(self, h):
        for i, layer in enumerate(self.layers):
            h = layer(h)
            if i + 1 < len(self.layers):
                h = torch.nn.functional.softplus(h)
        return h


mlp = MLP(64, 96, 10)
ce = nn.CrossEntropyLoss()
opt = torch.optim.SGD(mlp.parameters(), lr=conf.lr, momentum=0.9)
for it in range(1, 1201):
    pick = torch.randint(0, N, (64,))
    loss = ce(mlp(X[pick]), T[pick]) / N
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 200 == 0:
        with torch.no_grad():
            acc = (mlp(Xt).argmax(1) == Tt).float().mean().item()
        print(f"iter {it} loss {loss.item():.3g} test acc {acc:.3f}")
print(f"METRIC accuracy {acc:.4f}")
