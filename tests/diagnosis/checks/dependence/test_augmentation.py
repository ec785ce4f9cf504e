"""Augmentation that repeats itself, or that changes what the target speaks of."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, Dataset


class Shaken(Dataset):
    """Returns rows with noise from a generator that each worker copies."""

    def __init__(self, noise=0.1):
        self.noise, self.rng = noise, np.random.default_rng(0)
        self.rows = np.random.default_rng(1).normal(size=(64, 4)).astype("float32")

    def __len__(self):
        return 64

    def __getitem__(self, k):
        row = self.rows[k] + self.noise * self.rng.normal(size=4).astype("float32")
        return torch.from_numpy(row.astype("float32")), int(self.rows[k, 0] > 0)


def reseed(worker):
    info = torch.utils.data.get_worker_info()
    info.dataset.rng = np.random.default_rng(info.seed)


def epochs(loader, model):
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    for _ in range(3):
        for x, y in loader:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
    return model, loader


def loaded(line=None, **settings):
    """Return a training from a loader with these settings."""

    def train():
        data = settings.pop("data", None) or Shaken()
        loader = DataLoader(data, batch_size=16, **settings)
        return epochs(loader, nn.Linear(4, 2))

    return train


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
class TestRepeatedAugmentation:
    WORKERS = {"num_workers": 2, "multiprocessing_context": "fork"}

    def test_each_epoch_begins_with_the_same_stream(self, judge, line_of):
        (finding,) = judge(loaded(**self.WORKERS))
        assert finding.code == "repeated-augmentation" and finding.where.line == line_of(loaded, "DataLoader(")
        assert finding.evidence[0].value == 3 and "2" in finding.cause.text("zh")

    def test_workers_that_are_seeded_anew_are_healthy(self, judge):
        assert judge(loaded(worker_init_fn=reseed, **self.WORKERS)) == []

    def test_rows_as_they_are_may_come_again(self, judge):
        """Near miss: the same batches each epoch, from a data set that has nothing random."""
        assert judge(loaded(data=Shaken(noise=0.0), **self.WORKERS)) == []

    def test_without_workers_the_stream_goes_on(self, judge):
        assert judge(loaded()) == []


def points():
    """Return pictures of one bright spot and its place from left to right, -1 to 1."""
    draw = torch.Generator().manual_seed(1)
    place = torch.rand(256, 1, generator=draw) * 2 - 1
    x = torch.exp(-8 * (torch.linspace(-1, 1, 12) - place).square())
    return x, place


def mirrored(targets_too, parity=False):
    """Return a training on rows that are mirrored by chance."""
    x, y = points()
    if parity:
        y = y.square()  # the same for a row and its mirror image

    def train():
        model = nn.Sequential(nn.Linear(12, 16), nn.Tanh(), nn.Linear(16, 1))
        optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
        for k in range(64):
            rows = slice(32 * k % 256, 32 * k % 256 + 32)
            turn = torch.rand(32, 1) < 0.5
            seen = torch.where(turn, x[rows].flip(1), x[rows])
            told = torch.where(turn, -y[rows], y[rows]) if targets_too else y[rows]
            optimizer.zero_grad()
            F.mse_loss(model(seen), told).backward()
            optimizer.step()
        return model

    return train


class TestHarmfulAugmentation:
    def test_inputs_are_mirrored_and_targets_are_not(self, judge, line_of):
        (finding,) = judge(mirrored(targets_too=False))
        assert finding.code == "harmful-augmentation"
        assert finding.where.line == line_of(mirrored, "torch.where(turn, x[rows]")
        level, plain, clean = (evidence.value for evidence in finding.evidence)
        assert clean < 0.6 * min(level, plain)

    def test_targets_are_mirrored_with_them(self, judge):
        assert judge(mirrored(targets_too=True)) == []

    def test_targets_that_a_mirror_leaves_alone(self, judge):
        """Near miss: the same change of the inputs where it changes nothing of what is told."""
        assert judge(mirrored(targets_too=False, parity=True)) == []
