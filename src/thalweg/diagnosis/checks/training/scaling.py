"""The scale of inputs and targets, where it is what keeps a network from learning."""

import dataclasses
import math
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note
from thalweg.diagnosis.checks.training.rate import _evidence, _picture, _reckoned
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Finding, Severity

_TINY = 0.05  # standard deviation of inputs that were shrunk
_ODD = 5.0  # root mean square of inputs, or of columns against one another, that standardising changes at all


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UnscaledInputs(CaseCheck):
    """Find inputs whose scale alone keeps a network from learning: standardised, they are learnt in a few steps.

    Reports `shrunken-inputs` where they are all tiny, and `unscaled-targets` where the targets are what is far off.
    """

    name: ClassVar[str] = "unscaled-inputs"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        if bar is None:
            return []
        return self._inputs(case, facts) or self._targets(case, facts)

    def _inputs(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        assert bar is not None
        x = bar.bench.x
        if not x.is_floating_point() or not bool(torch.isfinite(x).all()):
            return []
        size, spread, ratio = _scales(x)
        if size < _ODD and ratio < _ODD and spread > _TINY:
            return []
        trial = bar.bench.trial("standardised inputs", scaled="inputs")
        rates = [bar.bench.trial(f"rate x{factor:g}", rate=factor) for factor in (0.1, 0.01, 10.0, 100.0)]
        best = min((t.aside for t in rates if math.isfinite(t.aside)), default=math.inf)
        holds = bar.helps(trial) and trial.aside < FAR * best
        note(facts, self.name, "standardised inputs", trial.aside, bar.level, holds)
        if not holds:
            return []
        tiny = spread < _TINY and size < 1
        code = "shrunken-inputs" if tiny else self.name
        evidence = [seen("input_size", size, "about 1"), seen("input_spread", spread, "about 1"), *_evidence(bar, trial)]
        return [
            found(code, Severity.CRITICAL, 0.94, place=_fed_place(case, facts), evidence=evidence,
                  values={"size": f"{size:.3g}", "spread": f"{spread:.2g}", "ratio": f"{ratio:.3g}"},
                  reckoned=_reckoned(bar, trial), picture=_picture(facts),
                  explains=("lr-too-high", "lr-too-low", "optimizer-settings", "dead-relu", "exploding-gradients", "vanishing-gradients", "bad-init-scale", "saturated-units", "underfitting", "stopped-too-early", "saddle-point", "non-finite", "unscaled-targets", "batch-size"))
        ]  # fmt: skip

    def _targets(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        assert bar is not None
        y = bar.bench.y
        if not y.is_floating_point() or bar.bench.met.kind not in ("mse_loss", "l1_loss", "squared", "absolute"):
            return []
        spread, offset = float(y.double().std()), float(y.double().mean().abs())
        if max(spread, offset) < 20 and spread > _TINY:
            return []
        unit = spread**2 if bar.bench.met.kind in ("mse_loss", "squared") else spread
        trial = bar.bench.trial("standardised targets", scaled="targets")
        holds = trial.aside * unit < FAR * min(bar.level, bar.plain.aside if math.isfinite(bar.plain.aside) else math.inf)
        note(facts, "unscaled-targets", "standardised targets", trial.aside * unit, bar.level, holds)
        if not holds:
            return []
        evidence = [seen("target_spread", spread, "about 1"), seen("target_mean", offset, "about 0"), seen("level_end", bar.level), seen("level_changed", trial.aside * unit)]
        return [
            found("unscaled-targets", Severity.CRITICAL, 0.92, place=bar.bench.met.op.place, evidence=evidence,
                  values={"spread": f"{spread:.3g}", "offset": f"{offset:.3g}"}, reckoned=_reckoned(bar, trial), picture=_picture(facts),
                  explains=("lr-too-low", "lr-too-high", "optimizer-settings", "stopped-too-early", "underfitting", "exploding-gradients", "dead-relu", "non-finite"))
        ]  # fmt: skip


def _scales(x: Tensor) -> tuple[float, float, float]:
    """Return the size of inputs, their spread, and how much larger the largest column is than the middle one."""
    flat = x.reshape(len(x), -1).double()
    columns = flat.pow(2).mean(0).sqrt().numpy()
    alive = columns[columns > 0]
    ratio = float(alive.max() / np.median(alive)) if len(alive) else 1.0
    return float(flat.pow(2).mean().sqrt()), float(flat.std()), ratio


def _fed_place(case: Case, facts: Facts) -> Place | None:
    """Return the line that feeds the network."""
    bench = facts.bench
    assert bench is not None
    maker = bench.look.maker(bench.fed)
    if maker is not None and maker.place is not None and maker.name not in ("__getitem__", "index_select"):
        return maker.place
    return next((root.place for root in case.roots if root.trained), None)
