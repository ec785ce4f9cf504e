"""The verbs of the Python face."""

import dataclasses
import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from torch import nn

from thalweg.core import law
from thalweg.data import Scaler, Split, open_source
from thalweg.init import Init
from thalweg.model import Built, Loss, Model
from thalweg.regularisers import Augmentation, Constraint, Penalty
from thalweg.rules import Rule
from thalweg.runs.run import Run
from thalweg.schedules import Schedule
from thalweg.train import EarlyStopping, Recipe, Session, Transfer, read_recipe, resume, start

RUNS = Path("runs")


def train(  # noqa: PLR0913 - the fields of a recipe by name, so that a typo is an error and an editor can complete them
    data: Any,
    model: Model | nn.Module | None = None,
    *,
    target: str | None = None,
    split: Split | None = None,
    scaler: Scaler | None = None,
    init: Init | str | None = None,
    transfer: Transfer | Path | str | None = None,
    freeze: Sequence[str] = (),
    loss: Loss | None = None,
    rule: Rule | str | None = None,
    schedule: Schedule | str | None = None,
    schedules: Mapping[str, Schedule | str] | None = None,
    decay_on: Literal["weights", "all"] = "weights",
    layer_decay: float = 1.0,
    unfreeze_every: int | None = None,
    penalties: Sequence[Penalty | str] = (),
    constraint: Constraint | str | None = None,
    augment: Sequence[Augmentation | str] = (),
    statistics: Literal["moving", "precise"] = "moving",
    stop: EarlyStopping | bool = True,
    epochs: int | None = None,
    batch_size: int | None = None,
    windows: int = 1,
    evaluate_every: int | None = None,
    max_seconds: float | None = None,
    seed: int = 0,
    device: str = "auto",
    precision: Any = "auto",
    threads: int | None = None,
    compile: bool = False,
    out: Path | str = RUNS,
) -> Run:
    """Train a network on data and return the run.

    `data` is a name ("digits"), a path, arrays (X, y), a data frame or a `Source`; or the path of a recipe.toml, which
    then decides everything else. What is left out is decided from the data and said in `run.said`. Components may be
    given as text: rule="adam(lr=0.01)+ema", init="he", penalties=["l2(strength=1)"]; `transfer` as the path of a run or
    a file.safetensors. `thalweg list` names what there is.

    Raises `DataError` for data that cannot be learnt from, `UsageError` for parts that do not fit each other.
    """
    asked = dict(locals())
    fields = {field.name: asked[field.name] for field in dataclasses.fields(Recipe) if asked[field.name] is not None}
    fields |= {name: _as_recipe(value) for name, value in fields.items()}
    if isinstance(stop, bool):
        fields.pop("stop")
        fields |= {} if stop else {"stop": None}
    if isinstance(data, str | Path) and str(data).endswith(".toml"):
        _refuse_beside_recipe(asked)
        recipe = read_recipe(Path(data))
    else:
        recipe = Recipe(**{**fields, "data": open_source(data, target=target)})
    return finish(start(recipe, out=Path(out)))


def _as_recipe(value: Any) -> Any:
    """Return a value in the form that a recipe holds."""
    if isinstance(value, nn.Module):
        return Built(module=value)
    if isinstance(value, Path):
        return str(value)
    return tuple(value) if isinstance(value, list) else value


def _refuse_beside_recipe(given: Mapping[str, Any]) -> None:
    """Raise `UsageError` if anything but the recipe was given: it decides everything, and would win in silence."""
    usual = {name: parameter.default for name, parameter in inspect.signature(train).parameters.items()}
    for name, value in given.items():
        if name in ("data", "out"):
            continue
        if value is not usual[name] and value != usual[name]:
            cure = "change it in the file, or with thalweg.train.replace(recipe, {...}) and thalweg.train.start"
            raise law(
                f"train(recipe.toml, {name}=...)", "cannot be given beside a recipe", value, f"{cure.capitalize()}."
            )


def go_on(path: Path | str, *, model: nn.Module | None = None) -> Run:
    """Go on with a run that was stopped or killed, as if it had never been."""
    return finish(resume(Path(path), model=None if model is None else Built(module=model)))


def finish(session: Session) -> Run:
    """Train a session to its end and return its run."""
    for _ in session:
        pass
    built = session.job.recipe.model
    return Run(session.folder.path, model=built if isinstance(built, Built) else None)
