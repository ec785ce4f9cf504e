"""The verbs of the Python face."""

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
    given = {
        "scaler": scaler, "model": Built(module=model) if isinstance(model, nn.Module) else model, "loss": loss,
        "rule": rule, "split": split, "schedule": schedule, "epochs": epochs, "batch_size": batch_size,
        "windows": windows, "evaluate_every": evaluate_every, "max_seconds": max_seconds, "seed": seed,
        "device": device, "precision": precision, "threads": threads, "compile": compile, "init": init,
        "transfer": Transfer(source=str(transfer)) if isinstance(transfer, str | Path) else transfer,
        "freeze": tuple(freeze), "schedules": schedules, "decay_on": decay_on, "layer_decay": layer_decay,
        "unfreeze_every": unfreeze_every, "penalties": tuple(penalties), "constraint": constraint,
        "augment": tuple(augment), "statistics": statistics,
    }  # fmt: skip
    fields = {name: value for name, value in given.items() if value is not None}
    if stop is not True:
        fields["stop"] = stop or None
    if isinstance(data, str | Path) and str(data).endswith(".toml"):
        _refuse_beside_recipe({**fields, "target": target})
        recipe = read_recipe(Path(data))
    else:
        recipe = Recipe(data=open_source(data, target=target), **fields)
    session = start(recipe, out=Path(out))
    return finish(session)


def _refuse_beside_recipe(given: Mapping[str, Any]) -> None:
    """Raise `UsageError` if anything but the recipe was given: it decides everything, and would win in silence."""
    usual = {name: parameter.default for name, parameter in inspect.signature(train).parameters.items()}
    for name, value in given.items():
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
