import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


class Body(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 24, 3, padding=1)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        return x.flatten(1)


class Trainer:
    def __init__(self, body, head, lr_body, lr_head):
        self.body, self.head = body, head
        self.body_opt = torch.optim.SGD(body.parameters(), lr=lr_body, momentum=0.9)
        self.head_opt = torch.optim.Adam(head.parameters(), lr=lr_head)

    def batch(self, x, y):
        self.head_opt.zero_grad()
        loss = F.cross_entropy(self.head(self.body(x)), y)
        loss.backward()
        self.body_opt.step()
        self.head_opt.step()
        return loss.item()

    def fit(self, loader, epochs):
        for epoch in range(epochs):
            mean = np.mean([self.batch(x, y) for x, y in loader])
            print(f"epoch {epoch} loss {mean:.4f}")

    @torch.no_grad()
    def score(self, x, y):
        return (self.head(self.body(x)).argmax(1) == y).float().mean().item()


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    seed = ap.parse_args().seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    digits = load_digits()
    perm = np.random.permutation(len(digits.images))
    x = torch.tensor(digits.images[perm], dtype=torch.float32).unsqueeze(1).div(8).sub(0.6)
    y = torch.tensor(digits.target[perm])
    loader = DataLoader(TensorDataset(x[:1300], y[:1300]), batch_size=26, shuffle=True)
    trainer = Trainer(Body(), nn.Linear(96, 10), lr_body=0.05, lr_head=2e-3)
    trainer.fit(loader, epochs=8)
    print(f"METRIC accuracy {trainer.score(x[1300:], y[1300:]):.4f}")


if __name__ == "__main__":
    main()
