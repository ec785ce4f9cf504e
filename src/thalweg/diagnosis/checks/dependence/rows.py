"""What an answer depends on and should not: other rows, the future, the padding."""

import copy
import dataclasses
import math
from typing import ClassVar, final

import torch
from torch import Tensor

from thalweg.core import message
from thalweg.diagnosis.audit import find_copy
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
    if len(fitting) > 1:  # lengths or masks beside the rows themselves
        fitting = [n for n in fitting if look.tensors[n].dim() > 1 and look.tensors[n].dtype != torch.bool]
    return (fitting[0], out) if len(fitting) == 1 and rows > 3 else None


def _out(look: Look, number: int, fed: int, rows: Tensor) -> Tensor:
    """Return what a network answers to rows, with the same noise each time where it draws some."""
    torch.manual_seed(0)
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
    """Return how far answers to one half of a batch move when only the other half changes; each half in turn."""
    x = look.tensors[fed]
    half = len(x) // 2
    before = _out(look, out, fed, x)
    spread = float(before.std()) or 1.0
    moves = []
    for changed, watched in ((slice(half, None), slice(None, half)), (slice(None, half), slice(half, None))):
        other = x.clone()
        other[changed] = x[changed].flip(0)
        if x.is_floating_point():
            other[changed] = other[changed] * 1.5 + 0.1
        after = _out(look, out, fed, other)
        moves.append(float((before[watched] - after[watched]).abs().max()) / spread)
    return max(moves)


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
            axis = None if y is None or x.dim() < 2 else _axis_of_next(x, y, look.values[out].shape)
            if axis is None:
                return self._answer_inside(case, facts)
            with held(case) as lent:
                lent.to_start()
                try:
                    moved = _moved_by_future(calm(look), fed, out, axis)
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

    def _answer_inside(self, case: Case, facts: Facts) -> list[Finding]:
        """Look for rows of a sequence that hold their own target."""
        if facts.pairs is None or facts.pairs[0].dim() < 3 or facts.pairs[1].numel() != len(facts.pairs[1]):
            return []
        told = find_copy(facts.pairs[0].numpy(), facts.pairs[1].numpy())
        if told is None or not told.copied:
            return []
        place = next((root.place for root in case.roots if root.trained), None)
        evidence = [seen("answer_inside", told.share, f"about {told.chance:.2g}"), seen("loss_end", facts.end)]
        return [
            found(self.name, Severity.CRITICAL, 0.9, place=place, evidence=evidence, said="answer-inside",
                  values={"percent": f"{100 * told.share:.0f}"}, reckoned=message("causes.from_rows"), explains=(*_MUCH, "train-test-mismatch"))
        ]  # fmt: skip


def _axis_of_next(x: Tensor, y: Tensor, shape: tuple[int, ...]) -> int | None:
    """Return the axis along which targets are the next inputs and outputs have a place for each; None if there is none."""
    if y.numel() != x.numel() or len(x) < 2 or bool(torch.equal(x.double().flatten(), y.double().flatten())):
        return None
    y = y.reshape(x.shape)
    for axis in {1, x.dim() - 1}:
        length = x.shape[axis]
        if length < 4 or length not in shape[1:]:
            continue
        later, told = x.narrow(axis, 1, length - 1).double(), y.narrow(axis, 0, length - 1).double()
        if float(torch.isclose(later, told).double().mean()) > _NEXT:
            return axis
    return None


def _moved_by_future(look: Look, fed: int, out: int, axis: int) -> float:
    x = look.tensors[fed]
    length = x.shape[axis]
    cut = length // 2
    other = x.clone()
    tail = x.narrow(axis, cut, length - cut).flip(0)
    other.narrow(axis, cut, length - cut).copy_(tail * 1.5 + 0.1 if x.is_floating_point() else tail.flip(axis))
    before, after = _out(look, out, fed, x), _out(look, out, fed, other)
    place = next(k for k in range(1, before.dim()) if before.shape[k] == length)
    spread = float(before.std()) or 1.0
    return float((before.narrow(place, 0, cut) - after.narrow(place, 0, cut)).abs().max()) / spread


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


