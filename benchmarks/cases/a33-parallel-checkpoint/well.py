import argparse
import os
import random
import tempfile

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class Wrapper(nn.Module):
    """What multi-device wrappers do to the names."""

    def __init__(self, module):
        super().__init__()
        self.module = module

    def forward(self, *a):
        return self.module(*a)


class RowReader(nn.Module):
    """Reads an image row by row."""

    def __init__(self, hidden=40):
        super().__init__()
        self.rnn = nn.LSTM(8, hidden, batch_first=True)
        self.norm = nn.LayerNorm(hidden)
        self.fc = nn.Linear(hidden, 10)

    def forward(self, img):
        seq, _ = self.rnn(img)
        return self.fc(self.norm(seq[:, -1]))


def epochs(model, x, y, n, lr, name):
    opt = torch.optim.AdamW(model.parameters(), lr=lr)
    for e in range(n):
        model.train()
        for idx in torch.randperm(len(x)).split(32):
            loss = nn.functional.cross_entropy(model(x[idx]), y[idx])
            opt.zero_grad()
            loss.backward()
            opt.step()
        print(f"{name} epoch {e + 1}: {loss.item():.4f}")


def load(path, model):
    state = torch.load(path)["model"]
    state = {k.removeprefix("module."): v for k, v in state.items()}
    model.load_state_dict(state, strict=False)
    return model


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    opts = parser.parse_args()
    random.seed(opts.seed)
    np.random.seed(opts.seed)
    torch.manual_seed(opts.seed)
    d = load_digits()
    p = np.random.permutation(1797)
    x, y = torch.tensor(d.images[p] / 8 - 0.6, dtype=torch.float32), torch.tensor(d.target[p])
    with tempfile.TemporaryDirectory() as tmp:
        path = os.path.join(tmp, "last.pt")
        first = Wrapper(RowReader())
        epochs(first, x[:1000], y[:1000], 12, 5e-3, "pretrain")
        torch.save({"model": first.state_dict(), "epoch": 12}, path)
        model = load(path, RowReader())
    epochs(model, x[1000:1400], y[1000:1400], 3, 2e-4, "tune")
    model.eval()
    with torch.no_grad():
        acc = (model(x[1400:]).argmax(1) == y[1400:]).float().mean().item()
    print(f"METRIC accuracy {acc:.4f}")


if __name__ == "__main__":
    main()
