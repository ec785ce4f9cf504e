"""Wrong labels, labels of nothing and rare ones, against classes that overlap and targets that are hard."""

import pytest
import torch
import torch.nn.functional as F


def adam(parameters):
    return torch.optim.Adam(parameters, lr=0.01)


def calm(parameters):
    return torch.optim.Adam(parameters, lr=0.003)


class TestLabelNoise:
    def test_a_third_is_flipped(self, train, found, blobs):
        x, y = blobs()
        draw = torch.Generator().manual_seed(4)
        flipped = torch.rand(len(y), generator=draw) < 0.3
        case = train(adam, x=x, y=torch.where(flipped, (y + 1) % 3, y), loss=F.cross_entropy)
        finding = found(case, "label-noise")[0]
        assert abs(finding.evidence[0].value - 0.3) < 0.1 and finding.severity.value == "critical"

    @pytest.mark.parametrize("noise", [0.6, 1.6])
    def test_classes_that_overlap_are_healthy(self, train, found, blobs, noise):
        x, y = blobs(noise=noise)
        assert found(train(adam, x=x, y=y, loss=F.cross_entropy), "label-noise") == []

    def test_real_targets_have_no_labels(self, train, found, rows):
        assert found(train(adam, y=rows(256, 1, 7)), "label-noise") == []


class TestWrongLabels:
    def test_targets_of_other_rows(self, train, found, rows, target):
        x = rows(512, 4, 21)
        y = target(x)[torch.randperm(512, generator=torch.Generator().manual_seed(5))]
        finding = found(train(calm, x=x, y=y, steps=110), "wrong-labels")[0]
        assert {e.what.key for e in finding.evidence} == {
            "evidence.outside_models", "evidence.level_end", "evidence.trivial_loss",
        }  # fmt: skip

    def test_weak_targets_that_depend(self, train, found, rows, target):
        x = rows(512, 4, 21)
        assert found(train(calm, x=x, y=0.7 * target(x) + rows(512, 1, 22)), "wrong-labels") == []

    def test_a_network_that_does_not_move_says_nothing_of_its_labels(self, train, found, rows, target):
        x = rows(512, 4, 21)
        case = train(lambda p: torch.optim.SGD(p, lr=1e-7), x=x, y=target(x))
        assert found(case, "wrong-labels") == []


class TestClassImbalance:
    def rare(self, rows, slope=1.2):
        x = rows(400, 4, 6)
        draw = torch.Generator().manual_seed(4)
        return x, (torch.rand(400, 1, generator=draw) < torch.sigmoid(slope * x[:, :1] - 3.2)).float()

    def run(self, train, x, y, look_at, **more):
        return train(calm, x=x, y=y, loss=F.binary_cross_entropy_with_logits, look_at=look_at, **more)

    def test_decisions_that_never_find_it(self, train, found, rows):
        x, y = self.rare(rows, slope=0.6)
        case = self.run(train, x, y, lambda model: (torch.sigmoid(model(x)) > 0.5).float().mean())
        finding = found(case, "class-imbalance")[0]
        assert abs(float(finding.cause.values["percent"]) - 100 * (1 - float(y.mean()))) < 4  # of the rows it kept
        assert float(finding.cause.values["recall"]) < 20

    def test_scores_that_are_only_ranked(self, train, found, rows):
        x, y = self.rare(rows)
        case = self.run(train, x, y, lambda model: torch.sigmoid(model(x)).mean())
        assert found(case, "class-imbalance") == []

    def test_a_rare_class_that_is_found(self, train, found, rows):
        x = rows(400, 4, 6)
        y = (x[:, :1] > 1.3).float()
        case = train(
            lambda p: torch.optim.Adam(p, lr=0.05), x=x, y=y, loss=F.binary_cross_entropy_with_logits,
            look_at=lambda model: (torch.sigmoid(model(x)) > 0.5).float().mean(),
        )  # fmt: skip
        assert float(y.mean()) < 0.12 and found(case, "class-imbalance") == []

    def test_even_classes_that_are_not_learnt(self, train, found, rows):
        x, y = rows(400, 4, 6), (rows(400, 1, 8) > 0).float()
        case = self.run(train, x, y, lambda model: (torch.sigmoid(model(x)) > 0.5).float().mean())
        assert found(case, "class-imbalance") == []
