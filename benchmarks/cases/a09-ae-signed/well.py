import argparse, random
import numpy as np
import torch
from torch import nn
from sklearn.datasets import load_digits

parser = argparse.ArgumentParser()
parser.add_argument("--seed", type=int, default=0)
SEED = parser.parse_args().seed
for f in (random.seed, np.random.seed, torch.manual_seed):
    f(SEED)


class ConvAE(nn.Module):
    def __init__(self, code=16):
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(96, code),
        )
        self.decoder = nn.Sequential(
            nn.Linear(code, 96),
            nn.SiLU(),
            nn.Unflatten(1, (24, 2, 2)),
            nn.ConvTranspose2d(24, 12, 4, stride=2, padding=1),
            nn.SiLU(),
            nn.ConvTranspose2d(12, 1, 4, stride=2, padding=1),
            nn.Tanh(),
        )

    def forward(self, x):
        return self.decoder(self.encoder(x))


imgs = load_digits().images[np.random.permutation(1797)]
imgs = torch.tensor(imgs, dtype=torch.float32)[:, None] / 16 * 2 - 1  # [-1, 1]
train, test = imgs[:1500], imgs[1500:]
ae = ConvAE()
opt = torch.optim.Adam(ae.parameters(), lr=3e-3, betas=(0.9, 0.99))
for epoch in range(14):
    for batch in train[torch.randperm(1500)].split(50):
        loss = nn.functional.mse_loss(ae(batch), batch)
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 3 == 1:
        print("epoch", epoch, "mse %.4f" % loss)
with torch.no_grad():
    err = (ae(test) - test).pow(2).mean()
    base = (test - train.mean(0)).pow(2).mean()
print("METRIC r2 %.4f" % (1 - err / base))
