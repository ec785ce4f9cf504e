import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

parser = argparse.ArgumentParser(description="heart beat shapes")
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--epochs", type=int, default=8)
parser.add_argument("--batch-size", type=int, default=24)
parser.add_argument("--lr", type=float, default=0.01)
parser.add_argument("--warmup", type=int, default=150)
args = parser.parse_args()
random.seed(args.seed)
torch.manual_seed(args.seed)
rng = np.random.default_rng(args.seed)


def beat(kind):
    t = np.linspace(0, 1, 48)
    c = rng.uniform(0.35, 0.65)
    wave = np.exp(-(((t - c) / 0.03) ** 2))
    if kind == 1:
        wave = np.exp(-(((t - c) / 0.06) ** 2))
    if kind == 2:
        wave = wave - 0.7 * np.exp(-(((t - c - 0.08) / 0.03) ** 2))
    return wave + 0.12 * rng.standard_normal(48)


kinds = rng.integers(0, 3, 1500)
beats = torch.tensor(np.stack([beat(k) for k in kinds]), dtype=torch.float32).unsqueeze(1)
beats = (beats - beats.mean()) / beats.std()
kinds = torch.tensor(kinds)
train_x, train_y, test_x, test_y = beats[:1200], kinds[:1200], beats[1200:], kinds[1200:]


class BeatNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.c1 = nn.Conv1d(1, 8, 5, padding=2)
        self.c2 = nn.Conv1d(8, 16, 5, padding=2)
        self.fc = nn.Linear(16, 3)

    def forward(self, x):
        x = F.max_pool1d(F.relu(self.c1(x)), 2)
        x = F.relu(self.c2(x)).amax(-1)
        return self.fc(x)


net = BeatNet()
optimizer = torch.optim.SGD(net.parameters(), lr=args.lr, momentum=0.8)
scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda s: min(1.0, (s + 1) / args.warmup))
for epoch in range(args.epochs):
    perm = torch.randperm(len(train_x))
    total = 0.0
    for i in range(0, len(train_x), args.batch_size):
        b = perm[i : i + args.batch_size]
        optimizer.zero_grad()
        loss = F.cross_entropy(net(train_x[b]), train_y[b])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(b)
    scheduler.step()
    print("epoch", epoch + 1, "loss", total / len(train_x))
with torch.no_grad():
    acc = (net(test_x).argmax(1) == test_y).float().mean().item()
print(f"METRIC accuracy {acc:.4f}")
