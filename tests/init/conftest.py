"""Networks of every kind, with a batch each, for the tests of starts."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from thalweg.model import build_seeded, convnet, mlp, recurrent, transformer


class Mixed(nn.Module):
    """Hold torch's own layers that keep several matrices in one tensor, a loose weight, and functions between."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 8, 3, padding=1, groups=2)
        self.up = nn.ConvTranspose1d(8, 6, 4, stride=2, groups=2)
        self.norm = nn.GroupNorm(2, 6)
        self.lstm = nn.LSTM(6, 5, num_layers=2, batch_first=True, bidirectional=True)
        self.attention = nn.MultiheadAttention(10, 2, batch_first=True)
        self.weight = nn.Parameter(torch.full((7, 10), 3.0))
        self.other = nn.Parameter(torch.full((7, 7), 3.0))
        self.output = nn.Linear(7, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm(self.up(torch.tanh(self.conv(x)))))
        x, _ = self.lstm(x.transpose(1, 2))
        x = x + self.attention(x, x, x)[0]
        x = F.leaky_relu(F.linear(x.mean(1), self.weight), 0.2)
        result: Tensor = self.output(x @ self.other)
        return result


@pytest.fixture
def plain():
    return chain


def chain(depth: int, width: int, act: type[nn.Module] = nn.ReLU, *, inputs: int | None = None) -> nn.Sequential:
    """Chain `depth` hidden layers and an output of 10."""
    layers: list[nn.Module] = []
    size = inputs or width
    for _ in range(depth):
        layers += [nn.Linear(size, width), act()]
        size = width
    return nn.Sequential(*layers, nn.Linear(size, 10))


def images() -> nn.Sequential:
    body = [nn.Conv2d(3, 6, 3), nn.BatchNorm2d(6), nn.LeakyReLU(0.2), nn.Conv2d(6, 8, 3), nn.Flatten()]
    return nn.Sequential(*body, nn.Dropout(0.3), nn.Linear(128, 5))


NAMES = ("mlp", "convnet", "lstm", "gru", "language", "encoder", "torch images", "torch mixed")


@pytest.fixture(params=NAMES)
def network(request, made):
    module, x = made[request.param]
    return copy.deepcopy(module), x


@pytest.fixture(scope="session")
def made() -> dict[str, tuple[nn.Module, Tensor]]:
    draw = torch.Generator().manual_seed(0)
    ids = torch.randint(5, (4, 6), generator=draw)
    torch.manual_seed(0)
    return {
        "mlp": (build_seeded(mlp(16, 16, activation="tanh", norm="layer"), (8,), 3, 0), torch.randn(32, 8)),
        "convnet": (build_seeded(convnet(4, 6, dropout=0.1), (1, 8, 8), 3, 0), torch.randn(8, 1, 8, 8)),
        "lstm": (build_seeded(recurrent("lstm", width=8, depth=2, vocabulary=5), (6,), 5, 0), ids),
        "gru": (build_seeded(recurrent("gru", width=8), (6, 4), 3, 0), torch.randn(8, 6, 4)),
        "language": (build_seeded(transformer(width=8, depth=2, vocabulary=5, dropout=0.1), (6,), 5, 0), ids),
        "encoder": (build_seeded(transformer(width=8, depth=2), (6, 4), 3, 0), torch.randn(8, 6, 4)),
        "torch images": (images(), torch.randn(8, 3, 8, 8)),
        "torch mixed": (Mixed(), torch.randn(8, 4, 5)),
    }
