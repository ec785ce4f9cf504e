import argparse
import random

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

USERS, FILMS, RANK = 90, 70, 3
taste, style = torch.randn(USERS, RANK), torch.randn(FILMS, RANK)
u = torch.randint(0, USERS, (4500,))
f = torch.randint(0, FILMS, (4500,))
rating = (taste[u] * style[f]).sum(1) / RANK**0.5 + 0.2 * torch.randn(4500)
tr, te = slice(0, 3600), slice(3600, None)


class Factorization(nn.Module):
    def __init__(self, std=0.3):
        super().__init__()
        self.user = nn.Embedding(USERS, 5)
        self.film = nn.Embedding(FILMS, 5)
        nn.init.normal_(self.user.weight, std=std)
        nn.init.normal_(self.film.weight, std=std)
        self.mean = nn.Parameter(torch.zeros(()))

    def forward(self, u, f):
        return (self.user(u) * self.film(f)).sum(1) + self.mean


model = Factorization()
optimizer = torch.optim.SGD(model.parameters(), lr=0.17, momentum=0.8)
for epoch in range(15):
    order = torch.randperm(3600)
    se = 0.0
    for b in order.split(60):
        loss = (model(u[tr][b], f[tr][b]) - rating[tr][b]).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        se += loss.item() * len(b)
    print(f"epoch {epoch + 1:2d}  rmse {(se / 3600) ** 0.5:.4f}")
with torch.no_grad():
    r2 = 1 - (model(u[te], f[te]) - rating[te]).pow(2).mean() / rating[te].var()
print("METRIC r2", round(r2.item(), 4))
