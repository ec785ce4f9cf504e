"""Checkpoints that bring back little or the wrong thing, against transfers, fresh starts and good resumes."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


def run(model, rows, epochs=6, rate=0.02, rule=torch.optim.Adam):
    x, y = rows
    optimizer = rule(model.parameters(), lr=rate)
    for _ in range(epochs):
        for k in range(0, len(x), 32):
            optimizer.zero_grad()
            F.cross_entropy(model(x[k : k + 32]), y[k : k + 32]).backward()
            optimizer.step()
    return model


def net(classes=4):
    return nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, classes))


def with_prefix(state, prefix):
    return {prefix + key: value for key, value in state.items()}


class TestResumeMismatch:
    def test_a_prefix_that_matches_nothing(self, judge, blobs):
        def train():
            first = run(net(), blobs)
            second = net()
            second.load_state_dict(with_prefix(first.state_dict(), "module."), strict=False)
            return first, run(second, blobs, epochs=1)

        (found,) = judge(train, "resume-mismatch")
        assert found.cause.key.endswith("hardly-loaded") and found.evidence[0].value == 0

    def test_values_in_the_wrong_places(self, judge, blobs):
        def train():
            first = run(net(), blobs)
            state = copy.deepcopy(first.state_dict())
            state["2.weight"] = state["2.weight"].T.contiguous().flip(0)
            second = net()
            second.load_state_dict(state)
            return first, run(second, blobs, epochs=1, rate=1e-3)

        (found,) = judge(train, "resume-mismatch")
        assert found.cause.key == "loop_checks.resume-mismatch" and found.evidence[1].value > found.evidence[0].value

    def test_loaded_into_a_model_that_is_thrown_away(self, judge, blobs):
        def train():
            first = run(net(), blobs)
            second = net()
            second.load_state_dict(first.state_dict())
            second(blobs[0][:2])
            third = net()
            return first, second, run(third, blobs, epochs=1, rate=1e-3)

        (found,) = judge(train, "resume-mismatch")
        assert found.cause.key.endswith("loaded-elsewhere")

    def test_started_anew_after_the_load(self, judge, blobs):
        def fresh(layer):
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)

        def train():
            first = run(net(), blobs)
            second = net()
            second.load_state_dict(first.state_dict())
            second.apply(fresh)
            return first, run(second, blobs, epochs=1, rate=1e-3)

        (found,) = judge(train, "resume-mismatch")
        assert found.cause.key.endswith("overwritten")

    def test_an_optimizer_that_begins_anew_undoes_what_was_learnt(self, judge, blobs):
        def train():
            first = run(net(), blobs)
            second = net()
            second.load_state_dict(first.state_dict())
            return first, run(second, blobs, epochs=1, rate=0.3)

        (found,) = judge(train, "resume-mismatch")
        assert found.cause.key.endswith("optimizer-began-anew") and "0.02 → 0.3" in str(found.cause)

    def test_inputs_that_are_prepared_otherwise_after_the_load(self, judge, blobs):
        x, y = blobs

        def train():
            first = run(net(), blobs)
            second = net()
            second.load_state_dict(first.state_dict())
            return first, run(second, (-x, y), epochs=1, rate=1e-4)

        (found,) = judge(train, "resume-mismatch")
        assert found.cause.key.endswith("loaded-and-other")

    def test_a_good_resume_is_healthy(self, codes, blobs):
        def train():
            first = run(net(), blobs)
            second = net()
            second.load_state_dict(first.state_dict())
            return first, run(second, blobs, epochs=2, rate=1e-3)

        assert codes(train) == []

    def test_another_task_with_a_new_head_is_healthy(self, codes, blobs):
        x, y = blobs

        def train():
            first = run(net(), blobs)
            second = net(classes=2)
            body = {key: value for key, value in first.state_dict().items() if not key.startswith("4.")}
            second.load_state_dict(body, strict=False)
            return first, run(second, (x, y % 2), epochs=4)

        assert codes(train) == []

    def test_the_same_head_on_another_task_is_healthy(self, codes, blobs):
        x, y = blobs

        def train():
            first = run(net(), blobs)
            second = net()
            second.load_state_dict(first.state_dict())
            return first, run(second, (x, y.clamp(max=1)), epochs=4)

        assert codes(train) == []

    def test_setting_weights_back_to_their_start_is_healthy(self, codes, blobs):
        def train():
            kept = []
            start = copy.deepcopy(net().state_dict())
            for _ in range(3):
                model = net()
                model.load_state_dict(start)
                kept.append(run(model, blobs, epochs=2))
            return kept

        assert codes(train) == []

    def test_the_best_weights_at_the_end_are_healthy(self, codes, blobs):
        def train():
            model = run(net(), blobs, epochs=3)
            best = copy.deepcopy(model.state_dict())
            run(model, blobs, epochs=1, rate=0.3)
            model.load_state_dict(best)
            return model

        assert codes(train) == []
