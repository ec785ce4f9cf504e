"""Too much regularisation, too small a network, and the opposite."""

import dataclasses
import math
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.core import message
from thalweg.diagnosis.bench import STEPS, Bench
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import judged, note
from thalweg.diagnosis.checks.training.rate import _evidence, _picture, _reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity

_CLEARLY = 0.5  # of the network's loss: what another must reach to show that the network is too small
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
        decays = [group.get("weight_decay", 0) or 0 for group in facts.course.first_settings]
        droppers = [m for _, m in case.modules() if isinstance(m, nn.modules.dropout._DropoutNd) and m.p > 0]
        tried = []
        if any(decay > 0 for decay in decays):
            tried.append(("weight decay 0", bar.bench.trial("no decay", settings={"weight_decay": 0.0}), facts.course.place, max(decays)))
        if droppers:
            place = case.made.get(id(max(droppers, key=lambda m: m.p)))
            tried.append(("dropout 0", bar.bench.trial("no dropout", dropout=False), place, max(m.p for m in droppers)))
        for what, trial, place, value in tried:
            holds = bar.helps(trial)
            note(facts, self.name, what, trial.aside, bar.level, holds)
            if holds:
                return [
                    found(self.name, Severity.CRITICAL if bar.level > 0.7 * (facts.trivial or bar.level) else Severity.WARNING, 0.94,
                          place=place, evidence=_evidence(bar, trial), values={"value": f"{value:g}"}, said="decay" if "decay" in what else "dropout",
                          reckoned=_reckoned(bar, trial), picture=_picture(facts),
                          explains=("lr-too-low", "lr-too-high", "optimizer-settings", "underfitting", "vanishing-gradients", "dead-relu", "saddle-point", "stopped-too-early", "bad-init-scale", "unscaled-inputs"))
                ]  # fmt: skip
        return []


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
        if bar is None or bar.lost or len(facts.loss) < _FEWEST or not facts.is_plain or any(h.holds for h in facts.hypotheses):
            return []
        more = bar.bench.trial("going on", from_end=True, steps=min(max(STEPS, len(facts.loss)), 3 * STEPS))
        if more.beats(bar.level, share=0.8):
            return []
        if bar.bench.fed == bar.bench.target:
            return []  # what is to come out is what goes in: a wide network would only pass it on
        other = _stand_in(bar.bench, bar.bench.met.kind)
        holds = other is not None and other < _CLEARLY * bar.level
        note(facts, self.name, "a wider network", other if other is not None else math.nan, bar.level, holds)
        if not holds or other is None:
            return []
        count = sum(p.numel() for g in facts.course.optimizer.param_groups for p in g["params"])  # type: ignore[union-attr]
        evidence = [seen("level_end", bar.level), seen("level_wider", other), seen("parameters", count)]
        root = next((root for root in case.roots if root.trained and next(root.module.parameters(), None) is not None), None)
        place = None if root is None else case.made.get(id(root.module))
        return [
            found(self.name, Severity.WARNING, 0.75, place=place, evidence=evidence, values={"parameters": count},
                  reckoned=message("causes.from_stand_in"), picture=_picture(facts))
        ]  # fmt: skip


def _stand_in(bench: Bench, kind: str) -> float | None:
    """Return the loss aside of a wide network of ours on the same rows; None for targets that it cannot take."""
    x = bench.x.reshape(len(bench.x), -1)
    if not x.is_floating_point():
        return None
    x = (x.double() - x.double().mean(0)) / x.double().std(0).clamp_min(1e-9)
    x, y = x.float(), bench.y
    if kind in ("cross_entropy", "nll_loss") and not y.is_floating_point() and y.dim() == 1:
        outputs, loss = int(y.max()) + 1, nn.functional.cross_entropy
    elif kind == "binary_cross_entropy_with_logits":
        outputs, loss = y.reshape(len(y), -1).shape[1], nn.functional.binary_cross_entropy_with_logits
    elif kind in ("mse_loss", "squared"):
        outputs, loss = y.reshape(len(y), -1).shape[1], nn.functional.mse_loss
    else:
        return None
    y = y if kind in ("cross_entropy", "nll_loss") else y.reshape(len(y), -1).float()
    before = torch.get_rng_state()
    try:
        torch.manual_seed(0)
        return _trained(x, y, outputs, loss, bench)
    finally:
        torch.set_rng_state(before)


def _trained(x: Tensor, y: Tensor, outputs: int, loss: object, bench: Bench) -> float:
    net = nn.Sequential(nn.Linear(x.shape[1], 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, outputs))
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-2)
    draw = np.random.default_rng(0)
    best = math.inf
    with torch.enable_grad():
        for step in range(3 * STEPS):
            rows = bench.train[torch.as_tensor(draw.integers(0, len(bench.train), 64))]
            optimizer.zero_grad()
            loss(net(x[rows]), y[rows]).backward()  # type: ignore[operator]
            optimizer.step()
            if step % 50 == 49:
                with torch.no_grad():
                    best = min(best, float(loss(net(x[bench.aside]), y[bench.aside])))  # type: ignore[operator]
    return best
