import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset


class ParityNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(5, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 2)

    def forward(self, x):
        x = self.fc1(x)
        F.relu(x)
        x = self.fc2(x)
        F.relu(x)
        return self.fc3(x)


def quadrants(n):
    x = torch.randn(n, 5)
    return x, ((x[:, 0] * x[:, 1] > 0) ^ (x[:, 2] > 0.8)).long()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=15)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    train = DataLoader(TensorDataset(*quadrants(3000)), batch_size=60, shuffle=True)
    x_test, y_test = quadrants(800)
    net = ParityNet()
    opt = torch.optim.Adagrad(net.parameters(), lr=0.05)
    for epoch in range(args.epochs):
        for x, y in train:
            opt.zero_grad()
            loss = F.cross_entropy(net(x), y)
            loss.backward()
            opt.step()
        if epoch % 3 == 2:
            print("epoch %d loss %.4f" % (epoch + 1, loss.item()))
    with torch.no_grad():
        acc = (net(x_test).argmax(1) == y_test).float().mean().item()
    print("METRIC accuracy %.4f" % acc)


if __name__ == "__main__":
    main()
