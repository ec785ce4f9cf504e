import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset


class BayesNet(nn.Module):
    def __init__(self, p=0.08):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(4, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 64), nn.ReLU(), nn.Dropout(p), nn.Linear(64, 1)
        )

    def forward(self, x):
        return self.net(x).squeeze(-1)

    @torch.no_grad()
    def posterior(self, x, draws=50):
        self.eval()
        for m in self.modules():
            if isinstance(m, nn.Dropout):
                m.train()
        samples = torch.stack([self(x) for _ in range(draws)])
        return samples.mean(0), samples.std(0)


def yields(n):
    x = torch.rand(n, 4) * 3.4 - 1.7
    y = 1.2 * torch.tanh(2 * x[:, 0]) - x[:, 1] ** 2 / 2 + 0.7 * x[:, 2] * x[:, 3]
    return x, y + 0.1 * torch.randn(n)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    loader = DataLoader(TensorDataset(*yields(2000)), batch_size=50, shuffle=True)
    x_test, y_test = yields(500)
    model = BayesNet()
    opt = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-4)
    for epoch in range(1, 21):
        model.train()
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 5 == 0:
            mean, spread = model.posterior(x_test, draws=10)
            print(
                f"epoch {epoch} rmse {(mean - y_test).square().mean().sqrt().item():.3f} spread {spread.mean().item():.3f}"
            )
    mean, spread = model.posterior(x_test)
    print(f"METRIC r2 {1 - ((mean - y_test).square().mean() / y_test.var()).item():.4f}")


if __name__ == "__main__":
    main()
