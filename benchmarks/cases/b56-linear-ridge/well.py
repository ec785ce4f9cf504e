import argparse
import random

import numpy as np
import torch

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
args = ap.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

rows, cols = 150, 240
factors = torch.randn(8, cols)


def markers(n):
    z = torch.randn(n, 8)
    x = z @ factors / 8**0.5 + 0.7 * torch.randn(n, cols)
    return x, z[:, 0] - 0.8 * z[:, 1] + 0.6 * z[:, 2] + 0.4 * torch.randn(n)


x, y = markers(rows)
x_test, y_test = markers(1000)
net = torch.nn.Linear(cols, 1)
torch.nn.init.zeros_(net.weight)
opt = torch.optim.SGD(net.parameters(), lr=0.004, momentum=0.9, weight_decay=1.0)
for epoch in range(100):
    for idx in torch.randperm(rows).split(30):
        loss = torch.nn.functional.mse_loss(net(x[idx]).squeeze(1), y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 20 == 19:
        print(epoch + 1, round(loss.item(), 4))
with torch.no_grad():
    r2 = 1 - torch.nn.functional.mse_loss(net(x_test).squeeze(1), y_test) / y_test.var()
print(f"METRIC r2 {r2.item():.4f}")
