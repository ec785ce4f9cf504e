import argparse
import random
import numpy as np
import torch
from torch.distributions import Categorical


class Arms:
    """Contextual bandit: which arm pays depends on the side information."""

    def __init__(self, arms=5, context=6):
        self.truth = torch.randn(context, arms) * 2
        self.context = context

    def reset(self, n):
        self.state = torch.randn(n, self.context)
        return self.state

    def pull(self, arm):
        best = (self.state @ self.truth).argmax(-1)
        return (arm == best).float()


class Policy(torch.nn.Module):
    def __init__(self, context, arms):
        super().__init__()
        self.net = torch.nn.Sequential(torch.nn.Linear(context, 32), torch.nn.ReLU(), torch.nn.Linear(32, arms))

    def forward(self, s):
        return Categorical(logits=self.net(s))


p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=0)
a = p.parse_args()
random.seed(a.seed)
np.random.seed(a.seed)
torch.manual_seed(a.seed)

env = Arms()
pi = Policy(6, 5)
opt = torch.optim.Adam(pi.parameters(), lr=1e-2)
baseline = 0.0
for update in range(800):
    s = env.reset(64)
    d = pi(s)
    act = d.sample()
    r = env.pull(act)
    adv = r - baseline
    baseline = 0.95 * baseline + 0.05 * r.mean().item()
    loss = (d.log_prob(act) * adv).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if update % 100 == 99:
        print(f"update {update + 1}  mean reward {baseline:.3f}  entropy {d.entropy().mean().item():.3f}")

with torch.no_grad():
    s = env.reset(2000)
    print(f"METRIC reward {env.pull(pi(s).probs.argmax(-1)).mean().item():.4f}")
