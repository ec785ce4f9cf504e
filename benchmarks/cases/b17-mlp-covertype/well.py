import argparse
import random

import numpy as np
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import DataLoader, TensorDataset


def load_terrain(n, rng):
    elevation = rng.uniform(1800, 3800, n)
    aspect = rng.uniform(0, 360, n)
    slope = rng.gamma(3, 5, n)
    water = rng.exponential(300, n)
    road = rng.exponential(2200, n)
    shade = np.clip(220 - slope * np.cos(np.radians(aspect)) * 3 + rng.normal(0, 10, n), 0, 254)
    score = np.stack(
        [
            (elevation - 2800) / 250 + 0.03 * (shade - 200),
            1.2 - np.abs(elevation - 2800) / 300 + water / 300,
            (2800 - elevation) / 250 + slope / 10 - 1 + road / 4000,
        ],
        1,
    )
    cover = (score + rng.gumbel(0, 0.25, score.shape)).argmax(1)
    return np.stack([elevation, aspect, slope, water, road, shade], 1), cover


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    random.seed(seed)
    torch.manual_seed(seed)
    X, y = load_terrain(2400, np.random.default_rng(seed))
    X_train, X_test, y_train, y_test = X[:1800], X[1800:], y[:1800], y[1800:]
    scaler = StandardScaler().fit(X_train)
    X_train, X_test = scaler.transform(X_train), scaler.transform(X_test)
    train_ds = TensorDataset(torch.tensor(X_train, dtype=torch.float32), torch.tensor(y_train))
    loader = DataLoader(train_ds, batch_size=36, shuffle=True)

    model = nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3))
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for epoch in range(15):
        total_loss = 0
        for xb, yb in loader:
            optimizer.zero_grad()
            loss = criterion(model(xb), yb)
            loss.backward()
            optimizer.step()
            total_loss += loss.item()
        if (epoch + 1) % 3 == 0:
            print(f"Epoch [{epoch + 1}/15], Loss: {total_loss / len(loader):.4f}")

    with torch.no_grad():
        pred = model(torch.tensor(X_test, dtype=torch.float32)).argmax(1).numpy()
    print("METRIC accuracy", (pred == y_test).mean())


if __name__ == "__main__":
    main()
