"""Many networks trained as one program: the members of a population, each the single run of its own recipe.

Axis letters: P members, T steps.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from thalweg.core import Outcome, UsageError
from thalweg.core.types import Params
from thalweg.train.job import Job, bounds
from thalweg.train.loop import needs_statistics, watch_metric
from thalweg.tune.population.feed import Feed
from thalweg.tune.population.judging import evaluate_many
from thalweg.tune.population.members import gather
from thalweg.tune.population.shape import groups
from thalweg.tune.population.stepping import Step

MOVES = 512  # steps whose rates are reckoned at once


class Tick(NamedTuple):
    """Tell what the last steps brought: losses (T, P) of the members `who`, and an evaluation if one was due.

    A member's loss is NaN from the step on at which it was no number. `evaluation` has (P,) tensors by split and
    metric, NaN for members that have ended before it.
    """

    step: int
    who: tuple[int, ...]
    losses: Tensor
    evaluation: dict[str, dict[str, Tensor]] | None
    ended: tuple[int, ...]


@dataclasses.dataclass
class Ending:
    """Hold how a member stands: RUNNING, or how it ended, and after how many steps."""

    outcome: Outcome = Outcome.RUNNING
    steps: int = 0


class Population:
    """Train jobs of one shape together; each takes the steps of its own single run.

    When a member has ended its job holds its state, as after a single run: the weights to be used, its best evaluation.
    Members that have ended are left out as soon as half of those in memory have, and cost nothing then.
    Raises `UsageError` for jobs that cannot train together, or that need more than a population can do.
    """

    def __init__(self, jobs: Sequence[Job]) -> None:
        if len(found := groups(jobs)) != 1:
            raise UsageError(f"A population needs members of one shape, got {len(found)}; make one of each group.")
        for job in jobs:
            if (reason := unfit(job)) is not None:
                raise UsageError(f"A population cannot train this recipe, for {reason}; train it by itself.")
        self.jobs = list(jobs)
        self.endings = [Ending() for _ in jobs]
        self.step = 0
        self._who = torch.arange(len(jobs))
        self._members = gather(jobs)
        self._step = Step(jobs[0])
        self._train = Feed(jobs, lambda data: data.train)
        self._validation = Feed(jobs, lambda data: data.validation)
        self._best: Params = {}
        self._moves: dict[str, Tensor] = {}
        self._moves_from = 0

    @property
    def running(self) -> list[int]:
        """Return the members that have not ended."""
        return [k for k, ending in enumerate(self.endings) if ending.outcome is Outcome.RUNNING]

    def advance(self) -> Iterator[Tick]:
        """Train until every member has ended. Between two ticks the state is whole."""
        job = self.jobs[0]
        cuts = bounds(len(job.data.train), job.recipe.batch_size or 1)
        every = job.recipe.evaluate_every or 1
        while self.running:
            epoch = self.step // job.steps_per_epoch
            order = self._train.order(epoch)
            losses = torch.stack([self._take(order[..., a:b]) for a, b in itertools.pairwise(cuts)])
            lost = self._lose(losses)
            due = (epoch + 1) % every == 0 or epoch + 1 == (job.recipe.epochs or 1)
            evaluation = self._look() if due and self.running else None
            ended = lost + (self._judge(evaluation) if evaluation is not None else [])
            who = tuple(self._who.tolist())
            for member in ended:
                self._settle(member)
            yield Tick(self.step, who, losses, evaluation, tuple(ended))
            self._compact()

    def end(self, members: Sequence[int], outcome: Outcome = Outcome.PRUNED) -> None:
        """End members that are running, between two ticks: they keep what they have."""
        for member in members:
            if self.endings[member].outcome is Outcome.RUNNING:
                self.endings[member] = Ending(outcome, self.step)
                self._settle(member)
        self._compact()

    def _take(self, index: Tensor) -> Tensor:
        x, y = self._train.batch(index)
        self._move()
        losses, _ = self._step.take(self._members, x, y, step=self.step, shared=self._train.shares_order)
        self.step += 1
        return losses

    def _move(self) -> None:
        """Give members the numbers that this step is taken with."""
        at = self.step - self._moves_from
        if not self._moves or at >= len(next(iter(self._moves.values()))):
            each = [self.jobs[k].moves(self.step, MOVES) for k in self._who.tolist()]
            self._moves = {
                name: torch.tensor([[row[name] for row in rows] for rows in each], dtype=torch.float64).T.contiguous()
                for name in each[0][0]
            }
            self._moves_from, at = self.step, 0
        self._members.hyper |= {name: table[at] for name, table in self._moves.items()}

    def _lose(self, losses: Tensor) -> list[int]:
        """Note which members have lost their loss, at the step where it happened; return them."""
        ended = []
        gone = ~losses.isfinite()
        for place in gone.any(0).nonzero().flatten().tolist():
            member = int(self._who[place])
            if self.endings[member].outcome is Outcome.RUNNING:
                first = int(gone[:, place].nonzero()[0])
                self.endings[member] = Ending(Outcome.DIVERGED, self.step - len(losses) + first + 1)
                ended.append(member)
        return ended

    def _weights(self) -> Params:
        """Return the weights that members are to be judged by."""
        params = self._members.params
        fitted = self.jobs[0].state.fitted
        if fitted.is_judged_elsewhere:
            params = torch.func.vmap(fitted.evaluation)(params, self._members.memory, self._members.hyper)
        return {**self._step.views(params), **self._members.buffers}

    def _look(self) -> dict[str, dict[str, Tensor]]:
        job = self.jobs[0]
        samples = [self.jobs[k].sample for k in self._who.tolist()]
        same = all(sample is samples[0] or torch.equal(sample, samples[0]) for sample in samples)
        sample = samples[0] if same else torch.stack(samples)
        unit = job.data.preparation.target_deviation if job.task == "regression" else None
        known: dict[str, Any] = {"loss": job.loss, "task": job.task, "unit": unit}
        weights = self._weights()
        found = {"train": evaluate_many(job.state.module, weights, feed=self._train, index=sample, **known)}
        if len(self._validation):
            whole = torch.arange(len(self._validation))
            found["validation"] = evaluate_many(job.state.module, weights, feed=self._validation, index=whole, **known)
        return found

    def _judge(self, evaluation: dict[str, dict[str, Tensor]]) -> list[int]:
        """Keep weights that are the best of their member so far; return the members that have ended."""
        improved, ended = [], []
        for place, member in enumerate(self._who.tolist()):
            if self.endings[member].outcome is not Outcome.RUNNING:
                continue
            found = evaluation.get("validation")
            own = None if found is None else {name: float(values[place]) for name, values in found.items()}
            better, outcome = watch_metric(self.jobs[member], own, self.step)
            if better:
                improved.append(place)
            if outcome is not Outcome.RUNNING:
                self.endings[member] = Ending(outcome, self.step)
                ended.append(member)
        if improved:
            self._keep(torch.tensor(improved))
        return ended

    def _keep(self, places: Tensor) -> None:
        weights = self._weights()
        if not self._best:
            self._best = {name: tensor.clone() for name, tensor in weights.items()}
        for name, tensor in weights.items():
            self._best[name][places] = tensor[places]

    def _settle(self, member: int) -> None:
        """Give a member that has ended back to its job: the weights it is to be used with."""
        job, place = self.jobs[member], int((self._who == member).nonzero()[0])
        source = self._best if job.state.best.step >= 0 else self._weights()
        job.state.put_weights({name: tensor[place] for name, tensor in source.items() if name in job.state.weights()})
        job.state.step = self.endings[member].steps

    def _compact(self) -> None:
        """Leave out members that have ended, once they are half of those in memory."""
        alive = [place for place, k in enumerate(self._who.tolist()) if self.endings[k].outcome is Outcome.RUNNING]
        if not alive or len(alive) > len(self._who) // 2:
            return
        index = torch.tensor(alive)
        self._who = self._who[index]
        self._members = self._members.pick(index)
        self._best = {name: tensor[index] for name, tensor in self._best.items()}
        self._moves = {name: table[:, index].contiguous() for name, table in self._moves.items()}
        self._train.pick(index)
        self._validation.pick(index)


def unfit(job: Job) -> str | None:
    """Return why a job cannot be a member of a population, None if it can."""
    recipe, fitted = job.recipe, job.state.fitted
    reasons = {
        "its rule asks for a second gradient": fitted.asks_twice,
        "its rule asks for the Hessian": fitted.needs_hessian,
        "its schedule waits for a metric": bool(job.metrics_read),
        "it lets layers train one after the other": bool(recipe.unfreeze_every),
        "its batches are changed at random": bool(recipe.augment),
        "its batches are computed in parts": recipe.windows > 1,
        "its time is limited": recipe.max_seconds is not None,
        "its steps are to be compiled": recipe.compile,
        "some of its weights do not train": not all(p.requires_grad for p in job.state.module.parameters()),
        "it runs on another device than the processor": job.device.type != "cpu",
        "its precision is bfloat16": recipe.precision == "bfloat16",
        "its data do not lie in memory": not job.data.train.resident,
        "statistics are taken anew for its batch norms": needs_statistics(job),
        "its network is not one of ours": not type(recipe.model).traceable if recipe.model is not None else True,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)
