import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


class DoseResponse(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = nn.Linear(6, width)
        self.fc2 = nn.Linear(width, width)
        self.fc3 = nn.Linear(width, 1)

    def forward(self, x):
        return self.fc3(F.relu(self.fc2(F.relu(self.fc1(x))))).flatten()


def trial(n, noise):
    x = torch.randn(n, 6)
    effect = 1.5 * torch.sigmoid(2 * x[:, 0]) + 0.5 * x[:, 1]
    return x, effect - 0.75 + noise * torch.randn(n)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    x_train, y_train = trial(70, 0.5)
    x_val, y_val = trial(300, 0.5)
    x_test, y_test = trial(2000, 0.0)
    model = DoseResponse(width=200)
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-4, weight_decay=0.0)
    epochs = 12
    for epoch in range(epochs):
        model.train()
        for i in torch.randperm(70).split(35):
            loss = F.mse_loss(model(x_train[i]), y_train[i])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if epoch % 50 == 49 or epochs < 50:
            model.eval()
            with torch.no_grad():
                val = F.mse_loss(model(x_val), y_val).item()
            print(f"epoch {epoch + 1:3d} train {loss.item():.4f} val {val:.4f}")
    with torch.no_grad():
        r2 = 1 - F.mse_loss(model(x_test), y_test) / y_test.var()
    print(f"METRIC r2 {r2.item():.4f}")


main()
