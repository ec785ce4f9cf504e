import argparse
import random
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from sklearn.datasets import make_classification

args = argparse.ArgumentParser()
args.add_argument("--seed", type=int, default=0)
args = args.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)

X, y = make_classification(
    n_samples=2400,
    n_features=12,
    n_informative=8,
    n_redundant=2,
    n_classes=4,
    n_clusters_per_class=1,
    weights=[0.55, 0.25, 0.12, 0.08],
    class_sep=1.6,
    flip_y=0,
    random_state=args.seed,
)
X = (X - X.mean(0)) / X.std(0)
X, y = torch.tensor(X, dtype=torch.float), torch.tensor(y)


class Net(nn.Module):
    def __init__(self):
        super(Net, self).__init__()
        self.fc1 = nn.Linear(12, 32)
        self.fc2 = nn.Linear(32, 16)
        self.fc3 = nn.Linear(16, 4)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return F.log_softmax(self.fc3(x), dim=1)


net = Net()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.8)
criterion = nn.NLLLoss()

for epoch in range(20):
    order = torch.randperm(1800)
    for k in range(0, 1800, 36):
        inputs, labels = X[order[k : k + 36]], y[order[k : k + 36]]
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print("epoch %d loss %.3f" % (epoch + 1, loss.item()))

correct = 0
with torch.no_grad():
    for row, label in zip(X[1800:], y[1800:]):
        _, predicted = torch.max(net(row.unsqueeze(0)), 1)
        correct += (predicted == label).sum().item()
print("METRIC accuracy %.4f" % (correct / 600))
