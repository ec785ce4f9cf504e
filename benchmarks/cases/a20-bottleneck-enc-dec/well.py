import argparse
import itertools
import random

import numpy as np
import torch
import torch.nn as nn
from sklearn.datasets import load_digits

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
seed = ap.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)


def block(i, o):
    return nn.Sequential(nn.Linear(i, o), nn.LayerNorm(o), nn.Mish())


encoder = nn.Sequential(block(64, 64), block(64, 32), nn.Linear(32, 6))
decoder = nn.Sequential(block(6, 32), block(32, 64), nn.Linear(64, 64))
params = itertools.chain(encoder.parameters(), decoder.parameters())
optimizer = torch.optim.AdamW(params, lr=4e-3)
scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=8, gamma=0.5)

data = torch.tensor(load_digits().data, dtype=torch.float32)
data = data[torch.randperm(len(data))]
mu = data[:1440].mean(0)
data = (data - mu) / 6
train, valid = data[:1440], data[1440:]

for epoch in range(24):
    total = 0
    for rows in torch.randperm(1440).split(48):
        x = train[rows]
        rec = decoder(encoder(x))
        loss = (rec - x).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() / 30
    scheduler.step()
    if epoch % 4 == 3:
        print("epoch %2d  loss %.4f  lr %.4g" % (epoch + 1, total, scheduler.get_last_lr()[0]))

encoder.eval(), decoder.eval()
with torch.no_grad():
    r2 = 1 - (decoder(encoder(valid)) - valid).square().mean() / valid.square().mean()
print("METRIC r2 %.4f" % r2.item())
