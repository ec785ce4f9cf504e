import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.optim as optim


def make_plant(n, rng):
    temp = rng.uniform(2, 37, n)
    vacuum = 25 + 1.3 * temp + rng.normal(0, 6, n)
    pressure = rng.normal(1013, 6, n)
    humidity = rng.uniform(25, 100, n)
    power = 500 - 1.9 * temp - 0.25 * vacuum - 0.002 * temp * humidity + 0.06 * (pressure - 1013) + rng.normal(0, 3, n)
    return np.stack([temp, vacuum, pressure, humidity], 1), power


def standardise(train, test):
    mu, sd = train.mean(0), train.std(0)
    return (train - mu) / sd, (test - mu) / sd


def main(seed):
    random.seed(seed)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    X, y = make_plant(1800, rng)
    X_tr, X_te = standardise(X[:1400], X[1400:])
    y_tr, y_te = standardise(y[:1400], y[1400:])
    X_tr, X_te, y_tr, y_te = (torch.tensor(a, dtype=torch.float32) for a in (X_tr, X_te, y_tr, y_te))

    net = nn.Sequential(nn.Linear(4, 48), nn.ReLU(), nn.Linear(48, 48), nn.ReLU(), nn.Linear(48, 1))
    opt = optim.SGD(net.parameters(), lr=1.5)
    mse = nn.MSELoss()

    for epoch in range(1, 31):
        running = 0.0
        for idx in torch.randperm(1400).split(40):
            opt.zero_grad()
            loss = mse(net(X_tr[idx]).squeeze(1), y_tr[idx])
            loss.backward()
            opt.step()
            running += loss.item() * len(idx)
        if epoch % 5 == 0:
            print(f"[{epoch:02d}] mse={running / 1400:.4f}")

    with torch.no_grad():
        r2 = 1 - mse(net(X_te).squeeze(1), y_te) / y_te.var(unbiased=False)
    print(f"METRIC r2 {r2.item():.4f}")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    main(p.parse_args().seed)
