"""A loss, or errors, or predictions that are cut off, so that nothing is learnt from what lies beyond."""

import dataclasses
from typing import ClassVar, final

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.checks.loss.tracing import CLAMPS, PASSING
from thalweg.diagnosis.checks.loss.trying import fit_left
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import learned, meetings
from thalweg.diagnosis.replay import CannotPlay, Deep, deeply, held
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Picture, Severity

_CUTS = CLAMPS | {"minimum", "maximum", "where", "min", "max", "threshold", "fmin", "fmax"}
_MOST = 0.5  # of the entries that would count: above it hardly anything is learnt from the rest
_NEARLY_ALL = 0.8
_LEFT = 0.3  # of the best constant answer's loss
_LOOKS = 16
_EXPLAINS = (
    "lr-too-low",
    "vanishing-gradients",
    "detached-graph",
    "dead-relu",
    "saddle-point",
    "underfitting",
    "optimizer-settings",
    "unscaled-targets",
    "lr-too-high",
    "parameters-not-optimized",
    "stopped-too-early",
    "saturated-units",
    "frozen-parameters",
    "bad-init-scale",
    "unscaled-inputs",
    "batch-size",
    "label-noise",
    "output-range",
    "loss-scale",
    "over-regularized",
)


@dataclasses.dataclass(slots=True)
class _Cut:
    """How many entries one cut holds back, of those the loss would learn from: too large ones and too small ones."""

    op: Op
    high: float = 0.0
    low: float = 0.0
    looks: int = 0


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class LossClamped(CaseCheck):
    """Find a clamp between the predictions and the loss that holds back the gradient of most of what it sees.

    An entry is held back where the loss has a derivative behind the cut and none before it. Errors that are cut off at
    zero, as in a hinge, are satisfied and no fault, nor is a probability kept away from 0 by an epsilon.
    """

    name: ClassVar[str] = "loss-clamped"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        looks = [look for look in facts.playable if look.losses()]
        step = max(1, len(looks) // _LOOKS)
        with held(case):
            try:
                cuts = _shares(looks[::-step][:_LOOKS])
            except CannotPlay:
                return []
        worst = max(cuts, key=lambda cut: max(cut.high, cut.low), default=None)
        if worst is None:
            return []
        share = max(worst.high, worst.low)
        if share < _MOST:
            return []
        if worst.low > worst.high and not _is_unlearnt(case, facts):
            return []
        evidence = [seen("held_back", share, f"< {_MOST:g}"), seen("loss_end", facts.end)]
        values = {"function": worst.op.name.rstrip("_"), "percent": f"{100 * share:.0f}"}
        picture = Picture(what=evidence[0].what, values=(worst.high, worst.low), names=("max", "min"))
        return [
            tell(
                self.name,
                Severity.CRITICAL if share > _NEARLY_ALL else Severity.WARNING,
                0.97,
                place=worst.op.place,
                said=None if worst.high >= worst.low else "loss-floored",
                evidence=evidence,
                values=values,
                picture=picture,
                explains=_EXPLAINS,
            )
        ]


def _is_unlearnt(case: Case, facts: Facts) -> bool:
    """Return whether errors are left that are worth learning from: else a floor is where training may well stop."""
    mets = [(look, met) for look, met in facts.meets if look in facts.playable]
    with held(case):
        try:
            return bool(mets) and fit_left(mets) > _LEFT
        except CannotPlay:
            return False


def _shares(looks: list[Look]) -> list[_Cut]:
    """Return the cuts on the way to the losses, by place, with what they hold back on average over looks."""
    found: dict[tuple[str, object], _Cut] = {}
    for look in looks:
        deep = deeply(look)
        for op in _cuts(deep.look):
            cut = found.setdefault((op.name, op.place), _Cut(op))
            high, low = _held_back(deep, op)
            cut.op, cut.looks = op if op.place is not None else cut.op, cut.looks + 1
            cut.high, cut.low = cut.high + high, cut.low + low
    for cut in found.values():
        cut.high, cut.low = cut.high / len(looks), cut.low / len(looks)
    return list(found.values())


def _cuts(look: Look) -> list[Op]:
    """Return the cuts of what is learned that come after the network: of predictions, of errors, of the loss."""
    mets, known = meetings(look), learned(look)
    ends = {id(op) for met in mets for op in _behind(look, met.prediction)}
    beyond: set[int] = set()
    for met in mets:
        beyond.update(look.inner(n) for n in met.op.outputs)
    found = []
    for op in look.ops:
        if op.kind != "function" or not op.inputs:
            continue
        inputs = [look.inner(n) for n in op.inputs]
        is_after = bool(beyond.intersection(inputs))
        if is_after:
            beyond.update(look.inner(n) for n in op.outputs)
        if op.name in _CUTS and op.outputs and (is_after or id(op) in ends) and _source(look, op) is not None:
            if op.name != "where" or op.inputs[0] in known:
                found.append(op)
    return found


def _source(look: Look, op: Op) -> int | None:
    """Return what is cut: the one value with a gradient, none where two are chosen from or one is reduced."""
    learnt = [n for n in op.inputs if look.values[n].requires_grad]
    if len(learnt) != 1 or (op.name in ("min", "max") and (len(op.inputs) != 2 or len(op.outputs) != 1)):
        return None
    return learnt[0]


def _behind(look: Look, number: int) -> list[Op]:
    """Return the clamps that a prediction went through last."""
    found = []
    for _ in range(20):
        op = look.source(number)
        if op is None or not op.inputs or op.name not in (*PASSING, *CLAMPS, "log"):
            break
        if op.name in CLAMPS:
            found.append(op)
        number = op.inputs[0]
    return found


def _held_back(deep: Deep, op: Op) -> tuple[float, float]:
    """Return the shares of entries that are cut off above and ought to fall, and that are cut off below.

    Of what lies below a cut, a prediction counts where it ought to rise and an error wherever it is left at a value.
    """
    number = _source(deep.look, op)
    assert number is not None
    source, result = deep.tensors[number].detach(), deep.tensors[op.outputs[0]].detach()
    back = deep.gradients([op.outputs[0]])[0]
    if back is None or source.shape != result.shape or not bool(back.any()):
        return 0.0, 0.0
    total = float((back != 0).sum())
    high = (source > result) & (back > 0)
    low = (source < result) & (back < 0)
    if not _is_prediction(deep.look, op):
        low = (source < result) & (back > 0) & (result > 0)
    return float(high.sum()) / total, float(low.sum()) / total


def _is_prediction(look: Look, op: Op) -> bool:
    return any(op is step for met in meetings(look) for step in _behind(look, met.prediction))
