import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits

MOMENTUM = 0.01


class Dense(nn.Sequential):
    def __init__(self, n_in, n_out):
        super().__init__(nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out, momentum=MOMENTUM, eps=1e-3), nn.ReLU())


def build_model():
    return nn.Sequential(Dense(64, 48), Dense(48, 48), Dense(48, 32), nn.Linear(32, 10))


def evaluate(model, x, y):
    model.eval()
    with torch.no_grad():
        return (model(x).argmax(1) == y).float().mean().item()


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--batch_size", type=int, default=4)
    args = ap.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    d = load_digits()
    order = np.random.permutation(len(d.data))
    x = torch.tensor(d.data[order] / 16, dtype=torch.float32)
    y = torch.tensor(d.target[order])
    loader = DataLoader(TensorDataset(x[:1200], y[:1200]), batch_size=args.batch_size, shuffle=True, drop_last=True)
    model = build_model()
    opt = torch.optim.Adam(model.parameters(), lr=5e-4)
    for epoch in range(6):
        model.train()
        tot = 0.0
        for xb, yb in loader:
            opt.zero_grad()
            loss = nn.functional.cross_entropy(model(xb), yb)
            loss.backward()
            opt.step()
            tot += loss.item()
        print(f"epoch {epoch + 1}: loss {tot / len(loader):.3f}, val acc {evaluate(model, x[1200:], y[1200:]):.3f}")
    print(f"METRIC accuracy {evaluate(model, x[1200:], y[1200:]):.4f}")
