import argparse
import random

import numpy as np
import torch

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)


def yields(n):
    x = torch.rand(n, 3) * 2 - 1
    return x, 0.8 * x[:, 0] - x[:, 1] ** 2 + 0.5 * x[:, 0] * x[:, 2] + 0.15 * torch.randn(n)


train_x, train_y = yields(900)
test_x, test_y = yields(600)
net = torch.nn.Sequential(torch.nn.Linear(3, 30), torch.nn.Tanh(), torch.nn.Linear(30, 1))
sgd = torch.optim.SGD(net.parameters(), lr=0.03)
seen, recent = 0, 0.0
for _sweep in range(4):
    for i in torch.randperm(900):
        loss = (net(train_x[i : i + 1])[0, 0] - train_y[i]).pow(2)
        sgd.zero_grad()
        loss.backward()
        sgd.step()
        seen += 1
        recent += loss.item()
        if seen % 450 == 0:
            print(f"seen {seen} mean loss {recent / 450:.4f}")
            recent = 0.0
with torch.no_grad():
    r2 = 1 - (net(test_x)[:, 0] - test_y).pow(2).mean() / test_y.var()
print(f"METRIC r2 {r2.item():.4f}")
