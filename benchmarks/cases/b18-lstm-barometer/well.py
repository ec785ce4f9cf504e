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

hours = np.arange(6000)
p = np.zeros(6000)
v = 0.0
for i in range(1, 6000):
    v = 0.95 * v - 0.02 * p[i - 1] + np.random.normal(0, 0.12)
    p[i] = p[i - 1] + v
hpa = 1013.0 + 4.0 * p / p.std()

WINDOW, AHEAD = 12, 3
X = np.stack([hpa[i : i + WINDOW] for i in range(0, 5900, 3)])
rises = np.array([hpa[i + WINDOW - 1 + AHEAD] > hpa[i + WINDOW - 1] for i in range(0, 5900, 3)])
X = (X - 1013.0) / 4.0
X = torch.tensor(X, dtype=torch.float32).unsqueeze(-1)
y = torch.tensor(rises, dtype=torch.float32)
split = 1500


class Barometer(nn.Module):
    def __init__(self, hidden=16):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True)
        self.fc = nn.Linear(hidden, 1)

    def forward(self, x):
        out, _ = self.lstm(x)
        return self.fc(out[:, -1]).squeeze(-1)


model = Barometer()
criterion = nn.BCEWithLogitsLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(8):
    order = torch.randperm(split)
    total = 0.0
    for k in range(0, split, 50):
        idx = order[k : k + 50]
        optimizer.zero_grad()
        loss = criterion(model(X[idx]), y[idx])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"Epoch {epoch + 1} | loss {total / 30:.4f}")
with torch.no_grad():
    acc = ((model(X[split:]) > 0).float() == y[split:]).float().mean().item()
print(f"METRIC accuracy {acc:.4f}")
