import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, t = load_digits(return_X_y=True)
perm = np.random.permutation(len(t))
X = torch.tensor(X[perm] / 16 - 0.3, dtype=torch.float32)
t = torch.tensor(t[perm])
X, Xte, t, tte = X[:1350], X[1350:], t[:1350], t[1350:]


def glorot(n, m):
    lim = (6 / (n + m)) ** 0.5
    return (torch.rand(n, m) * 2 * lim - lim).requires_grad_()


P = {
    "W1": glorot(64, 50),
    "b1": torch.zeros(50, requires_grad=True),
    "W2": glorot(50, 10),
    "b2": torch.zeros(10, requires_grad=True),
}
V = {k: torch.zeros_like(v) for k, v in P.items()}


def logits(x):
    return torch.tanh(x @ P["W1"] + P["b1"]) @ P["W2"] + P["b2"]


def nll(z, target):
    z = z - z.amax(1, keepdim=True)
    return (z.exp().sum(1).log() - z[torch.arange(len(z)), target]).mean()


lr, mu = 0.15, 0.9
for epoch in range(1, 26):
    order = torch.randperm(1350)
    for start in range(0, 1350, 45):
        i = order[start : start + 45]
        loss = nll(logits(X[i]), t[i])
        grads = torch.autograd.grad(loss, list(P.values()))
        with torch.no_grad():
            for (name, w), g in zip(P.items(), grads):
                V[name].mul_(mu).add_(g)
                w.sub_(lr * V[name])
    if epoch % 5 == 0:
        lr *= 0.7
        with torch.no_grad():
            acc = (logits(Xte).argmax(1) == tte).float().mean().item()
        print(f"epoch {epoch:2d} nll {loss.item():.4f} accuracy {acc:.4f}")
print(f"METRIC accuracy {acc:.4f}")
