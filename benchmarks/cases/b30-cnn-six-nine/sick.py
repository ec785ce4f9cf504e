import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, Dataset


class SixNine(Dataset):
    def __init__(self, images, labels, train):
        self.images, self.labels, self.train = images, labels, train

    def __len__(self):
        return len(self.labels)

    def augment(self, img):
        if random.random() < 0.5:
            img = torch.rot90(img, 2, (0, 1))
        return torch.roll(img, random.randint(-1, 1), 1)

    def __getitem__(self, i):
        img = self.images[i]
        if self.train:
            img = self.augment(img)
        return img.unsqueeze(0), self.labels[i]


parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

d = load_digits()
keep = np.flatnonzero((d.target == 6) | (d.target == 9))
np.random.shuffle(keep)
images = torch.tensor(d.images[keep] / 16, dtype=torch.float32)
labels = torch.tensor(d.target[keep] == 9).long()
train_dl = DataLoader(SixNine(images[:240], labels[:240], True), batch_size=16, shuffle=True)
test_dl = DataLoader(SixNine(images[240:], labels[240:], False), batch_size=60)

model = nn.Sequential(
    nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Conv2d(6, 12, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(48, 2)
)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
for epoch in range(1, 10):
    model.train()
    total = 0
    for x, y in train_dl:
        optimizer.zero_grad()
        loss = loss_fn(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item()
    if epoch % 3 == 0:
        print("Epoch", epoch, "train loss", round(total / len(train_dl), 4))
model.eval()
with torch.no_grad():
    hits = sum((model(x).argmax(1) == y).sum().item() for x, y in test_dl)
print("METRIC accuracy", hits / len(test_dl.dataset))
