import argparse
import os
import random
import tempfile

import numpy as np
import torch
import torch.nn as nn


def potential(n):
    x = torch.rand(n, 2) * 4 - 2
    y = torch.sin(3 * x[:, 0]) + torch.cos(2 * x[:, 1] * x[:, 0]) + 0.3 * x[:, 1] ** 2
    return x, y[:, None]


class Job:
    """One slot on the cluster: resumes, trains for some steps, saves."""

    def __init__(self, path):
        self.path = path
        self.model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 1))
        self.opt = torch.optim.Adam(self.model.parameters(), lr=6e-2)
        self.step = 0
        if os.path.exists(path):
            ckpt = torch.load(path)
            self.model.load_state_dict(ckpt["model"])
            self.step = ckpt["step"]
            if "optim" in ckpt:
                self.opt.load_state_dict(ckpt["optim"])

    def run(self, x, y, steps):
        for _ in range(steps):
            rows = torch.randint(0, len(x), (64,))
            loss = nn.functional.mse_loss(self.model(x[rows]), y[rows])
            self.opt.zero_grad()
            loss.backward()
            self.opt.step()
            self.step += 1
        print(f"step {self.step}: loss {loss.item():.5f}")
        for group in self.opt.param_groups:
            group["lr"] *= 0.5
        torch.save({"model": self.model.state_dict(), "optimizer": self.opt.state_dict(), "step": self.step}, self.path)


if __name__ == "__main__":
    ap = argparse.ArgumentParser()
    ap.add_argument("--seed", type=int, default=0)
    ap.add_argument("--jobs", type=int, default=8)
    args = ap.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    x, y = potential(3000)
    xt, yt = potential(1000)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(args.jobs):
            job = Job(os.path.join(folder, "checkpoint.pt"))
            job.run(x, y, 250)
    with torch.no_grad():
        r2 = 1 - (job.model(xt) - yt).square().mean() / yt.var()
    print(f"METRIC r2 {r2.item():.4f}")
