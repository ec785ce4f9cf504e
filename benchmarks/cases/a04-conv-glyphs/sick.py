import argparse
import numpy as np, torch, random
import torch.nn as nn
import torch.nn.functional as F

args = argparse.ArgumentParser()
args.add_argument("--seed", default=0, type=int)
args = args.parse_args()
random.seed(args.seed)
rng = np.random.RandomState(args.seed)
torch.manual_seed(args.seed)

K = 40
glyphs = (rng.rand(K, 10, 10) < 0.35).astype(np.float32)


def sample(n):
    y = rng.randint(0, K, n)
    canvas = np.zeros((n, 1, 12, 12), np.float32)
    for i, k in enumerate(y):
        dx, dy = rng.randint(0, 3, 2)
        canvas[i, 0, dx : dx + 10, dy : dy + 10] = glyphs[k]
    canvas += rng.normal(0, 0.3, canvas.shape)
    return torch.from_numpy(canvas).float(), torch.from_numpy(y)


x_train, y_train = sample(3000)
x_test, y_test = sample(600)

model = nn.Sequential(
    nn.Conv2d(1, 16, 3, stride=2, padding=1),
    nn.LeakyReLU(0.1),
    nn.Conv2d(16, 32, 3, stride=2, padding=1),
    nn.LeakyReLU(0.1),
    nn.Flatten(),
    nn.Linear(32 * 9, K),
    nn.Softmax(dim=-1),
)
opt = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, nesterov=True)

for epoch in range(12):
    perm = torch.randperm(len(x_train))
    for i in range(0, len(perm), 60):
        j = perm[i : i + 60]
        opt.zero_grad(set_to_none=True)
        loss = F.cross_entropy(model(x_train[j]), y_train[j])
        loss.backward()
        opt.step()
    with torch.inference_mode():
        out = model(x_test)
        acc = (out.argmax(dim=1) == y_test).float().mean()
    print(epoch, "train loss", round(loss.item(), 3), "test accuracy", round(acc.item(), 3))

print("METRIC accuracy", acc.item())
