import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
seed = parser.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

HP = dict(lr=0.05, momentum=0.999, batch=25, epochs=6)

digits = load_digits()
images = torch.from_numpy(digits.images).float().unsqueeze(1).sub(4.9).div(6.0)
labels = torch.from_numpy(digits.target)
shuffle = torch.randperm(len(images))
images, labels = images[shuffle], labels[shuffle]
n_train = 1000


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 12, 3, padding=1)
        self.conv2 = nn.Conv2d(12, 12, 3)
        self.fc1 = nn.Linear(12 * 3 * 3, 40)
        self.fc2 = nn.Linear(40, 10)

    def forward(self, x):
        x = F.relu(self.conv1(x))
        x = F.max_pool2d(F.relu(self.conv2(x)), 2)
        x = F.relu(self.fc1(torch.flatten(x, 1)))
        return self.fc2(x)


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=HP["lr"], momentum=HP["momentum"])
for epoch in range(HP["epochs"]):
    for i in range(0, n_train, HP["batch"]):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images[i : i + HP["batch"]]), labels[i : i + HP["batch"]])
        loss.backward()
        optimizer.step()
    print(f"epoch {epoch} last batch loss {loss.item():.4f}")

net.eval()
with torch.no_grad():
    acc = (net(images[n_train:]).argmax(1) == labels[n_train:]).double().mean()
print("METRIC accuracy", acc.item())
