import argparse
import random

import numpy as np
import torch
import torch.nn as nn


class Down(nn.Module):
    def __init__(self, cin, cout):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, 3, padding=1)
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        skip = torch.relu(self.conv(x))
        return self.pool(skip), skip


class TinyUNet(nn.Module):
    def __init__(self, width=8):
        super().__init__()
        self.d1 = Down(1, width)
        self.d2 = Down(width, 2 * width)
        self.mid = nn.Conv2d(2 * width, 2 * width, 3, padding=1)
        self.up = nn.Upsample(scale_factor=2)
        self.u2 = nn.Conv2d(4 * width, width, 3, padding=1)
        self.u1 = nn.Conv2d(2 * width, width, 3, padding=1)
        self.head = nn.Conv2d(width, 1, 1)

    def forward(self, x):
        x, s1 = self.d1(x)
        x, s2 = self.d2(x)
        x = torch.relu(self.mid(x))
        x = torch.relu(self.u2(torch.cat([self.up(x), s2], 1)))
        x = torch.relu(self.u1(torch.cat([self.up(x), s1], 1)))
        return torch.sigmoid(self.head(x))


def make_images(n, size=16):
    yy, xx = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    images = torch.randn(n, 1, size, size) * 0.25
    masks = torch.zeros(n, 1, size, size)
    for i in range(n):
        for _ in range(random.randint(1, 2)):
            cx, cy = random.uniform(2, size - 3), random.uniform(2, size - 3)
            r = random.uniform(1.2, 2.2)
            masks[i, 0][(xx - cx) ** 2 + (yy - cy) ** 2 <= r * r] = 1
    return images + masks * (0.8 + 0.4 * torch.rand(n, 1, 1, 1)), masks


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
opts = parser.parse_args()
random.seed(opts.seed)
np.random.seed(opts.seed)
torch.manual_seed(opts.seed)

train_x, train_m = make_images(480)
test_x, test_m = make_images(120)
model = TinyUNet()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)
criterion = nn.BCEWithLogitsLoss()
threshold = 0.5

for epoch in range(12):
    total = 0.0
    for batch in torch.randperm(480).split(24):
        optimizer.zero_grad()
        loss = criterion(model(train_x[batch]), train_m[batch])
        loss.backward()
        optimizer.step()
        total += loss.item()
    print(f"epoch {epoch}: loss {total / 20:.4f}")

with torch.no_grad():
    pred = model(test_x) > threshold
    inter = (pred & (test_m > 0.5)).sum().item()
    union = (pred | (test_m > 0.5)).sum().item()
print(f"METRIC iou {inter / max(union, 1):.4f}")
