"""The loop: a generator of snapshots. To stop is `break`; to log is the caller's line; nothing is called back."""

import contextlib
import dataclasses
import math
import random
import time
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from thalweg.core import Outcome, UnknownName
from thalweg.core.random import key
from thalweg.data import Part, epoch_order
from thalweg.model import metrics_for
from thalweg.norms import has_batch_statistics, precise_statistics
from thalweg.optim import depth_of
from thalweg.train.evaluate import evaluate
from thalweg.train.job import Epoch, Job
from thalweg.train.regularising import links
from thalweg.train.step import Block, Direct, Stepwise

STATISTICS_FROM = 16_384  # training examples, at most, for the exact statistics of batch norms
MOVES_AT_ONCE = 2048
"""Steps whose rates are reckoned at once: a schedule costs the same for one as for so many. A multiple of what a
processor takes together: a remainder is rounded otherwise, and then a rate would depend on where a run goes on.
"""


class Row(NamedTuple):
    """What is known of one step: taken with rate `lr` on weights of loss `loss`.

    `seconds` were spent training until then, evaluations included; what the caller does between snapshots is not.
    """

    step: int
    epoch: float
    loss: float
    lr: float
    grad_norm: float
    seconds: float


class Snapshot(NamedTuple):
    """Tell what has just happened: the steps taken, an evaluation if one was due, how things stand."""

    rows: tuple[Row, ...]
    outcome: Outcome
    block: Block
    evaluation: dict[str, dict[str, float]] | None = None
    improved: bool = False
    moving: tuple[dict[str, float], ...] = ()  # the hyperparameters that each step was taken with, the rate among them


def advance(job: Job, *, seconds: float = 0.0) -> Iterator[Snapshot]:
    """Train until the plan is done, the validation metric has stopped improving, the budget is spent or the loss is
    lost.

    Goes on from `job.state`, `seconds` into the run; the budget counts from here. Between two snapshots the state is
    whole: to save it there and load it later gives the same run.
    """
    state, trained = job.state, seconds
    batches: Epoch | None = None
    moves: list[dict[str, float]] = []
    moves_from = state.step
    outcome = Outcome.RUNNING if state.step < job.num_steps else Outcome.FINISHED
    while outcome is Outcome.RUNNING:
        begin = time.perf_counter()
        first, length = state.step, job.stepper.length
        epoch, within = divmod(first, job.steps_per_epoch)
        if batches is None or within == 0:
            batches = start_epoch(job, epoch)
            unfreeze(job, epoch)
        if first + length > moves_from + len(moves):
            moves, moves_from = job.moves(first, MOVES_AT_ONCE), first
        if isinstance(job.stepper, Direct):
            fix_generators(job.recipe.seed, first)
        block = job.augmented(batches.block(within // length))
        now_moving = moves[first - moves_from :][: len(block.sizes)]
        taken = job.stepper.take(block, now_moving)
        now = trained + time.perf_counter() - begin
        rows = tuple(
            [
                Row(first + k, (first + k) / job.steps_per_epoch, loss, now_moving[k]["lr"], norm, now)
                for k, (loss, norm) in enumerate(taken)
            ]
        )
        evaluation = None
        improved = False
        if not math.isfinite(rows[-1].loss):
            outcome = Outcome.DIVERGED
        elif _due(job):
            with judged(job):
                evaluation = look(job)
                improved, outcome = _judge(job, evaluation)
            moves = [] if job.metrics_read else moves
        trained += time.perf_counter() - begin
        if outcome is Outcome.RUNNING and job.recipe.max_seconds and trained - seconds >= job.recipe.max_seconds:
            outcome = Outcome.BUDGET
        yield Snapshot(rows, outcome, block, evaluation, improved, tuple(now_moving))


def start_epoch(job: Job, epoch: int) -> Epoch:
    """Return the blocks of batches of an epoch."""
    size, seed = job.recipe.batch_size or 1, job.recipe.seed
    return Epoch(job.data.train, batch_size=size, seed=seed, epoch=epoch, length=job.stepper.length)


@contextlib.contextmanager
def judged(job: Job) -> Iterator[None]:
    """Let the network be as it is to be judged: with the weights that the rule says, with batch statistics for them."""
    state = job.state
    with state.judged(_last_hyper(job) if state.fitted.is_judged_elsewhere else None):
        if not needs_statistics(job):
            yield
            return
        kept = [buffer.clone() for buffer in state.module.buffers()]
        order = epoch_order(len(job.data.train), seed=job.recipe.seed, epoch=0)[:STATISTICS_FROM]
        pieces = order.split(max(job.recipe.batch_size or 1, 2))
        whole = pieces if len(pieces[-1]) > 1 else pieces[:-1]
        precise_statistics(state.module, (job.data.train.batch(piece)[0] for piece in whole))
        try:
            yield
        finally:
            with torch.no_grad():
                for buffer, value in zip(state.module.buffers(), kept, strict=True):
                    buffer.copy_(value)


def _last_hyper(job: Job) -> dict[str, float]:
    """Return the numbers that the last step was taken with: what the rule remembers belongs to them."""
    return {**job.recipe.hyper(), **job.moves(max(job.state.step - 1, 0), 1)[0]}


def needs_statistics(job: Job) -> bool:
    """Return whether the statistics of batch norms are to be taken anew before the network is judged: when asked for,
    and for weights that no step was taken with.
    """
    wanted = job.recipe.statistics == "precise" or job.state.fitted.is_judged_elsewhere
    return wanted and has_batch_statistics(job.state.module)


def settle(job: Job) -> None:
    """At the end of training, before the last checkpoint: keep the judged weights if no evaluation chose any."""
    if job.state.best.step < 0 and (needs_statistics(job) or job.state.fitted.is_judged_elsewhere):
        with judged(job):
            job.state.keep_best()


def give_back(job: Job) -> bool:
    """Give the network the weights that it is to be used with; return whether they are those of an earlier step."""
    restored = job.state.restore_best()
    if not restored and job.state.best_weights is not None:
        job.state.put_weights(job.state.best_weights)
    return restored and job.state.best.step >= 0


def unfreeze(job: Job, epoch: int) -> None:
    """Let as many layers train, from the last one down, as the epoch says; the others keep a rate of zero.

    Source: Howard and Ruder 2018, section 3.3.
    """
    every = job.recipe.unfreeze_every
    if not every:
        return
    depths = depth_of(job.state.module)
    lowest = max(depths.values()) - epoch // every
    places = {
        name: place if depths[name] >= lowest else dataclasses.replace(place, lr=0.0)
        for name, place in job.layout.items()
    }
    first, last = links(job.recipe.penalties, job.recipe.constraint, num_examples=len(job.data.train))
    job.state.place(job.recipe.rule, places, first=first, last=last)
    if isinstance(job.stepper, Stepwise):
        job.stepper.refit()


def look(job: Job) -> dict[str, dict[str, float]]:
    """Evaluate the present weights on the validation data and on a fixed part of the training data."""
    data = job.data
    found = {"train": score(job, data.train, index=job.sample)}
    if len(data.validation):
        found["validation"] = score(job, data.validation)
    return found


def score(job: Job, part: Part, *, index: Tensor | None = None) -> dict[str, float]:
    """Evaluate the present weights on a part of the job's data, errors in the unit of the data."""
    unit = job.data.preparation.target_deviation if job.task == "regression" else None
    return evaluate(job.state.module, job.loss, part, job.task, index=index, unit=unit)


def _due(job: Job) -> bool:
    epoch, within = divmod(job.state.step, job.steps_per_epoch)
    return within == 0 and (epoch % (job.recipe.evaluate_every or 1) == 0 or epoch == job.recipe.epochs)


def _judge(job: Job, evaluation: dict[str, dict[str, float]]) -> tuple[bool, Outcome]:
    """Keep the weights if they are the best so far; return whether they are, and how the run stands."""
    state = job.state
    for name in job.metrics_read:
        state.seen.setdefault(name, []).append((state.step, evaluation["validation"][name]))
    improved, outcome = watch_metric(job, evaluation.get("validation"), state.step)
    if improved:
        state.keep_best()
    return improved, outcome


def watch_metric(job: Job, found: Mapping[str, float] | None, step: int) -> tuple[bool, Outcome]:
    """Take in the validation metrics at a step, if there are any; return whether they are the best so far, and how the
    run stands.
    """
    best, stop = job.state.best, job.recipe.stop
    done = Outcome.FINISHED if step >= job.num_steps else Outcome.RUNNING
    if stop is None or found is None:
        return False, done
    best.better = better(job, stop.metric)
    improved = best.sees(found[stop.metric], step, stop.min_delta)
    planned = (job.recipe.epochs or 1) / (job.recipe.evaluate_every or 1)
    patience = stop.patience or max(10, math.ceil(planned / 5))
    if done is Outcome.RUNNING and best.waited >= patience:
        done = Outcome.STOPPED_EARLY
    return improved, done


def better(job: Job, metric: str) -> str:
    """Return "lower" or "higher": which way of a metric is the good one."""
    known = {found.name: found.better for found in metrics_for(job.task)} | {"loss": "lower"}
    if metric not in known:
        raise UnknownName("metric to stop by", metric, known)
    return known[metric]


def fix_generators(seed: int, step: int) -> None:
    """Make what a user's module draws a function of seed and step, so that no generator needs to be stored."""
    number = key(seed, "module", step)
    torch.manual_seed(number)
    random.seed(number)
    np.random.seed(number & 0xFFFFFFFF)
