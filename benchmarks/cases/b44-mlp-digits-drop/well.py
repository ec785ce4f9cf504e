import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

digits = load_digits()
perm = torch.randperm(len(digits.target))
x = torch.tensor(digits.data / 8 - 1, dtype=torch.float32)[perm]
y = torch.tensor(digits.target)[perm]
x_tr, y_tr, x_va, y_va = x[:1400], y[:1400], x[1400:], y[1400:]

net = nn.Sequential(
    nn.Dropout(0.2),
    nn.Linear(64, 200),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(200, 100),
    nn.ReLU(),
    nn.Dropout(0.5),
    nn.Linear(100, 10),
)
opt = torch.optim.Adam(net.parameters(), lr=2e-3)
for epoch in range(1, 16):
    net.train()
    train_loss = 0.0
    for idx in torch.randperm(1400).split(40):
        opt.zero_grad()
        loss = F.cross_entropy(net(x_tr[idx]), y_tr[idx])
        loss.backward()
        opt.step()
        train_loss += loss.item() * len(idx) / 1400
    net.eval()
    with torch.no_grad():
        out = net(x_va)
        val_loss, acc = F.cross_entropy(out, y_va).item(), (out.argmax(1) == y_va).float().mean().item()
    if epoch % 3 == 0:
        print(f"{epoch:3d}  train {train_loss:.4f}  val {val_loss:.4f}  acc {acc:.4f}")
print(f"METRIC accuracy {acc:.4f}")
