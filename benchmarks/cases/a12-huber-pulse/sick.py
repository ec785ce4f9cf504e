import argparse
import random
import warnings

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

warnings.filterwarnings("ignore")


class PulseRate(Dataset):
    def __init__(self, n, length=64):
        t = np.arange(length) / 16.0
        rate = np.random.uniform(0.6, 2.6, size=n)
        phase = np.random.uniform(0, 2 * np.pi, size=n)
        wave = np.sin(2 * np.pi * rate[:, None] * t + phase[:, None]) ** 3
        self.signal = (wave + 0.15 * np.random.randn(n, length)).astype(np.float32)
        self.rate = ((rate - 1.6) / 0.58).astype(np.float32).reshape(-1, 1)

    def __len__(self):
        return len(self.rate)

    def __getitem__(self, i):
        return self.signal[i], self.rate[i]


class PulseNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(1, 16, 7, padding=3),
            nn.BatchNorm1d(16),
            nn.ReLU(),
            nn.MaxPool1d(2),
            nn.Conv1d(16, 32, 5, padding=2),
            nn.BatchNorm1d(32),
            nn.ReLU(),
            nn.AdaptiveAvgPool1d(4),
        )
        self.regressor = nn.Linear(128, 1)

    def forward(self, x):
        x = self.features(x.unsqueeze(1))
        return self.regressor(x.flatten(1)).squeeze(-1)


def run(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    train = DataLoader(PulseRate(1600), batch_size=64, shuffle=True)
    valid = DataLoader(PulseRate(400), batch_size=100)
    net, huber = PulseNet(), nn.HuberLoss(delta=1.0)
    opt = torch.optim.AdamW(net.parameters(), lr=5e-3, weight_decay=1e-4)
    sched = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=1e-2, total_steps=12 * len(train))
    for epoch in range(12):
        net.train()
        for signal, rate in train:
            opt.zero_grad()
            loss = huber(net(signal), rate)
            loss.backward()
            opt.step()
            sched.step()
        net.eval()
        with torch.no_grad():
            out = torch.cat([net(s) for s, _ in valid])
            ref = torch.cat([r for _, r in valid]).flatten()
        r2 = 1 - (out - ref).square().mean() / ref.var(unbiased=False)
        print(f"epoch {epoch + 1:2d} | train {loss.item():.4f} | r2 {r2.item():+.4f}")
    return r2.item()


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    print(f"METRIC r2 {run(p.parse_args().seed):.4f}")
