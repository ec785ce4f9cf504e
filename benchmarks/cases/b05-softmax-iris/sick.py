import argparse
import random

import numpy as np
import torch
from sklearn.datasets import load_iris
from sklearn.model_selection import train_test_split

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

X, y = load_iris(return_X_y=True)
X = (X - X.mean(0)) / X.std(0)
Xtr, Xte, ytr, yte = train_test_split(X, y, test_size=50, random_state=seed, stratify=y)
Xtr, Xte = torch.FloatTensor(Xtr), torch.FloatTensor(Xte)
ytr, yte = torch.LongTensor(ytr), torch.LongTensor(yte)

model = torch.nn.Sequential()
model.add_module("fc1", torch.nn.Linear(4, 10))
model.add_module("act", torch.nn.Tanh())
model.add_module("fc2", torch.nn.Linear(10, 3))
loss_fn = torch.nn.CrossEntropyLoss()
learning_rate = 1e-4
optimizer = torch.optim.SGD(model.parameters(), lr=learning_rate)

for t in range(600):
    y_pred = model(Xtr)
    loss = loss_fn(y_pred, ytr)
    if t % 100 == 99:
        print(t, loss.item())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()

acc = (model(Xte).argmax(dim=1) == yte).float().mean()
print(f"METRIC accuracy {acc.item():.4f}")
