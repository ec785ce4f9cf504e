import argparse
import random

import numpy as np
import torch
from torch import Tensor, nn


class Ripple(nn.Module):
    def __init__(self, width: int = 50) -> None:
        super().__init__()
        self.inp = nn.Linear(2, width)
        self.mid = nn.Linear(width, width)
        self.out = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.nn.functional.silu(self.inp(x))
        x = torch.nn.functional.silu(self.mid(x))
        return self.out(x).squeeze(-1)


def sample(n: int) -> tuple[Tensor, Tensor]:
    x = torch.rand(n, 2) * 4 - 2
    r = x.norm(dim=1)
    return x, torch.cos(2.5 * r) * torch.exp(-0.3 * r)


def train(model: nn.Module, steps: int) -> None:
    optimizer = torch.optim.Adam(model.parameters(), lr=4e-3, betas=(0.999, 0.9))
    for step in range(1, steps + 1):
        x, y = sample(100)
        loss = nn.functional.mse_loss(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % 250 == 0:
            print(f"step={step} loss={loss.item():.5f}")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=0)
    seed = parser.parse_args().seed
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    model = Ripple()
    train(model, 1500)
    x, y = sample(2000)
    with torch.no_grad():
        r2 = 1 - nn.functional.mse_loss(model(x), y) / y.var()
    print(f"METRIC r2 {r2.item():.4f}")


if __name__ == "__main__":
    main()
