import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from torch.distributions import Categorical

LENGTH, HORIZON, GAMMA = 7, 20, 0.95


class Agent(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(LENGTH, 32), nn.Tanh())
        self.policy = nn.Linear(32, 2)
        self.value = nn.Linear(32, 1)

    def forward(self, obs):
        h = self.body(obs)
        return Categorical(logits=self.policy(h)), self.value(h).squeeze(-1)


def rollout(agent, n_env):
    """Start in the middle; the right end pays 1, the left end 0.1; each step costs a little."""
    pos = torch.full((n_env,), LENGTH // 2)
    alive = torch.ones(n_env)
    logps, values, rewards, masks, entropy = [], [], [], [], []
    for _ in range(HORIZON):
        dist, value = agent(nn.functional.one_hot(pos, LENGTH).float())
        action = dist.sample()
        pos = (pos + 2 * action - 1).clamp(0, LENGTH - 1)
        reward = (-0.02 + (pos == LENGTH - 1).float() + 0.1 * (pos == 0).float()) * alive
        logps.append(dist.log_prob(action))
        values.append(value)
        rewards.append(reward)
        masks.append(alive)
        entropy.append(dist.entropy() * alive)
        alive = alive * ((pos > 0) & (pos < LENGTH - 1)).float()
    returns, acc = [], torch.zeros(n_env)
    for reward in reversed(rewards):
        acc = reward + GAMMA * acc
        returns.insert(0, acc)
    stack = torch.stack
    return stack(logps), stack(values), stack(returns), stack(masks), stack(entropy), stack(rewards).sum(0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    agent = Agent()
    optimizer = torch.optim.Adam(agent.parameters(), lr=0.006)
    for update in range(1, 71):
        logp, value, ret, mask, entropy, score = rollout(agent, 16)
        advantage = (ret - value).detach()
        actor = -(logp * advantage * mask).sum() / mask.sum()
        critic = ((ret - value).pow(2) * mask).sum() / mask.sum()
        loss = actor + 0.5 * critic - 0.01 * entropy.sum() / mask.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if update % 10 == 0:
            print(f"update {update} loss {loss.item():+.4f} return {score.mean().item():.3f}")
    with torch.no_grad():
        final = rollout(agent, 300)[-1].mean().item()
    print(f"METRIC return {final:.4f}")


if __name__ == "__main__":
    main()
