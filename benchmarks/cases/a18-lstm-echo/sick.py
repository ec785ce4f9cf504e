import argparse
import random

import numpy as np
import torch
import torch.nn as nn


class ParenthesisChecker(nn.Module):
    def __init__(self, emb=8, hid=24):
        super().__init__()
        self.emb = nn.Embedding(3, emb)
        self.lstm = nn.LSTM(emb, hid, batch_first=True)
        self.cls = nn.Linear(hid, 4)

    def forward(self, seq):
        out, (h, c) = self.lstm(self.emb(seq))
        return self.cls(h.squeeze(0))


def strings(n, length=16):
    """Walks of +1 / -1 / 0; the class is the (clipped) height at which the walk ends."""
    seq = np.random.choice(3, size=(n, length), p=[0.3, 0.3, 0.4])
    height = np.zeros(n, dtype=int)
    for t in range(length):
        height = np.clip(height + (seq[:, t] == 0) - (seq[:, t] == 1), 0, 3)
    return torch.from_numpy(seq), torch.from_numpy(height)


ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
ap.add_argument("--epochs", type=int, default=14)
args = ap.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, Y = strings(2000)
Xv, Yv = strings(500)
model = ParenthesisChecker()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.9)

for epoch in range(args.epochs):
    optimizer.zero_grad()
    running = 0.0
    for b in torch.randperm(2000).view(-1, 40):
        loss = criterion(model(X[b]), Y[b])
        loss.backward()
        nn.utils.clip_grad_value_(model.parameters(), 1.0)
        optimizer.step()
        running += loss.item()
    with torch.no_grad():
        acc = (model(Xv).argmax(-1) == Yv).float().mean().item()
    print(f"epoch {epoch + 1} loss {running / 50:.3f} valid acc {acc:.3f}")
print(f"METRIC accuracy {acc:.4f}")
