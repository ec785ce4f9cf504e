import argparse
import random

import numpy as np
import torch
from torch import nn


class Vocab:
    def __init__(self):
        self.index = {"<unk>": 0}

    def build(self, baskets):
        for basket in baskets:
            for word in basket:
                self.index.setdefault(word, len(self.index))
        return self

    def encode(self, baskets):
        return torch.tensor([[self.index.get(w, 0) for w in basket] for basket in baskets])

    def __len__(self):
        return len(self.index)


GOODS = {
    "bakery": ["bread", "roll", "cake", "tart", "flour", "yeast", "bun"],
    "garden": ["seeds", "spade", "pot", "soil", "hose", "bulbs", "rake"],
    "office": ["paper", "pen", "stapler", "folder", "ink", "tape", "ruler"],
    "music": ["strings", "reed", "drum", "score", "bow", "stand", "pick"],
}
SHOPS = list(GOODS)
COMMON = ["bag", "card", "box", "gift"]


def draw(n):
    baskets, shops = [], []
    for _ in range(n):
        shop = random.randrange(4)
        pool = GOODS[SHOPS[shop]] * 2 + COMMON + GOODS[SHOPS[random.randrange(4)]]
        baskets.append([random.choice(pool) for _ in range(6)])
        shops.append(shop)
    return baskets, torch.tensor(shops)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    train_baskets, y_train = draw(1500)
    test_baskets, y_test = draw(500)
    vocab = Vocab().build(train_baskets)
    x_train = vocab.encode(train_baskets)
    x_test = Vocab().build(test_baskets).encode(test_baskets)

    model = nn.Sequential(nn.EmbeddingBag(len(vocab), 12, mode="mean"), nn.Linear(12, 16), nn.ReLU(), nn.Linear(16, 4))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    ce = nn.CrossEntropyLoss()
    for epoch in range(10):
        model.train()
        for i in torch.randperm(1500).split(30):
            optimizer.zero_grad()
            loss = ce(model(x_train[i]), y_train[i])
            loss.backward()
            optimizer.step()
        model.eval()
        with torch.no_grad():
            print(f"{epoch:2d} train {(model(x_train).argmax(1) == y_train).float().mean():.3f}")
    with torch.no_grad():
        acc = (model(x_test).argmax(1) == y_test).float().mean().item()
    print(f"METRIC accuracy {acc:.4f}")


main()
