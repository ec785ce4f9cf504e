import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_wine
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import StandardScaler
from torch import nn


def make_net():
    return nn.Sequential(nn.Linear(13, 20), nn.ReLU(), nn.Dropout(0.1), nn.Linear(20, 12), nn.ReLU(), nn.Linear(12, 3))


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--folds", type=int, default=5)
    a = ap.parse_args()
    random.seed(a.seed)
    np.random.seed(a.seed)
    torch.manual_seed(a.seed)

    X, y = load_wine(return_X_y=True)
    loss_fn = nn.CrossEntropyLoss()
    net = make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    scores = []
    folds = StratifiedKFold(n_splits=a.folds, shuffle=True, random_state=a.seed)
    for k, (tr, te) in enumerate(folds.split(X, y)):
        scaler = StandardScaler().fit(X[tr])
        xtr = torch.tensor(scaler.transform(X[tr]), dtype=torch.float32)
        xte = torch.tensor(scaler.transform(X[te]), dtype=torch.float32)
        ytr, yte = torch.tensor(y[tr]), torch.tensor(y[te])
        if k > 0:
            net = make_net()
        net.train()
        for epoch in range(40):
            for rows in torch.randperm(len(ytr)).split(24):
                optimizer.zero_grad()
                loss = loss_fn(net(xtr[rows]), ytr[rows])
                loss.backward()
                optimizer.step()
        net.eval()
        with torch.no_grad():
            scores.append((net(xte).argmax(1) == yte).float().mean().item())
        print(f"fold {k + 1}: final loss {loss.item():.4f}, accuracy {scores[-1]:.4f}")
    print(f"METRIC accuracy {np.mean(scores):.4f}")


if __name__ == "__main__":
    main()
