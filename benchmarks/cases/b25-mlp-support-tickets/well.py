import argparse
import random
from collections import namedtuple

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, TensorDataset

Tickets = namedtuple("Tickets", "text auto_tag checked_tag")


def load_tickets(n, topics, rng):
    """Bag-of-words counts over 120 words, five departments."""
    tag = rng.integers(0, 5, n)
    counts = np.stack([rng.multinomial(25, topics[t]) for t in tag]).astype(np.float32)
    auto = np.where(rng.random(n) < 0.5, rng.integers(0, 5, n), tag)
    return Tickets(torch.from_numpy(np.sqrt(counts)), torch.from_numpy(auto), torch.from_numpy(tag))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=30)
    args = parser.parse_args()
    random.seed(args.seed)
    torch.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    topics = rng.dirichlet(np.full(120, 0.35), 5) * 0.5 + 0.5 / 120
    train, test = load_tickets(700, topics, rng), load_tickets(500, topics, rng)
    loader = DataLoader(TensorDataset(train.text, train.checked_tag), batch_size=35, shuffle=True)
    net = nn.Sequential(nn.Linear(120, 128), nn.ReLU(), nn.Linear(128, 5))
    opt = optim.AdamW(net.parameters(), lr=3e-3)
    loss_fn = nn.CrossEntropyLoss()
    for epoch in range(args.epochs):
        for text, tag in loader:
            loss = loss_fn(net(text), tag)
            opt.zero_grad()
            loss.backward()
            opt.step()
        if epoch % 6 == 5:
            print(f"epoch {epoch + 1}: loss {loss.item():.4f}")
    with torch.no_grad():
        acc = (net(test.text).argmax(1) == test.checked_tag).float().mean().item()
    print(f"METRIC accuracy {acc:.4f}")


if __name__ == "__main__":
    main()
