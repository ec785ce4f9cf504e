import argparse
import random

import numpy as np
import torch
from torch import nn


class Summer(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(1, 24, batch_first=True)
        self.out = nn.Linear(24, 1)

    def forward(self, x):
        _, h = self.rnn(x)
        return self.out(h[0]).squeeze(-1)


def batch(n, length):
    x = torch.rand(n, length, 1) - 0.3
    return x, x.clamp(min=0).sum((1, 2))


def main(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    model = Summer()
    optimizer = torch.optim.Adam(model.parameters(), lr=6e-3)
    for length in (3, 6, 10, 15):
        for step in range(180):
            x, y = batch(48, length)
            loss = nn.functional.mse_loss(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            if step in (0, 59, 179):
                print(f"length {length:2d} step {step + 1:3d} loss {loss.item():.5f}")
    x, y = batch(1000, 15)
    with torch.no_grad():
        r2 = 1 - nn.functional.mse_loss(model(x), y) / y.var()
    print(f"METRIC r2 {r2.item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
