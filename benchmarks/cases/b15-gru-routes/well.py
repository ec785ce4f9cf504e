import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

BATCH_SIZE = 32
EPOCHS = 8


class Routes(Dataset):
    """Steps of a walker (N, E, S, W); label: the quarter it ends up in."""

    def __init__(self, n, rng):
        moves = np.array([[0, 1], [1, 0], [0, -1], [-1, 0]])
        self.steps = rng.integers(0, 4, (n, 11))
        end = moves[self.steps].sum(1) + 0.5
        self.label = (end[:, 0] > 0) * 2 + (end[:, 1] > 0) * 1

    def __len__(self):
        return len(self.steps)

    def __getitem__(self, i):
        return self.steps[i], self.label[i]


class RouteNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.emb = nn.Embedding(4, 8)
        self.rnn = nn.GRU(8, 20, batch_first=True)
        self.fc = nn.Linear(20, 4)

    def forward(self, s):
        out, _ = self.rnn(self.emb(s))
        return self.fc(out[:, -1])


def evaluate(net, ds):
    with torch.no_grad():
        return (net(torch.as_tensor(ds.steps)).argmax(1) == torch.as_tensor(ds.label)).float().mean().item()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    train, test = Routes(2000, rng), Routes(500, rng)
    net = RouteNet()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(net.parameters(), lr=5e-3)
    for epoch in range(EPOCHS):
        total, count = 0.0, 0
        for steps, label in DataLoader(train, BATCH_SIZE, shuffle=True):
            optimizer.zero_grad()
            loss = criterion(net(steps), label)
            loss.backward()
            optimizer.step()
            total, count = total + loss.item(), count + 1
        print(f"Epoch {epoch + 1}: loss={total / count:.3f} acc={evaluate(net, test):.3f}")
    print("METRIC accuracy", evaluate(net, test))


main()
