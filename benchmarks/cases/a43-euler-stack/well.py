import argparse
import random

import numpy as np
import torch
import torch.nn as nn

STEPS = 24


class Field(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.a = nn.Linear(d, d)
        self.b = nn.Linear(d, d)
        nn.init.kaiming_normal_(self.a.weight, nonlinearity="relu")
        nn.init.xavier_normal_(self.b.weight)

    def forward(self, h):
        return self.b(torch.relu(self.a(h)))


class EulerNet(nn.Module):
    """h' = f_t(h), integrated over unit time."""

    def __init__(self, d_in, d=32, steps=STEPS):
        super().__init__()
        self.lift = nn.Linear(d_in, d)
        self.fields = nn.ModuleList(Field(d) for _ in range(steps))
        self.read = nn.Linear(d, 1)
        self.dt = 1.0 / steps

    def forward(self, x):
        h = self.lift(x)
        for f in self.fields:
            h = h + self.dt * f(h)
        return self.read(h)


ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
a = ap.parse_args()
random.seed(a.seed)
np.random.seed(a.seed)
torch.manual_seed(a.seed)

x = torch.rand(1300, 3) * 4 - 2
y = torch.sin(2 * x[:, :1]) + x[:, 1:2] * x[:, 2:] / 2
net = EulerNet(3)
opt = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
for epoch in range(16):
    run = 0.0
    for rows in torch.randperm(1000).split(40):
        opt.zero_grad()
        loss = nn.functional.mse_loss(net(x[rows]), y[rows])
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 2.0)
        opt.step()
        run += loss.item() / 25
    if epoch % 3 == 0:
        print(f"epoch {epoch + 1:2d}  mse {run:.5g}")
with torch.no_grad():
    mse = nn.functional.mse_loss(net(x[1000:]), y[1000:])
print(f"METRIC r2 {(1 - mse / y[1000:].var()).item():.4f}")
