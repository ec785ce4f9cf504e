import argparse
import random

import numpy as np
import torch
import torch.nn as nn


class Embeddings(nn.Module):
    def __init__(self, vocab, dim, scale):
        super().__init__()
        self.lut = nn.Embedding(vocab, dim)
        self.scale = scale

    def forward(self, x):
        return self.lut(x) * self.scale


class ExpressionNet(nn.Module):
    """Says what a + b * c is modulo five."""

    def __init__(self, dim=16, hidden=96):
        super().__init__()
        self.embed = Embeddings(10, dim, 60.0)
        self.fc1 = nn.Linear(3 * dim, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, 5)

    def forward(self, triple):
        h = self.embed(triple).flatten(1)
        h = torch.tanh(self.fc1(h))
        h = torch.tanh(self.fc2(h))
        return self.out(h)


ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
args = ap.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

grid = torch.cartesian_prod(torch.arange(10), torch.arange(10), torch.arange(10))
grid = grid[torch.randperm(1000)]
answer = (grid[:, 0] + grid[:, 1] * grid[:, 2]) % 5
train_x, train_y, test_x, test_y = grid[:650], answer[:650], grid[650:], answer[650:]
model = ExpressionNet()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.3)
for epoch in range(100):
    for batch in torch.randperm(650).split(50):
        loss = nn.functional.cross_entropy(model(train_x[batch]), train_y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 20 == 19:
        with torch.no_grad():
            acc = (model(test_x).argmax(1) == test_y).float().mean().item()
        print(f"epoch {epoch + 1} loss {loss.item():.4f} test acc {acc:.3f}")
print(f"METRIC accuracy {acc:.4f}")
