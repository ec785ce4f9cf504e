"""Parameters that no optimizer moves, against those that are left out or moved otherwise on purpose."""

import copy

import torch
import torch.nn.functional as F
from torch import nn


def batches(x, y, size=32, epochs=5):
    for _ in range(epochs):
        for k in range(0, len(x), size):
            yield x[k : k + size], y[k : k + size]


def run(model, optimizer, blobs, epochs=5):
    for x, y in batches(*blobs, epochs=epochs):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model, optimizer


def net(width=24):
    return nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Linear(width, 4))


def narrow():
    """Return a network whose first layer must learn: what comes through it at random says little."""
    body = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, 1), nn.Tanh())
    return nn.Sequential(body, nn.Linear(1, 4))


class TestParametersNotOptimized:
    def test_the_model_is_copied_after_the_optimizer_was_made(self, judge, blobs):
        def train():
            model = net()
            optimizer = torch.optim.Adam(model.parameters())
            return run(copy.deepcopy(model), optimizer, blobs)

        found = judge(train)
        assert [f.code for f in found] == ["parameters-not-optimized"]
        assert found[0].cause.key.endswith("stale-optimizer")

    def test_the_head_is_replaced_after_the_optimizer_was_made(self, judge, blobs):
        def train():
            model = net()
            optimizer = torch.optim.Adam(model.parameters())
            model[2] = nn.Linear(24, 4)
            return run(model, optimizer, blobs)

        found = judge(train, "parameters-not-optimized")
        assert found[0].cause.key.endswith("replaced-parameters") and found[0].where.parameter == "2.weight"

    def test_gradients_are_cleared_before_the_step(self, judge, blobs):
        def train():
            model = net()
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in batches(*blobs):
                F.cross_entropy(model(x), y).backward()
                optimizer.zero_grad()
                optimizer.step()
            return model

        found = judge(train, "parameters-not-optimized")
        assert found[0].cause.key.endswith("cleared-before-step")

    def test_a_new_model_with_the_old_optimizer(self, judge, blobs):
        def train():
            models = [net() for _ in range(4)]
            optimizer = torch.optim.Adam(models[0].parameters())
            return models, [run(model, optimizer, blobs) for model in models]

        found = judge(train)
        assert [f.cause.key for f in found] == ["loop_checks.left-behind"]

    def test_a_new_model_with_a_new_optimizer_is_healthy(self, codes, blobs):
        def train():
            models = [net() for _ in range(4)]
            return models, [run(model, torch.optim.Adam(model.parameters(), lr=0.01), blobs) for model in models]

        assert codes(train) == []

    def test_the_body_is_left_out(self, judge, blobs):
        def train():
            model = narrow()
            return run(model, torch.optim.Adam(model[1].parameters(), lr=0.05), blobs)

        found = judge(train, "parameters-not-optimized")
        assert found[0].cause.key.endswith("left-out") and found[0].where.parameter.startswith("0.")
        before, after = (e.value for e in found[0].evidence[1:3])
        assert after < 0.8 * before

    def test_a_body_that_is_good_enough_is_left_out_on_purpose(self, codes, blobs):
        def train():
            model = net(width=256)
            return run(model, torch.optim.Adam(model[2].parameters(), lr=0.01), blobs, epochs=8)

        assert codes(train) == []

    def test_weights_that_the_script_moves_itself_are_healthy(self, codes, blobs):
        def train():
            model = net()
            optimizer = torch.optim.SGD(model[2].parameters(), lr=0.2)
            for x, y in batches(*blobs):
                model.zero_grad()
                F.cross_entropy(model(x), y).backward()
                optimizer.step()
                with torch.no_grad():
                    for p in model[0].parameters():
                        p -= 0.2 * p.grad
            return model

        assert codes(train) == []

    def test_an_image_that_is_learnt_through_a_fixed_network_is_healthy(self, codes):
        def train():
            model, image = net(), nn.Parameter(torch.randn(8, 4))
            optimizer = torch.optim.Adam([image], lr=0.1)
            target = torch.randn(8, 4)
            for _ in range(40):
                optimizer.zero_grad()
                F.mse_loss(model(image), target).backward()
                optimizer.step()
            return model

        assert codes(train) == []

    def test_a_loss_network_is_healthy(self, codes):
        def train():
            judge, model = net(), nn.Linear(4, 4)
            optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
            for _ in range(40):
                x = torch.randn(32, 4)
                optimizer.zero_grad()
                F.mse_loss(judge(model(x)), judge(x.flip(1))).backward()
                optimizer.step()
            return judge, model

        assert codes(train) == []


class TestFrozenParameters:
    def test_all_but_the_head_is_frozen(self, judge, blobs):
        def train():
            model = narrow()
            model[0].requires_grad_(False)
            return run(model, torch.optim.Adam(model[1].parameters(), lr=0.05), blobs)

        found = judge(train)
        assert [f.code for f in found] == ["frozen-parameters"]
        assert found[0].evidence[2].value < 0.8 * found[0].evidence[1].value

    def test_the_line_that_freezes_is_named(self, judge, blobs):
        def train():
            model = narrow()
            for p in model[0].parameters():
                p.requires_grad = False
            return run(model, torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=0.05), blobs)

        (found,) = judge(train, "frozen-parameters")
        with open(found.where.file, encoding="utf-8") as file:
            assert "requires_grad = False" in file.read().splitlines()[found.where.line - 1]

    def test_thawing_that_is_assigned_instead_of_called(self, judge, blobs):
        def train():
            model = narrow()
            model[0].requires_grad_(False)
            run(model, torch.optim.Adam(model.parameters(), lr=0.05), blobs, epochs=1)
            for p in model[0].parameters():
                p.requires_grad_ = True
            return run(model, torch.optim.Adam(model.parameters(), lr=0.05), blobs, epochs=2)

        (found,) = judge(train, "frozen-parameters")
        assert found.cause.key.endswith("assigned-not-called")

    def test_a_frozen_body_whose_head_learns_well_is_healthy(self, codes, blobs):
        def train():
            model = net(width=256)
            model[0].requires_grad_(False)
            return run(model, torch.optim.Adam(model[2].parameters(), lr=0.01), blobs, epochs=8)

        assert codes(train) == []

    def test_a_body_that_is_freed_later_is_healthy(self, codes, blobs):
        def train():
            model = narrow()
            model[0].requires_grad_(False)
            run(model, torch.optim.Adam(model[1].parameters(), lr=0.05), blobs, epochs=1)
            model.requires_grad_(True)
            return run(model, torch.optim.Adam(model.parameters(), lr=0.02), blobs, epochs=6)

        assert codes(train) == []

    def test_a_frozen_teacher_is_healthy(self, codes, blobs):
        x, _ = blobs

        def train():
            teacher, pupil = net(), nn.Linear(4, 4)
            teacher.requires_grad_(False)
            optimizer = torch.optim.Adam(pupil.parameters(), lr=0.01)
            for k in range(40):
                rows = x[8 * k : 8 * k + 32]
                optimizer.zero_grad()
                F.mse_loss(pupil(rows), teacher(rows)).backward()
                optimizer.step()
            return teacher, pupil

        assert codes(train) == []
