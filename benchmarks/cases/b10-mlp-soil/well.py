import argparse
import copy
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class EarlyStopping:
    def __init__(self, patience):
        self.patience, self.best, self.bad, self.state = patience, float("inf"), 0, None

    def update(self, score, model):
        if score < self.best:
            self.best, self.bad, self.state = score, 0, copy.deepcopy(model.state_dict())
        else:
            self.bad += 1
        return self.bad >= self.patience


def soils(n, gen, centres):
    y = gen.integers(0, 6, n)
    x = centres[y, gen.integers(0, 2, n)] + gen.normal(0, 0.55, (n, 8))
    return torch.tensor(x, dtype=torch.float32), torch.tensor(y)


def run(seed):
    random.seed(seed)
    torch.manual_seed(seed)
    gen = np.random.default_rng(seed)
    centres = gen.normal(0, 1, (6, 2, 8))
    x, y = soils(1500, gen, centres)
    xv, yv = soils(300, gen, centres)
    xt, yt = soils(600, gen, centres)
    model = nn.Sequential(nn.Linear(8, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 6))
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-4)
    stopper = EarlyStopping(patience=25)
    for epoch in range(60):
        for b in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            F.cross_entropy(model(x[b]), y[b]).backward()
            optimizer.step()
        with torch.no_grad():
            pick = torch.randint(0, 300, (6,))
            score = F.cross_entropy(model(xv[pick]), yv[pick]).item()
        print(f"epoch {epoch}: val loss {score:.3f}")
        if stopper.update(score, model):
            break
    with torch.no_grad():
        return (model(xt).argmax(1) == yt).float().mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    print(f"METRIC accuracy {run(parser.parse_args().seed):.4f}")
