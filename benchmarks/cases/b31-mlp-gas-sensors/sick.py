import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--jitter", type=float, default=9.0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

GASES, SENSORS = 6, 10
response = np.random.uniform(-1, 1, (GASES, SENSORS))


def sniff(n):
    gas = np.random.randint(0, GASES, n)
    dose = np.random.uniform(0.5, 2.0, (n, 1))
    x = np.tanh(response[gas] * dose) + 0.1 * np.random.randn(n, SENSORS)
    return torch.tensor(x, dtype=torch.float32), torch.tensor(gas)


x, y = sniff(1000)
xt, yt = sniff(600)
mean, std = x.mean(0), x.std(0)
x, xt = (x - mean) / std, (xt - mean) / std

W1 = torch.nn.Parameter(torch.randn(SENSORS, 40) * (2 / SENSORS) ** 0.5)
b1 = torch.nn.Parameter(torch.zeros(40))
W2 = torch.nn.Parameter(torch.randn(40, GASES) * (1 / 40) ** 0.5)
b2 = torch.nn.Parameter(torch.zeros(GASES))


def net(x):
    return torch.relu(x @ W1 + b1) @ W2 + b2


opt = torch.optim.SGD([W1, b1, W2, b2], lr=0.1)
for epoch in range(30):
    perm = torch.randperm(1000)
    for i in range(0, 1000, 25):
        xb = x[perm[i : i + 25]]
        xb = xb + args.jitter * torch.randn_like(xb)
        loss = F.cross_entropy(net(xb), y[perm[i : i + 25]])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 6 == 5:
        print(f"epoch {epoch + 1:3d} loss {loss.item():.3f}")
with torch.no_grad():
    accuracy = (net(xt).argmax(1) == yt).float().mean().item()
print(f"METRIC accuracy {accuracy:.4f}")
