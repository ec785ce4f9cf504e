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

w1, w2 = torch.randn(20), torch.randn(20)


def observe(n, noise):
    x = torch.randn(n, 20)
    y = torch.tanh(x @ w1 / 3) + 0.5 * torch.relu(x @ w2 / 3)
    return x, y - 0.5 + noise * torch.randn(n)


x_train, y_train = observe(2000, 0.6)
x_test, y_test = observe(1000, 0.0)

net = nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 1))
EPOCHS = 15
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
sched = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=EPOCHS)
for epoch in range(EPOCHS):
    losses = []
    for idx in torch.randperm(2000).split(20):
        loss = (net(x_train[idx])[:, 0] - y_train[idx]).square().mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        losses.append(loss.item())
    sched.step()
    if epoch % 3 == 2:
        print(f"{epoch + 1:3d} {np.mean(losses):.4f}")

with torch.no_grad():
    err = (net(x_test)[:, 0] - y_test).square().mean()
print(f"METRIC r2 {(1 - err / y_test.var()).item():.4f}")
