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

n = 2400
month = np.arange(n)
sales = (
    0.6 * month / n + np.sin(2 * np.pi * month / 12) + 0.4 * np.cos(2 * np.pi * month / 40) + 0.1 * np.random.randn(n)
)
sales = torch.tensor((sales - sales[:1800].mean()) / sales[:1800].std(), dtype=torch.float32)
lags = sales.unfold(0, 14, 1)
inputs, following = lags[:, :13], lags[:, 13]

model = nn.Sequential(nn.Linear(13, 24), nn.Tanh(), nn.Linear(24, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9)
for epoch in range(20):
    squared = 0.0
    for start in range(0, 1780, 20):
        guess = model(inputs[start : start + 20]).squeeze(1)
        loss = (guess - following[start : start + 20]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        squared += loss.item()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1} mse {squared / 89:.4f}")
with torch.no_grad():
    rest = following[1800:]
    r2 = 1 - (model(inputs[1800:]).squeeze(1) - rest).square().mean() / rest.var()
print(f"METRIC r2 {r2.item():.4f}")
