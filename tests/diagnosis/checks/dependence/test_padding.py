"""Answers that move with the amount of padding."""

import pytest
import torch
from torch import nn


@pytest.fixture
def sentences():
    """Return rows of words of many lengths, padded with zeros, and a class for each."""
    draw = torch.Generator().manual_seed(1)
    words = torch.randint(1, 20, (128, 16), generator=draw)
    lengths = torch.randint(3, 17, (128,), generator=draw)
    lengths[::16] = 16
    words[torch.arange(16) >= lengths[:, None]] = 0
    return words, (words[:, 0] > 9).long()


class Bag(nn.Module):
    """Takes the mean of a row's words; over their true number only if it is told to."""

    def __init__(self, counted, pad=0):
        super().__init__()
        self.counted = counted
        self.embed, self.out = nn.Embedding(20, 6, padding_idx=pad), nn.Linear(6, 2)

    def forward(self, x):
        words = self.embed(x)
        if self.counted:
            there = (x != 0).unsqueeze(2)
            return self.out((words * there).sum(1) / there.sum(1))
        return self.out(words.mean(1))


class TestPaddingLeak:
    def test_a_mean_over_padding(self, judge, fit, sentences, line_of):
        (finding,) = judge(lambda: fit(Bag(counted=False), *sentences))
        assert finding.code == "padding-leak" and finding.severity == "warning"
        assert finding.where.line == line_of(Bag.forward, "words.mean(1)")
        assert "`mean`" in finding.cause.text("en") and "`mean`" in finding.cause.text("zh")

    def test_a_mean_over_true_lengths_is_healthy(self, judge, fit, sentences):
        assert judge(lambda: fit(Bag(counted=True), *sentences)) == []

    def test_the_last_state_after_padding(self, judge, fit, sentences):
        class Last(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.core, self.out = nn.Embedding(20, 6), nn.GRU(6, 6, batch_first=True), nn.Linear(6, 2)

            def forward(self, x):
                return self.out(self.core(self.embed(x))[0][:, -1])

        assert [finding.code for finding in judge(lambda: fit(Last(), *sentences))] == ["padding-leak"]

    def test_the_last_true_state_is_healthy(self, judge, fit, sentences):
        """Near miss: the recurrence runs over padding, but what is taken lies before it."""

        class LastWord(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.core, self.out = nn.Embedding(20, 6), nn.GRU(6, 6, batch_first=True), nn.Linear(6, 2)

            def forward(self, x):
                states = self.core(self.embed(x))[0]
                return self.out(states[torch.arange(len(x)), (x != 0).sum(1) - 1])

        assert judge(lambda: fit(LastWord(), *sentences)) == []

    def test_a_sum_of_words_that_are_zero_is_healthy(self, judge, fit, sentences):
        """Near miss: padding is counted, and counts for nothing."""

        class Sum(nn.Module):
            def __init__(self):
                super().__init__()
                self.embed, self.out = nn.Embedding(20, 6, padding_idx=0), nn.Linear(6, 2)

            def forward(self, x):
                return self.out(self.embed(x).sum(1))

        assert judge(lambda: fit(Sum(), *sentences)) == []

    def test_rows_without_padding_are_healthy(self, judge, fit):
        """Near miss: the same network on rows that are all full, of which some end in one word by chance."""
        draw = torch.Generator().manual_seed(2)
        words = torch.randint(0, 20, (128, 16), generator=draw)
        assert judge(lambda: fit(Bag(counted=False), words, (words[:, 0] > 9).long())) == []
