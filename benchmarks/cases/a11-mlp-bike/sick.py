import argparse
import random
import numpy as np
import torch

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
ns = ap.parse_args()
random.seed(ns.seed)
np.random.seed(ns.seed)
torch.manual_seed(ns.seed)

# rentals per hour from hour of day, temperature, humidity, wind, weekend
n = 2500
hour = np.random.uniform(0, 24, n)
temp = np.random.normal(15, 8, n)
hum = np.random.uniform(20, 100, n)
wind = np.random.gamma(2.0, 4.0, n)
weekend = (np.random.rand(n) < 2 / 7).astype(float)
rush = np.exp(-(((hour - 8) / 1.5) ** 2)) + 1.3 * np.exp(-(((hour - 17.5) / 2) ** 2))
rentals = 40 + 300 * rush * (1 - 0.7 * weekend) + 6 * temp - 0.8 * hum - 2 * wind + np.random.normal(0, 12, n)

features = np.c_[
    np.sin(hour * np.pi / 12),
    np.cos(hour * np.pi / 12),
    np.sin(hour * np.pi / 6),
    np.cos(hour * np.pi / 6),
    temp,
    hum,
    wind,
    weekend,
]
features = (features - features[:2000].mean(0)) / features[:2000].std(0)
target = (rentals - rentals[:2000].mean()) / rentals[:2000].std()
features = torch.from_numpy(features.astype(np.float32))
target = torch.from_numpy(target.astype(np.float32))

w1 = torch.nn.Parameter(torch.randn(8, 48) * (2 / 8) ** 0.5)
b1 = torch.nn.Parameter(torch.zeros(48))
w2 = torch.nn.Parameter(torch.randn(48, 48) * (2 / 48) ** 0.5)
b2 = torch.nn.Parameter(torch.zeros(48))
w3 = torch.nn.Parameter(torch.randn(48, 1) * (1 / 48) ** 0.5)
b3 = torch.nn.Parameter(torch.zeros(1))
params = [w1, b1, w2, b2, w3, b3]


def predict(x):
    h = (x @ w1 + b1).relu()
    h = (h @ w2 + b2).relu()
    return h @ w3 + b3


opt = torch.optim.Adam(params, lr=3e-3)
for epoch in range(30):
    shuffled = torch.randperm(2000)
    for i in range(0, 2000, 50):
        rows = shuffled[i : i + 50]
        opt.zero_grad()
        loss = (predict(features[rows]) - target[rows]).pow(2).mean()
        loss.backward()
        opt.step()
    if epoch % 6 == 5:
        print(f"{epoch + 1:3d} {loss.item():.4f}")

with torch.no_grad():
    guess = predict(features[2000:]).flatten()
    truth = target[2000:]
    print(f"METRIC r2 {1 - ((guess - truth) ** 2).sum() / ((truth - truth.mean()) ** 2).sum():.4f}")
