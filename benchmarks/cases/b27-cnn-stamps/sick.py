import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import ConcatDataset, DataLoader, TensorDataset


def draw(shape, n, rng):
    yy, xx = np.mgrid[-5:6, -5:6]
    out = []
    for _ in range(n):
        r, dx, dy = rng.uniform(2.2, 4), *rng.uniform(-1, 1, 2)
        x, y = xx - dx, yy - dy
        mask = {
            "disc": x**2 + y**2 < r**2,
            "square": np.maximum(abs(x), abs(y)) < r * 0.85,
            "diamond": abs(x) + abs(y) < r * 1.2,
            "cross": (np.minimum(abs(x), abs(y)) < 1) & (np.maximum(abs(x), abs(y)) < r),
            "ring": (x**2 + y**2 < r**2) & (x**2 + y**2 > (r - 1.4) ** 2),
        }[shape]
        out.append(mask + rng.normal(0, 0.15, mask.shape))
    return torch.tensor(np.array(out), dtype=torch.float32).unsqueeze(1)


SHAPES = ["disc", "square", "diamond", "cross", "ring"]


def image_folder(per_class, rng):
    return ConcatDataset(
        [TensorDataset(draw(s, per_class, rng), torch.full((per_class,), k)) for k, s in enumerate(SHAPES)]
    )


class StampNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(1, 10, 3),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(10, 16, 3),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(64, 5),
        )

    def forward(self, x):
        return self.body(x)


def main(seed):
    random.seed(seed)
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    train_loader = DataLoader(image_folder(200, rng), batch_size=20)
    test_loader = DataLoader(image_folder(80, rng), batch_size=80)
    model = StampNet()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.04, momentum=0.9)
    for epoch in range(14):
        losses = []
        for image, label in train_loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(image), label)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1} mean loss {np.mean(losses):.4f}")
    model.eval()
    correct = 0
    with torch.no_grad():
        for image, label in test_loader:
            correct += (model(image).argmax(1) == label).sum().item()
    print(f"METRIC accuracy {correct / 400:.4f}")


if __name__ == "__main__":
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=0)
    main(p.parse_args().seed)
