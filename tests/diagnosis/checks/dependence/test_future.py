"""Networks that are to tell the next input and see it."""

import torch
import torch.nn.functional as F
from torch import nn


def letters(rows=128, length=12, kinds=7):
    """Return strings of letters, each the one before plus one or two, and the letter that follows at each place."""
    draw = torch.Generator().manual_seed(1)
    steps = torch.randint(1, 3, (rows, length + 1), generator=draw)
    text = steps.cumsum(1) % kinds
    return text[:, :-1], text[:, 1:]


def by_place(scores, y):
    return F.cross_entropy(scores.flatten(0, 1), y.flatten())


class Attending(nn.Module):
    """One layer of attention over places, with or without a mask."""

    def __init__(self, causal):
        super().__init__()
        self.causal = causal
        self.embed, self.place = nn.Embedding(7, 8), nn.Embedding(12, 8)
        self.mix, self.out = nn.Linear(8, 24), nn.Linear(8, 7)

    def forward(self, x):
        x = self.embed(x) + self.place(torch.arange(x.shape[1]))
        q, k, v = self.mix(x).chunk(3, -1)
        return self.out(x + F.scaled_dot_product_attention(q, k, v, is_causal=self.causal))


class Recurrent(nn.Module):
    def __init__(self, both):
        super().__init__()
        self.embed, self.core = nn.Embedding(7, 8), nn.GRU(8, 8, batch_first=True, bidirectional=both)
        self.out = nn.Linear(16 if both else 8, 7)

    def forward(self, x):
        return self.out(self.core(self.embed(x))[0])


class TestFutureLeak:
    def test_attention_without_a_mask(self, judge, fit, line_of):
        (finding,) = judge(lambda: fit(Attending(causal=False), *letters(), loss=by_place))
        assert finding.code == "future-leak" and finding.where.line == line_of(Attending.forward, "scaled_dot")
        assert "`scaled_dot_product_attention`" in finding.cause.text("zh") and finding.evidence[0].value > 1e-3

    def test_a_mask_is_healthy(self, judge, fit):
        assert judge(lambda: fit(Attending(causal=True), *letters(), loss=by_place)) == []

    def test_both_directions(self, judge, fit):
        (finding,) = judge(lambda: fit(Recurrent(both=True), *letters(), loss=by_place))
        assert finding.code == "future-leak" and "gru" in finding.cause.text()

    def test_one_direction_is_healthy(self, judge, fit):
        assert judge(lambda: fit(Recurrent(both=False), *letters(), loss=by_place)) == []

    def test_tags_of_each_place_may_look_both_ways(self, judge, fit):
        """Near miss: the same network, told something of each place that is not the next input."""
        x, _ = letters()
        assert judge(lambda: fit(Recurrent(both=True), x, x * 3 % 7, loss=by_place)) == []

    def test_what_copies_its_input_may_look_both_ways(self, judge, fit):
        """Near miss: an autoencoder of letters, whose target is the input itself."""
        x, _ = letters()
        assert judge(lambda: fit(Recurrent(both=True), x, x, loss=by_place)) == []

    def test_convolutions_along_numbers(self, judge, fit):
        """Padding on both sides of a kernel sees a moment ahead; padding on the left does not."""
        draw = torch.Generator().manual_seed(2)
        wave = torch.randn(128, 1, 25, generator=draw).cumsum(2)
        x, y = wave[:, :, :-1], wave[:, :, 1:]

        class Waves(nn.Module):
            def __init__(self, left, right):
                super().__init__()
                self.pad, self.one, self.two = (left, right), nn.Conv1d(1, 6, 3), nn.Conv1d(6, 1, 1)

            def forward(self, x):
                return self.two(self.one(F.pad(x, self.pad)).tanh())

        codes = [
            [f.code for f in judge(lambda pad=pad: fit(Waves(*pad), x, y, loss=F.mse_loss))] for pad in ((1, 1), (2, 0))
        ]
        assert codes == [["future-leak"], []]


class TestAnswerInside:
    @staticmethod
    def windows(reach):
        """Return windows of a series and the value that stands so many moments behind their end."""
        draw = torch.Generator().manual_seed(3)
        series = torch.randn(360, 2, generator=draw)
        x = torch.stack([series[k : k + 10] for k in range(320)])
        return x, torch.stack([series[k + 9 + reach, :1] for k in range(320)])

    class Summary(nn.Module):
        def __init__(self):
            super().__init__()
            self.core, self.out = nn.GRU(2, 6, batch_first=True), nn.Linear(6, 1)

        def forward(self, x):
            return self.out(self.core(x)[0][:, -1])

    def test_the_target_stands_in_the_window(self, judge, fit):
        (finding,) = judge(lambda: fit(self.Summary(), *self.windows(0), loss=F.mse_loss, size=40))
        assert finding.code == "future-leak" and finding.cause.key == "causes.answer-inside"
        assert finding.evidence[0].value > 0.99 and "100" in finding.cause.text()

    def test_a_window_that_ends_before_is_healthy(self, judge, fit):
        """Near miss: the same series, one moment later."""
        assert judge(lambda: fit(self.Summary(), *self.windows(1), loss=F.mse_loss, size=40)) == []
