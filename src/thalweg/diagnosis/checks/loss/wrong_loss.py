"""A loss for another kind of target than the one it is given."""

import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.checks.loss.tracing import are_probabilities, kept, meets_of
from thalweg.diagnosis.checks.saying import place_of
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.replay import CannotPlay, held, play
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_EXPLAINS = (
    "lr-too-high",
    "lr-too-low",
    "underfitting",
    "saturated-units",
    "unscaled-targets",
    "vanishing-gradients",
    "dead-relu",
    "stopped-too-early",
    "optimizer-settings",
    "loss-sign",
    "overfitting",
    "batch-size",
    "exploding-gradients",
    "wrong-labels",
    "data-leak",
    "class-imbalance",
    "wrong-metric",
    "saddle-point",
    "output-range",
    "label-noise",
    "over-regularized",
    "loss-scale",
)
_SIGNED = {  # losses whose labels are -1 and 1: the place of the labels among the arguments
    "soft_margin_loss": 1, "hinge_embedding_loss": 1, "margin_ranking_loss": 2, "cosine_embedding_loss": 2,
}  # fmt: skip
_CLASSES = 100  # whole numbers above which they are counts rather than classes
_GAIN = 0.1  # of the rows: by how much naming classes must beat rounding numbers


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class WrongLoss(CaseCheck):
    """Find a loss for another kind of target: real numbers in a cross-entropy, many labels in a softmax, names
    of classes as numbers in a squared error, labels 0 and 1 where -1 and 1 are wanted, counts below zero.
    """

    name: ClassVar[str] = "wrong-loss"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        return self._targets(case, facts) or self._signs(case, facts) or self._classes(case, facts)

    def _targets(self, case: Case, facts: Facts) -> list[Finding]:
        hits, last, said, lowest, highest = 0, None, "", math.inf, -math.inf
        for look, met in facts.meets:
            target = kept(look, met.target)
            if target is None or (why := _misfit(met.kind, target)) is None or _is_input(look, met):
                continue
            hits, last, said = hits + 1, met, why
            lowest, highest = min(lowest, float(target.min())), max(highest, float(target.max()))
        if last is None or hits < 0.9 * len(facts.meets):
            return []
        evidence = [seen("target_lowest", lowest, "0"), seen("target_highest", highest, "1")]
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.98 if said != "many-labels" else 0.93,
                place=place_of(case, last.op),
                said=said,
                evidence=evidence,
                values={"loss": last.op.name},
                explains=_EXPLAINS,
            )
        ]

    def _signs(self, case: Case, facts: Facts) -> list[Finding]:
        looks = [look for look in facts.looks_of(facts.course) if look.losses()]
        hits = [op for look in looks if (op := _unsigned(look)) is not None]
        if not hits or len(hits) < len(looks):
            return []
        return [
            tell(
                self.name,
                Severity.CRITICAL,
                0.95,
                place=place_of(case, hits[-1]),
                said="labels-without-sign",
                evidence=[seen("target_lowest", 0.0, "-1"), seen("target_highest", 1.0, "1")],
                values={"loss": hits[-1].name},
                explains=_EXPLAINS,
            )
        ]

    def _classes(self, case: Case, facts: Facts) -> list[Finding]:
        """Find names of classes that are fitted as numbers: scored by equality, and named better than rounded."""
        met = next((met for _, met in meets_of(facts, "mse_loss", "l1_loss", "squared", "absolute")), None)
        if met is None or facts.pairs is None or not any(_rounds(view) for view in (*case.views, *case.looks)):
            return []
        x, y = facts.pairs
        if not _are_names(y):
            return []
        rounded, named = _rounded(case, facts), _named(x, y)
        if rounded is None or named < rounded + _GAIN:
            return []
        evidence = [seen("rounded_right", rounded, f">= {named:.2f}"), seen("named_right", named)]
        values = {
            "loss": met.op.name,
            "classes": len(y.unique()),
            "rounded": f"{100 * rounded:.0f}",
            "named": f"{100 * named:.0f}",
        }
        return [
            tell(
                self.name,
                Severity.WARNING,
                0.9,
                place=place_of(case, met.op),
                said="classes-as-numbers",
                evidence=evidence,
                values=values,
                reckoned="trial",
                explains=_EXPLAINS,
            )
        ]


def _misfit(kind: str, target: Tensor) -> str | None:
    """Return which sentence says why a target does not suit a loss; None where it does."""
    if kind in ("binary_cross_entropy", "binary_cross_entropy_with_logits"):
        return "numbers-as-probabilities" if bool((target < 0).any() or (target > 1).any()) else None
    if kind == "cross_entropy" and target.is_floating_point() and target.dim() > 1 and not are_probabilities(target):
        if bool(((target == 0) | (target == 1)).all()) and bool((target.sum(1) > 1.5).any()):
            return "many-labels"
        return "numbers-as-probabilities" if bool((target < 0).any() or (target.sum(1) > 1.5).any()) else None
    return "negative-counts" if kind == "poisson" and bool((target < 0).any()) else None


def _is_input(look: Look, met: Meeting) -> bool:
    """Return whether a target is what the network is fed as well: baskets and words that a network gives back."""
    target, inner = kept(look, met.target), look.inner(met.target)
    for op in look.trail(met.prediction):
        for number in op.inputs:
            if look.inner(number) == inner:
                return True
            fed = look.tensors.get(number)
            if target is None or fed is None or fed.shape != target.shape:
                continue
            if torch.equal(fed.float(), target.float()):
                return True
    return False


def _unsigned(look: Look) -> Op | None:
    for op in look.trail(look.losses()[0]):
        place = _SIGNED.get(op.name)
        if place is not None and len(op.inputs) > place:
            label = kept(look, op.inputs[place])
            if label is not None and bool((label == 0).any()) and bool(((label == 0) | (label == 1)).all()):
                return op
    return None


def _rounds(view: Look) -> bool:
    """Return whether numbers of a network are rounded and then compared for equality or kept as whole numbers."""
    for op in view.ops:
        if op.name in ("eq", "__eq__", "equal", "ne", "__ne__", "long", "int", "to", "numpy") and op.inputs:
            whole = op.name != "to" or not view.values[op.outputs[0]].dtype.is_floating_point
            trail = [before.name for number in op.inputs for before in view.trail(number)] if whole else []
            if "round" in trail or "round_" in trail:
                return True
    return False


def _are_names(y: Tensor) -> bool:
    if y.dim() > 2 or (y.dim() == 2 and y.shape[1] != 1) or bool((y != y.round()).any()):
        return False
    kinds = y.unique()
    return 3 <= len(kinds) <= _CLASSES and len(y) >= 10 * len(kinds)


def _rounded(case: Case, facts: Facts) -> float | None:
    """Return the share of rows that the network, with its final weights, rounds to the right number."""
    right = rows = 0
    with held(case):
        for look, met in facts.meets:
            target = kept(look, met.target)
            try:
                value = play(look, [met.prediction], grad=False)[met.prediction]
            except CannotPlay:
                continue
            if target is None or target.numel() != value.numel():
                continue
            right += int((value.flatten().round() == target.flatten()).sum())
            rows += target.numel()
    return right / rows if rows else None


def _named(x: Tensor, y: Tensor) -> float:
    """Return the share of unseen rows that a linear classifier of the inputs names rightly (least squares)."""
    x_ND = x.reshape(len(x), -1).double()[:, :1000]
    x_ND = (x_ND - x_ND.mean(0)) / x_ND.std(0).clamp_min(1e-9)
    x_ND = torch.cat([x_ND, torch.ones(len(x_ND), 1, dtype=torch.float64)], dim=1)
    kinds, y_N = y.flatten().unique(return_inverse=True)
    y_NC = torch.nn.functional.one_hot(y_N, len(kinds)).double()
    order = torch.randperm(len(y_N), generator=torch.Generator().manual_seed(0))
    first, second = order[::2], order[1::2]
    right = 0
    for fitted, unseen in ((first, second), (second, first)):
        gram = x_ND[fitted].T @ x_ND[fitted]
        gram += torch.eye(len(gram), dtype=torch.float64) * (1e-2 * float(gram.diagonal().mean()) + 1e-9)
        w_DC = torch.linalg.solve(gram, x_ND[fitted].T @ y_NC[fitted])
        right += int(((x_ND[unseen] @ w_DC).argmax(1) == y_N[unseen]).sum())
    return right / len(y_N)
