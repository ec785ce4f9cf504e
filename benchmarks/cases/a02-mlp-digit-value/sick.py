"""Reads handwritten digits."""

import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from sklearn.preprocessing import StandardScaler


def prepare():
    digits = load_digits()
    idx = np.random.permutation(digits.target.size)
    feats = StandardScaler().fit_transform(digits.data)[idx].clip(-4, 4)
    feats = torch.from_numpy(feats).float()
    classes = torch.from_numpy(digits.target[idx])
    return (feats[:1400], classes[:1400]), (feats[1400:], classes[1400:])


class Reader(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.a = torch.nn.Linear(64, 40)
        self.b = torch.nn.Linear(40, 24)
        self.c = torch.nn.Linear(24, 1)

    def forward(self, x):
        x = F.elu(self.a(x))
        x = F.elu(self.b(x))
        return self.c(x)

    def predict(self, x):
        with torch.no_grad():
            return self(x).squeeze(-1).round().clamp(0, 9).long()


def fit(reader, x, y, epochs=25, bs=70):
    opt = torch.optim.Adam(reader.parameters(), lr=2e-3)
    for e in range(epochs):
        order = torch.randperm(len(x))
        run = []
        for i in range(0, len(x), bs):
            pick = order[i : i + bs]
            opt.zero_grad()
            loss = F.mse_loss(reader(x[pick]).squeeze(-1), y[pick].float())
            loss.backward()
            opt.step()
            run.append(loss.item())
        if e % 5 == 4:
            print("epoch", e + 1, "loss", round(float(np.mean(run)), 4))


if __name__ == "__main__":
    cli = argparse.ArgumentParser()
    cli.add_argument("--seed", type=int, default=0)
    seed = cli.parse_args().seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    train, test = prepare()
    reader = Reader()
    fit(reader, *train)
    acc = (reader.predict(test[0]) == test[1]).float().mean().item()
    print("METRIC accuracy", round(acc, 4))
