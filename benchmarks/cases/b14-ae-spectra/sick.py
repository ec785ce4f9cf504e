import argparse
import random

import numpy as np
import torch
from torch import nn


def spectra(n, rng):
    grid = np.linspace(0, 1, 40)
    out = np.zeros((n, 40))
    for k, centre in enumerate([0.2, 0.45, 0.6, 0.8]):
        height = rng.gamma(2.0, 0.5 / (k + 1), (n, 1))
        out += height * np.exp(-(((grid - centre) / 0.06) ** 2))
    return torch.tensor(out + rng.normal(0, 0.02, out.shape), dtype=torch.float32)


class AutoEncoder(nn.Module):
    def __init__(self, code=6):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(40, 24), nn.Tanh(), nn.Linear(24, code))
        self.decoder = nn.Sequential(nn.Linear(code, 24), nn.Tanh(), nn.Linear(24, 40))

    def forward(self, x):
        return self.decoder(self.encoder(x))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train, test = spectra(1200, rng), spectra(400, rng)
    mean = train.mean(0)
    train, test = train - mean, test - mean

    ae = AutoEncoder()
    optimizer = torch.optim.SGD(ae.parameters(), lr=0.03)
    loader = torch.utils.data.DataLoader(train, batch_size=60, shuffle=True)
    for epoch in range(40):
        for x in loader:
            loss = nn.functional.mse_loss(ae(x), x)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 8 == 0:
            print(f"epoch {epoch + 1}, reconstruction {loss.item():.5f}")
    with torch.no_grad():
        explained = 1 - (ae(test) - test).pow(2).mean() / test.pow(2).mean()
    print(f"METRIC explained {explained.item():.4f}")
