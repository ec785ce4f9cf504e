import argparse
import random

import numpy as np
import torch
from torch import nn


class SalaryModel(nn.Module):
    def __init__(self, n_roles, n_features):
        super().__init__()
        self.role = nn.Embedding(n_roles, 4)
        self.net = nn.Sequential(
            nn.Linear(4 + n_features, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)
        )

    def forward(self, role, features):
        return self.net(torch.cat([self.role(role), features], dim=1)).squeeze(1)


def make_people(n, rng, base, growth):
    role = rng.integers(0, 8, n)
    years = rng.uniform(0, 30, n)
    degree = rng.integers(0, 3, n)
    salary = base[role] + growth[role] * np.sqrt(years) * 1000 + 6000 * degree + rng.normal(0, 3000, n)
    features = np.stack([(years - 15) / 8.7, degree - 1.0], 1)
    return torch.tensor(role), torch.tensor(features, dtype=torch.float32), torch.tensor(salary, dtype=torch.float32)


def main(args):
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    base, growth = rng.uniform(28000, 60000, 8), rng.uniform(2, 12, 8)
    role, features, salary = make_people(1600, rng, base, growth)
    role_t, features_t, salary_t = make_people(400, rng, base, growth)
    centre, spread = salary.mean(), salary.std()
    target = (salary - centre) / spread
    model = SalaryModel(8, 2)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, weight_decay=1e-6)
    loss_fn = nn.MSELoss()
    for epoch in range(args.epochs):
        perm = torch.randperm(1600)
        for i in range(0, 1600, 32):
            j = perm[i : i + 32]
            loss = loss_fn(model(role[j], features[j]), target[j])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if (epoch + 1) % 5 == 0:
            print("epoch", epoch + 1, "loss", loss.item())
    with torch.no_grad():
        guess = model(role_t, features_t) * spread + centre
        r2 = 1 - (guess - salary_t).pow(2).mean() / salary_t.var()
    print(f"METRIC r2 {r2.item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    main(parser.parse_args())
