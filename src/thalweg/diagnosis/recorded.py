"""The diagnosis of a run of ours, from what it wrote down."""

import os
from pathlib import Path
from typing import Protocol

from thalweg.core import UsageError
from thalweg.diagnosis.answer import Diagnosis
from thalweg.findings import Severity, find_all
from thalweg.signals import Trace


class _HasPath(Protocol):
    """Stand for a `Run`."""

    @property
    def path(self) -> Path: ...


def diagnose_run(run: str | os.PathLike[str] | _HasPath) -> Diagnosis:
    """Judge a recorded run, a `Run` or its folder, by its trace.

    Raises `RunError` where the folder holds none, `UsageError` for what is neither: a loop that runs now is watched by
    `tw.watch`, a script by `thalweg diagnose train.py`.

    What a trace does not hold (operations, data, weights in between) is not looked at.
    """
    path = getattr(run, "path", run)
    if not isinstance(path, str | os.PathLike):
        raise UsageError(
            f"diagnose() judges a recorded run or its folder, not a value of type {type(run).__name__}: watch a loop "
            "with tw.watch(model, optimizer), check a model before training with tw.check(model, loss_fn, batch)."
        )
    trace = Trace(Path(path) / "trace.sqlite")
    steps = trace.steps()
    findings = find_all(trace)
    alarms = [finding for finding in findings if finding.severity is not Severity.NOTE]
    meta = trace.meta()
    return Diagnosis(
        verdict="sick" if alarms else "healthy",
        findings=tuple(findings),
        steps=len(steps["step"]),
        seconds=float(steps["seconds"][-1]) if len(steps["seconds"]) else 0.0,
        models=tuple([str(meta["model"])] if "model" in meta else []),
        losses=tuple(float(value) for value in steps["loss"]),
    )
