"""A run as one frozen value made of the components themselves."""

import dataclasses
from typing import Annotated, Any, Literal, final

from thalweg.core import Knob, UsageError, law
from thalweg.core.knobs import check_knobs
from thalweg.data import Scaler, Source, Split
from thalweg.model import Loss, Model
from thalweg.rules import AdamW, Rule
from thalweg.schedules import Schedule, WarmupCosine
from thalweg.train.stopping import EarlyStopping


def default_rule() -> Rule:
    """Return the rule of a run that names none; benchmarks/defaults.py shows what it reaches."""
    return AdamW(lr=3e-3, weight_decay=0.1)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Say everything that decides a run.

    What is None is decided from the data and said: `resolve` fills it in, and the run's `recipe.toml` holds the result.
    """

    data: Source
    split: Split = dataclasses.field(default_factory=Split)
    scaler: Scaler | None = None
    model: Model | None = None
    loss: Loss | None = None
    rule: Rule = dataclasses.field(default_factory=default_rule)
    schedule: Schedule = dataclasses.field(default_factory=WarmupCosine)
    stop: EarlyStopping | None = dataclasses.field(default_factory=EarlyStopping)
    epochs: Annotated[int | None, Knob("passes over the training data", "[1, inf)", low=1, high=1000, log=True)] = None
    batch_size: Annotated[int | None, Knob("examples a step", "[1, inf)", low=1, high=1024, log=True)] = None
    windows: Annotated[int, Knob("parts a batch is computed in", "[1, inf)", low=1, high=64, log=True)] = 1
    evaluate_every: Annotated[int | None, Knob("epochs between evaluations", "[1, inf)", low=1, high=50)] = None
    max_seconds: Annotated[float | None, Knob("budget of time", "(0, inf)", low=1, high=3600, log=True, unit="s")] = (
        None
    )
    seed: Annotated[int, Knob("number that fixes every draw", "[0, 9223372036854775807]", low=0, high=100)] = 0
    device: str = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    threads: Annotated[int | None, Knob("processor threads", "[1, inf)", low=1, high=64)] = None
    compile: bool = False

    def __post_init__(self) -> None:
        check_knobs(self)
        for field in ("epochs", "batch_size", "windows", "evaluate_every", "seed", "threads"):
            value = getattr(self, field)
            if value is not None and not isinstance(value, int):
                raise law(f"{field}=...", "must be a whole number", value)
        if self.compile and self.precision == "bfloat16":
            raise UsageError("compile=True and precision='bfloat16' do not go together yet; leave one out.")


def replace(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """Return the recipe with fields, or fields of its components ("rule.lr"), changed."""
    for path, value in changes.items():
        head, _, tail = path.partition(".")
        if tail:
            value = dataclasses.replace(getattr(recipe, head), **{tail: value})
        recipe = dataclasses.replace(recipe, **{head: value})
    return recipe
