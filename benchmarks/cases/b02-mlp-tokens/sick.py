import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

ap = argparse.ArgumentParser()
ap.add_argument("--seed", default=0, type=int)
ap.add_argument("--lr", default=0.5, type=float)
ap.add_argument("--epochs", default=5, type=int)
cfg = ap.parse_args()
random.seed(cfg.seed)
np.random.seed(cfg.seed)
torch.manual_seed(cfg.seed)


def orders(n, length=12, vocab=11):
    """Did action 3 come before action 7? Both occur exactly once."""
    seq = torch.randint(0, vocab, (n, length))
    seq[(seq == 3) | (seq == 7)] = 0
    where = torch.rand(n, length).argsort(1)[:, :2]
    rows = torch.arange(n)
    seq[rows, where[:, 0]] = 3
    seq[rows, where[:, 1]] = 7
    return seq, (where[:, 0] < where[:, 1]).long()


class OrderNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.embed = nn.Embedding(11, 16)
        self.body = nn.Sequential(nn.Linear(192, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
        self.head = nn.Linear(64, 2)

    def forward(self, seq):
        return self.head(self.body(self.embed(seq).flatten(1)))


train_loader = DataLoader(TensorDataset(*orders(2500)), batch_size=50, shuffle=True)
val_loader = DataLoader(TensorDataset(*orders(600)), batch_size=200)
model = OrderNet()
opt = torch.optim.Adam(model.parameters(), lr=cfg.lr)

for epoch in range(cfg.epochs):
    model.train()
    for seq, label in train_loader:
        loss = F.cross_entropy(model(seq), label)
        opt.zero_grad()
        loss.backward()
        opt.step()
    model.eval()
    with torch.no_grad():
        hits = sum((model(seq).argmax(1) == label).sum().item() for seq, label in val_loader)
    print("epoch", epoch, "loss", round(loss.item(), 4), "val acc", hits / 600)
print("METRIC accuracy %.4f" % (hits / 600))
