import argparse
import random

import numpy as np
import torch
from torch import nn


class ReducedRank(nn.Module):
    """Reduced-rank regression: many responses through three latent factors."""

    def __init__(self, d_in, d_out, rank=3):
        super().__init__()
        self.factors = nn.Linear(d_in, rank, bias=False)
        self.loadings = nn.Linear(rank, d_out)

    def forward(self, x):
        return self.loadings(self.factors(x))


p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=0)
seed = p.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

n, d_in, d_out = 900, 25, 14
x = torch.randn(n, d_in)
true = torch.randn(d_in, 3) @ torch.randn(3, d_out) / 3
y = x @ true + 0.5 + 0.8 * torch.randn(n, d_out)
x_fit, y_fit, x_new, y_new = x[:500], y[:500], x[500:], y[500:]

model = ReducedRank(d_in, d_out)
optimizer = torch.optim.LBFGS(model.parameters(), lr=1.0, max_iter=20, history_size=10, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    sse = ((model(x_fit) - y_fit) ** 2).sum()
    sse.backward()
    return sse


for outer in range(12):
    sse = optimizer.step(closure)
    print(f"round {outer + 1:2d}  sum of squares {sse.item():.3f}")

with torch.no_grad():
    signal = x_new @ true + 0.5
    r2 = 1 - (model(x_new) - signal).square().sum() / (signal - signal.mean(0)).square().sum()
print(f"METRIC r2 {r2.item():.4f}")
