"""A run ready to be stepped: its data, its state, its batches, and what moves with time."""

import dataclasses
import itertools
import math

import torch
from torch import Tensor

from thalweg.core import Component, Message, to_text
from thalweg.data import Part, Prepared, epoch_order
from thalweg.model import Built, Loss
from thalweg.regularisers import apply_all
from thalweg.rules import Layout
from thalweg.schedules import Schedule, metrics_read, progress
from thalweg.train.recipe import Recipe
from thalweg.train.state import State
from thalweg.train.step import Block, Stepper

_GATHER_LIMIT = 1 << 26  # bytes of training data up to which a whole epoch is put in order at once


@dataclasses.dataclass
class Job:
    """Hold a run ready to be stepped. `recipe` is resolved; `said` tells what was decided for the user."""

    recipe: Recipe
    data: Prepared
    loss: Loss
    state: State
    stepper: Stepper
    device: torch.device
    steps_per_epoch: int
    sample: Tensor  # of training examples: the fixed ones that evaluations look at
    said: tuple[Message, ...]
    layout: Layout

    @property
    def num_steps(self) -> int:
        return self.steps_per_epoch * (self.recipe.epochs or 0)

    @property
    def task(self) -> str:
        return self.data.preparation.task

    @property
    def schedules(self) -> dict[str, Schedule]:
        """What moves with time: the rate first."""
        assert self.recipe.schedule is not None  # make_job fills it in
        return {"lr": self.recipe.schedule, **self.recipe.schedules}

    @property
    def metrics_read(self) -> tuple[str, ...]:
        """The validation metrics that schedules go by."""
        return tuple(dict.fromkeys(name for schedule in self.schedules.values() for name in metrics_read(schedule)))

    def moves(self, start: int, count: int) -> list[dict[str, float]]:
        """Return for each of `count` steps from `start` on the hyperparameters that move: the rate, and what else has
        a schedule.
        """
        at = progress(
            torch.arange(start, start + count), steps_per_epoch=self.steps_per_epoch, num_steps=self.num_steps,
            batch_size=self.recipe.batch_size or 1, seen=self.state.seen,
        )  # fmt: skip
        hyper = self.recipe.hyper()
        columns = {
            name: [hyper[name] * factor for factor in schedule.factor(at).tolist()]
            for name, schedule in self.schedules.items()
        }
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]

    def augmented(self, block: Block) -> Block:
        """Return a block whose batches are changed at random, each by draws of its own step."""
        if not self.recipe.augment:
            return block
        pairs = []
        for k, (x, y) in enumerate(zip(block.x.split(block.sizes), block.y.split(block.sizes), strict=True)):
            known = {"seed": self.recipe.seed, "step": self.state.step + k}
            pairs.append(apply_all(self.recipe.augment, x, y, num_classes=self.num_classes, **known))
        return Block(torch.cat([x for x, _ in pairs]), torch.cat([y for _, y in pairs]), block.sizes)

    @property
    def num_classes(self) -> int | None:
        """How many classes there are; None where values are predicted."""
        return self.data.preparation.num_outputs if self.task == "classification" else None


class Epoch:
    """Hold the batches of one epoch in blocks of `length`, in the order that seed and number of the epoch fix."""

    def __init__(self, part: Part, *, batch_size: int, seed: int, epoch: int, length: int = 1) -> None:
        self._part = part
        cuts = bounds(len(part), batch_size)
        sizes = [end - start for start, end in itertools.pairwise(cuts)]
        self._sizes = [tuple(sizes[k : k + length]) for k in range(0, len(sizes), length)]
        self._cuts = [*cuts[:-1:length], cuts[-1]]
        self._order = epoch_order(len(part), seed=seed, epoch=epoch)
        self._ready: list[tuple[Tensor, Tensor]] = []
        if part.resident and len(part) * math.prod(part.inputs.shape[1:]) * 4 <= _GATHER_LIMIT:
            lengths = [sum(block) for block in self._sizes]
            self._ready = list(zip(*(tensor.split(lengths) for tensor in part.batch(self._order)), strict=True))

    def __len__(self) -> int:
        return len(self._sizes)

    def block(self, k: int) -> Block:
        """Return block `k`: its batches one after the other, and how many examples each has."""
        x, y = self._ready[k] if self._ready else self._part.batch(self._order[self._cuts[k] : self._cuts[k + 1]])
        return Block(x, y, self._sizes[k])


def bounds(num_examples: int, batch_size: int) -> list[int]:
    """Return where batches begin and end. A last batch of one joins the one before: batch norm needs two examples."""
    cuts = list(range(0, num_examples, batch_size))
    if len(cuts) > 1 and num_examples - cuts[-1] == 1 and batch_size > 1:
        cuts.pop()
    return [*cuts, num_examples]


def describe(component: Component) -> str:
    """Write a component in a few words: its kind and the fields that differ from their defaults."""
    if isinstance(component, Built):
        return type(component.module).__name__
    known = {field.name for field in dataclasses.fields(component)}  # type: ignore[arg-type]
    shown = dataclasses.replace(component, vocabulary=None) if "vocabulary" in known else component  # type: ignore[type-var]
    return to_text(shown)
