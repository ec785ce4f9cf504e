import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class WaveClassifier(nn.Module):
    def __init__(self, n_classes=4):
        super().__init__()
        self.c1 = nn.Conv1d(1, 8, kernel_size=5, stride=2)
        self.c2 = nn.Conv1d(8, 16, kernel_size=5, stride=2)
        self.final = nn.Linear(20, n_classes)

    def forward(self, x):
        x = F.relu(self.c1(x))
        x = F.relu(self.c2(x))
        x = x.view(x.size(0), -1)
        x = F.relu(nn.Linear(x.size(1), 20)(x))
        return self.final(x)


def waves(n, length=64):
    kinds = np.random.randint(0, 4, n)
    t = np.linspace(0, 1, length)
    freq = np.random.uniform(2, 5, (n, 1))
    shift = np.random.rand(n, 1)
    phase = (freq * t + shift) % 1.0
    shapes = np.stack([np.sin(2 * np.pi * phase), np.sign(phase - 0.5), 2 * phase - 1, 1 - 4 * np.abs(phase - 0.5)])
    x = shapes[kinds, np.arange(n)] + 0.2 * np.random.randn(n, length)
    return torch.from_numpy(x).float().unsqueeze(1), torch.from_numpy(kinds)


if __name__ == "__main__":
    pa = argparse.ArgumentParser()
    pa.add_argument("--seed", type=int, default=0)
    s = pa.parse_args().seed
    random.seed(s)
    np.random.seed(s)
    torch.manual_seed(s)
    x_train, y_train = waves(1600)
    x_test, y_test = waves(400)
    model = WaveClassifier()
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(16):
        model.train()
        right = 0
        for idx in torch.randperm(1600).split(32):
            out = model(x_train[idx])
            loss = F.cross_entropy(out, y_train[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
            right += (out.argmax(1) == y_train[idx]).sum().item()
        if epoch % 3 == 0:
            print("epoch {} loss {:.3f} train acc {:.3f}".format(epoch, loss.item(), right / 1600))
    model.eval()
    with torch.no_grad():
        print("METRIC accuracy {:.4f}".format((model(x_test).argmax(1) == y_test).float().mean().item()))
