"""Writing a run down while it goes: the trace, sampled signals of layers, checkpoints."""

import math
from collections.abc import Mapping

import torch

from thalweg.core import Message, Outcome, make_folder, message
from thalweg.core.types import Params
from thalweg.model import activation_signals
from thalweg.signals import Governor, TraceWriter
from thalweg.train import checkpoint
from thalweg.train.folder import Folder
from thalweg.train.job import Job
from thalweg.train.loop import Snapshot
from thalweg.train.step import Block

SIGNAL_SHARE = 0.02  # of the time, for looking into layers
LOOKS = 64  # at most so many looks in a run, spread over it
CHECKPOINT_SHARE = 0.01  # of the time, for checkpoints; one is written at the end and on a signal in any case


class Recorder:
    """See each snapshot of a run and write down what it shows."""

    def __init__(self, job: Job, folder: Folder) -> None:
        self.job, self.folder = job, folder
        make_folder(folder.path / "checkpoints")
        self.trace = TraceWriter(folder.path)
        self._signals = Governor(SIGNAL_SHARE)
        self._saves = Governor(CHECKPOINT_SHARE)
        self._before: tuple[int, Params] | None = None
        self._next_look = 0
        self._seconds = self._from = 0.0
        self._block: Block | None = None
        parts = {"train": len(job.data.train), "validation": len(job.data.validation), "test": len(job.data.test)}
        self.trace.set_meta(
            outcome=Outcome.RUNNING.value, task=job.task, examples=parts, num_steps=job.num_steps,
            steps_per_epoch=job.steps_per_epoch,
            num_parameters=sum(p.numel() for p in job.state.module.parameters()),
        )  # fmt: skip

    def resume(self) -> float:
        """Go back to the last checkpoint; return the seconds trained until then."""
        try:
            facts = checkpoint.load(self.job.state, self.folder.last_checkpoint)
        except BaseException:
            self.trace.close()
            raise
        self.trace.rewind(self.job.state.step)
        self._saves.count = 1
        self._seconds = self._from = float(facts["seconds"])
        return self._seconds

    def see(self, snapshot: Snapshot) -> None:
        """Write a snapshot down."""
        self.trace.steps([(row[0], 0, *row[1:]) for row in snapshot.rows])
        if self.job.recipe.schedules:
            for row, move in zip(snapshot.rows, snapshot.moving, strict=True):
                self.trace.moving(row.step, {name: value for name, value in move.items() if name != "lr"})
        self._seconds, self._block = snapshot.rows[-1].seconds, snapshot.block
        if self._before is not None:
            self._look_into_layers()
        elif self.job.state.step >= self._next_look and self._signals.allows(self._seconds - self._from):
            with self._signals.measuring():
                weights = {name: weight.clone() for name, weight in self.job.state.trainable.items()}
                self._before = (self.job.state.step, weights)
                self._next_look = self.job.state.step + math.ceil(self.job.num_steps / LOOKS)
        if self.job.state.step == len(snapshot.rows):
            self._from = self._seconds  # recording or compiling the first step is no training to take shares of
        if snapshot.evaluation:
            epoch = self.job.state.step / self.job.steps_per_epoch
            for split, values in snapshot.evaluation.items():
                self.trace.evaluation(step=self.job.state.step, epoch=epoch, split=split, values=values)
        if snapshot.outcome is Outcome.RUNNING and self._saves.allows(self._seconds - self._from):
            self.save()

    def save(self) -> None:
        """Write a checkpoint. Everything recorded up to here reaches the disk with it."""
        with self._saves.measuring():
            self.trace.sync()
            checkpoint.save(self.job.state, self.folder.last_checkpoint, {"seconds": self._seconds})

    def test(self, values: Mapping[str, float], *, split: str = "test") -> None:
        """Write what a split gave at the end."""
        state = self.job.state
        self.trace.evaluation(step=state.step, epoch=state.step / self.job.steps_per_epoch, split=split, values=values)

    def finish(self, outcome: Outcome) -> None:
        """Close the trace with how the run ended."""
        trained = max(self._seconds - self._from, 1e-9)
        shares = {"signals": self._signals.spent / trained, "checkpoints": self._saves.spent / trained}
        self.trace.set_meta(outcome=outcome.value, seconds=self._seconds, shares=shares)
        self.trace.close()

    def look_last(self) -> None:
        """Look into the layers once more at the end, whatever the share."""
        if self._block is not None:
            self._look_into_layers()

    def _look_into_layers(self) -> None:
        state, before = self.job.state, self._before
        assert self._block is not None
        with self._signals.measuring():
            signals = self._measure(*self._block.last())
            if self._signals.count <= 1:
                self.trace.set_meta(layers=list(signals))
            for name, weight in state.trainable.items():
                if weight.dim() > 1:
                    layer = signals.setdefault(name.rpartition(".")[0] or name, {})
                    layer["weight_norm"] = size = float(torch.linalg.vector_norm(weight))
                    if before is not None and state.step > before[0] and size:
                        moved = float(torch.linalg.vector_norm(weight - before[1][name]))
                        layer["update_ratio"] = moved / (state.step - before[0]) / size
            self.trace.layers(state.step - 1, signals)
            self._before = None

    def _measure(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, dict[str, float]]:
        module = self.job.state.module
        params = dict(module.named_parameters())
        return activation_signals(module, params, dict(module.named_buffers()), x, y, self.job.loss.total)


def describe_end(job: Job, outcome: Outcome, restored: bool) -> list[tuple[str, Message, object]]:
    """Return what is to be told of the end, as (kind, message, data) triples."""
    best, stop = job.state.best, job.recipe.stop
    told: list[tuple[str, Message, object]] = []
    if outcome is Outcome.DIVERGED:
        told.append(("outcome", message("train.diverged", step=job.state.step - 1), None))
    if outcome is Outcome.STOPPED_EARLY and stop:
        told.append(("outcome", message("train.stopped_early", metric=stop.metric, waited=best.waited), None))
    if outcome is Outcome.BUDGET:
        told.append(("outcome", message("train.budget", seconds=job.recipe.max_seconds), None))
    if restored and stop:
        epoch, value = f"{best.step / job.steps_per_epoch:g}", f"{best.value:.4g}"
        sentence = message("train.restored", epoch=epoch, metric=stop.metric, value=value)
        told.append(("restored", sentence, {"step": best.step}))
    return told
