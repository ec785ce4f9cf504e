import argparse
import random

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F


def clips(n, length=128):
    t = torch.arange(length) / length
    f = torch.randint(4, 24, (n, 2, 1)).float()
    a = torch.rand(n, 2, 1)
    clean = (a * torch.sin(2 * torch.pi * (f * t + torch.rand(n, 2, 1)))).sum(1)
    silence = torch.randint(0, 4, (n,)) * 32
    clean[torch.arange(length) >= length - silence[:, None]] = 0
    noise = 0.5 * torch.randn(n, length) * (clean != 0)
    return (clean + noise)[:, None], clean[:, None]


def magnitude(wave, frame=32):
    spec = torch.fft.rfft(wave.unflatten(-1, (-1, frame)))
    return (spec.real**2 + spec.imag**2).sqrt()


class Enhancer(nn.Module):
    def __init__(self, ch=16):
        super().__init__()
        self.inp = nn.Conv1d(1, ch, 9, padding=4, bias=False)
        self.mid = nn.ModuleList(nn.Conv1d(ch, ch, 9, padding=4, bias=False) for _ in range(2))
        self.out = nn.Conv1d(ch, 1, 9, padding=4, bias=False)

    def forward(self, wave):
        h = F.leaky_relu(self.inp(wave), 0.2)
        for conv in self.mid:
            h = h + F.leaky_relu(conv(h), 0.2)
        return self.out(h) * (wave != 0)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    noisy, clean = clips(640)
    noisy_t, clean_t = clips(160)
    net = Enhancer()
    opt = torch.optim.Adam(net.parameters(), lr=2e-3)
    for epoch in range(8):
        for b in torch.randperm(640).split(32):
            guess = net(noisy[b])
            loss = F.l1_loss(guess, clean[b]) + 0.1 * F.l1_loss(magnitude(guess), magnitude(clean[b]))
            opt.zero_grad()
            loss.backward()
            opt.step()
        print("epoch", epoch, "loss", loss.item())
    with torch.no_grad():
        r2 = 1 - (net(noisy_t) - clean_t).square().sum() / clean_t.square().sum()
    print("METRIC r2", r2.item())


main()
