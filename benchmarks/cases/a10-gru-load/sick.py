#!/usr/bin/env python
import argparse
import random
import numpy as np
import torch

HISTORY = 24


def hourly_load(hours):
    t = np.arange(hours)
    base = 10 * np.sin(2 * np.pi * t / 24) + 4 * np.sin(2 * np.pi * t / 168)
    noise = np.zeros(hours)
    for i in range(1, hours):
        noise[i] = 0.8 * noise[i - 1] + np.random.randn()
    return 320 + base * 3 + 2 * noise


def windows(series):
    xs = np.lib.stride_tricks.sliding_window_view(series, HISTORY + 1)
    xs = torch.tensor(xs.copy(), dtype=torch.float32)
    return xs[:, :-1, None], xs[:, -1]


class Forecaster(torch.nn.Module):
    def __init__(self, hidden=20):
        super().__init__()
        self.rnn = torch.nn.GRU(1, hidden, batch_first=True)
        self.fc = torch.nn.Linear(hidden, 12)
        self.out = torch.nn.Linear(12, 1)

    def forward(self, x):
        _, h = self.rnn(x)
        h = torch.relu(self.fc(h[-1]))
        return torch.relu(self.out(h))[:, 0]


def main():
    cli = argparse.ArgumentParser()
    cli.add_argument("--seed", type=int, default=0)
    cli.add_argument("--epochs", type=int, default=8)
    cli.add_argument("--batch", type=int, default=32)
    opt = cli.parse_args()
    random.seed(opt.seed)
    np.random.seed(opt.seed)
    torch.manual_seed(opt.seed)

    load = hourly_load(1900)
    mean, std = load[:1500].mean(), load[:1500].std()
    x, y = windows((load - mean) / std)
    x_tr, y_tr, x_te, y_te = x[:1450], y[:1450], x[1510:], y[1510:]

    net = Forecaster()
    optim = torch.optim.Adam(net.parameters(), lr=4e-3)
    for epoch in range(opt.epochs):
        perm = np.random.permutation(len(x_tr))
        losses = []
        for start in range(0, len(perm), opt.batch):
            rows = perm[start : start + opt.batch]
            optim.zero_grad()
            loss = ((net(x_tr[rows]) - y_tr[rows]) ** 2).mean()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(net.parameters(), 5.0)
            optim.step()
            losses.append(float(loss))
        with torch.no_grad():
            rmse = std * ((net(x_te) - y_te) ** 2).mean().sqrt().item()
        print("epoch {:2d}  mse {:.4f}  test rmse {:.2f} MW".format(epoch, np.mean(losses), rmse))
    print("METRIC r2 {:.4f}".format(1 - (rmse / std) ** 2 / y_te.var().item()))


main()
