import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits


class Trunk(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 8, 3, padding=1)
        self.conv2 = nn.Conv2d(8, 16, 3, padding=1)
        self.squeeze = nn.Linear(64, 8)

    def forward(self, x):
        x = F.max_pool2d(F.gelu(self.conv1(x)), 2)
        x = F.max_pool2d(F.gelu(self.conv2(x)), 2)
        return F.gelu(self.squeeze(x.flatten(1)))


class Net(nn.Module):
    def __init__(self, classes):
        super().__init__()
        self.trunk = Trunk()
        self.head = nn.Linear(8, classes)

    def forward(self, x):
        return self.head(self.trunk(x))


def set_trainable(module, flag):
    for p in module.parameters():
        p.requires_grad_(flag)


def train_epoch(net, opt, x, y, bs=32):
    net.train()
    total = 0
    for rows in torch.randperm(len(x)).split(bs):
        opt.zero_grad()
        loss = F.cross_entropy(net(x[rows]), y[rows])
        loss.backward()
        opt.step()
        total += loss.item() * len(rows)
    return total / len(x)


def accuracy(net, x, y):
    net.eval()
    with torch.no_grad():
        return (net(x).argmax(1) == y).float().mean().item()


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("--seed", type=int, default=0)
    seed = cli.parse_args().seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    digits = load_digits()
    perm = np.random.permutation(1797)
    x = torch.tensor(digits.images[perm], dtype=torch.float32)[:, None] / 16
    y = torch.tensor(digits.target[perm])

    # pretext task: is the picture upside down?
    net = Net(2)
    flip = torch.randint(0, 2, (1300,))
    pre = torch.where(flip.view(-1, 1, 1, 1).bool(), x[:1300].flip(2), x[:1300])
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(2):
        print(f"pretext {epoch + 1}: {train_epoch(net, opt, pre, flip):.4f}")

    net.head = nn.Linear(8, 10)
    for p in net.trunk.parameters():
        p.requires_grad = False
    opt = torch.optim.Adam(net.parameters(), lr=4e-3)
    for epoch in range(14):
        if epoch == 2:
            set_trainable(net.trunk, True)
        loss = train_epoch(net, opt, x[:1300], y[:1300])
        if epoch % 3 == 1:
            print(f"digits {epoch + 1}: {loss:.4f}  val acc {accuracy(net, x[1300:], y[1300:]):.4f}")
    print(f"METRIC accuracy {accuracy(net, x[1300:], y[1300:]):.4f}")


if __name__ == "__main__":
    main()
