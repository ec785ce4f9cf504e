"""A policy gradient that goes down the reward: its sign cannot be told from arithmetic, only from names and trend."""

import linecache
import re

import numpy as np

from thalweg.diagnosis.checks.loss.telling import seen, tell
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Look, Op
from thalweg.findings import Finding, Severity

_GOOD = re.compile(
    r"\b(adv|advantage|reward|returns?|rets?|gains?|payoff|score|rewards|advantages)s?\b|_(adv|rewards?|returns?)\b",
    re.I,
)
_BAD = re.compile(r"cost|loss_|regret|penal|neg|length|distance", re.I)
_PICKS = ("gather", "__getitem__", "log_softmax", "squeeze", "neg", "binary_cross_entropy_with_logits", "sub", "div")


def falling_reward(code: str, facts: Facts) -> list[Finding]:
    """Return a finding where what a line calls a reward or an advantage weights log-probabilities with a plus sign, and
    what it is made of has fallen since the first steps.
    """
    looks = [look for look in facts.looks_of(facts.course) if look.losses()]
    if len(looks) < 9:
        return []
    trend, op = list[float](), None
    for look in looks:
        hit = _weighted(look)
        if hit is None:
            return []
        op, number = hit
        trend.append(_level(look, number))
    third = len(trend) // 3
    first, last = np.array(trend[:third]), np.array(trend[-third:])
    noise = float(np.sqrt(first.var() / len(first) + last.var() / len(last)))
    if op is None or op.place is None or not last.mean() < first.mean() - 3 * max(noise, 1e-12):
        return []
    evidence = [
        seen("reward_start", float(first.mean())),
        seen("reward_end", float(last.mean()), f"> {first.mean():.3g}"),
    ]
    return [
        tell(
            code,
            Severity.CRITICAL,
            0.85,
            place=op.place,
            said="reward-minimised",
            evidence=evidence,
            values={},
            reckoned="trend",
            explains=("lr-too-high", "wrong-metric", "underfitting", "overfitting", "lr-too-low"),
        )
    ]


def _weighted(look: Look) -> tuple[Op, int] | None:
    """Return the product of log-probabilities and given weights whose mean, with a plus sign, is the loss."""
    sign, number = 1.0, look.losses()[0]
    for _ in range(8):
        op = look.source(number)
        if op is None or not op.inputs:
            return None
        if op.name == "mul" and len(op.inputs) == 2 and all(look.values[n].shape for n in op.inputs):
            break
        if op.name == "neg":
            sign = -sign
        elif op.name not in ("mean", "sum", "div", "mul"):
            return None
        elif op.name == "mul" and any(isinstance(arg, int | float) and arg < 0 for arg in op.args):
            sign = -sign
        number = op.inputs[0]
    else:
        return None
    sides = [look.values[n].requires_grad for n in op.inputs]
    if sign < 0 or sides.count(True) != 1 or not _is_called_good(op):
        return None
    chosen, weight = op.inputs if sides[0] else op.inputs[::-1]
    maker = look.source(chosen)
    likely = (
        maker is not None
        and maker.name in _PICKS
        and any(step.name in ("logsumexp", "log_softmax") for step in look.trail(chosen))
    )
    return (op, weight) if likely else None


def _is_called_good(op: Op) -> bool:
    line = linecache.getline(op.place.file, op.place.line) if op.place is not None else ""
    return bool(_GOOD.search(line)) and not _BAD.search(line)


def _level(look: Look, number: int) -> float:
    """Return the mean of what a weight is made of: the reward before a baseline was taken off."""
    op = look.source(number)
    while op is not None and op.name in ("sub", "div", "mul") and op.inputs and op.inputs[0] in look.tensors:
        number = op.inputs[0]
        op = look.source(number)
    tensor = look.tensors.get(number)
    return float(tensor.double().mean()) if tensor is not None else float("nan")
