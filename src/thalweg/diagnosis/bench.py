"""A bench for experiments: the script's own step on captured rows, some of them kept aside to judge by.

Batches are made of rows that were seen, in an order of our own; the step is that of a look, with those rows in the place
of its own. What is tried is one thing changed: the rate, a setting, the inputs' scale, dropout, the batch size.
"""

import contextlib
import copy
import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from thalweg.diagnosis.meeting import Meeting
from thalweg.diagnosis.replay import CannotPlay, held, loss_of, rerun
from thalweg.diagnosis.watching import Case, Course, Look

STEPS = 150  # of an experiment
_SECONDS = 1.5  # that one experiment may take
_ASIDE = 0.3  # of the rows: to judge by
_SEEDS = 2
_PROMISING = 0.8  # of the level at the end: an experiment above it is not repeated with another order
_MOST = 512  # rows to judge by


@dataclasses.dataclass(frozen=True)
class Trial:
    """What came of an experiment: the loss on rows kept aside, the loss on those trained on, and how many steps it took."""

    name: str
    aside: float
    trained: float
    steps: int

    def beats(self, level: float, *, share: float) -> bool:
        return math.isfinite(self.aside) and self.aside < share * level


class Bench:
    """Try one change at a time on a case whose rows and targets are known. Each experiment is made once."""

    def __init__(self, case: Case, course: Course, look: Look, met: Meeting, fed: int, rows: tuple[Tensor, Tensor], *, target: int, until: float) -> None:  # fmt: skip  # noqa: PLR0913 - one thing that may be changed each
        self.case, self.course, self.look, self.met, self.fed = case, course, look, met, fed
        self.until, self.target = until, target
        self.size = len(look.tensors[fed])
        order = np.random.default_rng(0).permutation(len(rows[0]))
        aside = max(1, round(_ASIDE * len(order)))
        pick = torch.as_tensor(order)
        self.x, self.y = rows
        self.aside, self.train = pick[:aside][:_MOST], pick[aside:]
        self.calm = _calm(look)
        self._made: dict[str, Trial] = {}
        self._begun = time.perf_counter(), time.process_time()
        self.others: dict[str, Tensor] = {}  # the same rows, made in another way, by name

    def trial(
        self, name: str, *, rate: float = 1.0, settings: Mapping[str, Any] | None = None, steps: int = STEPS, size: int | None = None,
        scaled: str = "", dropout: bool = True, adam: float | None = None, from_end: bool = False, restart: bool = False,
    ) -> Trial:  # fmt: skip  # noqa: PLR0913 - one thing that may be changed each
        """Train from the state before training (or the end) with one thing changed and judge on rows kept aside."""
        if name not in self._made:
            found = []
            for seed in range(_SEEDS):
                with self._as_asked(dropout), held(self.case, seed=seed) as lent:
                    if not from_end:
                        lent.to_start()
                    if restart:
                        self._farther_out()
                    found.append(self._one(name, seed, rate, dict(settings or {}), steps, size or self.size, scaled, adam))
                if time.perf_counter() > self.until or not found[0].beats(self._bar, share=_PROMISING):
                    break  # it will not help whatever the order
            self._made[name] = max(found, key=lambda trial: trial.aside if math.isfinite(trial.aside) else math.inf)
        return self._made[name]

    def _one(self, name: str, seed: int, rate: float, settings: dict[str, Any], steps: int, size: int, scaled: str, adam: float | None) -> Trial:  # fmt: skip  # noqa: PLR0913 - one thing that may be changed each
        x, y = self._scaled(scaled)
        draw = np.random.default_rng(seed)
        batches = self._batches(draw, size)

        def swap(look: Look) -> Mapping[int, Tensor]:
            rows = next(batches)
            return {self.fed: x[rows], self.target: y[rows]}

        optimizer = None
        if adam is not None:
            parameters = [p for g in self.course.optimizer.param_groups for p in g["params"] if p.requires_grad]  # type: ignore[union-attr]
            optimizer = torch.optim.Adam(parameters, lr=adam)
        until = min(self.until, time.perf_counter() + _SECONDS * self._crowding())
        try:
            losses = rerun(self.course, [self.look], steps, rate=rate, settings=settings, optimizer=optimizer, swap=swap, until=until)
            broken = not losses or not math.isfinite(losses[-1])
            aside = math.inf if broken else self.level(x, y, self.aside)
            trained = math.inf if broken else self.level(x, y, self.train[: len(self.aside)])
        except CannotPlay:
            return Trial(name, math.nan, math.nan, 0)
        return Trial(name, aside, trained, len(losses))

    def level(self, x: Tensor, y: Tensor, rows: Tensor) -> float:
        """Return the loss of rows with today's weights, dropout at rest, in batches of the script's size."""
        total, count = 0.0, 0
        for start in range(0, len(rows), self.size):
            part = rows[start : start + self.size]
            if len(part) < self.size and count:
                break
            swap = {self.fed: x[part], self.target: y[part]}
            total += float(loss_of(self.calm, swap=swap, grad=False)) * len(part)
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
                rows = self.train[: len(self.aside)]
                self._made[key] = Trial(key, self.level(self.x, self.y, self.aside), self.level(self.x, self.y, rows), 0)
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
        for group in self.course.optimizer.param_groups:  # type: ignore[union-attr]
            for p in group["params"]:
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
        layers = [m for _, m in self.case.modules() if isinstance(getattr(m, "p", None), float)] if not dropout else []
        recurrent = [m for _, m in self.case.modules() if isinstance(m, nn.RNNBase)] if not dropout else []
        before = [(m, m.p) for m in layers] + [(m, m.dropout) for m in recurrent]  # type: ignore[list-item]
        for module in layers:
            module.p = 0.0  # type: ignore[assignment]
        for module in recurrent:
            module.dropout = 0.0
        try:
            yield
        finally:
            for module, value in before:
                setattr(module, "dropout" if isinstance(module, nn.RNNBase) else "p", value)


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


def make_bench(case: Case, course: Course | None, playable: Sequence[Look], meets: Sequence[tuple[Look, Meeting]], inputs: Callable[[Look], list[int]], pairs: tuple[Tensor, Tensor] | None, *, target_of: Callable[[Look, Meeting], int], until: float) -> Bench | None:  # fmt: skip  # noqa: PLR0913 - one thing that may be changed each
    """Return a bench where the step is one input, one target and one optimizer; None elsewhere."""
    if course is None or course.optimizer is None or pairs is None or len(pairs[0]) < 8 or not case.start:
        return None
    sizes: dict[int, int] = {}
    usable = []
    for look, met in meets:
        target = target_of(look, met)
        if any(look is known for known in playable) and target in look.tensors and look.tensors[target].dim():
            rows = len(look.tensors[target])
            fed = [n for n in inputs(look) if look.tensors[n].dim() and len(look.tensors[n]) == rows]
            others = [n for n in inputs(look) if n not in fed and look.tensors[n].numel() > 64]
            if len(fed) == 1 and not others:
                usable.append((look, met, fed[0], rows))
                sizes[rows] = sizes.get(rows, 0) + 1
    if not usable:
        return None
    size = max(sizes, key=lambda rows: (sizes[rows], rows))
    look, met, fed, _ = next(entry for entry in usable if entry[3] == size)
    return Bench(case, course, look, met, fed, pairs, target=target_of(look, met), until=until)


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
