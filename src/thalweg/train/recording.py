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

SIGNAL_SHARE = 0.02  # of the time, for looking into layers
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
        self._layers_known = False
        self._seconds = self._from = 0.0

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
        self._seconds = snapshot.rows[-1].seconds
        if self._before is not None:
            self._look_into_layers(snapshot)
        elif self._signals.allows(self._seconds - self._from):
            with self._signals.measuring():
                self._before = (
                    self.job.state.step,
                    {k: v.clone() for k, v in self.job.state.trainable.items()},
                )
        if snapshot.evaluation:
            epoch = self.job.state.step / self.job.steps_per_epoch
            for split, values in snapshot.evaluation.items():
                self.trace.evaluation(step=self.job.state.step, epoch=epoch, split=split, values=values)
        if snapshot.outcome is Outcome.RUNNING and self._saves.allows(self._seconds - self._from):
            self.save()

    def save(self) -> None:
        """Write a checkpoint. Everything recorded up to here reaches the disk with it."""
        with self._saves.measuring():
            self.trace.flush()
            checkpoint.save(self.job.state, self.folder.last_checkpoint, {"seconds": self._seconds})

    def test(self, values: Mapping[str, float], *, split: str = "test") -> None:
        """Write what a split gave at the end."""
        state = self.job.state
        self.trace.evaluation(
            step=state.step, epoch=state.step / self.job.steps_per_epoch, split=split, values=values
        )

    def finish(self, outcome: Outcome) -> None:
        """Close the trace with how the run ended."""
        trained = max(self._seconds - self._from, 1e-9)
        shares = {"signals": self._signals.spent / trained, "checkpoints": self._saves.spent / trained}
        self.trace.set_meta(outcome=outcome.value, seconds=self._seconds, shares=shares)
        self.trace.close()

    def _look_into_layers(self, snapshot: Snapshot) -> None:
        state, batch = self.job.state, snapshot.block.last()
        with self._signals.measuring():
            assert self._before is not None
            signals = self._measure(*batch)
            steps = max(state.step - self._before[0], 1)
            for name, weight in state.trainable.items():
                if weight.dim() > 1:
                    size = float(torch.linalg.vector_norm(weight))
                    moved = float(torch.linalg.vector_norm(weight - self._before[1][name]))
                    layer = signals.setdefault(name.rpartition(".")[0] or name, {})
                    layer["weight_norm"] = size
                    layer["update_ratio"] = moved / steps / size if size else math.nan
            if not self._layers_known:
                self.trace.set_meta(layers=list(signals))
                self._layers_known = True
            self.trace.layers(state.step - 1, signals)
            self._before = None

    def _measure(self, x: torch.Tensor, y: torch.Tensor) -> dict[str, dict[str, float]]:
        module = self.job.state.module
        params = dict(module.named_parameters())
        return activation_signals(module, params, dict(module.named_buffers()), x, y, self.job.loss.total)


def describe_end(job: Job, outcome: Outcome, restored: bool) -> list[tuple[str, Message]]:
    """Return what is to be told of the end, as (kind, message) pairs."""
    best, stop, told = job.state.best, job.recipe.stop, []
    epoch = f"{best.step / job.steps_per_epoch:g}"
    if outcome is Outcome.DIVERGED:
        told.append(("outcome", message("train.diverged", step=job.state.step - 1)))
    if outcome is Outcome.STOPPED_EARLY and stop:
        told.append(("outcome", message("train.stopped_early", metric=stop.metric, waited=best.waited)))
    if outcome is Outcome.BUDGET:
        told.append(("outcome", message("train.budget", seconds=job.recipe.max_seconds)))
    if restored and stop:
        told.append(
            (
                "restored",
                message("train.restored", epoch=epoch, metric=stop.metric, value=f"{best.value:.4g}"),
            )
        )
    return told
