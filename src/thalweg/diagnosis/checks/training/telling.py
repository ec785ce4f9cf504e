"""What the findings of experiments share: their numbers, their picture and how sure they are."""

import math

from thalweg.core import Message, message
from thalweg.diagnosis.bench import Trial
from thalweg.diagnosis.checks.saying import seen
from thalweg.diagnosis.checks.training.judged import Judged
from thalweg.diagnosis.facts import Array, Facts
from thalweg.findings import Evidence, Picture
from thalweg.findings.parts import extremes

_POINTS = 60  # of a curve in an answer
SYMPTOMS = (  # of a rate or rule that does not serve
    "dead-relu",
    "vanishing-gradients",
    "saturated-units",
    "exploding-gradients",
    "non-finite",
    "underfitting",
    "stopped-too-early",
    "class-imbalance",
    "saddle-point",
    "wrong-labels",
)


def compared(bar: Judged, trial: Trial) -> list[Evidence]:
    """Return the levels that an experiment is judged by."""
    plain = bar.plain.aside if math.isfinite(bar.plain.aside) else math.nan
    return [seen("level_end", bar.level), seen("level_plain", plain), seen("level_changed", trial.aside)]


def thinned(curve: Array) -> tuple[float, ...]:
    """Return points of a curve that have its spikes."""
    return tuple(curve[extremes(curve, _POINTS)].tolist())


def loss_picture(facts: Facts) -> Picture:
    return Picture(what=message("evidence.loss_curve"), values=thinned(facts.loss))


def reckoned(bar: Judged, trial: Trial) -> Message:
    """Say how many times lower an experiment ended than the run."""
    times = bar.level / trial.aside if trial.aside > 0 else math.inf
    return message("causes.from_trial", times=f"{times:.3g}", steps=trial.steps)


def sureness(bar: Judged, trial: Trial) -> float:
    """Return a confidence: the farther below, the surer."""
    return min(0.95, 0.7 + 0.1 * math.log10(max(1.0, bar.level / max(trial.aside, 1e-12))) * 2)
