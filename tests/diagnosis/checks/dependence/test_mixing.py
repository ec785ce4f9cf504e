"""Answers that move with the other rows of a batch."""

import pytest
import torch
from torch import nn


@pytest.fixture
def sequences():
    """Return sequences, (rows, moments, features), and a class for each."""
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(128, 6, 5, generator=draw)
    return x, (x.sum((1, 2)) > 0).long()


class Reader(nn.Module):
    """Reads a sequence by an RNN that wants moments first; `turn` brings them there."""

    def __init__(self, turn):
        super().__init__()
        self.turn = turn
        self.core, self.out = nn.RNN(5, 8), nn.Linear(8, 2)

    def forward(self, x):
        return self.out(self.core(self.turn(x))[0][-1])


class TestBatchMixing:
    def test_view_in_the_place_of_transpose(self, judge, fit, sequences, line_of):
        x, y = sequences

        def turn(x):
            return x.view(6, len(x), 5)

        (finding,) = judge(lambda: fit(Reader(turn), x, y))
        assert finding.code == "batch-mixing" and finding.where.line == line_of(turn, "view")
        assert "`view`" in finding.cause.text("en") and "`view`" in finding.cause.text("zh")
        assert finding.evidence[0].value > 1e-3 and finding.severity == "critical"

    def test_transpose_is_healthy(self, judge, fit, sequences):
        assert judge(lambda: fit(Reader(lambda x: x.transpose(0, 1)), *sequences)) == []

    def test_attention_along_the_batch(self, judge, fit, sequences, line_of):
        class Weighted(nn.Module):
            def __init__(self):
                super().__init__()
                self.key, self.out = nn.Linear(5, 1), nn.Linear(5, 2)

            def forward(self, x):
                share = self.key(x).softmax(dim=0)
                return self.out((share * x).sum(1))

        (finding,) = judge(lambda: fit(Weighted(), *sequences))
        assert finding.code == "batch-mixing" and finding.where.line == line_of(Weighted, "softmax")

    def test_norms_by_the_batch_are_healthy(self, judge, fit, sequences):
        """Near miss: BatchNorm mixes rows in training, as it should, and not in evaluation."""
        x, y = sequences
        model = nn.Sequential(nn.Flatten(), nn.Linear(30, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))
        assert judge(lambda: fit(model, x, y)) == []

    def test_dropout_is_no_other_row(self, judge, fit, sequences):
        """Near miss: answers that move by chance, even in evaluation, with no row's help."""

        class Noisy(nn.Module):
            def __init__(self):
                super().__init__()
                self.out = nn.Linear(30, 2)

            def forward(self, x):
                return self.out(nn.functional.dropout(x.flatten(1), 0.3, training=True))

        assert judge(lambda: fit(Noisy(), *sequences)) == []

    def test_heads_that_are_folded_into_the_batch_are_healthy(self, judge, fit, sequences):
        """Near miss: a view that moves rows and a view that brings them back."""

        class Folded(nn.Module):
            def __init__(self):
                super().__init__()
                self.each, self.out = nn.Linear(5, 4), nn.Linear(24, 2)

            def forward(self, x):
                return self.out(self.each(x.reshape(-1, 5)).tanh().reshape(len(x), -1))

        assert judge(lambda: fit(Folded(), *sequences)) == []

    def test_a_graph_is_one_batch(self, judge, sequences):
        """Near miss: every step sees the same rows, which know one another by design."""
        x, y = sequences
        x, y = x[:, 0], y
        near = (torch.cdist(x, x) < 2).float()
        near = near / near.sum(1, keepdim=True)

        def train():
            model, seen = nn.Linear(5, 2), x
            optimizer = torch.optim.Adam(model.parameters())
            for _ in range(12):
                optimizer.zero_grad()
                nn.functional.cross_entropy(near @ model(seen), y).backward()
                optimizer.step()
            return model

        assert judge(train) == []
