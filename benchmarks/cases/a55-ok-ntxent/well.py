import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.neighbors import KNeighborsClassifier


def jitter(img):
    """Small shift, gain and noise."""
    dx, dy = random.randint(-1, 1), random.randint(-1, 1)
    img = torch.roll(img, (dx, dy), dims=(-2, -1))
    return img * (0.8 + 0.4 * torch.rand(len(img), 1, 1, 1)) + 0.1 * torch.randn_like(img)


class Embedder(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(512, 48),
        )
        self.project = nn.Sequential(nn.ReLU(), nn.Linear(48, 24))

    def forward(self, x):
        h = self.body(x)
        return h, F.normalize(self.project(h), dim=1)


def nt_xent(z1, z2, tau=0.2):
    z = torch.cat([z1, z2])
    sim = (z @ z.t() / tau).masked_fill(torch.eye(len(z), dtype=torch.bool), -1e9)
    n = len(z1)
    partner = torch.cat([torch.arange(n, 2 * n), torch.arange(n)])
    return F.cross_entropy(sim, partner)


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    d = load_digits()
    order = np.random.permutation(1797)
    x = torch.tensor(d.images[order] / 16, dtype=torch.float32)[:, None]
    y = d.target[order]
    model = Embedder()
    opt = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(8):
        for rows in torch.randperm(1400)[:1344].split(96):
            _, a = model(jitter(x[rows]))
            _, b = model(jitter(x[rows]))
            loss = nt_xent(a, b)
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"epoch {epoch + 1} contrastive loss {loss.item():.4f}")
    with torch.no_grad():
        h = F.normalize(model(x)[0], dim=1).numpy()
    print(f"METRIC knn_accuracy {KNeighborsClassifier(5).fit(h[:1400], y[:1400]).score(h[1400:], y[1400:]):.4f}")
