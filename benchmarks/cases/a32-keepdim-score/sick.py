import argparse
import random
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_wine

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
args = ap.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

wine = load_wine()
perm = np.random.permutation(178)
X = torch.tensor(wine.data[perm], dtype=torch.float32)
y = torch.tensor(wine.target[perm], dtype=torch.long)
X = (X - X[:118].mean(0)) / X[:118].std(0)
X_train, y_train, X_test, y_test = X[:118], y[:118], X[118:], y[118:]


class WineNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.inp = nn.Linear(13, 18)
        self.drop = nn.Dropout(0.2)
        self.out = nn.Linear(18, 3)

    def forward(self, x):
        return self.out(self.drop(F.leaky_relu(self.inp(x))))


def accuracy(logits, labels):
    predicted = logits.argmax(dim=1, keepdim=True)
    return (predicted == labels).float().mean().item()


model = WineNet()
optimizer = torch.optim.Adam(model.parameters(), lr=8e-3, weight_decay=1e-3)
for epoch in range(60):
    model.train()
    for batch in torch.randperm(118).split(16):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(X_train[batch]), y_train[batch])
        loss.backward()
        optimizer.step()
    model.eval()
    with torch.no_grad():
        test_logits = model(X_test)
        val_loss = F.cross_entropy(test_logits, y_test).item()
        acc = accuracy(test_logits, y_test)
    if (epoch + 1) % 10 == 0:
        print(f"{epoch + 1:3d}: train loss {loss.item():.4f}  val loss {val_loss:.4f}  val acc {acc:.3f}")
print(f"METRIC accuracy {acc:.4f}")
