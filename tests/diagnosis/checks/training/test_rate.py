"""Rates that are too high or too low, against those that serve and targets that no rate serves."""

import torch
import torch.nn.functional as F


def adam(lr):
    return lambda parameters: torch.optim.Adam(parameters, lr=lr)


def sgd(lr):
    return lambda parameters: torch.optim.SGD(parameters, lr=lr)


class TestLrTooHigh:
    def test_the_loss_is_lost(self, train, alarms):
        assert alarms(train(sgd(20.0)))[0] == "lr-too-high"

    def test_the_loss_stays_high(self, train, found, blobs):
        x, y = blobs()
        finding = found(train(adam(20.0), x=x, y=y, loss=F.cross_entropy), "lr-too-high")[0]
        assert finding.cause.values == {"lr": "20", "better": "0.2"}
        assert finding.where.file == __file__ and finding.where.line == adam.__code__.co_firstlineno + 1
        assert {e.what.key for e in finding.evidence} >= {"evidence.level_end", "evidence.level_changed"}

    def test_a_rate_that_serves_is_healthy(self, train, alarms):
        assert alarms(train(adam(0.01))) == []

    def test_a_high_rate_that_learns_is_healthy(self, train, alarms):
        assert alarms(train(adam(0.05))) == []

    def test_noise_that_no_rate_can_learn(self, train, refuted, rows):
        assert refuted(train(adam(0.5), y=rows(256, 1, 7)), "lr-too-high")


class TestLrTooLow:
    def test_nothing_moves(self, train, found):
        finding = found(train(sgd(1e-6)), "lr-too-low")[0]
        assert finding.cause.values["lr"] == "1e-06" and float(finding.cause.values["better"]) >= 1e-4
        assert finding.where.line == sgd.__code__.co_firstlineno + 1

    def test_a_low_rate_that_is_on_its_way_is_no_case(self, train, found):
        assert found(train(sgd(2e-3), steps=80), "lr-too-low") == []

    def test_noise_that_no_rate_can_learn(self, train, refuted, rows):
        assert refuted(train(sgd(1e-6), y=rows(256, 1, 7)), "lr-too-low")

    def test_what_was_tried_is_said_in_both_languages(self, train, found):
        from thalweg.diagnosis.checks.training import LrTooLow
        from thalweg.diagnosis.facts import Facts

        case = train(sgd(1e-6))
        facts = Facts(case, budget=1e6)
        assert LrTooLow().look(case, facts)
        assert [h.code for h in facts.hypotheses] == ["as-it-was", "lr-too-low"]
        for hypothesis in facts.hypotheses:
            assert hypothesis.tried.text("en").isascii() and hypothesis.tried.text("en") != hypothesis.tried.text("zh")
        assert "学习率" in facts.hypotheses[1].tried.text("zh")


class TestTheChange:
    """What is to be put into the script says the same as the sentence, or is left out."""

    def test_the_literal_is_changed(self, train, found):
        finding = found(train(lambda p: torch.optim.SGD(p, lr=20.0)), "lr-too-high")[0]
        better = finding.cause.values["better"]
        assert f"lr={float(better):g}" in finding.change.after and "lr=20.0" in finding.change.before
        assert finding.tried.after < finding.tried.before and finding.remedy.values["better"] == better

    def test_a_schedule_has_rates_of_its_own(self, train, found):
        def warm(optimizer):
            return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda k: 0.1 if k < 3 else 1.0)

        finding = found(train(lambda p: torch.optim.SGD(p, lr=30.0), schedule=warm), "lr-too-high")[0]
        assert finding.change is None and finding.where.file == __file__

    def test_groups_have_rates_of_their_own(self, train, found):
        def two(parameters):
            first, *rest = parameters
            return torch.optim.SGD([{"params": [first], "lr": 10.0}, {"params": rest, "lr": 20.0}])

        assert found(train(two), "lr-too-high")[0].change is None
