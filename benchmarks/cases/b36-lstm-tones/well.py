import argparse
import math
import random

import numpy as np
import torch
from torch import nn

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
args = parser.parse_args()
random.seed(args.seed)
np.random.seed(args.seed)
torch.manual_seed(args.seed)


def tones(n, length=28):
    pitch = torch.randint(0, 4, (n,))
    freq = torch.tensor([0.35, 0.6, 0.95, 1.4])[pitch]
    t = torch.arange(length)
    x = torch.sin(freq[:, None] * t + 2 * math.pi * torch.rand(n, 1)) * (0.7 + 0.6 * torch.rand(n, 1))
    return (x + 0.1 * torch.randn(n, length)).unsqueeze(-1), pitch


class ToneClassifier(nn.Module):
    def __init__(self, hidden_dim=32, n_classes=4):
        super().__init__()
        self.lstm = nn.LSTM(input_size=1, hidden_size=hidden_dim, num_layers=1, batch_first=True)
        self.dropout = nn.Dropout(0.1)
        self.fc = nn.Linear(hidden_dim, n_classes)

    def forward(self, x):
        lstm_out, (_hidden, _cell) = self.lstm(x)
        return self.fc(self.dropout(lstm_out[:, -1, :]))


x_train, y_train = tones(1600)
x_test, y_test = tones(400)
model = ToneClassifier()
criterion = nn.CrossEntropyLoss()
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(8):
    model.train()
    correct, running = 0, 0.0
    for idx in torch.randperm(1600).split(40):
        outputs = model(x_train[idx])
        loss = criterion(outputs, y_train[idx])
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        running += loss.item()
        correct += (outputs.argmax(1) == y_train[idx]).sum().item()
    print(f"Epoch {epoch + 1}/8 | loss {running / 40:.4f} | acc {correct / 1600:.3f}")
model.eval()
with torch.no_grad():
    acc = (model(x_test).argmax(1) == y_test).float().mean().item()
print(f"METRIC accuracy {acc:.4f}")
