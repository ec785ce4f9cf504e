import argparse
import math
import random

import numpy as np
import torch
import torch.nn as nn


def set_seed(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=32):
        super().__init__()
        pos = torch.arange(max_len).unsqueeze(1)
        div = torch.exp(torch.arange(0, d_model, 2) * (-math.log(100.0) / d_model))
        pe = torch.zeros(max_len, d_model)
        pe[:, 0::2] = torch.sin(pos * div)
        pe[:, 1::2] = torch.cos(pos * div)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[: x.size(1)]


class Reverser(nn.Module):
    def __init__(self, vocab=12, d_model=32):
        super().__init__()
        self.emb = nn.Embedding(vocab, d_model)
        self.pe = PositionalEncoding(d_model)
        layer = nn.TransformerEncoderLayer(d_model, nhead=2, dim_feedforward=64, dropout=0.0, batch_first=True)
        self.enc = nn.TransformerEncoder(layer, num_layers=2)
        self.fc = nn.Linear(d_model, vocab)

    def forward(self, x):
        return self.fc(self.enc(self.pe(self.emb(x))))


def batch(n):
    x = torch.randint(0, 12, (n, 8))
    return x, x.flip(1)


def train(model, steps, lr):
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    criterion = nn.CrossEntropyLoss()
    for step in range(steps):
        x, y = batch(40)
        logits = model(x)
        loss = criterion(logits.view(-1, 12), y.reshape(-1))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if (step + 1) % 100 == 0:
            print(f"step {step + 1}: {loss.item():.4f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    set_seed(parser.parse_args().seed)
    model = Reverser()
    train(model, steps=400, lr=1e-1)
    x, y = batch(1000)
    with torch.no_grad():
        acc = (model(x).argmax(-1) == y).float().mean().item()
    print(f"METRIC token_accuracy {acc:.4f}")
