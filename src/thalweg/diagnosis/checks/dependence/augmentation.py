"""Augmentation that repeats itself, or that changes what the target speaks of."""

import dataclasses
from typing import Any, ClassVar, final

import torch
from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.saying import found, seen
from thalweg.diagnosis.checks.training.judged import FAR, judged, note
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.replay import held
from thalweg.diagnosis.watching import Case, Loader, Look, Op
from thalweg.findings import Finding, Severity

_CHANCE = frozenset(
    "rand rand_like randn randn_like randint randperm bernoulli bernoulli_ normal normal_ uniform_ dropout "
    "multinomial".split()
)
_CHOOSING = frozenset(("__getitem__", "index_select"))
_FAR_BACK = 12  # operations between a row as it was and what the network is fed
_EXPLAINS = (
    "underfitting",
    "lr-too-low",
    "lr-too-high",
    "optimizer-settings",
    "label-noise",
    "wrong-labels",
    "over-regularized",
    "stopped-too-early",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class RepeatedAugmentation(CaseCheck):
    """Find workers that hand out the same batches in every epoch although the data set draws each item anew."""

    name: ClassVar[str] = "repeated-augmentation"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for entry in case.loaders:
            workers = getattr(entry.loader, "num_workers", 0)
            if not workers or not _repeats(entry) or not _is_random(entry.loader.dataset):
                continue
            return [
                found(
                    self.name,
                    Severity.WARNING,
                    0.98,
                    place=entry.place,
                    evidence=[seen("same_epochs", len(entry.marks), "1"), seen("workers", workers)],
                    values={"workers": workers},
                    explains=("overfitting", "underfitting", "label-noise", "data-leak"),
                )
            ]
        return []


def _repeats(entry: Loader) -> bool:
    marks = [row for row in entry.marks if row]
    if len(marks) < 2 or any(row != marks[0] for row in marks[1:]):
        return False
    return len(set(marks[0])) > min(1, len(marks[0]) - 1)


def _is_random(dataset: Any) -> bool:
    """Return whether asking for an item twice gives two different items."""
    try:
        return not _same(dataset[0], dataset[0])
    except Exception:
        return False


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return bool(torch.equal(a, b))
    if isinstance(a, list | tuple):
        return all(_same(x, y) for x, y in zip(a, b, strict=False))
    if isinstance(a, dict):
        return all(_same(a[k], b[k]) for k in a)
    try:
        return bool((a == b).all()) if hasattr(a, "all") else bool(a == b)
    except Exception:
        return True


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class HarmfulAugmentation(CaseCheck):
    """Find a random change of the inputs without which the same steps come far lower on rows as they are."""

    name: ClassVar[str] = "harmful-augmentation"
    rank: ClassVar = "trial"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        raw, op = _raw(facts) if facts.bench is not None else (None, None)
        bar = judged(case, facts) if raw is not None else None
        if bar is None or raw is None or op is None:
            return []
        bench = bar.bench
        bench.others["raw"] = raw
        plain, clean = bench.trial("as it was"), bench.trial("without augmentation", scaled="raw")
        with held(case):
            level = bench.level(raw, bench.y, bench.aside)
        holds = clean.beats(min(level, plain.aside), share=FAR)
        note(facts, self.name, "without augmentation", clean.aside, level, holds)
        if not holds:
            return []
        return [
            found(
                self.name,
                Severity.CRITICAL,
                0.93,
                place=op.place,
                evidence=[
                    seen("level_end", level),
                    seen("level_plain", plain.aside),
                    seen("level_changed", clean.aside),
                ],
                values={"function": op.name},
                explains=_EXPLAINS,
            )
        ]


def _raw(facts: Facts) -> tuple[Tensor | None, Op | None]:
    """Return the rows of the bench before a random change was made to them, and the operation that made it."""
    bench = facts.bench
    assert bench is not None
    changed: dict[bytes, Tensor] = {}
    maker: Op | None = None
    for look, _ in facts.meets:
        for number in facts.inputs(look):
            pair = _before(look, number)
            if pair is None:
                continue
            maker = pair[1]
            for after, before in zip(look.tensors[number], pair[0], strict=False):
                changed[after.contiguous().numpy().tobytes()] = before
    if maker is None:
        return None, None
    rows = [changed.get(row.contiguous().numpy().tobytes()) for row in bench.x]
    if any(row is None for row in rows):
        return None, None
    return torch.stack([row for row in rows if row is not None]), maker


def _before(look: Look, number: int) -> tuple[Tensor, Op] | None:
    """Return an earlier value of the same shape from which a look's input was made with the help of chance."""
    op = look.maker(number)
    after = look.tensors[number]
    chance = any(o.name in _CHANCE for o in look.ancestors(number))
    for _ in range(_FAR_BACK):
        if op is None or not op.inputs:
            return None
        for source in op.inputs:
            before = look.tensors.get(source)
            if before is not None and _is_like(before, after) and not torch.equal(before, after):
                return (_unchanged(look, source, before), op) if chance else None
        op = next((o for n in op.inputs if (o := look.maker(n)) is not None), None)
    return None


def _unchanged(look: Look, number: int, value: Tensor) -> Tensor:
    """Follow values of one shape back to the one that only chooses rows."""
    op = look.maker(number)
    while op is not None and op.inputs and op.name not in _CHOOSING:
        source = next((n for n in op.inputs if n in look.tensors and _is_like(look.tensors[n], value)), None)
        if source is None:
            break
        value, op = look.tensors[source], look.maker(source)
    return value


def _is_like(a: Tensor, b: Tensor) -> bool:
    return a.shape == b.shape and a.dtype == b.dtype
