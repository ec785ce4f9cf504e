import argparse
import random

import numpy as np
import torch
import torch.nn as nn


class MoveNet(nn.Module):
    """Chooses one of the legal moves."""

    def __init__(self, features=10, moves=7):
        super().__init__()
        self.trunk = nn.Sequential(nn.Linear(features, 48), nn.ReLU(), nn.Linear(48, moves))

    def forward(self, board, legal):
        logits = self.trunk(board).masked_fill(~legal, float("-inf"))
        return logits.softmax(-1)


def positions(n, oracle):
    board = torch.randn(n, 10)
    legal = torch.rand(n, 7) < 0.7
    legal[:, 3] = True
    move = (board @ oracle).masked_fill(~legal, -1e9).argmax(-1)
    return board, legal, move


def objective(probs, move, beta=0.01):
    nll = -probs.gather(1, move[:, None]).clamp_min(1e-8).log().mean()
    entropy = -(probs * probs.log())
    return nll - beta * entropy.sum(-1).mean()


a = argparse.ArgumentParser()
a.add_argument("--seed", type=int, default=0)
seed = a.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)
oracle = torch.randn(10, 7)
board, legal, move = positions(2000, oracle)
test = positions(500, oracle)
net = MoveNet()
optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
for epoch in range(14):
    for i in torch.randperm(2000).split(40):
        loss = objective(net(board[i], legal[i]), move[i])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 2 == 1:
        print(f"epoch {epoch + 1}: {loss.item():.4f}")
with torch.no_grad():
    probs = net(test[0], test[1])
    acc = (probs.argmax(-1) == test[2]).float().mean().item() if torch.isfinite(probs).all() else float("nan")
print(f"METRIC accuracy {acc:.4f}")
