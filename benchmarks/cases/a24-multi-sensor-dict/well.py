import argparse
import random

import numpy as np
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

CHANNELS = {"pressure": 12, "vibration": 20, "current": 8}


class Readings(Dataset):
    def __init__(self, n, mixing):
        self.parts = {k: torch.randn(n, d) for k, d in CHANNELS.items()}
        a, b, c = (self.parts[k] @ mixing[k] for k in CHANNELS)
        self.wear = (a * b + torch.tanh(2 * c) + 0.5 * a * c).float()
        self.wear = self.wear + 0.05 * torch.randn(n)

    def __len__(self):
        return len(self.wear)

    def __getitem__(self, i):
        return {k: v[i] for k, v in self.parts.items()}, self.wear[i]


class WearModel(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        self.encoders = nn.ModuleDict()
        for name, size in CHANNELS.items():
            self.encoders[name] = nn.Sequential(nn.Linear(size, width), nn.Tanh())
        self.fuse = nn.Sequential(nn.Linear(width * len(CHANNELS), 48), nn.SiLU(), nn.Linear(48, 1))

    def forward(self, parts):
        codes = [self.encoders[name](value) for name, value in parts.items()]
        return self.fuse(torch.cat(codes, dim=-1)).squeeze(-1)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    random.seed(args.seed)
    np.random.seed(args.seed)
    torch.manual_seed(args.seed)
    mixing = {k: nn.functional.normalize(torch.randn(d), dim=0) for k, d in CHANNELS.items()}
    train = DataLoader(Readings(1536, mixing), batch_size=64, shuffle=True)
    valid = Readings(500, mixing)
    model = WearModel()
    optimizer = torch.optim.NAdam(model.parameters(), lr=6e-3)
    mse = nn.MSELoss()
    for epoch in range(20):
        losses = []
        for parts, wear in train:
            optimizer.zero_grad(set_to_none=True)
            loss = mse(model(parts), wear)
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        with torch.no_grad():
            r2 = 1 - (mse(model(valid.parts), valid.wear) / valid.wear.var()).item()
        if epoch % 4 == 3:
            print(f"epoch {epoch + 1:2d} loss {np.mean(losses):.4f} r2 {r2:.4f}")
    print(f"METRIC r2 {r2:.4f}")


if __name__ == "__main__":
    main()
