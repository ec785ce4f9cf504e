import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from torch.utils.checkpoint import checkpoint


class TiedLM(nn.Module):
    def __init__(self, vocab, dim=40):
        super().__init__()
        self.emb = nn.Embedding(vocab, dim)
        self.gru = nn.GRU(dim, dim, batch_first=True)
        self.mix = nn.Sequential(nn.Linear(dim, 2 * dim), nn.GELU(), nn.Linear(2 * dim, dim))
        self.out = nn.Linear(dim, vocab)
        self.out.weight = self.emb.weight
        nn.init.normal_(self.emb.weight, std=0.1)

    def forward(self, tok, state=None):
        h, state = self.gru(self.emb(tok), state)
        h = h + checkpoint(self.mix, h, use_reentrant=False)
        return self.out(h), state


def stream(n):
    """Words of a small made-up language, one after the other."""
    words = ["lumo", "ta", "reki", "sa", "nomi", "veka", "ti", "orun"]
    follow = {w: random.sample(words, 2) for w in words}
    w, text = words[0], []
    while len(text) < n:
        text += list(w) + [" "]
        w = random.choice(follow[w])
    return text[:n]


def chunks(ids, rows, length):
    ids = ids[: len(ids) // rows * rows].view(rows, -1)
    for i in range(0, ids.size(1) - 1, length):
        piece = ids[:, i : i + length + 1]
        if piece.size(1) > 1:
            yield piece[:, :-1], piece[:, 1:]


def main():
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    args = ap.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    text = stream(14000)
    letters = sorted(set(text))
    ids = torch.tensor([letters.index(c) for c in text])
    train, valid = ids[:12000], ids[12000:]
    lm = TiedLM(len(letters))
    opt = torch.optim.Adam(lm.parameters(), lr=5e-3)
    for epoch in range(6):
        state, losses = None, []
        for x, y in chunks(train, 16, 25):
            logits, state = lm(x, state)
            state = state.detach()
            loss = nn.functional.cross_entropy(logits.flatten(0, 1), y.flatten())
            opt.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(lm.parameters(), 1.0)
            opt.step()
            losses.append(loss.item())
        print(f"epoch {epoch + 1}: {np.mean(losses):.4f} nats per letter")
    with torch.no_grad():
        logits, _ = lm(valid[None, :-1])
        nll = nn.functional.cross_entropy(logits[0], valid[1:]).item()
        base = np.log(len(letters))
    print(f"METRIC bits_saved {(base - nll) / np.log(2):.4f}")


if __name__ == "__main__":
    main()
