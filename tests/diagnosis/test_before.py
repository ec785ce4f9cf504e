"""What is known before training: exact faults, and nothing changed by asking."""

import copy

import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import UsageError

X = torch.randn(64, 6, generator=torch.Generator().manual_seed(1))
Y = torch.randint(0, 3, (64,), generator=torch.Generator().manual_seed(2))


def network(*last):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3), *last)


def adam(model):
    return torch.optim.Adam(model.parameters(), lr=0.01)


def test_a_healthy_set_up_says_nothing():
    model = network()
    assert tw.check(model, nn.CrossEntropyLoss(), (X, Y), adam(model)) == []


def test_probabilities_into_a_loss_of_scores():
    model = network(nn.Softmax(1))
    assert [f.code for f in tw.check(model, nn.CrossEntropyLoss(), (X, Y), adam(model))] == ["double-softmax"]


def test_parameters_that_no_optimizer_has():
    model = network()
    optimizer = torch.optim.Adam(model[4].parameters(), lr=0.01)
    found = tw.check(model, nn.CrossEntropyLoss(), (X, Y), optimizer)
    assert [f.code for f in found] == ["parameters-not-optimized"]


def test_a_loss_that_broadcasts():
    model = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    with pytest.warns(UserWarning, match="target size"):
        found = tw.check(model, nn.MSELoss(), (X, X[:, 0]), adam(model))
    assert [f.code for f in found] == ["loss-broadcast"]


def test_everything_is_as_it_was():
    model = network()
    optimizer = adam(model)
    model[0].eval()
    nn.CrossEntropyLoss()(model(X), Y).backward()
    optimizer.step()
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict()))
    grads = [p.grad for p in model.parameters()]
    modes, stream = [m.training for m in model.modules()], torch.get_rng_state()
    tw.check(model, nn.CrossEntropyLoss(), (X, Y), optimizer)
    after = (model.state_dict(), optimizer.state_dict())
    assert all(torch.equal(a, b) for a, b in zip(before[0].values(), after[0].values(), strict=True))
    for name, kept in before[1]["state"].items():
        assert all(torch.equal(kept[key], after[1]["state"][name][key]) for key in kept)
    assert [p.grad for p in model.parameters()] == grads and [m.training for m in model.modules()] == modes
    assert torch.equal(torch.get_rng_state(), stream)


def test_everything_is_as_it_was_though_the_loss_raised():
    model, calls = network(), []

    def loss(out, y):
        calls.append(1)
        if len(calls) > 2:
            raise ValueError("mine")
        return nn.functional.cross_entropy(out, y)

    optimizer = adam(model)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(ValueError, match="mine"):
        tw.check(model, loss, (X, Y), optimizer)
    assert all(torch.equal(a, b) for a, b in zip(before.values(), model.state_dict().values(), strict=True))
    assert all(p.grad is None for p in model.parameters()) and optimizer.state_dict()["state"] == {}


def test_a_batch_may_be_a_dict():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = network()

        def forward(self, features):
            return self.inner(features)

    model = Named()
    assert tw.check(model, nn.CrossEntropyLoss(), {"features": X, "labels": Y}, adam(model)) == []


@pytest.mark.parametrize(
    ("loss", "batch", "cure"),
    [
        (nn.CrossEntropyLoss(reduction="none"), (X, Y), "take its mean"),
        (nn.CrossEntropyLoss(), X, "pass both"),
        (nn.CrossEntropyLoss(), {"x": X}, "call them 'labels'"),
    ],
)
def test_wrong_use_names_its_cure(loss, batch, cure):
    model = network()
    with pytest.raises(UsageError, match=cure):
        tw.check(model, loss, batch, adam(model))
