"""What an answer depends on and should not: other rows, the future, the padding."""

import copy
import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.facts import Facts, kept
from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.replay import CannotPlay, held, play
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding, Severity

_MOVED = 1e-3  # of the outputs' spread: more than rounding
_FAR = 0.02  # of it: what padding may move an answer by before it costs quality
_NEXT = 0.98  # of places where the target is the next input
_MUCH = ("lr-too-high", "lr-too-low", "underfitting", "wrong-labels", "overfitting", "stopped-too-early", "optimizer-settings", "vanishing-gradients", "dead-relu", "label-noise", "data-leak", "saddle-point")  # fmt: skip


def calm(look: Look) -> Look:
    """Return a look whose modules are called as for evaluation."""
    other = copy.copy(look)
    other.ops = [dataclasses.replace(op, training=False) if op.kind == "module" else op for op in look.ops]
    other.plans = {}
    return other


def network(look: Look, met: Meeting, facts: Facts) -> tuple[int, int] | None:
    """Return the numbers of what one network is fed and of what it returns, both with the batch's rows."""
    made = {n for op in look.program() if op.kind == "module" for n in op.outputs}
    trail = [op for op in look.ancestors(look.losses()[0]) if op.kind == "module" and next(op.func.parameters(), None) is not None]
    if not trail:
        return None
    last = trail[-1]
    out = next((n for n in last.outputs if n in made), None)
    fed = [n for n in facts.inputs(look) if n in look.tensors and look.tensors[n].dim()]
    if out is None or not fed or not look.values[out].shape:
        return None
    rows = look.values[out].shape[0]
    fitting = [n for n in fed if len(look.tensors[n]) == rows]
    return (fitting[0], out) if len(fitting) == 1 and rows > 3 else None


def _out(look: Look, number: int, fed: int, rows: Tensor) -> Tensor:
    return play(look, [number], swap={fed: rows}, grad=False)[number].detach().double()


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class BatchMixing(CaseCheck):
    """Find answers to some rows of a batch that move when only the other rows change, in evaluation mode."""

    name: ClassVar[str] = "batch-mixing"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        told = [(look, met) for look, met in facts.meets if look in facts.playable][-2:]
        if len(told) < 2 or _one_batch(told, facts):
            return []
        moves = []
        for look, met in told:
            pair = network(look, met, facts)
            if pair is None:
                return []
            with held(case) as lent:
                lent.to_start()
                try:
                    moves.append(_moved_by_others(calm(look), *pair))
                except CannotPlay:
                    return []
        if not all(math.isfinite(moved) and moved >= _MOVED for moved in moves):
            return []
        look, met = told[-1]
        op = _mixer(look)
        place = op.place if op else None
        evidence = [seen("moved_by_others", min(moves), "0")]
        severity = Severity.WARNING if facts.learnt else Severity.CRITICAL
        return [
            found(self.name, severity, 0.96, place=place, evidence=evidence, values={"function": op.name if op else "?"},
                  where={"layer": case.path(op.module) if op else None}, explains=_MUCH)
        ]  # fmt: skip


def _one_batch(told: list[tuple[Look, Meeting]], facts: Facts) -> bool:
    """Return whether every step sees the same rows, as networks on graphs do."""
    fed = [look.tensors[n] for look, _ in told for n in facts.inputs(look)[:1]]
    return len(fed) > 1 and fed[0].shape == fed[1].shape and bool(torch.equal(fed[0], fed[1]))


def _moved_by_others(look: Look, fed: int, out: int) -> float:
    x = look.tensors[fed]
    half = len(x) // 2
    other = x.clone()
    other[half:] = x[half:].flip(0) if not torch.equal(x[half:], x[half:].flip(0)) else x[:half].repeat(2, *[1] * (x.dim() - 1))[: len(x) - half]
    if x.is_floating_point():
        other[half:] = other[half:] * 1.5 + 0.1
    before, after = _out(look, out, fed, x), _out(look, out, fed, other)
    spread = float(before.std()) or 1.0
    return float((before[:half] - after[:half]).abs().max()) / spread


def _mixer(look: Look) -> Op | None:
    """Return the operation that moves the rows of a batch from the first axis."""
    trail = look.trail(look.losses()[0])[::-1]
    met = next((op.inputs for op in trail if op.name in ("cross_entropy", "mse_loss")), ())
    rows = look.values[met[1]].shape[0] if len(met) > 1 and look.values[met[1]].shape else 0
    inside = [op for op in trail if op.inputs and op.outputs and op.depth > 0]
    for op in inside:
        before, after = look.values[op.inputs[0]].shape, look.values[op.outputs[0]].shape
        if op.name in ("view", "reshape", "unflatten") and before[:1] == (rows,) and after[:1] != (rows,) and rows in after:
            return op
    for op in inside:
        dim = op.kwargs.get("dim", op.args[1] if len(op.args) > 1 else None)
        if op.name in ("softmax", "mean", "sum", "std", "var", "cumsum", "layer_norm", "batch_norm", "roll", "flip", "sort", "max") and dim == 0:
            return op
    reshaped = [op for op in inside if op.name in ("view", "reshape", "permute", "transpose")]
    return reshaped[0] if reshaped else (inside[0] if inside else None)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class FutureLeak(CaseCheck):
    """Find a network that is to tell the next input at every place and sees it: earlier answers move with later inputs."""

    name: ClassVar[str] = "future-leak"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for look, met in facts.meets[-2:]:
            if look not in facts.playable:
                continue
            pair = network(look, met, facts)
            if pair is None:
                return []
            fed, out = pair
            x, y = look.tensors[fed], kept(look, met.target)
            if y is None or x.dim() < 2 or not _tells_next(x, y) or look.values[out].shape[:2] != tuple(x.shape[:2]):
                return []
            with held(case) as lent:
                lent.to_start()
                try:
                    moved = _moved_by_future(calm(look), fed, out)
                except CannotPlay:
                    return []
            if not math.isfinite(moved) or moved < _MOVED:
                return []
            op = _looker(look)
            evidence = [seen("moved_by_future", moved, "0"), seen("loss_end", facts.end)]
            return [
                found(self.name, Severity.CRITICAL, 0.98, place=op.place if op else None, evidence=evidence,
                      values={"function": op.name if op else "?"}, where={"layer": case.path(op.module) if op else None}, explains=(*_MUCH, "train-test-mismatch"))
            ]  # fmt: skip
        return []


def _tells_next(x: Tensor, y: Tensor) -> bool:
    rows, length = x.shape[0], x.shape[1]
    if y.numel() != x.numel():
        return False
    y = y.reshape(x.shape)
    same = (x[:, 1:] == y[:, :-1]) if not x.is_floating_point() else torch.isclose(x[:, 1:].float(), y[:, :-1].float())
    return rows > 1 and length > 3 and float(same.double().mean()) > _NEXT and not bool(torch.equal(x.float(), y.float()))


def _moved_by_future(look: Look, fed: int, out: int) -> float:
    x = look.tensors[fed]
    cut = x.shape[1] // 2
    other = x.clone()
    other[:, cut:] = x[:, cut:].flip(0).flip(1) if not x.is_floating_point() else x[:, cut:].flip(0) * 1.5 + 0.1
    before, after = _out(look, out, fed, x), _out(look, out, fed, other)
    spread = float(before.std()) or 1.0
    return float((before[:, :cut] - after[:, :cut]).abs().max()) / spread


def _looker(look: Look) -> Op | None:
    """Return the operation that lets places see one another."""
    trail = look.trail(look.losses()[0])[::-1]
    wanted = ("scaled_dot_product_attention", "multi_head_attention_forward", "softmax", "lstm", "gru", "rnn_tanh", "conv1d", "cumsum", "mean")
    for name in wanted:
        op = next((op for op in trail if op.name == name and op.depth > 0), None)
        if op is not None:
            return op
    return None


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PaddingLeak(CaseCheck):
    """Find answers that move when a row's own padding is made shorter."""

    name: ClassVar[str] = "padding-leak"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for look, met in facts.meets[-3:]:
            pair = network(look, met, facts) if look in facts.playable else None
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
            if moved is None or not math.isfinite(moved) or moved < _MOVED:
                continue
            op = _pooling(look, x.shape[1])
            evidence = [seen("moved_by_padding", moved, "0")]
            severity = Severity.WARNING if moved > _FAR else Severity.NOTE
            return [
                found(self.name, severity, 0.94, place=op.place if op else None, evidence=evidence,
                      values={"function": op.name if op else "?"}, where={"layer": case.path(op.module) if op else None}, explains=("overfitting", "underfitting", "train-test-mismatch"))
            ]  # fmt: skip
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
    before, after = _out(look, out, fed, x), _out(look, out, fed, x[:, :cut])
    if before.shape != after.shape:
        return None
    spread = float(before.std()) or 1.0
    return float((before[short] - after[short]).abs().mean()) / spread


def _pooling(look: Look, length: int) -> Op | None:
    trail = look.trail(look.losses()[0])[::-1]
    for op in trail:
        shape = look.values[op.inputs[0]].shape if op.inputs else ()
        if op.depth > 0 and op.name in ("mean", "max", "amax", "sum", "avg_pool1d", "adaptive_avg_pool1d", "logsumexp", "softmax", "scaled_dot_product_attention") and length in shape:
            return op
    return next((op for op in trail if op.name in ("lstm", "gru", "rnn_tanh", "__getitem__") and op.depth > 0), None)


