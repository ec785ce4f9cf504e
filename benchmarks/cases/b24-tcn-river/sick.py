import argparse
import random

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser(description="river level from rain")
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
torch.manual_seed(args.seed)
gen = np.random.default_rng(args.seed)


def basin(hours):
    rain = gen.gamma(0.5, 2.0, hours)
    kernel = np.array([0.05, 0.15, 0.3, 0.25, 0.15, 0.1])
    level = np.convolve(rain, kernel)[:hours] + 0.05 * gen.standard_normal(hours)
    return rain.astype(np.float32), level.astype(np.float32)


def windows(rain, level, length=16):
    starts = np.arange(8, len(rain) - length)
    x = np.stack([rain[s : s + length] for s in starts])
    y = level[starts]
    return torch.from_numpy(x).unsqueeze(1), torch.from_numpy(y)


def test_windows(rain, level, length=16):
    ends = np.arange(length, len(rain))
    x = np.stack([rain[e - length + 1 : e + 1] for e in ends])
    return torch.from_numpy(x).unsqueeze(1), torch.from_numpy(level[ends])


x, y = windows(*basin(2000))
xt, yt = test_windows(*basin(600))
scale = x.std()
model = nn.Sequential(
    nn.Conv1d(1, 16, 3, dilation=1),
    nn.ReLU(),
    nn.Conv1d(16, 16, 3, dilation=2),
    nn.ReLU(),
    nn.Flatten(),
    nn.Linear(160, 1),
)
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
for epoch in range(8):
    total = 0.0
    for idx in torch.randperm(len(x)).split(32):
        optimizer.zero_grad()
        loss = ((model(x[idx] / scale).squeeze(1) - y[idx]) ** 2).mean()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(idx)
    print("epoch", epoch, "mse", round(total / len(x), 4))
with torch.no_grad():
    r2 = 1 - ((model(xt / scale).squeeze(1) - yt) ** 2).mean() / yt.var()
print("METRIC r2", r2.item())
