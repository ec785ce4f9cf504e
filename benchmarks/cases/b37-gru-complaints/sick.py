import argparse
import random

import numpy as np
import torch
import torch.nn as nn
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import DataLoader

PAD, MAX_LEN = 0, 45


def sentences(n):
    """An early word names the product, the last one the mood; label: do the two kinds agree?"""
    out = []
    for _ in range(n):
        length = random.randint(4, 9)
        words = [random.randint(9, 39) for _ in range(length)]
        a, b = random.randint(1, 8), random.randint(1, 8)
        words[random.randint(0, 1)], words[-1] = a, b
        out.append((torch.tensor(words), int((a <= 4) == (b <= 4))))
    return out


def collate(batch):
    words, labels = zip(*batch, strict=True)
    lengths = torch.tensor([len(w) for w in words])
    padded = pad_sequence([*words, torch.zeros(MAX_LEN, dtype=torch.long)], batch_first=True, padding_value=PAD)[:-1]
    return padded, lengths, torch.tensor(labels)


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(40, 16, padding_idx=PAD)
        self.gru = nn.GRU(16, 24, batch_first=True)
        self.classifier = nn.Linear(24, 2)

    def forward(self, padded, lengths):
        states, _ = self.gru(self.embedding(padded))
        last = states[:, -1]
        return self.classifier(last)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    train_loader = DataLoader(sentences(1600), batch_size=50, shuffle=True, collate_fn=collate)
    test_loader = DataLoader(sentences(500), batch_size=100, collate_fn=collate)
    model = Reader()
    optimizer = torch.optim.Adam(model.parameters(), lr=8e-3)
    for epoch in range(6):
        model.train()
        total = 0.0
        for padded, lengths, labels in train_loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(padded, lengths), labels)
            loss.backward()
            optimizer.step()
            total += loss.item()
        print(f"epoch {epoch + 1} loss {total / len(train_loader):.4f}")
    model.eval()
    correct = 0
    with torch.no_grad():
        for padded, lengths, labels in test_loader:
            correct += (model(padded, lengths).argmax(1) == labels).sum().item()
    print(f"METRIC accuracy {correct / 500:.4f}")


if __name__ == "__main__":
    main()
