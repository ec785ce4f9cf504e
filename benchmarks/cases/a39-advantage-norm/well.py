import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


class Actor(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(4, 40), nn.Tanh(), nn.Linear(40, 1))
        self.log_std = nn.Parameter(torch.tensor(-0.5))

    def forward(self, obs):
        return self.layers(obs).squeeze(-1), self.log_std


def target_action(obs):
    return torch.sin(obs[:, 0]) + 0.5 * obs[:, 1] * obs[:, 2]


def reward(obs, action):
    return torch.exp(-(action - target_action(obs)).square())


def main():
    args = argparse.ArgumentParser()
    args.add_argument("--seed", type=int, default=0)
    args = args.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    loader = DataLoader(TensorDataset(torch.randn(2561, 4)), batch_size=64, shuffle=True, drop_last=True)
    actor = Actor()
    opt = torch.optim.Adam(actor.parameters(), lr=5e-3)
    for epoch in range(20):
        mean = 0.0
        for (obs,) in loader:
            mu, log_std = actor(obs)
            action = (mu + log_std.exp() * torch.randn_like(mu)).detach()
            r = reward(obs, action)
            advantage = (r - r.mean()) / (r.std() + 1e-8)
            log_prob = -0.5 * ((action - mu) / log_std.exp()).square() - log_std
            loss = -(advantage * log_prob).mean()
            opt.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(actor.parameters(), 1.0)
            opt.step()
            mean += r.mean().item() / len(loader)
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1} mean reward {mean:.3f} std {actor.log_std.exp().item():.3f}")
    with torch.no_grad():
        obs = torch.randn(1000, 4)
        final = reward(obs, actor(obs)[0]).mean().item()
    print(f"METRIC reward {final:.4f}")


if __name__ == "__main__":
    main()
