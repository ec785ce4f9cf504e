import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils.parametrizations import spectral_norm, weight_norm


class GatedNet(nn.Module):
    def __init__(self, d=6, h=40):
        super().__init__()
        self.inp = weight_norm(nn.Linear(d, 2 * h))
        self.loop = spectral_norm(nn.Linear(h, h))
        self.act = nn.ReLU(inplace=True)
        self.out = weight_norm(nn.Linear(h, 1))

    def forward(self, x):
        a, b = self.inp(x).chunk(2, dim=-1)
        h = self.act(a.clone()) * b.sigmoid()
        for _ in range(2):
            u = self.loop(h)
            u.mul_(0.5).add_(h)
            h = F.leaky_relu_(u, 0.1)
        return self.out(h).view(-1)


def table(n):
    x = torch.randn(n, 6)
    y = torch.sin(x[:, 0] * 1.5) + x[:, 1] * x[:, 2].sigmoid() - 0.4 * x[:, 3].abs()
    return x, y


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    x, y = table(2500)
    x_val, y_val = table(600)
    net = GatedNet()
    opt = torch.optim.Adam(net.parameters(), lr=5e-3)
    sched = torch.optim.lr_scheduler.ExponentialLR(opt, 0.85)
    for epoch in range(18):
        net.train()
        for rows in torch.randperm(2500).split(64):
            opt.zero_grad()
            loss = F.mse_loss(net(x[rows]), y[rows])
            loss.backward()
            opt.step()
        sched.step()
        net.eval()
        with torch.no_grad():
            r2 = 1 - (F.mse_loss(net(x_val), y_val) / y_val.var()).item()
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1} mse {loss.item():.4f} r2 {r2:.4f}")
    print(f"METRIC r2 {r2:.4f}")


if __name__ == "__main__":
    main()
