import argparse
import random

import numpy as np
import torch
from sklearn.metrics import f1_score
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class DefectNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(9, 32)
        self.l2 = nn.Linear(32, 1)

    def forward(self, x):
        return self.l2(torch.tanh(self.l1(x))).squeeze(1)


def parts(n, rng):
    bad = rng.random(n) < 0.04
    x = rng.normal(0, 1, (n, 9))
    x[bad, :3] += np.array([2.8, -2.8, 2.4])
    return torch.tensor(x, dtype=torch.float32), torch.tensor(bad, dtype=torch.float32)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    loader = DataLoader(TensorDataset(*parts(3000, rng)), batch_size=60, shuffle=True)
    x_test, y_test = parts(3000, rng)
    net = DefectNet()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    loss_fn = nn.BCEWithLogitsLoss()
    for epoch in range(12):
        total = 0.0
        for x, y in loader:
            optimizer.zero_grad()
            loss = loss_fn(net(x), y)
            loss.backward()
            optimizer.step()
            total += loss.item()
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1} loss {total / len(loader):.4f}")
    with torch.no_grad():
        found = (net(x_test) > 0).numpy()
    print(f"METRIC f1 {f1_score(y_test.numpy(), found):.4f}")


main()
