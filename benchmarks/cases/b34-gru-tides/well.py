import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset


def tide(hours, rng):
    t = np.arange(hours)
    level = np.sin(2 * np.pi * t / 6.2 + rng.uniform(0, 6)) + 0.6 * np.sin(2 * np.pi * t / 5.8 + rng.uniform(0, 6))
    return torch.tensor(level + 0.1 * rng.standard_normal(hours), dtype=torch.float32)


class WindowDataset(Dataset):
    def __init__(self, series, window):
        self.series, self.window = series, window

    def __len__(self):
        return len(self.series) - self.window - 1

    def __getitem__(self, i):
        x = self.series[i : i + self.window]
        y = self.series[i + self.window]
        return x.unsqueeze(-1), y


class Forecaster(nn.Module):
    def __init__(self, hidden=20):
        super().__init__()
        self.gru = nn.GRU(1, hidden, batch_first=True)
        self.linear = nn.Linear(hidden, 1)

    def forward(self, x):
        return self.linear(self.gru(x)[0][:, -1]).squeeze(-1)


def forecast_next(model, history, window):
    with torch.no_grad():
        return model(history[-window:].view(1, -1, 1)).item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--window", type=int, default=18)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    series = tide(1500, rng)
    past, live = series[:1200], series[1200:]
    loader = DataLoader(WindowDataset(past, args.window), batch_size=32, shuffle=True)
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for epoch in range(6):
        losses = []
        for x, y in loader:
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: mse {np.mean(losses):.4f}")
    forecasts = torch.tensor([forecast_next(model, series[: 1200 + k], args.window) for k in range(len(live))])
    r2 = 1 - (forecasts - live).pow(2).mean() / live.var()
    print(f"METRIC r2 {r2.item():.4f}")


if __name__ == "__main__":
    main()
