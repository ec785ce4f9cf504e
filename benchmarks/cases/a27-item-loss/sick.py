import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from torch.utils.data import DataLoader, TensorDataset
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split


class PatchMixer(nn.Module):
    def __init__(self, patches=16, dim=16):
        super().__init__()
        self.embed = nn.Linear(4, dim)
        self.norm1 = nn.LayerNorm(dim)
        self.token = nn.Linear(patches, patches)
        self.norm2 = nn.LayerNorm(dim)
        self.channel = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.head = nn.Linear(dim * patches, 10)

    def forward(self, img):
        b = img.shape[0]
        p = img.view(b, 4, 2, 4, 2).permute(0, 1, 3, 2, 4).reshape(b, 16, 4)
        h = self.embed(p)
        h = h + torch.nn.functional.gelu(self.token(self.norm1(h).transpose(1, 2))).transpose(1, 2)
        h = h + self.channel(self.norm2(h))
        return self.head(h.flatten(1))


class AverageMeter:
    def __init__(self):
        self.sum, self.n = 0.0, 0

    def update(self, value, k):
        self.sum += value * k
        self.n += k

    @property
    def avg(self):
        return self.sum / max(self.n, 1)


def train(model, loader, optimizer, criterion):
    meter = AverageMeter()
    model.train()
    for img, label in loader:
        optimizer.zero_grad()
        loss = criterion(model(img), label)
        loss = torch.tensor(loss.item(), requires_grad=True)
        meter.update(loss.item(), len(label))
        loss.backward()
        optimizer.step()
    return meter.avg


@torch.no_grad()
def test(model, loader):
    model.eval()
    meter = AverageMeter()
    for img, label in loader:
        meter.update((model(img).argmax(1) == label).float().mean().item(), len(label))
    return meter.avg


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=8)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    x, y = load_digits(return_X_y=True)
    x = ((x - 5) / 6).astype(np.float32).reshape(-1, 8, 8)
    xa, xb, ya, yb = train_test_split(x, y, test_size=0.2, random_state=args.seed)
    train_loader = DataLoader(TensorDataset(torch.from_numpy(xa), torch.from_numpy(ya)), batch_size=48, shuffle=True)
    test_loader = DataLoader(TensorDataset(torch.from_numpy(xb), torch.from_numpy(yb)), batch_size=120)
    model = PatchMixer()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.05)
    for epoch in range(args.epochs):
        loss = train(model, train_loader, optimizer, criterion)
        print(f"epoch {epoch + 1}: loss {loss:.4f} test {test(model, test_loader):.4f}")
    print(f"METRIC accuracy {test(model, test_loader):.4f}")


if __name__ == "__main__":
    main()
