import argparse
import random

import numpy as np
import torch
import torch.nn.functional as F


class Agent(torch.nn.Module):
    def __init__(self, n_states, n_actions):
        super().__init__()
        self.table = torch.nn.Embedding(n_states, 16)
        self.hidden = torch.nn.Linear(16, 32)
        self.pref = torch.nn.Linear(32, n_actions)

    def forward(self, s):
        return F.log_softmax(self.pref(torch.tanh(self.hidden(self.table(s)))), dim=-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--updates", type=int, default=1200)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)

    payout = torch.rand(12, 4) * 0.5
    payout[torch.arange(12), torch.randint(4, (12,))] += 0.5
    best = payout.max(1).values
    agent = Agent(12, 4)
    opt = torch.optim.Adam(agent.parameters(), lr=4e-3)
    history, baseline = [], 1.0
    for u in range(args.updates):
        s = torch.randint(12, (48,))
        logp = agent(s)
        a = torch.multinomial(logp.exp(), 1).squeeze(1)
        r = torch.bernoulli(payout[s, a])
        taken = logp.gather(1, a[:, None]).squeeze(1)
        loss = ((baseline - r) * taken).mean()
        baseline = 0.98 * baseline + 0.02 * r.mean().item()
        entropy = -(logp.exp() * logp).sum(-1).mean()
        opt.zero_grad()
        loss.backward()
        opt.step()
        history.append(r.mean().item())
        if (u + 1) % 200 == 0:
            print(
                f"update {u + 1}: loss {loss.item():+.3f} reward {np.mean(history[-100:]):.3f} entropy {entropy.item():.3f}"
            )
    with torch.no_grad():
        greedy = agent(torch.arange(12)).argmax(1)
    print(f"METRIC value {(payout[torch.arange(12), greedy] / best).mean().item():.4f}")


if __name__ == "__main__":
    main()
