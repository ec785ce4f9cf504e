"""The scale of inputs and targets, where it is what keeps a network from learning."""

import dataclasses
import math
from typing import ClassVar, final

import numpy as np
import torch
from torch import Tensor

from thalweg.core import message
from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note
from thalweg.diagnosis.checks.training.rate import at_rate
from thalweg.diagnosis.checks.training.telling import compared, loss_picture, reckoned
from thalweg.diagnosis.facts import Facts, kept
from thalweg.diagnosis.watching import Case, Place
from thalweg.findings import Evidence, Finding, Severity

_WHILE = 100  # steps after which a network should at least have reached the mean
_ABOVE = 1.2  # times the error of the mean
_FAR_OFF = 20.0  # spread or offset of targets that a fresh network is far from
_HUGE, _NEARER = 50.0, 0.75  # root mean square of inputs beyond doubt, and what then is help enough
_TINY = 0.05  # standard deviation of inputs that were shrunk
_ODD = 5.0  # root mean square of inputs, or of columns against one another, that standardising changes at all
_RATES = (0.1, 0.01, 10.0, 100.0)  # times the rate: where one of them does as well, the scale is not to blame
_TARGETS_EXPLAIN = (
    "lr-too-low",
    "lr-too-high",
    "optimizer-settings",
    "stopped-too-early",
    "underfitting",
    "exploding-gradients",
    "dead-relu",
    "non-finite",
)
_INPUTS_EXPLAIN = (
    *_TARGETS_EXPLAIN,
    "vanishing-gradients",
    "bad-init-scale",
    "saturated-units",
    "saddle-point",
    "unscaled-targets",
    "batch-size",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UnscaledInputs(CaseCheck):
    """Find inputs whose scale alone keeps a network from learning: standardised, they are learnt in a few steps.

    Reports `shrunken-inputs` where they are all tiny, and `unscaled-targets` where the targets are what is far off.
    """

    name: ClassVar[str] = "unscaled-inputs"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        if judged(case, facts) is None:
            return self._above_mean(facts)
        return self._inputs(case, facts) or self._targets(case, facts)

    def _above_mean(self, facts: Facts) -> list[Finding]:
        """Look for a squared error above that of always answering the mean, where targets are what is far off."""
        fit = facts.fit
        if fit is None or fit.kind not in ("mse_loss", "squared") or len(facts.loss) < _WHILE or fit.share < _ABOVE:
            return []
        met = facts.meets[-1][1]
        targets = [t.double().reshape(-1) for look, met in facts.meets if (t := kept(look, met.target)) is not None]
        every = torch.cat(targets)
        spread, offset = float(every.std()), float(every.mean().abs())
        if max(spread, offset) < _FAR_OFF or offset < spread:
            return []
        return [
            found(
                "unscaled-targets",
                Severity.CRITICAL,
                0.85,
                place=met.op.place,
                evidence=[*_far_off(spread, offset), seen("level_end", fit.end), seen("trivial_loss", fit.trivial)],
                said="above-mean",
                values={"spread": f"{spread:.3g}", "offset": f"{offset:.3g}"},
                reckoned=message("causes.from_rows"),
                picture=loss_picture(facts),
                explains=("lr-too-low", "stopped-too-early", "underfitting", "optimizer-settings"),
            )
        ]

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
        rates = [at_rate(bar, factor) for factor in _RATES]
        best = min((t.aside for t in rates if math.isfinite(t.aside)), default=math.inf)
        far = _NEARER if size > _HUGE else FAR
        bars = min(bar.level, bar.plain.aside) if math.isfinite(bar.plain.aside) else bar.level
        holds = trial.beats(bars, share=far) and trial.aside < far * best
        note(facts, self.name, "standardised-inputs", trial.aside, bar.level, holds)
        if not holds:
            return []
        sizes = [seen("input_size", size, "≈ 1"), seen("input_spread", spread, "≈ 1")]
        return [
            found(
                "shrunken-inputs" if spread < _TINY and size < 1 else self.name,
                Severity.CRITICAL,
                0.94,
                place=_fed_place(case, facts),
                evidence=[*sizes, *compared(bar, trial)],
                values={"size": f"{size:.3g}", "spread": f"{spread:.2g}", "ratio": f"{ratio:.3g}"},
                reckoned=reckoned(bar, trial),
                picture=loss_picture(facts),
                explains=_INPUTS_EXPLAIN,
            )
        ]

    def _targets(self, case: Case, facts: Facts) -> list[Finding]:
        bar = judged(case, facts)
        assert bar is not None
        y = bar.bench.y
        if not y.is_floating_point() or bar.bench.met.kind not in ("mse_loss", "l1_loss", "squared", "absolute"):
            return []
        spread, offset = float(y.double().std()), float(y.double().mean().abs())
        if max(spread, offset) < _FAR_OFF and spread > _TINY:
            return []
        unit = spread**2 if bar.bench.met.kind in ("mse_loss", "squared") else spread
        trial = bar.bench.trial("standardised targets", scaled="targets")
        holds = trial.aside * unit < FAR * min(
            bar.level, bar.plain.aside if math.isfinite(bar.plain.aside) else math.inf
        )
        note(facts, "unscaled-targets", "standardised-targets", trial.aside * unit, bar.level, holds)
        if not holds:
            return []
        levels = [seen("level_end", bar.level), seen("level_changed", trial.aside * unit)]
        return [
            found(
                "unscaled-targets",
                Severity.CRITICAL,
                0.92,
                place=bar.bench.met.op.place,
                evidence=[*_far_off(spread, offset), *levels],
                values={"spread": f"{spread:.3g}", "offset": f"{offset:.3g}"},
                reckoned=reckoned(bar, trial),
                picture=loss_picture(facts),
                explains=_TARGETS_EXPLAIN,
            )
        ]


def _far_off(spread: float, offset: float) -> list[Evidence]:
    return [seen("target_spread", spread, "≈ 1"), seen("target_mean", offset, "≈ 0")]


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
