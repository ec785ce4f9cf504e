import argparse, random
import numpy as np
import torch
import torch.nn as nn

p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=0)
SEED = p.parse_args().seed
random.seed(SEED)
np.random.seed(SEED)
torch.manual_seed(SEED)

# every recording holds none, one or a few of six short motifs at random places, over noise
MOTIFS = torch.tensor(
    [
        [1, 1, 1, 1, 1, 1, 1.0],
        [1, -1, 1, -1, 1, -1, 1.0],
        [0, 0, 2, 2, 2, 0, 0],
        [2, 1, 0, -1, -2, -3, 0],
        [-1, -1, 2, 2, -1, -1, 0],
        [-3, -2, -1, 0, 1, 2, 3.0],
    ]
)


def recordings(n):
    x = 0.15 * torch.randn(n, 80)
    tags = (torch.rand(n, 6) < 0.13).float()
    for row, tag in zip(x, tags):
        spots = torch.randperm(8)[:6] * 10
        for k in tag.nonzero().flatten().tolist():
            at = int(spots[k]) + random.randint(0, 3)
            row[at : at + 7] += MOTIFS[k]
    return x[:, None], tags


Xtr, Ytr = recordings(1500)
Xva, Yva = recordings(500)

net = nn.Sequential(
    nn.Conv1d(1, 24, 9, padding=4),
    nn.BatchNorm1d(24),
    nn.ReLU(),
    nn.Conv1d(24, 32, 5, padding=2),
    nn.ReLU(),
    nn.AdaptiveMaxPool1d(1),
    nn.Flatten(),
    nn.Linear(32, 6),
)
crit = nn.BCEWithLogitsLoss()
optim = torch.optim.AdamW(net.parameters(), lr=4e-3)


def f1():
    net.eval()
    with torch.no_grad():
        on = (net(Xva) > 0).float()
    tp = (on * Yva).sum()
    return (2 * tp / (on.sum() + Yva.sum())).item()


for ep in range(12):
    net.train()
    s = 0
    for b in torch.randperm(1500).split(50):
        l = crit(net(Xtr[b]), Ytr[b])
        optim.zero_grad()
        l.backward()
        optim.step()
        s += l.item()
    print(f"[{ep:02d}] train {s / 30:.4f}  val f1 {f1():.3f}")

print("METRIC f1 %.4f" % f1())
