import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.distributions import Normal
from torch.utils.data import DataLoader, TensorDataset, random_split


class HeteroscedasticNet(nn.Module):
    """Predicts a mean and a spread for each input."""

    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(2, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh())
        self.mean = nn.Linear(32, 1)
        self.spread = nn.Linear(32, 1)

    def forward(self, x):
        h = self.body(x)
        return Normal(self.mean(h), nn.functional.softplus(self.spread(h)) + 1e-2)


def objective(dist, y):
    return dist.log_prob(y).mean()


def main():
    args = argparse.ArgumentParser(description=__doc__)
    args.add_argument("--seed", type=int, default=0)
    args = args.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    x = torch.rand(1500, 2) * 4 - 2
    mu = torch.sin(2 * x[:, :1]) * x[:, 1:] + 0.5 * x[:, 1:] ** 2
    y = mu + (0.05 + 0.1 * x[:, :1].abs()) * torch.randn_like(mu)
    train, test = random_split(TensorDataset(x, y), [1200, 300])
    loader = DataLoader(train, batch_size=40, shuffle=True)
    net = HeteroscedasticNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(1, 26):
        net.train()
        losses = []
        for xb, yb in loader:
            loss = objective(net(xb), yb)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        if epoch % 5 == 0:
            print(f"epoch {epoch:3d} objective {np.mean(losses):.3f}")
    net.eval()
    xt, yt = test[:]
    with torch.no_grad():
        sse = (net(xt).mean - yt).square().mean()
    print(f"METRIC r2 {1 - (sse / yt.var()).item():.4f}")


if __name__ == "__main__":
    main()
