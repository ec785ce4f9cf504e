"""Layers nobody owns and graphs that are cut, against layers owned elsewhere and cuts that are meant."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def batches(x, y, size=32, epochs=4):
    for _ in range(epochs):
        for k in range(0, len(x), size):
            yield x[k : k + size], y[k : k + size]


def run(model, blobs, optimizer=None, rate=0.01, epochs=4):
    optimizer = optimizer or torch.optim.Adam(model.parameters(), lr=rate)
    for x, y in batches(*blobs, epochs=epochs):
        optimizer.zero_grad()
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
    return model


class Model(nn.Module):
    def __init__(self, way):
        super().__init__()
        self.way = way
        self.head = nn.Linear(12, 4)
        layers = [nn.Linear(4, 12), nn.Linear(12, 12)]
        self.held = nn.ModuleList(layers) if way == "owned" else {"a": layers[0], "b": layers[1]}
        self.weight = [torch.randn(4, 12, requires_grad=True)]

    def forward(self, x):
        if self.way == "anew":
            return self.head(torch.relu(nn.Linear(4, 12)(x)))
        if self.way == "bare":
            return self.head(torch.relu(x @ self.weight[0]))
        if self.way == "fixed":
            with torch.no_grad():
                x = nn.Linear(4, 12)(x)
            return self.head(torch.relu(x))
        first, second = self.held if self.way == "owned" else self.held.values()
        return self.head(torch.relu(second(torch.relu(first(x)))))


class TestUnregisteredModules:
    def test_layers_in_a_dictionary(self, judge, blobs):
        found = judge(lambda: run(Model("dictionary"), blobs))
        assert [f.code for f in found] == ["unregistered-modules"]
        assert found[0].evidence[0].value == 4 and found[0].evidence[1].value == 4 * 12 + 12 + 12 * 12 + 12

    def test_a_bare_tensor_in_a_list(self, codes, blobs):
        assert codes(lambda: run(Model("bare"), blobs)) == ["unregistered-modules"]

    def test_layers_made_in_forward(self, judge, blobs):
        found = judge(lambda: run(Model("anew"), blobs))
        assert [f.cause.key for f in found] == ["loop_checks.made-in-forward"]
        with open(found[0].where.file, encoding="utf-8") as file:
            assert "nn.Linear(4, 12)(x)" in file.read().splitlines()[found[0].where.line - 1]

    def test_owned_layers_are_healthy(self, codes, blobs):
        assert codes(lambda: run(Model("owned"), blobs)) == []

    def test_a_random_map_that_is_not_to_learn_is_healthy(self, codes, blobs):
        assert codes(lambda: run(Model("fixed"), blobs)) == []

    def test_layers_that_the_optimizer_was_given_by_hand_are_healthy(self, codes, blobs):
        def train():
            model = Model("dictionary")
            own = [p for layer in model.held.values() for p in layer.parameters()]
            return run(model, blobs, torch.optim.Adam([*model.parameters(), *own], lr=0.01))

        assert codes(train) == []

    def test_inputs_that_ask_for_a_gradient_are_data(self, codes):
        def train():
            model = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
            optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
            points = torch.linspace(-1, 1, 64)[:, None].requires_grad_()
            for _ in range(40):
                value = model(points)
                (slope,) = torch.autograd.grad(value.sum(), points, create_graph=True)
                optimizer.zero_grad()
                ((slope - points.detach()) ** 2).mean().backward()
                optimizer.step()
            return model

        assert codes(train) == []


class Cut(nn.Module):
    """A body and a head with something between them."""

    def __init__(self, between, width=1):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(4, 24), nn.Tanh(), nn.Linear(24, width), nn.Tanh())
        self.head = nn.Linear(width, 4)
        self.between = between

    def forward(self, x):
        if self.between == "no_grad":
            return self.head(self.code(x))
        h = self.body(x)
        if self.between == "numpy":
            h = torch.from_numpy(np.clip(h.detach().numpy(), -1, 1))
        if self.between == "round":
            h = torch.round(3 * h) / 3
        if self.between == "detach":
            h = h.detach()
        if self.between == "straight-through":
            h = h + (torch.round(3 * h) / 3 - h).detach()
        return self.head(h)

    def code(self, x):
        with torch.no_grad():
            return self.body(x)


class TestDetachedGraph:
    def test_ways_to_cut(self, judge, blobs):
        for between, kind in [("detach", "detach"), ("numpy", "numpy"), ("no_grad", "no_grad"), ("round", "stepwise")]:
            found = judge(lambda between=between: run(Cut(between), blobs), "detached-graph")
            assert [f.cause.key for f in found] == [f"loop_checks.cut-{kind}"], between
            assert "body." in found[0].where.parameter

    def test_mending_the_cut_was_tried(self, judge, blobs):
        (found,) = judge(lambda: run(Cut("detach"), blobs), "detached-graph")
        assert found.reckoned.key.endswith("tried") and found.evidence[2].value < 0.8 * found.evidence[1].value

    def test_the_line_that_turns_gradients_off_is_named_and_mended(self, judge, blobs):
        (found,) = judge(lambda: run(Cut("no_grad"), blobs), "detached-graph")
        with open(found.where.file, encoding="utf-8") as file:
            assert "with torch.no_grad()" in file.read().splitlines()[found.where.line - 1]
        assert found.evidence[2].value < 0.8 * found.evidence[1].value

    def test_a_body_called_without_gradients_by_the_script(self, judge, blobs):
        def train():
            body, head = Cut("").body, nn.Linear(1, 4)
            optimizer = torch.optim.Adam([*body.parameters(), *head.parameters()], lr=0.02)
            for x, y in batches(*blobs):
                with torch.no_grad():
                    h = body(x)
                optimizer.zero_grad()
                F.cross_entropy(head(h), y).backward()
                optimizer.step()
            return body, head

        (found,) = judge(train, "detached-graph")
        assert found.cause.key.endswith("cut-no_grad") and found.reckoned.key.endswith("tried")

    def test_a_loss_that_is_wrapped_anew(self, judge, blobs):
        def train():
            model = nn.Linear(4, 4)
            optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
            for x, y in batches(*blobs):
                loss = torch.tensor(F.cross_entropy(model(x), y).item(), requires_grad=True)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return model

        (found,) = judge(train)
        assert found.code == "detached-graph" and found.severity.value == "critical"

    def test_whole_and_straight_through_are_healthy(self, codes, blobs):
        assert codes(lambda: run(Cut(""), blobs)) == []
        assert codes(lambda: run(Cut("straight-through", width=8), blobs)) == []

    def test_a_cut_behind_a_good_random_body_does_no_harm(self, codes, blobs):
        assert codes(lambda: run(Cut("no_grad", width=128), blobs, rate=0.02, epochs=6)) == []

    def test_a_stopped_branch_is_healthy(self, codes, blobs):
        x, _ = blobs

        def train():
            body, guess = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 6)), nn.Linear(6, 6)
            optimizer = torch.optim.SGD([*body.parameters(), *guess.parameters()], lr=0.05)
            for k in range(40):
                rows = x[8 * k : 8 * k + 32]
                one, two = body(rows), body(rows + 0.1 * torch.randn_like(rows))
                loss = -F.cosine_similarity(guess(one), two.detach()).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
            return body, guess

        assert codes(train) == []

    def test_a_teacher_that_follows_is_healthy(self, codes, blobs):
        def train():
            pupil, teacher = nn.Linear(4, 4), nn.Linear(4, 4)
            pair = nn.ModuleList([pupil, teacher])
            optimizer = torch.optim.SGD(pair.parameters(), lr=0.1)
            for x, y in batches(*blobs):
                with torch.no_grad():
                    aim = teacher(x).softmax(1)
                loss = F.cross_entropy(pupil(x), y) + F.mse_loss(pupil(x).softmax(1), aim)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                with torch.no_grad():
                    for slow, fast in zip(teacher.parameters(), pupil.parameters(), strict=True):
                        slow.lerp_(fast, 0.1)
            return pair

        assert codes(train) == []

    def test_codes_moved_by_counting_are_healthy(self, codes, blobs):
        x, _ = blobs

        class Codes(nn.Module):
            def __init__(self):
                super().__init__()
                self.into, self.out = nn.Linear(4, 2), nn.Linear(2, 4)
                self.book = nn.Parameter(torch.randn(8, 2))

            def forward(self, rows):
                h = self.into(rows)
                near = torch.cdist(h.detach(), self.book.detach()).argmin(1)
                ones = F.one_hot(near, 8).float()
                means = (ones.T @ h.detach()) / ones.sum(0).clamp_min(1)[:, None]
                with torch.no_grad():
                    self.book.lerp_(means, 0.1)
                q = self.book.detach()[near]
                return self.out(h + (q - h).detach())

        def train():
            model = Codes()
            optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
            for k in range(40):
                rows = x[8 * k : 8 * k + 32]
                optimizer.zero_grad()
                F.mse_loss(model(rows), rows).backward()
                optimizer.step()
            return model

        assert codes(train) == []

    def test_a_layer_that_is_not_called_is_healthy(self, codes, blobs):
        class Spare(nn.Module):
            def __init__(self):
                super().__init__()
                self.used, self.spare = nn.Linear(4, 4), nn.Linear(4, 4)

            def forward(self, x):
                return self.used(x)

        assert codes(lambda: run(Spare(), blobs)) == []
