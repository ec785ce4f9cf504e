import argparse
import copy
import random

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class EMA:
    def __init__(self, model, decay=0.98):
        self.decay = decay
        self.shadow = copy.deepcopy(model).eval()
        for p in self.shadow.parameters():
            p.requires_grad_(False)

    @torch.no_grad()
    def update(self, model):
        for s, p in zip(self.shadow.parameters(), model.parameters()):
            s.lerp_(p, 1 - self.decay)
        for s, b in zip(self.shadow.buffers(), model.buffers()):
            s.copy_(b)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    x, y = load_digits(return_X_y=True)
    x = (x / 16).astype(np.float32)
    xa, xb, ya, yb = train_test_split(x, y, test_size=450, random_state=args.seed)
    loader = DataLoader(TensorDataset(torch.from_numpy(xa), torch.from_numpy(ya)), batch_size=32, shuffle=True)
    xb, yb = torch.from_numpy(xb), torch.from_numpy(yb)
    net = nn.Sequential(nn.Linear(64, 80), nn.BatchNorm1d(80), nn.ReLU(), nn.Dropout(0.2), nn.Linear(80, 10))
    ema = EMA(net)
    opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    for epoch in range(14):
        net.train()
        for a, b in loader:
            loss = nn.functional.cross_entropy(net(a), b)
            opt.zero_grad()
            loss.backward()
            opt.step()
            ema.update(net)
        with torch.no_grad():
            acc = (ema.shadow(xb).argmax(1) == yb).float().mean().item()
        if epoch % 3 == 1:
            print(f"epoch {epoch + 1} loss {loss.item():.4f} averaged weights {acc:.4f}")
    print(f"METRIC accuracy {acc:.4f}")


if __name__ == "__main__":
    main()
