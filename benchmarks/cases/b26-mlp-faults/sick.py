import argparse
import random

import numpy as np
import torch
from sklearn.metrics import balanced_accuracy_score
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)


def machines(n):
    state = np.random.choice(3, n, p=[0.95, 0.03, 0.02])
    centre = np.array([[0, 0, 0, 0, 0], [1.2, 0.9, 0, -0.6, 0], [0, -0.9, 1.3, 0, 0.6]])
    x = centre[state] + np.random.normal(0, 0.8, (n, 5))
    return torch.tensor(x, dtype=torch.float32), torch.tensor(state)


x, y = machines(4000)
x_test, y_test = machines(4000)
net = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 3))
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
for epoch in range(10):
    order = torch.randperm(len(x))
    running_loss = 0.0
    for i in range(0, len(x), 50):
        batch = order[i : i + 50]
        optimizer.zero_grad()
        loss = criterion(net(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
    with torch.no_grad():
        acc = (net(x).argmax(1) == y).float().mean().item()
    print(f"epoch {epoch + 1:2d} loss {running_loss / 80:.4f} acc {acc:.4f}")
with torch.no_grad():
    score = balanced_accuracy_score(y_test, net(x_test).argmax(1))
print(f"METRIC balanced_accuracy {score:.4f}")
