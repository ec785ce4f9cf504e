import argparse
import random

import numpy as np
import torch
import torch.nn as nn


def l1_norm(model):
    return sum(p.abs().sum() for name, p in model.named_parameters() if name.endswith("weight"))


def expression(n, rng, signature):
    tissue = rng.integers(0, 4, n)
    x = rng.normal(0, 1, (n, 80))
    x[:, :20] += signature[tissue]
    return torch.tensor(x, dtype=torch.float32), torch.tensor(tissue)


def train(seed, l1=5e-5):
    torch.manual_seed(seed)
    random.seed(seed)
    rng = np.random.default_rng(seed)
    signature = rng.normal(0, 0.8, (4, 20))
    x, y = expression(1200, rng, signature)
    x_test, y_test = expression(600, rng, signature)
    model = nn.Sequential(nn.Linear(80, 32), nn.ReLU(), nn.Linear(32, 4))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(15):
        order = torch.randperm(len(x))
        for i in range(0, len(x), 40):
            j = order[i : i + 40]
            loss = criterion(model(x[j]), y[j]) + l1 * l1_norm(model)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 3 == 2:
            print(f"epoch {epoch + 1} objective {loss.item():.4f}")
    with torch.no_grad():
        return (model(x_test).argmax(1) == y_test).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print("METRIC accuracy", train(parser.parse_args().seed))
