"""A run told: one value with everything that a page, a figure or a terminal shows, and no drawing.

What cannot be told (data gone, a model that only Python knows, a run still under way) is said in `gaps`.
"""

import contextlib
import dataclasses
import math
from pathlib import Path
from typing import Any

from thalweg.core import Message, Outcome, ThalwegError, message
from thalweg.data import Dataset, Prepared, prepare
from thalweg.findings import Finding, find_all
from thalweg.model import Built, Model, loss_for
from thalweg.report.curves import Curves, read_curves
from thalweg.report.facts import Fact, data_facts, recipe_facts
from thalweg.report.judged import Judged, LostWeights, judge
from thalweg.report.layers import Heat, read_layers
from thalweg.signals import Trace
from thalweg.train import Folder, Recipe, read_toml

Scores = dict[str, dict[str, float]]


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Story:
    """Hold everything a report shows of one run."""

    name: str
    path: Path
    outcome: Outcome
    seconds: float
    num_steps: int
    planned_steps: int | None
    task: str
    """classification, regression or language; "" where the run did not get far enough to say."""
    kind: str
    sizes: dict[str, int]
    """Examples of train, validation and test; empty where the data could not be read."""
    class_names: tuple[str, ...]
    target_names: tuple[str, ...]
    commonest: float
    """Share of the most frequent class among the judged examples: what a guess would get. NaN if unknown."""
    scores: Scores
    """Split to metric to value: of the final weights, or of the last evaluation where there are none yet."""
    curves: Curves
    layers: tuple[Heat, ...]
    judged: Judged
    findings: tuple[Finding, ...]
    said: tuple[Message, ...]
    """What was decided for the user."""
    ending: tuple[Message, ...]
    data: tuple[Fact, ...]
    recipe: tuple[Fact, ...]
    made_with: dict[str, str]
    seed: int
    gaps: tuple[Message, ...]
    """What this report cannot show, and why."""

    @property
    def final(self) -> bool:
        """Whether training is over, so that the scores are those of the final weights."""
        return self.outcome not in (Outcome.RUNNING, Outcome.INTERRUPTED)


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class _Reading:
    """What could be read of a run's data and model."""

    recipe: Recipe | None = None
    dataset: Dataset | None = None
    data: Prepared | None = None
    gaps: tuple[Message, ...] = ()


def tell(folder: Folder, *, model: Model | None = None) -> Story:
    """Tell a run, whatever became of it. `model` is needed to look at predictions where it came from Python.

    Raises `RunError` if the folder holds no run.
    """
    folder.must_exist()
    with contextlib.closing(folder.trace()) as trace:
        return _tell(folder, trace, model)


def _tell(folder: Folder, trace: Trace, model: Model | None) -> Story:
    meta, events, plain = trace.meta(), trace.events(), read_toml(folder.recipe_file)
    outcome = Outcome(meta.get("outcome", Outcome.RUNNING))
    curves = read_curves(trace)
    reading = _read(folder)
    judged, gap = _judge(folder, reading, model)
    preparation = reading.data.preparation if reading.data else None
    return Story(
        name=folder.path.resolve().name,
        path=folder.path,
        outcome=outcome,
        seconds=meta["seconds"] if "seconds" in meta else _seconds(trace),
        num_steps=curves.num_steps,
        planned_steps=_planned(plain, curves),
        task=preparation.task if preparation else _task(trace),
        kind=preparation.kind if preparation else "",
        sizes=_sizes(reading.data),
        class_names=preparation.class_names if preparation else (),
        target_names=preparation.target_names if preparation else (),
        commonest=_commonest(judged),
        scores=_scores(trace),
        curves=curves,
        layers=read_layers(trace),
        judged=judged,
        findings=tuple(find_all(trace)),
        said=tuple(event["message"] for event in events if event["kind"] == "said"),
        ending=tuple(event["message"] for event in events if event["kind"] != "said"),
        data=data_facts(plain, reading.data, reading.dataset),
        recipe=recipe_facts(plain),
        made_with={name: str(version) for name, version in plain.get("made_with", {}).items()},
        seed=plain.get("seed", 0),
        gaps=(*reading.gaps, *gap),
    )


def _read(folder: Folder) -> _Reading:
    """Read recipe and data once more, as far as they are still there."""
    try:
        recipe = folder.recipe()
    except ThalwegError as error:
        return _Reading(gaps=(_gap("report.gap_recipe", error),))
    try:
        dataset = recipe.data.load()
        before = folder.made_with().get("data", "")
        if before and recipe.data.fingerprint() != before:
            return _Reading(recipe=recipe, gaps=(message("report.gap_changed"),))
        data = prepare(dataset, split=recipe.split, scaler=recipe.scaler, seed=recipe.seed)
    except (ThalwegError, OSError) as error:
        return _Reading(recipe=recipe, gaps=(_gap("report.gap_data", error),))
    return _Reading(recipe=recipe, dataset=dataset, data=data)


def _judge(folder: Folder, reading: _Reading, model: Model | None) -> tuple[Judged, tuple[Message, ...]]:
    recipe, data, dataset = reading.recipe, reading.data, reading.dataset
    if recipe is None or data is None or dataset is None:
        return Judged(), ()
    if not folder.last_checkpoint.is_file():
        return Judged(), (message("report.gap_checkpoint"),)
    if model is None and _only_in_python(recipe):
        return Judged(), (message("report.gap_built"),)
    try:
        loss = recipe.loss or loss_for(data.preparation.task, data.preparation.num_outputs)
        return judge(folder.module(model), loss, data, dataset), ()
    except LostWeights:
        return Judged(), (message("report.gap_lost"),)
    except Exception as error:  # a factory or a forward pass of the user's own may raise anything
        return Judged(), (_gap("report.gap_model", error),)


def _only_in_python(recipe: Recipe) -> bool:
    return recipe.model is None or recipe.model.name == Built.name


def _gap(key: str, error: Exception) -> Message:
    return message(key, reason=" ".join(str(error).split())[:300] or type(error).__name__)


def _scores(trace: Trace) -> Scores:
    """Take the last evaluation of each split; where the final weights were evaluated, those."""
    scores: Scores = {}
    for row in trace.evaluations():
        scores.setdefault(row["split"], {})[row["metric"]] = row["value"]
    if "final-validation" in scores:
        scores["validation"] = scores.pop("final-validation")
    order = [split for split in ("test", "validation", "train") if split in scores]
    return {split: scores[split] for split in order}


def _seconds(trace: Trace) -> float:
    seconds = trace.steps()["seconds"]
    return float(seconds[-1]) if len(seconds) else 0.0


def _planned(plain: dict[str, Any], curves: Curves) -> int | None:
    epochs = plain.get("epochs")
    if not epochs or math.isnan(curves.steps_per_epoch):
        return None
    return round(float(epochs) * curves.steps_per_epoch)


def _task(trace: Trace) -> str:
    """Tell the task by what was evaluated, where the data cannot say."""
    metrics = {row["metric"] for row in trace.evaluations()}
    for metric, task in (("r2", "regression"), ("bits", "language"), ("accuracy", "classification")):
        if metric in metrics:
            return task
    return ""


def _sizes(data: Prepared | None) -> dict[str, int]:
    if data is None:
        return {}
    return {"train": len(data.train), "validation": len(data.validation), "test": len(data.test)}


def _commonest(judged: Judged) -> float:
    if judged.confusion is None:
        return math.nan
    true = judged.confusion.counts.sum(axis=1)
    return float(true.max() / max(true.sum(), 1))
