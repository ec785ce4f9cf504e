"""Too much regularisation, too small a network, and the opposite."""

import dataclasses
import math
from collections.abc import Callable, Iterator
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS, Bench, Trial
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import Judged, judged, note, trained_root
from thalweg.diagnosis.checks.training.telling import as_tried, compared, loss_picture, mended, reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Severity

_CLEARLY = 0.5  # of the network's loss: what another must reach to show that the network is too small
_STILL_FALLS = 0.8  # of the loss at the end: a run that goes below it when trained on has not levelled off
_EXPLAINS = (
    "lr-too-low",
    "lr-too-high",
    "optimizer-settings",
    "underfitting",
    "vanishing-gradients",
    "dead-relu",
    "saddle-point",
    "stopped-too-early",
    "bad-init-scale",
    "unscaled-inputs",
)
_FEWEST = 200  # steps of the run before its network is called too small


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class OverRegularized(CaseCheck):
    """Find weight decay or dropout without which a few steps beat the whole run."""

    name: ClassVar[str] = "over-regularized"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or facts.course is None:
            return []
        for said, trial, place, value in _less(case, facts, bar):
            holds = bar.helps(trial)
            note(facts, self.name, f"no-{said}", trial.aside, bar.level, holds)
            if holds:
                return [
                    found(
                        self.name,
                        Severity.CRITICAL if bar.learnt_little(facts) else Severity.WARNING,
                        0.94,
                        **(mended(facts, "weight_decay", value, 0.0) if said == "decay" else {"place": place}),
                        evidence=compared(bar, trial),
                        tried=as_tried(bar, trial),
                        values={"value": f"{value:g}"},
                        said=said,
                        reckoned=reckoned(bar, trial),
                        picture=loss_picture(facts),
                        explains=_EXPLAINS,
                    )
                ]
        return []


def _less(case: Case, facts: Facts, bar: Judged) -> Iterator[tuple[str, Trial, Place | None, float]]:
    """Yield what came of training without weight decay, then without dropout: its name, line and value, too."""
    course = facts.course
    decay = max((group.get("weight_decay", 0) or 0 for group in course.first_settings), default=0) if course else 0
    if course is not None and decay > 0:
        yield "decay", bar.bench.trial("no decay", settings={"weight_decay": 0.0}), course.place, decay
    droppers = [m for _, m in case.modules() if isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0]
    if droppers:
        most = max(droppers, key=lambda module: module.p)
        yield "dropout", bar.bench.trial("no dropout", dropout=False), case.made.get(id(most)), most.p


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Underfitting(CaseCheck):
    """Find a network that levels off where a plain network of ours, on the same rows, goes far lower.

    Said only when nothing else was found to help: no rate, no rule, no other scale, no less regularisation.
    """

    name: ClassVar[str] = "underfitting"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None or bar.lost or facts.course is None or len(facts.loss) < _FEWEST or not facts.is_plain:
            return []
        if any(hypothesis.holds for hypothesis in facts.hypotheses):
            return []
        if bar.going_on(len(facts.loss)).beats(bar.level, share=_STILL_FALLS):
            return []
        if bar.bench.fed == bar.bench.target:
            return []  # what is to come out is what goes in: a wide network would only pass it on
        other = _stand_in(bar.bench, bar.bench.met.kind)
        holds = other is not None and other < _CLEARLY * bar.level
        note(facts, self.name, "wider", other if other is not None else math.nan, bar.level, holds)
        if not holds or other is None:
            return []
        groups = facts.course.optimizer.param_groups if facts.course.optimizer is not None else []
        count = sum(p.numel() for group in groups for p in group["params"])
        root = trained_root(case)
        return [
            found(
                self.name,
                Severity.WARNING,
                0.75,
                place=case.made.get(id(root.module)) if root is not None else None,
                evidence=[seen("level_end", bar.level), seen("level_wider", other), seen("parameters", count)],
                values={"parameters": count},
                reckoned=message("causes.from_stand_in"),
                picture=loss_picture(facts),
            )
        ]


def _stand_in(bench: Bench, kind: str) -> float | None:
    """Return the loss aside of a wide network of ours on the same rows; None for targets that it cannot take."""
    x = bench.x.reshape(len(bench.x), -1)
    if not x.is_floating_point():
        return None
    x = (x.double() - x.double().mean(0)) / x.double().std(0).clamp_min(1e-9)
    x, y = x.float(), bench.y
    by_kind = _measure(kind, y)
    if by_kind is None:
        return None
    loss, outputs = by_kind
    y = y if loss is nn.functional.cross_entropy else y.reshape(len(y), -1).float()
    before = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        return _trained(x, y, outputs, loss, bench)
    finally:
        torch.set_rng_state(before)


def _measure(kind: str, y: Tensor) -> tuple[Callable[[Tensor, Tensor], Tensor], int] | None:
    """Return the loss of a kind and how many outputs it takes; None for targets that it cannot take."""
    wide = y[0].numel()
    match kind:
        case "cross_entropy" | "nll_loss" if not y.is_floating_point() and y.dim() == 1:
            return nn.functional.cross_entropy, int(y.max()) + 1
        case "binary_cross_entropy_with_logits":
            return nn.functional.binary_cross_entropy_with_logits, wide
        case "mse_loss" | "squared":
            return nn.functional.mse_loss, wide
    return None


def _trained(x: Tensor, y: Tensor, outputs: int, loss: Callable[[Tensor, Tensor], Tensor], bench: Bench) -> float:
    net = nn.Sequential(nn.Linear(x.shape[1], 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, outputs))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    draw = np.random.default_rng(0)
    best = math.inf
    with torch.enable_grad():
        for step in range(3 * STEPS):
            rows = bench.train[torch.as_tensor(draw.integers(0, len(bench.train), 64))]
            optimizer.zero_grad()
            loss(net(x[rows]), y[rows]).backward()
            optimizer.step()
            if step % 50 == 49:
                with torch.no_grad():
                    best = min(best, float(loss(net(x[bench.aside]), y[bench.aside])))
    return best
