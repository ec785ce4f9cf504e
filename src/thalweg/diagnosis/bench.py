"""A bench for experiments: the script's own step on captured rows, some of them kept aside to judge by.

Batches are made of rows that were seen, in an order of our own; the step is that of a look, with those rows in the
place of its own. What is tried is one thing changed: the rate, a setting, the inputs' scale, dropout, the batch size.
"""

import contextlib
import copy
import dataclasses
import functools
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.replay import CannotPlay, held, loss_of, rerun
from thalweg.diagnosis.watching import Case, Course, Look

STEPS = 150  # of an experiment
_SECONDS = 3.0  # that one experiment may take
_ASIDE = 0.3  # of the rows: to judge by
_SEEDS = 2
_PROMISING = 0.8  # of the level at the end: an experiment above it is not repeated with another order
_MOST = 512  # rows to judge by
_SMALL = 64  # elements of a further input that is no data
FEWEST = 8  # rows that an experiment needs


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of an experiment: the loss on rows kept aside and on those trained on, how many steps it took, and in
    how many orders of the rows it was made; the losses are those of the worst.
    """

    name: str
    aside: float
    trained: float
    steps: int
    seeds: int = 1

    def beats(self, level: float, *, share: float) -> bool:
        return math.isfinite(self.aside) and self.aside < share * level


@dataclasses.dataclass(frozen=True)
class Stand:
    """A look to experiment on, how its predictions meet its targets, and the numbers and rows of what is fed."""

    look: Look
    met: Meeting
    fed: int
    target: int
    rows: int


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Plan:
    """How an experiment trains."""

    rate: float
    settings: Mapping[str, Any]
    steps: int
    size: int
    scaled: str
    adam: float | None


class Bench:
    """Try one change at a time on a case whose rows and targets are known. Each experiment is made once."""

    def __init__(self, case: Case, course: Course, stand: Stand, rows: tuple[Tensor, Tensor], *, until: float) -> None:
        self.case, self.course = case, course
        self.look, self.met, self.fed = stand.look, stand.met, stand.fed
        self.until, self.target = until, stand.target
        self.size = stand.rows
        order = np.random.default_rng(0).permutation(len(rows[0]))
        aside = max(1, round(_ASIDE * len(order)))
        pick = torch.as_tensor(order)
        self.x, self.y = rows
        self.aside, self.train = pick[:aside][:_MOST], pick[aside:]
        self.calm = _calm(stand.look)
        self._made: dict[str, Trial] = {}
        self._begun = time.perf_counter(), time.process_time()
        self.others: dict[str, Tensor] = {}  # the same rows, made in another way, by name

    def trial(  # noqa: PLR0913 - each experiment names the one thing it changes
        self,
        name: str,
        *,
        rate: float = 1.0,
        settings: Mapping[str, Any] | None = None,
        steps: int = STEPS,
        size: int | None = None,
        scaled: str = "",
        dropout: bool = True,
        adam: float | None = None,
        from_end: bool = False,
        restart: bool = False,
    ) -> Trial:
        """Train from the state before training (or the end) with one thing changed and judge on rows kept aside."""
        if name not in self._made:
            size = size or self.size
            plan = _Plan(rate=rate, settings=dict(settings or {}), steps=steps, size=size, scaled=scaled, adam=adam)
            found = []
            for seed in range(_SEEDS):
                with self._as_asked(dropout), held(self.case, seed=seed) as lent:
                    if not from_end:
                        lent.to_start()
                    if restart:
                        self._farther_out()
                    found.append(self._one(name, seed, plan))
                if time.perf_counter() > self.until or not found[0].beats(self._bar, share=_PROMISING):
                    break  # it will not help whatever the order
            worst = max(found, key=lambda trial: trial.aside if math.isfinite(trial.aside) else math.inf)
            self._made[name] = dataclasses.replace(worst, seeds=len(found))
        return self._made[name]

    def _one(self, name: str, seed: int, plan: _Plan) -> Trial:
        x, y = self._scaled(plan.scaled)
        batches = self._batches(np.random.default_rng(seed), plan.size)

        def swap(look: Look) -> Mapping[int, Tensor]:
            rows = next(batches)
            return {self.fed: x[rows], self.target: y[rows]}

        optimizer = None
        if plan.adam is not None:
            optimizer = torch.optim.Adam([p for p in self._parameters() if p.requires_grad], lr=plan.adam)
        until = min(self.until, time.perf_counter() + _SECONDS * self._crowding())
        changed: dict[str, Any] = {"rate": plan.rate, "settings": plan.settings, "optimizer": optimizer}
        try:
            losses = rerun(self.course, [self.look], plan.steps, swap=swap, until=until, **changed)
            broken = not losses or not math.isfinite(losses[-1])
            aside = math.inf if broken else self.level(x, y, self.aside, size=plan.size)
            trained = math.inf if broken else self.level(x, y, self.train[: len(self.aside)], size=plan.size)
        except CannotPlay:
            return Trial(name, math.nan, math.nan, 0)
        return Trial(name, aside, trained, len(losses))

    def _parameters(self) -> list[Tensor]:
        groups = self.course.optimizer.param_groups if self.course.optimizer is not None else []
        return [p for group in groups for p in group["params"]]

    def level(self, x: Tensor, y: Tensor, rows: Tensor, *, size: int | None = None) -> float:
        """Return the loss of rows with today's weights, dropout at rest, in batches of `size`, else the script's."""
        total, count = 0.0, 0
        size = size or self.size
        for start in range(0, len(rows), size):
            part = rows[start : start + size]
            if len(part) < size and count:
                break
            swap = {self.fed: x[part], self.target: y[part]}
            total += float(loss_of(self.calm, swap=swap, grad=False).detach()) * len(part)
            count += len(part)
        value = total / count
        return value if math.isfinite(value) else math.inf

    def end(self, *, start: bool = False) -> tuple[float, float]:
        """Return the losses (aside, trained) of the script's own weights at the end, or before training."""
        key = "start" if start else "end"
        if key not in self._made:
            with held(self.case) as lent:
                if start:
                    lent.to_start()
                aside = self.level(self.x, self.y, self.aside)
                trained = self.level(self.x, self.y, self.train[: len(self.aside)])
                self._made[key] = Trial(key, aside, trained, 0)
        return self._made[key].aside, self._made[key].trained

    def _crowding(self) -> float:
        """Return how much longer work takes here than it would alone: other programs must not decide what is found."""
        wall, own = time.perf_counter() - self._begun[0], time.process_time() - self._begun[1]
        return max(1.0, wall / own) if own > 0.05 else 2.0

    @functools.cached_property
    def _bar(self) -> float:
        aside = self.end()[0]
        return aside if math.isfinite(aside) else self.end(start=True)[0]

    @torch.no_grad()
    def _farther_out(self) -> None:
        """Add to each matrix what PyTorch would have begun with: uniform in ±1/sqrt(fan_in)."""
        for p in self._parameters():
            if p.dim() > 1:
                bound = 1 / math.sqrt(p[0].numel())
                p.add_(torch.empty_like(p).uniform_(-bound, bound))

    def _batches(self, draw: np.random.Generator, size: int) -> Iterator[Tensor]:
        size = min(size, len(self.train))
        while True:
            order = self.train[torch.as_tensor(draw.permutation(len(self.train)))]
            for start in range(0, len(order) - size + 1, size):
                yield order[start : start + size]

    def _scaled(self, what: str) -> tuple[Tensor, Tensor]:
        x, y = self.x, self.y
        if what == "inputs":
            x = standardised(x)
        if what in self.others:
            x = self.others[what]
        if what == "targets" and y.is_floating_point():
            y = standardised(y)
        return x, y

    @contextlib.contextmanager
    def _as_asked(self, dropout: bool) -> Iterator[None]:
        before: list[tuple[nn.Module, str, float]] = []
        for _, module in self.case.modules() if not dropout else ():
            name = "dropout" if isinstance(module, nn.RNNBase) else "p"
            share = getattr(module, name, None)
            if isinstance(share, float) or (share is not None and name == "dropout"):
                before.append((module, name, share))
                setattr(module, name, 0.0)
        try:
            yield
        finally:
            for module, name, share in before:
                setattr(module, name, share)


def standardised(x: Tensor) -> Tensor:
    """Centre and scale columns; those of images and sequences by channel are left to one scale for all."""
    if not x.is_floating_point():
        return x
    flat = x.double()
    dims = [0] if x.dim() == 2 else list(range(x.dim()))
    if x.dim() == 1:
        dims = [0]
    spread = flat.std(dims, keepdim=True)
    return ((flat - flat.mean(dims, keepdim=True)) / torch.where(spread > 1e-12, spread, 1.0)).to(x.dtype)


def stand_of(look: Look, met: Meeting, *, target: int, inputs: Sequence[int]) -> Stand | None:
    """Return a look as one to experiment on; None where it is not fed one input whose rows are those of its targets."""
    if target not in look.tensors or not look.tensors[target].dim():
        return None
    rows = len(look.tensors[target])
    fed = [n for n in inputs if look.tensors[n].dim() and len(look.tensors[n]) == rows]
    others = [n for n in inputs if n not in fed and look.tensors[n].numel() > _SMALL]
    return Stand(look, met, fed[0], target, rows) if len(fed) == 1 and not others else None


def usual(stands: Sequence[Stand]) -> Stand:
    """Return the first look whose batch is as large as most, the larger one among equals."""
    sizes = Counter(stand.rows for stand in stands)
    size = max(sizes, key=lambda rows: (sizes[rows], rows))
    return next(stand for stand in stands if stand.rows == size)


def _calm(look: Look) -> Look:
    """Return a look whose modules are called as for evaluation, unless they normalise over the batch."""
    norm = any(
        isinstance(module, nn.modules.batchnorm._BatchNorm)
        for op in look.ops
        if op.kind == "module"
        for module in op.func.modules()
    )
    if norm:
        return look
    other = copy.copy(look)
    other.ops = [dataclasses.replace(op, training=False) if op.kind == "module" else op for op in look.ops]
    other.plans = {}
    return other
