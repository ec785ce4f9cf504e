import argparse
import random

import numpy as np
import torch
from torch import nn

VOCAB, TAGS = 24, 4


class Encoder(nn.Module):
    def __init__(self, dim=12, hidden=12):
        super().__init__()
        self.emb = nn.Embedding(VOCAB, dim)
        self.rnn = nn.GRU(dim, hidden, batch_first=True, bidirectional=True)

    def forward(self, tok):
        return self.rnn(self.emb(tok))[0]


class Tagger(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = Encoder()
        self.classify = nn.Linear(24, TAGS)

    def encode(self, tok):
        with torch.no_grad():
            return self.encoder(tok)

    def forward(self, tok):
        return self.classify(self.encode(tok))


def corpus(n, length=12):
    tok = torch.randint(VOCAB, (n, length))
    prev = torch.roll(tok, 1, dims=1)
    prev[:, 0] = 0
    # the tag hangs on the word's parity and on the half of the vocabulary of the word before
    return tok, (tok % 2) * 2 + (prev >= VOCAB // 2).long()


p = argparse.ArgumentParser()
p.add_argument("--seed", type=int, default=0)
args = p.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)
tok, tag = corpus(800)
tok_dev, tag_dev = corpus(200)

tagger = Tagger()
optimizer = torch.optim.Adam(tagger.parameters(), lr=1e-2)
loss_fn = nn.CrossEntropyLoss()
for epoch in range(8):
    tagger.train()
    for rows in torch.randperm(800).split(25):
        logits = tagger(tok[rows])
        loss = loss_fn(logits.reshape(-1, TAGS), tag[rows].reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    tagger.eval()
    with torch.no_grad():
        acc = (tagger(tok_dev).argmax(-1) == tag_dev).float().mean().item()
    print("epoch", epoch + 1, "loss", "%.4f" % loss.item(), "dev", "%.4f" % acc)
print("METRIC accuracy %.4f" % acc)
