import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class Block(nn.Module):
    def __init__(self, c_in, c_out, kernel, dilation):
        super().__init__()
        self.reach = (kernel - 1) * dilation
        self.conv = nn.Conv1d(c_in, c_out, kernel, dilation=dilation)

    def forward(self, x):
        x = F.pad(x, (self.reach, 0))
        return F.relu(self.conv(x))


class Forecaster(nn.Module):
    def __init__(self, channels=16):
        super().__init__()
        self.blocks = nn.Sequential(
            Block(1, channels, 3, 1), Block(channels, channels, 3, 2), Block(channels, channels, 3, 4)
        )
        self.readout = nn.Conv1d(channels, 1, 1)

    def forward(self, x):
        return self.readout(self.blocks(x))


def breathing(n, length):
    t = torch.arange(length)
    rate = 0.7 + 0.5 * torch.rand(n, 1)
    phase = 6.28 * torch.rand(n, 1)
    x = torch.sin(rate * t + phase) + 0.5 * torch.sin(2 * rate * t + 2 * phase + 1)
    return (x + 0.1 * torch.randn(n, length)).unsqueeze(1)


def main(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    records = breathing(640, 65)
    model = Forecaster()
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for epoch in range(20):
        total = 0.0
        for idx in torch.randperm(640).split(32):
            x = records[idx]
            loss = F.mse_loss(model(x[:, :, :-1]), x[:, :, 1:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() / 20
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1:2d} mse {total:.4f}")
    live = breathing(800, 41)
    with torch.no_grad():
        guess = model(live[:, :, :40])[:, 0, -1]
    truth = live[:, 0, 40]
    r2 = 1 - F.mse_loss(guess, truth) / truth.var()
    print(f"METRIC r2 {r2.item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
