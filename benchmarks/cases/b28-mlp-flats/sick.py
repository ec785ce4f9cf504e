import argparse
import random

import numpy as np
import torch
import torch.nn as nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)


def flats(n):
    area = np.random.gamma(6, 12, n)
    floor = np.random.randint(0, 10, n)
    centre = np.random.exponential(4, n)
    year = np.random.randint(1950, 2020, n)
    price = area * (30 - 2 * np.minimum(centre, 8)) + 15 * floor + 4 * (year - 1985) + np.random.normal(0, 80, n)
    return np.column_stack([area, floor, centre, year, price])


listing = flats(1200)
listing = listing[listing[:, -1].argsort()]
mean, std = listing.mean(0), listing.std(0)
table = torch.tensor((listing - mean) / std, dtype=torch.float32)
test = torch.tensor((flats(500) - mean) / std, dtype=torch.float32)

model = nn.Sequential(nn.Linear(4, 50), nn.ReLU(), nn.Linear(50, 20), nn.ReLU(), nn.Linear(20, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9)
batch_size = 15
for epoch in range(20):
    total = 0.0
    for start in range(0, len(table), batch_size):
        rows = table[start : start + batch_size]
        prediction = model(rows[:, :4]).flatten()
        loss = nn.functional.mse_loss(prediction, rows[:, 4])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 4 == 3:
        print(f"epoch {epoch + 1:2d}  loss {total * batch_size / len(table):.4f}")

with torch.no_grad():
    residual = model(test[:, :4]).flatten() - test[:, 4]
r2 = 1 - residual.pow(2).mean() / test[:, 4].var()
print(f"METRIC r2 {r2:.4f}")
