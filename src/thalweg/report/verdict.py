"""The first sentence of a report, and the few numbers below it."""

import dataclasses
import math

from thalweg.core import Message, Outcome, message
from thalweg.report.phrases import duration, metric_name, metric_value, number, percent
from thalweg.report.story import Story

_Z = 1.959964  # of a normal deviate, for 95 %


@dataclasses.dataclass(frozen=True, kw_only=True)
class Figure:
    """Hold one number with its name, and what should be known beside it."""

    what: Message
    value: str
    beside: Message | None = None


def verdict(story: Story) -> Message:
    """Say in one sentence what came of a run."""
    if story.outcome is Outcome.DIVERGED:
        return message("report.verdict_diverged", step=number(story.curves.lost_at or story.num_steps))
    if not story.final:
        return _unfinished(story)
    return _score(story) or message("report.verdict_unscored", steps=number(story.num_steps))


def compared(story: Story) -> Message | None:
    """Say what the verdict should be held against, where there is something."""
    if story.outcome is Outcome.DIVERGED:
        return message("report.kept_before") if story.curves.best_at is not None else None
    if not story.final:
        return None
    if math.isfinite(story.commonest):
        return message("report.guessing", percent=percent(story.commonest))
    choices = next((values["perplexity"] for values in story.scores.values() if "perplexity" in values), math.nan)
    return message("report.choices", count=number(choices, 3)) if math.isfinite(choices) else None


def figures(story: Story) -> list[Figure]:
    """Return the numbers of a headline: the metric on each split, then how long it took."""
    found = []
    for split in ("test", "validation"):
        metric, value = _main(story, split)
        if math.isfinite(value):
            what = message("report.metric_on", metric=metric_name(metric), split=message(f"report.split_{split}"))
            found.append(
                Figure(what=what, value=metric_value(metric, value), beside=_beside(story, split, metric, value))
            )
    time = Figure(what=message("report.time"), value=duration(story.seconds), beside=_steps(story))
    return [*found, time]


def interval(share: float, count: int) -> tuple[float, float]:
    """Return the 95 % interval of a share that was counted on `count` examples.

    Source: Wilson 1927.
    """
    square = _Z * _Z
    centre = (share + square / (2 * count)) / (1 + square / count)
    half = _Z / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(centre - half, 0.0), min(centre + half, 1.0)


def outcome_word(story: Story) -> Message:
    return message(f"report.outcome_{story.outcome.name.lower()}")


def _score(story: Story) -> Message | None:
    split = next((split for split in ("test", "validation") if split in story.scores), None)
    if split is None or not story.task:
        return None
    scores = story.scores[split]
    things = message("report.of_data")
    if split in story.sizes:
        thing = message(f"report.things_{story.kind or 'any'}")
        things = message("report.of_things", count=number(story.sizes[split]), thing=thing)
    where = message(f"report.where_{split}", things=things)
    if story.task == "classification":
        return message("report.verdict_classification", percent=percent(scores.get("accuracy", math.nan)), where=where)
    if story.task == "language":
        return message("report.verdict_language", bits=number(scores.get("bits", math.nan), 3), where=where)
    r2, mae = scores.get("r2", math.nan), number(scores.get("mae", math.nan), 3)
    key = "report.verdict_regression" if r2 > 0 else "report.verdict_worse_than_mean"
    target = ", ".join(story.target_names) or "y"
    return message(key, percent=percent(r2), target=target, mae=mae, where=where)


def _unfinished(story: Story) -> Message:
    key = "report.verdict_running" if story.outcome is Outcome.RUNNING else "report.verdict_interrupted"
    planned = number(story.planned_steps) if story.planned_steps else "?"
    metric, value = _main(story, "validation")
    so_far: Message | str = ""
    if metric:
        so_far = message("report.so_far", metric=metric_name(metric), value=metric_value(metric, value))
    return message(key, step=number(story.num_steps), planned=planned, so_far=so_far)


def _main(story: Story, split: str) -> tuple[str, float]:
    """Return the metric that a task is judged by, and its value on a split."""
    scores = story.scores.get(split, {})
    wanted = {"classification": "accuracy", "regression": "r2", "language": "bits"}.get(story.task, "loss")
    metric = wanted if wanted in scores else next(iter(scores), "")
    return metric, scores.get(metric, math.nan)


def _beside(story: Story, split: str, metric: str, value: float) -> Message | None:
    count = story.sizes.get(split, 0)
    if metric == "accuracy" and count and 0 <= value <= 1:
        low, high = (percent(end) for end in interval(value, count))
        return message("report.interval", low=low.removesuffix(" %"), high=high)
    if metric == "r2":
        error = number(story.scores[split].get("rmse", math.nan), 3)
        return message("report.typical_error", error=error)
    if metric == "bits":
        return message("report.perplexity_is", value=number(story.scores[split].get("perplexity", math.nan), 3))
    return None


def _steps(story: Story) -> Message:
    epochs = story.curves.epoch(story.num_steps)
    if math.isnan(epochs):
        return message("report.steps", steps=number(story.num_steps))
    return message("report.steps_epochs", steps=number(story.num_steps), epochs=f"{epochs:.4g}")
