"""Runs beside each other: what was set differently, what came of it, and what of that may be chance."""

import dataclasses
import math
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from thalweg.core import Component, Message, UsageError, message, to_text
from thalweg.model import metrics_for
from thalweg.runs.store import last_scores, main_metric
from thalweg.train import Folder, Recipe, describe

_BETTER = {
    metric.name: metric.better for task in ("classification", "regression", "language") for metric in metrics_for(task)
}
SURE = 2.0  # standard errors


Score: TypeAlias = tuple[str, str]
"""Split and metric."""


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Hold differences as {setting: value of each run}, scores as {(split, metric): value of each run}."""

    names: tuple[str, ...]
    differences: dict[str, tuple[Any, ...]]
    scores: dict[tuple[str, str], tuple[float | None, ...]]
    verdicts: tuple[Message, ...]


@dataclasses.dataclass(frozen=True)
class _Compared:
    name: str
    settings: dict[str, Any]
    texts: dict[str, str]
    scores: dict[str, dict[str, float]]
    evaluations: list[dict[str, Any]]

    def score(self, score: Score) -> float:
        return self.scores[score[0]][score[1]]

    def alike(self) -> str:
        """What it was set to, without the seed: runs that agree in this differ by chance alone."""
        return repr(sorted((key, str(value)) for key, value in self.settings.items() if key != "seed"))


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Compare runs. Those that differ by their seed alone are one setting, tried several times."""
    if len(paths) < 2:
        raise UsageError(f"`runs compare` needs two runs or more, got {len(paths)}; `thalweg runs ls` lists them.")
    runs = [_read(path) for path in paths]
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    values = {key: tuple(run.settings.get(key) for run in runs) for key in keys}
    differences = {key: row for key, row in values.items() if any(value != row[0] for value in row)}
    differences = _whole_where_kinds_differ(differences, runs)
    pairs = list(dict.fromkeys((s, m) for run in runs for s, named in run.scores.items() for m in named))
    scores = {(s, m): tuple(run.scores.get(s, {}).get(m) for run in runs) for s, m in sorted(pairs, key=_order)}
    return Comparison(tuple(run.name for run in runs), differences, scores, tuple(_judge(runs)))


def _read(path: Path) -> _Compared:
    folder = Folder(path)
    trace = folder.trace()
    try:
        evaluations = trace.evaluations()
    finally:
        trace.close()
    recipe = folder.recipe()
    parts = {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe)}
    texts = {name: describe(part) for name, part in parts.items() if isinstance(part, Component)}
    return _Compared(path.name, settings_of(recipe), texts, last_scores(evaluations), evaluations)


def _whole_where_kinds_differ(
    differences: dict[str, tuple[Any, ...]], runs: Sequence[_Compared]
) -> dict[str, tuple[Any, ...]]:
    """Show components of different kinds as a whole: the fields of the one say nothing beside those of the other."""
    whole = [key for key in differences if any(key in run.texts for run in runs)]
    kept = {key: row for key, row in differences.items() if key.partition(".")[0] not in whole}
    return {**{key: tuple(run.texts.get(key) for run in runs) for key in whole}, **kept}


def settings_of(recipe: Recipe) -> dict[str, Any]:
    """Return every setting under its path: a component's kind under its own name, and what it holds as a text."""
    flat: dict[str, Any] = {}
    for field in dataclasses.fields(recipe):
        value = getattr(recipe, field.name)
        if isinstance(value, Component) and getattr(value, "rule", None) is None:
            flat |= {field.name: value.name, **_fields_of(value, field.name)}
        elif isinstance(value, Mapping):
            flat |= {f"{field.name}.{name}": _shown(part) for name, part in value.items()}
        elif value is not None:
            flat[field.name] = _shown(value)
    return flat


def _fields_of(component: Component, where: str) -> dict[str, Any]:
    fields = dataclasses.fields(component)  # type: ignore[arg-type]  # every final member is a dataclass
    named = {f"{where}.{field.name}": getattr(component, field.name) for field in fields}
    return {path: _shown(value) for path, value in named.items() if value is not None}


def _shown(value: Any) -> Any:
    if isinstance(value, Component):
        return to_text(value)
    return (", ".join(str(_shown(item)) for item in value) or None) if isinstance(value, tuple) else value


def _order(pair: tuple[str, str]) -> tuple[int, str, bool, str]:
    places = {"test": 0, "validation": 1, "train": 2}
    return places.get(pair[0], 3), pair[0], pair[1] == "loss", pair[1]


def _judge(runs: Sequence[_Compared]) -> list[Message]:
    """Say which setting is better, and whether that is more than chance: the best against each other."""
    metric = main_metric(runs[0].scores)
    split = next((s for s in ("test", "validation") if all(metric in r.scores.get(s, {}) for r in runs)), None)
    if not metric or split is None:
        return [message("cli.no_common_score")]
    groups: dict[str, list[_Compared]] = {}
    for run in runs:
        groups.setdefault(run.alike(), []).append(run)
    if len(groups) < 2:
        return []
    sign = 1 if _BETTER.get(metric, "lower") == "higher" else -1
    score = (split, metric)
    means = {key: _mean(group, score) for key, group in groups.items()}
    order = sorted(groups, key=lambda key: (not math.isfinite(means[key]), -sign * means[key]))
    return [said for key in order[1:] for said in _pair(groups[order[0]], groups[key], score=score)]


def _pair(best: list[_Compared], other: list[_Compared], *, score: Score) -> list[Message]:
    gap = abs(_mean(best, score) - _mean(other, score))
    several = min(len(best), len(other)) > 1
    yardstick = _between_seeds(best, other, score=score) if several else _within_runs(best[0], other[0], score=score)
    about = {"first": best[0].name, "second": other[0].name, "split": score[0], "metric": score[1]}
    sizes = {"gap": f"{gap:.3g}", "yardstick": f"{yardstick:.2g}"}
    said = []
    if several:
        means = {
            "mean_first": f"{_mean(best, score):.4g}",
            "mean_second": f"{_mean(other, score):.4g}",
        }
        said.append(
            message("cli.several_seeds", **about, **sizes, **means, count_first=len(best), count_second=len(other))
        )
    if gap <= yardstick:
        said.append(message("cli.cannot_judge" if several else "cli.within_noise", **about, **sizes))
    else:
        said.append(message("cli.better_by", best=best[0].name, other=other[0].name, **about, **sizes))
        said += [] if several else [message("cli.one_seed", **sizes)]
    return said


def _mean(group: Sequence[_Compared], score: Score) -> float:
    return statistics.fmean(run.score(score) for run in group)


def _between_seeds(best: Sequence[_Compared], other: Sequence[_Compared], *, score: Score) -> float:
    """Two standard errors of the difference of two means, from the spread between seeds."""
    spreads = [statistics.variance([run.score(score) for run in group]) / len(group) for group in (best, other)]
    return SURE * math.sqrt(sum(spreads))


def _within_runs(first: _Compared, second: _Compared, *, score: Score) -> float:
    """Two standard errors of a difference of single runs: from the number of examples, and from jumps.

    It leaves out what another seed would change, which one run cannot show: the truth is at least this large.
    """
    return SURE * math.sqrt(sum(_sampling(run, score) + _jumps(run, score[1]) for run in (first, second)))


def _sampling(run: _Compared, score: Score) -> float:
    """Variance of a share of hits among n examples; two of each are added, as 100 % is never certain."""
    count = _examples(run, score[0])
    if score[1] != "accuracy" or not count:
        return 0.0
    hits = run.score(score) * count
    share = (hits + 2) / (count + 4)
    return share * (1 - share) / (count + 4)


def _jumps(run: _Compared, metric: str) -> float:
    """Variance of the validation metric about its trend, in the second half of the run."""
    values = [row["value"] for row in run.evaluations if (row["split"], row["metric"]) == ("validation", metric)]
    late = [value for value in values[len(values) // 2 :] if math.isfinite(value)]
    steps = [one - other for one, other in zip(late[1:], late, strict=False)]
    return statistics.fmean(step * step for step in steps) / 2 if steps else 0.0


def _examples(run: _Compared, split: str) -> int:
    """Reckon the size of a part from what was recorded: steps an epoch, batch size, shares."""
    last = max(run.evaluations, key=lambda row: row["step"], default=None)
    if last is None or not last["epoch"]:
        return 0
    train = last["step"] / last["epoch"] * (run.settings.get("batch_size") or 1)
    shares = {name: float(run.settings.get(f"split.{name}") or 0) for name in ("validation", "test")}
    return int(train * shares[split] / max(1 - sum(shares.values()), 1e-9))
