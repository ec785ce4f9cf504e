import argparse, random
import numpy as np
import torch

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
seed = ap.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

D, H = 2, 30
x = torch.randn(1500, D)
y = (x[:, 0].abs() - x[:, 1].abs() + 0.3 * x[:, 0] * x[:, 1]).unsqueeze(1)
xtr, ytr, xte, yte = x[:1200], y[:1200], x[1200:], y[1200:]

W1 = torch.ones(D, H) * 0.7
b1 = torch.zeros(H)
W2 = torch.ones(H, 1) / H
b2 = torch.zeros(1)
theta = [W1, b1, W2, b2]
for t in theta:
    t.requires_grad_()

opt = torch.optim.Adam(theta, lr=0.01)
f = lambda inp: torch.nn.functional.silu(inp @ W1 + b1) @ W2 + b2
for step in range(2500):
    i = torch.randint(0, 1200, (50,))
    loss = ((f(xtr[i]) - ytr[i]) ** 2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 500 == 499:
        print(step + 1, loss.item())

with torch.no_grad():
    print("METRIC r2", 1 - ((f(xte) - yte) ** 2).mean().item() / yte.var().item())
