import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split

ap = argparse.ArgumentParser()
ap.add_argument("--seed", type=int, default=0)
seed = ap.parse_args().seed
random.seed(seed)
np.random.seed(seed)
torch.manual_seed(seed)

x, y = load_digits(return_X_y=True)
x = x / 16.0
xa, xb, ya, yb = train_test_split(x, y, test_size=0.25, random_state=seed, stratify=y)

teacher = LogisticRegression(C=0.3, max_iter=200).fit(xa, ya)
print("teacher", teacher.score(xb, yb))
soft = torch.as_tensor(teacher.predict_proba(xa), dtype=torch.float32)
xa, xb = torch.as_tensor(xa).float(), torch.as_tensor(xb).float()
yb = torch.as_tensor(yb)

student = nn.Sequential(nn.Linear(64, 24), nn.GELU(), nn.Linear(24, 10))
optimizer = torch.optim.RMSprop(student.parameters(), lr=1e-3)


def distil_loss(scores, target):
    return F.kl_div(scores, target, reduction="batchmean")


for epoch in range(40):
    perm = torch.randperm(xa.shape[0])
    for chunk in perm.chunk(30):
        loss = distil_loss(student(xa[chunk]), soft[chunk])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if (epoch + 1) % 8 == 0:
        with torch.no_grad():
            acc = (student(xb).argmax(1) == yb).float().mean().item()
        print(f"{epoch + 1:3d} {loss.item():10.4f} {acc:.4f}")
print(f"METRIC accuracy {acc:.4f}")
