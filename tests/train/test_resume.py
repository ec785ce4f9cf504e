"""A run that was left and goes on ends with the bits of the run that was never left, whatever it trains with."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import thalweg as tw
from thalweg.core import Outcome
from thalweg.model import Built
from thalweg.rules import RULES, SGD, Around
from thalweg.train import Folder, checkpoint, resume, start

STEPS_PER_EPOCH = 6
NESTS = ("adamw+clip-norm+ema", "sgd(momentum=0.9)+sam+swa", "prodigy+gradient-noise+lookahead")


@pytest.fixture
def same_when_left(
    make: Callable[..., Any], train: Callable[..., Any], assert_same: Callable[..., None], tmp_path: Path
) -> Callable[..., Any]:
    """Train a recipe whole; again with two pauses, in an epoch and on an evaluation; compare. Returns the whole run."""

    def compare(*, pauses: tuple[int, ...] = (5, 12), model: Any = None, **fields: Any) -> Any:
        recipe = make(**{**fields, **({"model": model} if model else {})})
        whole = train(start(recipe, out=tmp_path, folder=tmp_path / "whole"))
        left = train(start(recipe, out=tmp_path, folder=tmp_path / "left"), steps=pauses[0])
        again = model if isinstance(model, Built) else None
        for steps in (*pauses[1:], None):
            assert left.outcome is Outcome.INTERRUPTED
            left = train(resume(tmp_path / "left", model=again), steps=steps)
        assert_same(tmp_path / "whole", tmp_path / "left")
        one, two = (tw.Run(tmp_path / name, model=again).model.state_dict() for name in ("whole", "left"))
        assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
        return whole

    return compare


def default(name: str) -> Any:
    """Return a rule with its defaults; one around another holds SGD with momentum."""
    kind = RULES[name]
    return kind(rule=SGD(momentum=0.9)) if issubclass(kind, Around) else kind()  # type: ignore[call-arg]


@pytest.mark.parametrize("name", sorted(RULES))
def test_every_rule_goes_on_bit_for_bit(same_when_left: Callable[..., Any], name: str) -> None:
    whole = same_when_left(rule=default(name), model=tw.mlp(8, norm="batch"), epochs=2, pauses=(5,))
    assert whole.outcome in (Outcome.FINISHED, Outcome.DIVERGED)
    if not name.endswith("newton"):  # whose steps of full length leap away
        assert whole.outcome is Outcome.FINISHED
        assert np.isfinite(Folder(whole.folder.path).trace().steps()["loss"]).all()


@pytest.mark.parametrize("rule", NESTS)
def test_rules_around_rules_go_on_bit_for_bit(same_when_left: Callable[..., Any], rule: str) -> None:
    same_when_left(rule=rule, model=tw.mlp(8, dropout=0.2))


SETTINGS: dict[str, dict[str, Any]] = {
    "augmentation": {"augment": ("input-noise(std=0.2)", "mixup"), "rule": "sgd(lr=0.1, momentum=0.9)+ema"},
    "penalties": {
        "rule": "sgd(lr=0.1)", "penalties": ("l1(strength=0.5, step=proximal)", "l2(strength=1)"),
        "schedules": {"l1_strength": "warmup(length=0.5)"}, "constraint": "max-norm(max_norm=1)",
    },
    "moving numbers": {
        "rule": "sgd(lr=0.1, momentum=0.9, weight_decay=0.01)",
        "schedules": {"momentum": "linear(end=0.5)", "weight_decay": "cosine"},
    },
    "moving schedule-free": {"rule": "schedule-free-sgd", "schedules": {"momentum": "linear(end=0.5)"}},
    "unfreezing": {"model": tw.mlp(8, 8), "unfreeze_every": 1, "rule": "adamw(lr=0.01)"},
    "frozen": {"model": tw.mlp(8, 8, norm="batch"), "freeze": ("linear1",), "rule": "adamw(lr=0.01)"},
    "precise statistics": {"model": tw.mlp(8, norm="batch"), "statistics": "precise", "rule": "sgd(lr=0.1)"},
    "sam, dropout, batch norm": {"model": tw.mlp(8, norm="batch", dropout=0.3), "rule": "sgd(lr=0.1)+sam"},
    "layer-wise rates": {"model": tw.mlp(8, 8), "layer_decay": 0.5, "rule": "lamb", "decay_on": "all"},
    "windows": {"model": tw.mlp(8, norm="layer"), "windows": 3, "rule": "soap", "init": "orthogonal"},
    "batch renorm": {"model": tw.mlp(8, norm="batch-renorm"), "rule": "muon+ema"},
    "spectral norm": {"model": tw.mlp(8, norm="spectral"), "rule": "sgd(lr=0.1)+swa(swa_start=7, swa_every=2)"},
    "half precision": {"precision": "bfloat16", "model": tw.mlp(8, dropout=0.3), "rule": "muon"},
    "torch's kernels": {"model": tw.mlp(600, 520), "layer_decay": 0.5, "rule": "adamw(lr=0.01)"},
    "a start from data": {"init": "lsuv", "rule": "rmsprop", "model": tw.mlp(8, 8)},
}  # fmt: skip


@pytest.mark.parametrize("fields", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_goes_on_bit_for_bit(same_when_left: Callable[..., Any], fields: dict[str, Any]) -> None:
    whole = same_when_left(**fields)
    assert whole.outcome is Outcome.FINISHED and whole.job.state.step == 3 * STEPS_PER_EPOCH


def test_images_are_shifted_and_cut_the_same_after_a_pause(same_when_left: Callable[..., Any]) -> None:
    same_when_left(
        source="digits", model=tw.convnet(4, norm="batch", dropout=0.2), batch_size=300, rule="adamw+ema",
        augment=("shift", "rotate", "cutmix"), epochs=3, pauses=(3, 10),
    )  # fmt: skip


def test_a_plateau_falls_at_the_same_steps_after_a_pause(same_when_left: Callable[..., Any]) -> None:
    """Each pause lies between evaluations that count towards a fall and the fall itself."""
    plateau = "plateau(patience=1, gamma=0.5, threshold=10, threshold_mode=abs)"
    whole = same_when_left(schedule=plateau, rule="sgd(lr=0.1)+ema", epochs=8, pauses=(8, 24))
    rates = Folder(whole.folder.path).trace().steps()["lr"]
    # The first evaluation is the best for ever; every second one after it makes the rate fall.
    expected = [0.1 * 0.5 ** (max(epoch - 1, 0) // 2) for epoch in range(8)]
    np.testing.assert_allclose(rates, np.repeat(expected, STEPS_PER_EPOCH), rtol=1e-12)


class Noisy(nn.Module):
    """A user's network that draws from torch's generator, with torch's own norm and dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs: torch.Tensor = self.net(x + 0.1 * torch.randn_like(x) if self.training else x)
        return outputs


@pytest.mark.parametrize("rule", ["adamw+sam+ema", "soap", "newton(lr=0.1, damping=1)"])
def test_a_users_network_goes_on_bit_for_bit(same_when_left: Callable[..., Any], rule: str) -> None:
    torch.manual_seed(0)
    same_when_left(model=Built(module=Noisy()), rule=rule)


def test_a_transferred_run_goes_on_without_what_it_came_from(
    make: Callable[..., Any], train: Callable[..., Any], assert_same: Callable[..., None], tmp_path: Path
) -> None:
    train(start(make(), out=tmp_path, folder=tmp_path / "source"))
    recipe = make(transfer=tmp_path / "source", freeze=("linear1",), rule="adamw+ema")
    train(start(recipe, out=tmp_path, folder=tmp_path / "whole"))
    train(start(recipe, out=tmp_path, folder=tmp_path / "left"), steps=7)
    shutil.rmtree(tmp_path / "source")
    train(resume(tmp_path / "left"))
    assert_same(tmp_path / "whole", tmp_path / "left")


def test_what_a_rule_remembers_lies_as_it_lies_in_a_file(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path
) -> None:
    """Turned bases come out of their solvers column by column; a product of them would round otherwise than a copy."""
    session = train(start(make(rule="soap"), out=tmp_path), steps=12)
    assert all(t.is_contiguous() for content in session.job.state.memory.values() for t in content.values())
    _, tensors = checkpoint.read(session.folder.last_checkpoint)
    assert any("basis" in name for name in tensors)


@pytest.mark.parametrize("rule", ["sgd(lr=0.1)+ema", "schedule-free-sgd(lr=0.5)"])
def test_a_run_that_spent_its_budget_goes_on_to_the_judged_weights_of_its_end(
    make: Callable[..., Any], train: Callable[..., Any], tmp_path: Path, rule: str
) -> None:
    """Without early stopping nobody chooses weights: those kept at the first end must not be those of the last."""
    whole = train(start(make(rule=rule, stop=None), out=tmp_path, folder=tmp_path / "whole"))
    left = train(start(make(rule=rule, stop=None, max_seconds=1e-9), out=tmp_path, folder=tmp_path / "left"))
    assert left.outcome is Outcome.BUDGET and left.job.state.step < whole.job.state.step
    text = Folder(tmp_path / "left").recipe_file.read_text()
    Folder(tmp_path / "left").recipe_file.write_text(text.replace("max_seconds = 1e-09", "max_seconds = 1e9"))
    assert train(resume(tmp_path / "left")).outcome is Outcome.FINISHED
    one, two = (tw.Run(tmp_path / name).model.state_dict() for name in ("whole", "left"))
    assert all(torch.equal(tensor, two[name]) for name, tensor in one.items())
