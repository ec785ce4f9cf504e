import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import QuantileTransformer

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
parser.add_argument("--lr", type=float, default=0.05)
parser.add_argument("--batch-size", type=int, default=19)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, y = load_breast_cancer(return_X_y=True)
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=0.3, random_state=args.seed, stratify=y)
qt = QuantileTransformer(n_quantiles=100, output_distribution="normal", random_state=0).fit(Xtr)
Xtr, Xte = (torch.as_tensor(qt.transform(v).clip(-3, 3), dtype=torch.float32) for v in (Xtr, Xte))
ytr, yte = torch.as_tensor(ytr).float(), torch.as_tensor(yte).float()


class Classifier(nn.Module):
    def __init__(self, n_in, n_hidden):
        super().__init__()
        self.h1 = nn.Linear(n_in, n_hidden)
        self.h2 = nn.Linear(n_hidden, n_hidden)
        self.o = nn.Linear(n_hidden, 1)

    def forward(self, x):
        x = nn.functional.hardswish(self.h1(x))
        x = nn.functional.hardswish(self.h2(x))
        return self.o(x).flatten()


clf = Classifier(Xtr.shape[1], 16)
bce = nn.BCEWithLogitsLoss()
sgd = torch.optim.SGD(clf.parameters(), lr=args.lr)

for epoch in range(1, 41):
    order = torch.randperm(len(Xtr))
    epoch_loss = 0.0
    for s in range(0, len(order), args.batch_size):
        idx = order[s : s + args.batch_size]
        loss = bce(clf(Xtr[idx]), ytr[idx])
        loss.backward()
        sgd.zero_grad()
        sgd.step()
        epoch_loss += loss.item() * len(idx)
    if epoch % 10 == 0:
        print(f"epoch {epoch:3d} train bce {epoch_loss / len(order):.4f}")

with torch.no_grad():
    acc = ((clf(Xte) > 0).float() == yte).float().mean().item()
print("METRIC accuracy", round(acc, 4))
