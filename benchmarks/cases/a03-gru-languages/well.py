import argparse
import random

import numpy as np
import torch
from torch import nn, optim
from torch.utils.data import DataLoader, Dataset

SYLLABLES = 30
LANGUAGES = 12


class Utterances(Dataset):
    """Each 'language' is a Markov chain of its own over thirty syllables."""

    def __init__(self, chains, size, length=14):
        self.items = []
        for _ in range(size):
            lang = random.randrange(LANGUAGES)
            word = [random.randrange(SYLLABLES)]
            while len(word) < length:
                word.append(int(np.searchsorted(chains[lang, word[-1]], random.random())))
            self.items.append((torch.tensor(word), lang))

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[i]


class LanguageID(nn.Module):
    def __init__(self, dim=16, hidden=32):
        super().__init__()
        self.embed = nn.Embedding(SYLLABLES, dim)
        self.gru = nn.GRU(dim, hidden, batch_first=True)
        self.out = nn.Linear(hidden, LANGUAGES)

    def forward(self, words):
        states, _ = self.gru(self.embed(words))
        scores = self.out(states.mean(dim=1))
        return scores


def accuracy(model, loader):
    model.eval()
    hits = seen = 0
    with torch.no_grad():
        for words, lang in loader:
            hits += (model(words).argmax(1) == lang).sum().item()
            seen += len(lang)
    return hits / seen


def main(seed):
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    chains = np.random.dirichlet(np.full(SYLLABLES, 0.05), size=(LANGUAGES, SYLLABLES)).cumsum(-1)
    chains[..., -1] = 1.0
    train = DataLoader(Utterances(chains, 1200), batch_size=40, shuffle=True)
    held_out = DataLoader(Utterances(chains, 400), batch_size=200)
    model = LanguageID()
    criterion = nn.CrossEntropyLoss()
    optimizer = optim.SGD(model.parameters(), lr=0.4, momentum=0.9)
    for epoch in range(1, 11):
        model.train()
        for words, lang in train:
            optimizer.zero_grad()
            loss = criterion(model(words), lang)
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch}: last batch loss {loss.item():.3f}, held-out {accuracy(model, held_out):.3f}")
    print(f"METRIC accuracy {accuracy(model, held_out):.4f}")


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    main(ap.parse_args().seed)
