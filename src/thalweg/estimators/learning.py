"""From an estimator's parameters and a dataset to a job, run to its end; and one pass more over a batch.

Axis letters: N examples, D features.
"""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

from thalweg.core import Outcome, UsageError, law
from thalweg.data import Arrays, Dataset, MappedPart, Part, Preparation, ResidentPart, Split
from thalweg.estimators.inner import plain_number
from thalweg.model import Built, ConvNet, Loss, Model, Recurrent, Transformer, metrics_for
from thalweg.optim import layout
from thalweg.rules import AdamW, Rule
from thalweg.rules import State as Memory
from thalweg.train import (
    Direct,
    EarlyStopping,
    Epoch,
    Job,
    Recipe,
    State,
    Task,
    advance,
    begin,
    fix_generators,
    give_back,
    make_job,
    settle,
    weights_of,
)

LEAST_STEPS, LEAST_PASSES, MOST_PASSES = 1200, 20, 400
MANY_STEPS, FEW_PASSES = 40_000, 5
DECAY = {"classification": (20.0, 2.0), "regression": (120.0, 4.0)}
"""Decay times N over D, and its most: values are noisier than labels. See benchmarks/estimators.py."""
LEAST_DECAY = 0.05
_KINDS: dict[type[Model], str] = {ConvNet: "image", Recurrent: "sequence", Transformer: "sequence"}
_SHARED = (
    *("scaler", "loss", "schedule", "epochs", "batch_size"),
    *("windows", "device", "precision", "threads", "compile"),
)


@dataclasses.dataclass
class Learned:
    """Hold what a fit leaves beside module and preparation: how to predict with them and how to go on."""

    model: Model
    loss: Loss
    rule: Rule
    seed: int
    batch_size: int
    windows: int
    bf16: bool
    step: int = 0
    memory: Memory = dataclasses.field(default_factory=dict)

    @property
    def task(self) -> Task:
        return Task(loss=self.loss, rule=self.rule, windows=self.windows, bf16=self.bf16)


@dataclasses.dataclass
class Story:
    """Tell how a fit went: `losses` are means over the steps of a pass, `scores` one an evaluation."""

    outcome: Outcome = Outcome.RUNNING
    losses: list[float] = dataclasses.field(default_factory=list)
    scores: list[float] = dataclasses.field(default_factory=list)


def as_dataset(x: np.ndarray, targets: np.ndarray, *, model: Any, task: str) -> Dataset:
    """Return checked arrays as the engine reads them; the model says whether (N, A, B) are images."""
    kind = _KINDS.get(type(model)) if getattr(model, "vocabulary", None) is None else None
    places = np.arange(len(x), dtype=np.float64)  # the targets are checked already, and may all be equal here
    loaded = Arrays(X=x, y=places, task="regression", kind=kind).load()
    width = targets.shape[1] if targets.ndim > 1 else 1
    names = ("y",) if width == 1 else tuple(f"y{place + 1}" for place in range(width))
    return dataclasses.replace(loaded, targets=targets, task=task, target_names=names)


def prepare_job(params: Mapping[str, Any], dataset: Dataset, seed: int) -> Job:
    """Make the job that an estimator's parameters ask for."""
    model, stop = params["model"], params["stop"]
    fields = {name: plain_number(params[name]) for name in _SHARED if params[name] is not None}
    fields["model"] = Built(module=model) if isinstance(model, nn.Module) else model
    fields["rule"] = params["rule"] or default_rule(dataset)
    fields["stop"] = EarlyStopping() if stop is True else stop or None
    validation = _share(params["validation_fraction"]) if fields["stop"] else 0.0
    split = Split(validation=validation, test=0.0)
    job = make_job(Recipe(data=Arrays(X=dataset.inputs), split=split, seed=seed, **fields), dataset=dataset)
    if job.recipe.stop is None:
        epochs = job.recipe.epochs if params["epochs"] else num_passes(job.steps_per_epoch)
        job.recipe = dataclasses.replace(job.recipe, epochs=epochs, evaluate_every=epochs)
    return job


def _share(fraction: float) -> float:
    if not 0 < fraction < 1:
        raise law("validation_fraction=...", "must lie in (0, 1) to stop early", fraction)
    return fraction


def default_rule(dataset: Dataset) -> Rule:
    """Return AdamW with a decay that follows D / N: few examples a feature want more of it."""
    factor, most = DECAY[dataset.task]
    num_features = math.prod(dataset.inputs.shape[1:])
    return AdamW(lr=3e-3, weight_decay=min(max(factor * num_features / len(dataset), LEAST_DECAY), most))


def num_passes(steps_per_epoch: int) -> int:
    """Return how often a fit without early stopping goes over its data when it is not told."""
    passes = min(max(math.ceil(LEAST_STEPS / steps_per_epoch), LEAST_PASSES), MOST_PASSES)
    if passes * steps_per_epoch <= MANY_STEPS:
        return passes
    return max(FEW_PASSES, MANY_STEPS // steps_per_epoch)


def take_over(job: Job, dataset: Dataset, module: nn.Module, preparation: Preparation) -> None:
    """Let a job start from trained weights, with the preparation that belongs to them."""
    old = weights_of(module)
    before, now = ({name: t.shape for name, t in w.items()} for w in (old, job.state.weights()))
    if before != now:
        raise UsageError("warm_start=True needs the model of the last fit, got another; set warm_start=False.")
    job.state.put_weights(old)
    targets = preparation.encode_targets(dataset)
    train, validation = (
        _prepared_again(part, dataset, preparation, targets[torch.from_numpy(part.rows)]).to(job.device)
        for part in (job.data.train, job.data.validation)
    )
    job.data = dataclasses.replace(job.data, train=train, validation=validation, preparation=preparation)


def _prepared_again(part: Part, dataset: Dataset, preparation: Preparation, targets: torch.Tensor) -> Part:
    if isinstance(part, MappedPart):
        return dataclasses.replace(part, scale=preparation.scale, targets=targets)
    inputs = preparation.scale_rows(np.asarray(dataset.inputs), part.rows)
    return ResidentPart(inputs=inputs, targets=targets, rows=part.rows)


def run(job: Job, verbose: int) -> Story:
    """Run a job to its end; the weights are the best ones where it was to stop early."""
    story, losses, metric = Story(), [], metrics_for(job.task)[0].name
    for snapshot in advance(job):
        losses += [row.loss for row in snapshot.rows]
        story.outcome = snapshot.outcome
        if len(losses) >= job.steps_per_epoch or snapshot.outcome is not Outcome.RUNNING:
            story.losses.append(float(np.mean(losses)))
            losses = []
            if verbose:
                print(f"pass {len(story.losses)}/{job.recipe.epochs}: loss {story.losses[-1]:.6g}")
        if snapshot.evaluation and "validation" in snapshot.evaluation:
            story.scores.append(snapshot.evaluation["validation"][metric])
            if verbose:
                print(f"validation {metric} {story.scores[-1]:.6g}{' (best)' if snapshot.improved else ''}")
    settle(job)
    give_back(job)
    own_memory(job.state)
    return story


def learned(job: Job) -> Learned:
    """Return what is to be kept of a job."""
    recipe = job.recipe
    assert recipe.model and recipe.batch_size  # make_job fills them in
    return Learned(
        model=recipe.model, loss=job.loss, rule=recipe.rule, seed=recipe.seed, batch_size=recipe.batch_size,
        windows=recipe.windows, bf16=recipe.precision == "bfloat16", step=job.state.step,
        memory=_copied(job.state.named_memory()),
    )  # fmt: skip


def pass_over(dataset: Dataset, module: nn.Module, preparation: Preparation, known: Learned, *, number: int) -> float:
    """Take one pass over a batch at the rule's own rate, on from what is known; return its mean loss."""
    rows = np.arange(len(dataset))
    inputs = preparation.scale_rows(np.asarray(dataset.inputs), rows)
    part = ResidentPart(inputs=inputs, targets=preparation.encode_targets(dataset), rows=rows)
    part = part.to(next(module.parameters()).device)
    state = begin(module, known.rule, layout=layout(module))
    state.put_memory(known.memory or state.named_memory())
    state.step = known.step
    stepper = Direct(state, known.task)
    batches = Epoch(part, batch_size=known.batch_size, seed=known.seed, epoch=number)
    losses = []
    for k in range(len(batches)):
        fix_generators(known.seed, state.step)
        losses += [loss for loss, _ in stepper.take(batches.block(k), [{"lr": known.rule.lr}])]
    known.step, known.memory = state.step, _copied(state.named_memory())
    own_memory(state)
    return float(np.mean(losses))


def own_memory(state: State) -> None:
    """Give each weight memory of its own again, so that a pickle of one does not carry all of them."""
    for name in state.trainable:
        weight = state.module.get_parameter(name)
        weight.data = weight.data.clone()
    state.module.eval()


def _copied(memory: Memory) -> Memory:
    return {slot: {name: t.to("cpu", copy=True) for name, t in d.items()} for slot, d in memory.items()}
