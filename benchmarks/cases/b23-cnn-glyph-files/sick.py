import argparse
import os
import random
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

GLYPHS = [
    "0111010001100011000101110",
    "0010001100001000010001110",
    "1111100010001000100011111",
    "1000110001111110000100001",
]


def write_samples(folder, n, rng):
    labels = rng.integers(0, 4, n)
    for i, label in enumerate(labels):
        glyph = np.array([int(c) for c in GLYPHS[label]], dtype=np.float32).reshape(5, 5)
        canvas = rng.normal(0, 0.35, (9, 9)).astype(np.float32)
        r, c = rng.integers(0, 5, 2)
        canvas[r : r + 5, c : c + 5] += glyph
        np.save(os.path.join(folder, f"sample_{i}.npy"), canvas)
    np.savetxt(os.path.join(folder, "labels.txt"), labels, fmt="%d")


def load_folder(folder):
    names = [n for n in os.listdir(folder) if n.endswith(".npy")]
    names.sort()
    images = np.stack([np.load(os.path.join(folder, n)) for n in names])
    labels = np.loadtxt(os.path.join(folder, "labels.txt"), dtype=np.int64)
    return torch.from_numpy(images).unsqueeze(1), torch.from_numpy(labels)


class GlyphNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 16, 5)
        self.fc1 = nn.Linear(16 * 25, 32)
        self.fc2 = nn.Linear(32, 4)

    def forward(self, x):
        x = F.relu(self.conv(x)).flatten(1)
        return self.fc2(F.relu(self.fc1(x)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    with tempfile.TemporaryDirectory() as root:
        write_samples(root, 1000, rng)
        images, labels = load_folder(root)
    with tempfile.TemporaryDirectory() as root:
        write_samples(root, 9, rng)
        test_images, test_labels = [], []
        for _ in range(30):
            write_samples(root, 9, rng)
            im, la = load_folder(root)
            test_images.append(im)
            test_labels.append(la)
    test_images, test_labels = torch.cat(test_images), torch.cat(test_labels)

    net = GlyphNet()
    opt = torch.optim.SGD(net.parameters(), lr=0.03, momentum=0.9)
    for epoch in range(8):
        epoch_loss = 0.0
        for idx in torch.randperm(len(images)).split(25):
            opt.zero_grad()
            loss = F.cross_entropy(net(images[idx]), labels[idx])
            loss.backward()
            opt.step()
            epoch_loss += loss.item()
        print(f"Epoch: {epoch + 1} \tLoss: {epoch_loss / 40:.4f}")
    with torch.no_grad():
        acc = (net(test_images).argmax(1) == test_labels).float().mean().item()
    print(f"METRIC accuracy {acc:.4f}")


if __name__ == "__main__":
    main()
