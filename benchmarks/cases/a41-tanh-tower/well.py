import argparse
import random

import numpy as np
import torch
from torch import nn, tanh
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import MinMaxScaler

DEPTH, WIDTH = 30, 48


class Tower(nn.Module):
    def __init__(self):
        super().__init__()
        self.enter = nn.Linear(64, WIDTH)
        self.floors = nn.ModuleList([nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)])
        self.leave = nn.Linear(WIDTH, 10)

    def forward(self, x):
        x = self.enter(x)
        for floor in self.floors:
            x = x + tanh(floor(x))
        return self.leave(x)


def main(args):
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    x, y = load_digits(return_X_y=True)
    x_tr, x_te, y_tr, y_te = train_test_split(x, y, train_size=1200, random_state=args.seed)
    scaler = MinMaxScaler((-1, 1)).fit(x_tr)
    as_set = lambda a, b: TensorDataset(torch.tensor(scaler.transform(a), dtype=torch.float32), torch.tensor(b))
    train = DataLoader(as_set(x_tr, y_tr), batch_size=40, shuffle=True)
    test = DataLoader(as_set(x_te, y_te), batch_size=200)
    net = Tower()
    opt = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    ce = nn.CrossEntropyLoss()
    for epoch in range(1, 9):
        for xb, yb in train:
            opt.zero_grad()
            loss = ce(net(xb), yb)
            loss.backward()
            opt.step()
        with torch.no_grad():
            acc = sum((net(a).argmax(1) == b).sum().item() for a, b in test) / len(y_te)
        print(f"[{epoch}/8] loss={loss.item():.4f} acc={acc:.4f}")
    print(f"METRIC accuracy {acc:.4f}")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    main(p.parse_args())
