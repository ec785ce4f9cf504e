import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits


class Backbone(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 16, 3, padding=1),
            nn.BatchNorm2d(16),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(16, 32, 3, padding=1),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
        )

    def forward(self, x):
        return self.net(x)


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

d = load_digits()
p = np.random.permutation(len(d.target))
x = torch.tensor(d.images[p] / 16, dtype=torch.float32)[:, None]
y = torch.tensor(d.target[p])

# stage one: which digit
backbone = Backbone()
classifier = nn.Sequential(backbone, nn.Linear(128, 10))
opt = torch.optim.Adam(classifier.parameters(), lr=2e-3)
for epoch in range(4):
    classifier.train()
    for b in torch.randperm(1000).split(40):
        loss = nn.functional.cross_entropy(classifier(x[b]), y[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    print(f"pretrain {epoch + 1}: {loss.item():.4f}")

# stage two: holes in the digit (0, 1 or 2), backbone fixed
holes = torch.tensor([1, 0, 0, 0, 1, 0, 1, 0, 2, 1])[y]
backbone.requires_grad_(False)
backbone.eval()
head = nn.Linear(128, 3)
opt = torch.optim.SGD(head.parameters(), lr=0.1, momentum=0.9)
for epoch in range(10):
    for b in torch.randperm(1400).split(50):
        with torch.no_grad():
            z = backbone(x[b])
        loss = nn.functional.cross_entropy(head(z), holes[b])
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        acc = (head(backbone(x[1400:])).argmax(1) == holes[1400:]).float().mean().item()
    if epoch % 3 == 0:
        print(f"head {epoch + 1}: {loss.item():.4f} val {acc:.4f}")
print(f"METRIC accuracy {acc:.4f}")
