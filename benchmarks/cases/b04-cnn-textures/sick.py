import argparse
import random

import numpy as np
import torch
from torch import nn

S = 12


def stripes(kind, rng):
    yy, xx = np.mgrid[0:S, 0:S]
    phase, freq = rng.uniform(0, 6.28), rng.uniform(1.2, 2.0)
    along = {0: xx, 1: yy, 2: (xx + yy) / 1.4, 3: (xx - yy) / 1.4}[kind]
    return np.sin(freq * along + phase) + rng.normal(0, 0.6, (S, S))


class Textures(torch.utils.data.Dataset):
    def __init__(self, n, seed):
        rng = np.random.default_rng(seed)
        self.kinds = rng.integers(0, 4, n)
        self.images = np.stack([stripes(k, rng) for k in self.kinds]).astype(np.float32)

    def __len__(self):
        return len(self.kinds)

    def __getitem__(self, i):
        return torch.from_numpy(self.images[i])[None], int(self.kinds[i])


class Trainer:
    def __init__(self, seed):
        random.seed(seed)
        torch.manual_seed(seed)
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(144, 4),
        )
        self.opt = torch.optim.RMSprop(self.net.parameters(), lr=1e-6)
        self.loss = nn.CrossEntropyLoss()
        self.train_dl = torch.utils.data.DataLoader(Textures(900, seed + 10), batch_size=30, shuffle=True)
        self.test_dl = torch.utils.data.DataLoader(Textures(400, seed + 99), batch_size=200)

    def fit(self, epochs):
        for e in range(epochs):
            losses = []
            for img, kind in self.train_dl:
                out = self.loss(self.net(img), kind)
                self.opt.zero_grad()
                out.backward()
                self.opt.step()
                losses.append(out.item())
            print(f"Epoch {e + 1}/{epochs} - train loss {np.mean(losses):.4f} - test acc {self.accuracy():.3f}")

    @torch.no_grad()
    def accuracy(self):
        right = [(self.net(img).argmax(1) == kind).float() for img, kind in self.test_dl]
        return torch.cat(right).mean().item()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    t = Trainer(parser.parse_args().seed)
    t.fit(8)
    print("METRIC accuracy", round(t.accuracy(), 4))
