import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

images, target = load_digits(n_class=2, return_X_y=True)
order = np.random.permutation(len(target))
images = torch.tensor(images[order].reshape(-1, 1, 8, 8) / 16.0, dtype=torch.float32)
target = torch.tensor(target[order])
few, few_target = images[:30], target[:30]


class SmallNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.fc = nn.Linear(72, 2)

    def forward(self, x):
        x = F.max_pool2d(torch.relu(self.conv(x)), 2)
        return self.fc(x.flatten(1))


net = SmallNet()
optimizer = torch.optim.SGD(net.parameters(), lr=0.2, momentum=0.9)
for step in range(1, 601):
    pick = torch.randint(0, 30, (10,))
    loss = F.cross_entropy(net(few[pick]), few_target[pick])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 100 == 0:
        print(f"step {step} loss {loss.item():.6f}")
with torch.no_grad():
    accuracy = (net(images[30:]).argmax(1) == target[30:]).float().mean().item()
print(f"METRIC accuracy {accuracy:.4f}")
