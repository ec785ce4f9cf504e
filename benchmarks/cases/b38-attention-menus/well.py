import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class SelfAttentionPool(nn.Module):
    def __init__(self, vocab, dim):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.attn = nn.MultiheadAttention(dim, 2, batch_first=True)
        self.norm = nn.LayerNorm(dim)
        self.fc = nn.Linear(dim, 3)

    def forward(self, ids):
        h = self.emb(ids)
        q = h[:, :1]
        a, _ = self.attn(q, h, h, key_padding_mask=ids == 0, need_weights=False)
        return self.fc(self.norm(q + a).squeeze(1))


def menu():
    n = random.randint(8, 9)
    cuisine = random.randrange(3)
    dishes = []
    for _ in range(n):
        kind = cuisine if random.random() < 0.7 else random.randrange(3)
        dishes.append(2 + 14 * kind + random.randrange(14))
    return [1, *dishes], cuisine


def pad(rows, length):
    return torch.tensor([r + [0] * (length - len(r)) for r in rows])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    model = SelfAttentionPool(44, 24)
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3)
    for step in range(400):
        rows, cuisine = zip(*(menu() for _ in range(32)), strict=True)
        loss = F.cross_entropy(model(pad(rows, max(map(len, rows)))), torch.tensor(cuisine))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 80 == 79:
            print(f"step {step + 1} loss {loss.item():.4f}")
    model.eval()
    rows, cuisine = zip(*(menu() for _ in range(600)), strict=True)
    with torch.no_grad():
        acc = (model(pad(rows, 150)).argmax(1) == torch.tensor(cuisine)).float().mean().item()
    print(f"METRIC accuracy {acc:.4f}")


main()
