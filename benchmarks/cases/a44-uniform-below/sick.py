import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits
from torch.utils.data import DataLoader, TensorDataset


def init_weights(m):
    if isinstance(m, nn.Conv2d):
        nn.init.uniform_(m.weight, -0.25, 0.0)
        nn.init.zeros_(m.bias)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(1, 20, 3), nn.ReLU(), nn.Conv2d(20, 20, 3), nn.ReLU(), nn.AvgPool2d(2))
        self.classifier = nn.Sequential(nn.Dropout(0.1), nn.Linear(80, 10))

    def forward(self, x):
        return self.classifier(torch.flatten(self.features(x), 1))


def train(model, device, loader, optimizer, epoch, log_interval=15):
    model.train()
    for i, (data, target) in enumerate(loader):
        data, target = data.to(device), target.to(device)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(data), target)
        loss.backward()
        optimizer.step()
        if i % log_interval == 0:
            print(f"Train Epoch: {epoch} [{i * len(data)}/{len(loader.dataset)}]\tLoss: {loss.item():.6f}")


def test(model, device, loader):
    model.eval()
    loss, correct = 0, 0
    with torch.no_grad():
        for data, target in loader:
            out = model(data.to(device))
            loss += nn.functional.cross_entropy(out, target, reduction="sum").item()
            correct += out.argmax(dim=1, keepdim=True).eq(target.view(-1, 1)).sum().item()
    n = len(loader.dataset)
    print(f"Test set: Average loss: {loss / n:.4f}, Accuracy: {correct}/{n}")
    return correct / n


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    device = torch.device("cpu")
    digits = load_digits()
    order = np.random.permutation(len(digits.images))
    x = torch.tensor(digits.images[order] / 16, dtype=torch.float32)[:, None]
    y = torch.tensor(digits.target[order])
    train_loader = DataLoader(TensorDataset(x[:1350], y[:1350]), batch_size=45, shuffle=True)
    test_loader = DataLoader(TensorDataset(x[1350:], y[1350:]), batch_size=149)
    model = Net().to(device)
    model.apply(init_weights)
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    for epoch in range(1, 9):
        train(model, device, train_loader, optimizer, epoch)
        acc = test(model, device, test_loader)
    print(f"METRIC accuracy {acc:.4f}")


if __name__ == "__main__":
    main()
