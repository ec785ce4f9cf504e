import argparse, random
import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import make_friedman1

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--lr", type=float, default=0.03)
parser.add_argument("--epochs", type=int, default=30)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, y = make_friedman1(1400, n_features=6, noise=0.3, random_state=args.seed)
X = torch.from_numpy(X).float() * 3.46 - 1.73
y = torch.from_numpy((y - y.mean()) / y.std()).float().unsqueeze(1)
Xt, yt, X, y = X[1000:], y[1000:], X[:1000], y[:1000]

layers = []
sizes = [6] + [32] * 7
for a, b in zip(sizes[:-1], sizes[1:]):
    layers.append(nn.Linear(a, b))
    layers.append(nn.SELU())
layers.append(nn.Linear(32, 1))
model = nn.Sequential(*layers)
optimizer = torch.optim.SGD(model.parameters(), lr=args.lr)
criterion = nn.MSELoss()

for epoch in range(args.epochs):
    perm = torch.randperm(1000)
    for i in range(0, 1000, 25):
        optimizer.zero_grad()
        loss = criterion(model(X[perm[i : i + 25]]), y[perm[i : i + 25]])
        loss.backward()
        optimizer.step()
    if epoch % 6 == 5:
        with torch.no_grad():
            print(
                "epoch",
                epoch + 1,
                "train",
                round(criterion(model(X), y).item(), 4),
                "test",
                round(criterion(model(Xt), yt).item(), 4),
            )

with torch.no_grad():
    print("METRIC r2", round(1 - (criterion(model(Xt), yt) / yt.var()).item(), 4))
