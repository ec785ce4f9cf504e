import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


def place(images, gen, size=14):
    """Put each 8x8 digit somewhere on a larger canvas."""
    n = len(images)
    canvas = torch.zeros(n, size, size)
    top = torch.randint(0, size - 7, (n,), generator=gen)
    left = torch.randint(0, size - 7, (n,), generator=gen)
    for i in range(n):
        canvas[i, top[i] : top[i] + 8, left[i] : left[i] + 8] = images[i]
    return canvas


def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(196, 128), nn.ReLU(), nn.Linear(128, 10))


def main(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    data = load_digits()
    order = np.random.permutation(len(data.images))
    images = torch.tensor(data.images[order] / 16, dtype=torch.float32)
    labels = torch.tensor(data.target[order])
    train_images, train_labels = images[:700], labels[:700]
    test_images, test_labels = place(images[1000:], torch.Generator().manual_seed(77)), labels[1000:]

    net = build()
    optimizer = torch.optim.Adam(net.parameters(), lr=3e-3)
    for epoch in range(40):
        gen = torch.Generator().manual_seed(seed)
        canvas = place(train_images, gen)
        for idx in torch.randperm(700).split(35):
            loss = nn.functional.cross_entropy(net(canvas[idx]), train_labels[idx])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 8 == 7:
            print(f"epoch {epoch + 1} train loss {loss.item():.4f}")
    with torch.no_grad():
        accuracy = (net(test_images).argmax(1) == test_labels).float().mean()
    print(f"METRIC accuracy {accuracy:.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    main(parser.parse_args().seed)
