"""Answers that depend on how far a row was padded."""

import dataclasses
import math
from typing import ClassVar, final

from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.dependence.asking import MOVED, answers, calm, network
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import CannotPlay, held
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_FAR = 0.02  # of the outputs' spread: what padding may move an answer by before it costs quality
_POOLING = frozenset(
    "mean max amax sum avg_pool1d adaptive_avg_pool1d logsumexp softmax scaled_dot_product_attention".split()
)
_ENDING = frozenset(("lstm", "gru", "rnn_tanh", "__getitem__"))  # what may take a row's last place


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PaddingLeak(CaseCheck):
    """Find answers that move when a row's own padding is made shorter."""

    name: ClassVar[str] = "padding-leak"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for look, _ in facts.meets[-3:]:
            pair = network(look, facts) if look in facts.playable else None
            if pair is None:
                continue
            fed, out = pair
            x = look.tensors[fed]
            lengths = _lengths(x)
            if lengths is None:
                continue
            with held(case):
                try:
                    moved = _moved_by_padding(calm(look), fed, out, lengths)
                except (CannotPlay, RuntimeError):
                    continue
            if moved is None or not math.isfinite(moved) or moved < MOVED:
                continue
            op = _pooling(look, x.shape[1])
            return [
                found(
                    self.name,
                    Severity.WARNING if moved > _FAR else Severity.NOTE,
                    0.94,
                    place=op.place if op else None,
                    evidence=[seen("moved_by_padding", moved, "0")],
                    values={"function": op.name if op else "?"},
                    where={"layer": case.path(op.module) if op else None},
                    explains=("overfitting", "underfitting", "train-test-mismatch"),
                )
            ]
        return []


def _lengths(x: Tensor) -> Tensor | None:
    """Return the length of each row before its padding; None where rows do not end in one common value."""
    if x.is_floating_point() or x.dim() != 2 or x.shape[1] < 4:
        return None
    pad = x[:, -1].mode().values
    ends = x == pad
    suffix = ends.flip(1).cummin(1).values.flip(1)
    if not bool((ends == suffix)[suffix.any(1)].double().mean() > 0.97):
        return None
    lengths = x.shape[1] - suffix.sum(1)
    padded = (lengths < x.shape[1]).double().mean()
    return lengths if float(padded) > 0.3 and len(lengths.unique()) > 2 else None


def _moved_by_padding(look: Look, fed: int, out: int, lengths: Tensor) -> float | None:
    x = look.tensors[fed]
    cut = int(lengths.double().quantile(0.3).ceil())
    short = (lengths <= cut) & (lengths > 0)
    if cut >= x.shape[1] or cut < 1 or int(short.sum()) < 2:
        return None
    before, after = answers(look, out, fed, x), answers(look, out, fed, x[:, :cut])
    if before.shape != after.shape:
        return None
    spread = float(before.std()) or 1.0
    return float((before[short] - after[short]).abs().mean()) / spread


def _pooling(look: Look, length: int) -> Op | None:
    """Return the operation that puts the places of a row together."""
    trail = [op for op in look.trail(look.losses()[0])[::-1] if op.depth > 0]
    for op in trail:
        shape = look.values[op.inputs[0]].shape if op.inputs else ()
        if op.name in _POOLING and length in shape:
            return op
    return next((op for op in trail if op.name in _ENDING), None)
