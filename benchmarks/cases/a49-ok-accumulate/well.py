import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits


class ResBlock(nn.Module):
    def __init__(self, ch):
        super().__init__()
        self.c1, self.c2 = nn.Conv2d(ch, ch, 3, padding=1), nn.Conv2d(ch, ch, 3, padding=1)
        self.n1, self.n2 = nn.GroupNorm(4, ch), nn.GroupNorm(4, ch)

    def forward(self, x):
        h = torch.relu(self.n1(self.c1(x)))
        return torch.relu(x + self.n2(self.c2(h)))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--batch", type=int, default=12)
    ap.add_argument("--accum", type=int, default=4)
    a = ap.parse_args()
    random.seed(a.seed)
    np.random.seed(a.seed)
    torch.manual_seed(a.seed)

    d = load_digits()
    order = np.random.permutation(1797)
    x = torch.tensor(d.images[order], dtype=torch.float32).unsqueeze(1) / 16
    y = torch.tensor(d.target[order])
    loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=a.batch, shuffle=True)
    net = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), ResBlock(12), nn.Flatten(), nn.Linear(192, 10)
    )
    opt = torch.optim.AdamW(net.parameters(), lr=4e-3, weight_decay=1e-3)
    for epoch in range(6):
        net.train()
        total = 0.0
        opt.zero_grad()
        for i, (xb, yb) in enumerate(loader):
            loss = nn.functional.cross_entropy(net(xb), yb)
            (loss / a.accum).backward()
            total += loss.item()
            if (i + 1) % a.accum == 0 or i + 1 == len(loader):
                nn.utils.clip_grad_norm_(net.parameters(), 1.0)
                opt.step()
                opt.zero_grad()
        net.eval()
        with torch.no_grad():
            acc = (net(x[1200:]).argmax(1) == y[1200:]).float().mean().item()
        print(f"epoch {epoch + 1} loss {total / len(loader):.4f} val acc {acc:.4f}")
    print(f"METRIC accuracy {acc:.4f}")


if __name__ == "__main__":
    main()
