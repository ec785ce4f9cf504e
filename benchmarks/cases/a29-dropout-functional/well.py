import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class Surrogate(nn.Module):
    """Stands in for a slow simulator of a heat exchanger."""

    def __init__(self, width=64, p=0.5):
        super().__init__()
        self.p = p
        self.fc1 = nn.Linear(5, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, 1)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.dropout(x, self.p, training=self.training)
        x = F.relu(self.fc2(x))
        x = F.dropout(x, self.p, training=self.training)
        return self.fc3(x).squeeze(1)


def simulate(n):
    q = torch.rand(n, 5)
    ntu = 3 * q[:, 0] * (1 + q[:, 1]) / (0.3 + q[:, 2])
    eff = (1 - torch.exp(-ntu)) / (1 + 0.5 * q[:, 3] * torch.exp(-ntu))
    return (q - 0.5) * 3.46, (eff + 0.3 * q[:, 4] - 0.85) / 0.2


def main(argv=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args(argv)
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    loader = DataLoader(TensorDataset(*simulate(2000)), batch_size=50, shuffle=True)
    x_val, y_val = simulate(600)
    model = Surrogate()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(1, 21):
        model.train()
        for x, y in loader:
            loss = F.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            val = F.mse_loss(model(x_val), y_val).item()
        if epoch % 4 == 0:
            print(f"epoch {epoch:2d}  train {loss.item():.4f}  val {val:.4f}")
    print(f"METRIC r2 {1 - val / y_val.var().item():.4f}")


if __name__ == "__main__":
    main()
