"""The diagnosis of a run of ours, from what it wrote down."""

from pathlib import Path

from thalweg.diagnosis.answer import Diagnosis
from thalweg.findings import Severity, find_all
from thalweg.signals import Trace


def diagnose_run(path: str | Path) -> Diagnosis:
    """Judge a recorded run by its trace. Raises `RunError` where the folder holds none.

    What a trace does not hold (operations, data, weights in between) is not looked at.
    """
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
