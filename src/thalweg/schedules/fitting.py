"""What a schedule asks of a run: room for its lengths, and metrics to read."""

import dataclasses

import torch

from thalweg.core import UsageError
from thalweg.schedules.base import Schedule
from thalweg.schedules.clock import Progress, Unit, progress
from thalweg.schedules.product import Product
from thalweg.schedules.sequence import Sequential

_NEAR = 1e-9  # of a run: what rounding may add to a length


def must_fit(schedule: Schedule, *, steps_per_epoch: int, num_steps: int, batch_size: int = 1) -> None:
    """Raise `UsageError` if a schedule is longer than the run, or leaves nothing of it to a part of its own."""
    now = torch.zeros((), dtype=torch.float64)
    run = progress(now, steps_per_epoch=steps_per_epoch, num_steps=num_steps, batch_size=batch_size)
    _must_fit(schedule, run, "the run")


def metrics_read(schedule: Schedule) -> tuple[str, ...]:
    """Return the metrics of the validation data that a schedule reads, its parts included, each once."""
    own = getattr(schedule, "metric", None)
    names = [own] if isinstance(own, str) else []
    names += [name for part in parts_of(schedule) for name in metrics_read(part)]
    return tuple(dict.fromkeys(names))


def parts_of(schedule: Schedule) -> tuple[Schedule, ...]:
    """Return the schedules that a composite holds in its fields."""
    values = [getattr(schedule, field.name) for field in dataclasses.fields(schedule)]  # type: ignore[arg-type]
    held = [item for value in values for item in (value if isinstance(value, tuple) else (value,))]
    return tuple(item for item in held if isinstance(item, Schedule))


def _must_fit(schedule: Schedule, run: Progress, where: str) -> None:
    if isinstance(schedule, Product):  # its parts are asked, so that the sentence names the one that is too long
        for part in schedule.parts:
            _must_fit(part, run, where)
        return
    needed = schedule.span(run)
    if needed > max(run.num_steps, 1) * (1 + _NEAR):
        raise UsageError(_too_long(schedule, run, needed, where))
    if isinstance(schedule, Sequential):
        _parts_must_fit(schedule, run, where)


def _parts_must_fit(schedule: Sequential, run: Progress, where: str) -> None:
    windows = schedule.windows(run)
    if windows[-1][2] <= 0:
        raise UsageError(
            f"`{_call(schedule)}` must leave something of {where} ({_size(run.num_steps, run, schedule.unit)}) to its "
            f"last part, {schedule.parts[-1].name!r}, got nothing; shorten the parts before it, or train for longer "
            "(epochs=...)."
        )
    for part, _, length in windows:
        if length >= 1:  # a shorter one has one step at most
            _must_fit(part, dataclasses.replace(run, num_steps=length), "its part of the sequence")


def _too_long(schedule: Schedule, run: Progress, needed: float, where: str) -> str:
    unit: Unit = getattr(schedule, "unit", "share")
    if unit == "share":
        unit = "steps"
        cure = "shares add up to at most 1; for epochs say unit='epochs'."
    else:
        cure = "shorten it, or train for longer (epochs=...)."
    return (
        f"`{_call(schedule)}` must fit into {where} ({_size(run.num_steps, run, unit)}), "
        f"got {_size(needed, run, unit)}; {cure}"
    )


def _size(steps: float, run: Progress, unit: Unit) -> str:
    if unit == "epochs":
        return f"{steps / run.steps_per_epoch:,.4g} epochs"
    if unit == "samples":
        return f"{steps * run.batch_size:,.0f} samples"
    return f"{steps:,.6g} steps"


def _call(schedule: Schedule) -> str:
    """Write a schedule as the call that makes it, without its defaults and without what its parts hold."""
    shown = []
    for field in dataclasses.fields(schedule):  # type: ignore[arg-type]
        value = getattr(schedule, field.name)
        if isinstance(value, tuple) and any(isinstance(item, Schedule) for item in value):
            shown.append(f"{field.name}=({', '.join(type(item).__name__ for item in value)})")
        elif value != field.default:
            shown.append(f"{field.name}={value!r}")
    return f"{type(schedule).__name__}({', '.join(shown)})"
