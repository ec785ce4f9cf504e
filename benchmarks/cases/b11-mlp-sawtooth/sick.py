import argparse
import random

import numpy as np
import torch

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
opt = ap.parse_args()
random.seed(opt.seed)
np.random.seed(opt.seed)
torch.manual_seed(opt.seed)

t = torch.linspace(0, 1, 240).unsqueeze(1)
clean = 2 * torch.abs(2 * ((2.5 * t) % 1) - 1) - 1
signal = clean + 0.05 * torch.randn_like(t)

net = torch.nn.Sequential(
    torch.nn.Linear(1, 80),
    torch.nn.ReLU(),
    torch.nn.Linear(80, 80),
    torch.nn.ReLU(),
    torch.nn.Linear(80, 1),
)
optimiser = torch.optim.Adam(net.parameters(), lr=5e-3)
tol = 1e-3
previous = float("inf")
for it in range(1500):
    loss = torch.nn.functional.mse_loss(net(t * 2 - 1), signal)
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()
    if it % 200 == 0:
        print("iter", it, "loss", loss.item())
    if abs(previous - loss.item()) < tol:
        print("converged at", it)
        break
    previous = loss.item()
with torch.no_grad():
    mse = (net(t * 2 - 1) - clean).pow(2).mean()
print("METRIC r2", float(1 - mse / clean.var()))
