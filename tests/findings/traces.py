"""Traces made by hand for the tests of the checks."""

import numpy as np

from thalweg.core import Outcome, message
from thalweg.signals import Trace, TraceWriter


def make_trace(
    folder,
    *,
    validation=None,
    training=None,
    losses=None,
    rates=None,
    outcome=Outcome.FINISHED,
    restored=False,
    every=10,
    epochs=1.0,
):
    """Write curves of evaluations, each after `every` steps, and the losses of the steps; open the trace."""
    folder.mkdir(parents=True, exist_ok=True)
    writer = TraceWriter(folder)
    count = max(len(c) for c in (validation, training, ()) if c is not None) * every
    losses = np.full(count, 2.3) if losses is None else np.asarray(losses)
    rates = np.full(len(losses), 0.1) if rates is None else np.asarray(rates)
    writer.steps(
        [
            (k, 0, k / every, float(loss), float(lr), 1.0, k * 1e-3)
            for k, (loss, lr) in enumerate(zip(losses, rates, strict=True))
        ]
    )
    for split, curve in (("validation", validation), ("train", training)):
        for k, value in enumerate(() if curve is None else curve, 1):
            writer.evaluation(
                step=k * every, epoch=k * epochs, split=split, values={"loss": float(value), "accuracy": 0.5}
            )
    if restored:
        values = {"epoch": "1", "metric": "loss", "value": "1"}
        writer.event(count, "restored", message("train.restored", **values))
    if outcome is not None:
        writer.set_meta(outcome=Outcome(outcome).value)
    writer.close()
    return Trace(writer.path)


def falling(count, *, start=2.3, floor=0.3, share=0.15):
    """A curve that comes down to its floor, losing `share` of what is left each time."""
    return floor + (start - floor) * (1 - share) ** np.arange(count)


class Curves:
    """Stands for a trace on disk, which 200 times over would take its time."""

    def __init__(self, validation, training, *, outcome="finished"):
        self.curves, self.outcome = {"validation": validation, "train": training}, outcome

    def series(self, split, metric):
        values = np.asarray(self.curves[split])
        return 10.0 * np.arange(1, len(values) + 1), values

    def steps(self):
        count = 10 * len(self.curves["validation"])
        return {"step": np.arange(count), "loss": np.full(count, 2.3), "lr": np.full(count, 0.1)}

    def events(self):
        return []

    def meta(self):
        return {"outcome": self.outcome}

    def evaluations(self):
        return [{"step": 10.0 * k, "epoch": float(k)} for k in range(1, len(self.curves["validation"]) + 1)]
