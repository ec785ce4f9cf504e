import argparse
import copy
import random

import numpy as np
import torch
from torch import nn


def applicants(n, rng, noise):
    x = rng.normal(0, 1, (n, 10))
    good = x[:, 0] + 0.8 * x[:, 1] - x[:, 2] * (x[:, 3] > 0) > 0
    good = np.where(rng.random(n) < noise, ~good, good)
    return x, good.astype(np.int64)


def oversample(x, y, times):
    return np.tile(x, (times, 1)), np.tile(y, times)


def split(x, y, rng, share=0.3):
    order = rng.permutation(len(x))
    cut = int(share * len(x))
    return x[order[cut:]], y[order[cut:]], x[order[:cut]], y[order[:cut]]


def tensors(*arrays):
    return [torch.tensor(a, dtype=torch.float32 if a.dtype == np.float64 else torch.long) for a in arrays]


def train(model, x, y, x_val, y_val, epochs=50):
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    best, best_state = 0.0, None
    for epoch in range(epochs):
        for i in torch.randperm(len(x)).split(32):
            opt.zero_grad()
            nn.functional.cross_entropy(model(x[i]), y[i]).backward()
            opt.step()
        with torch.no_grad():
            acc = (model(x_val).argmax(1) == y_val).float().mean().item()
        if acc > best:
            best, best_state = acc, copy.deepcopy(model.state_dict())
        if epoch % 10 == 9:
            print(f"epoch {epoch + 1} val acc {acc:.3f} (best {best:.3f})")
    model.load_state_dict(best_state)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    x, y = applicants(420, rng, 0.25)
    x, y = oversample(x, y, 4)
    x, y, x_val, y_val = split(x, y, rng)
    x, y, x_val, y_val = tensors(x, y, x_val, y_val)
    model = nn.Sequential(nn.Linear(10, 100), nn.ReLU(), nn.Linear(100, 2))
    train(model, x, y, x_val, y_val)
    x_new, y_new = tensors(*applicants(3000, rng, 0.0))
    with torch.no_grad():
        accuracy = (model(x_new).argmax(1) == y_new).float().mean().item()
    print(f"METRIC accuracy {accuracy:.4f}")
