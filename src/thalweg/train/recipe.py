"""A run as one frozen value made of the components themselves."""

import dataclasses
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, final

from thalweg.core import Component, Knob, UnknownName, UsageError, coerce, law, with_field
from thalweg.core.knobs import check_knobs
from thalweg.data import Scaler, Source, Split
from thalweg.init import Init
from thalweg.model import Loss, Model
from thalweg.regularisers import Augmentation, Constraint, Penalty, check_together
from thalweg.rules import AdamW, Rule, inside
from thalweg.schedules import Constant, Schedule, WarmupCosine
from thalweg.train.regularising import check_steps, strengths
from thalweg.train.stopping import EarlyStopping
from thalweg.train.transfer import Transfer


def default_rule(penalties: Sequence[Penalty] = ()) -> Rule:
    """Return the rule of a run that names none; benchmarks/defaults.py shows what it reaches.

    Where a penalty pulls on squares, the rule's own decay, which would do the same, is off.
    """
    squares = any("square" in penalty.measures for penalty in penalties)
    return AdamW(lr=3e-3, weight_decay=0.0 if squares else 0.1)


def default_schedule(rule: Rule) -> Schedule:
    """Return the schedule of a run that names none: warm-up and cosine, or none for a rule that does without."""
    return Constant() if any(held.needs_no_schedule for held in inside(rule)) else WarmupCosine()


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """Say everything that decides a run.

    What is None is decided from the data and said: `resolve` fills it in, and the run's `recipe.toml` holds the result.
    A component may be given by its name or a text: rule="adam(lr=0.01)+ema". `schedules` moves other hyperparameters
    than the rate, by their names in `hyper()`. `freeze` holds names of layers or patterns of parameters that do not
    train; `unfreeze_every` lets layers train from the head down, one more each so many epochs.
    """

    data: Source
    split: Split = dataclasses.field(default_factory=Split)
    scaler: Scaler | None = None
    model: Model | None = None
    init: Init | None = None
    transfer: Transfer | None = None
    freeze: tuple[str, ...] = ()
    loss: Loss | None = None
    rule: Rule = None  # type: ignore[assignment]  # the default depends on the penalties: see __post_init__
    schedule: Schedule | None = None
    schedules: Mapping[str, Schedule] = dataclasses.field(default_factory=dict)
    decay_on: Literal["weights", "all"] = "weights"
    layer_decay: Annotated[float, Knob("share of the rate a layer has of the one above", "(0, 1]", low=0.5, high=1)] = (
        1.0
    )
    unfreeze_every: Annotated[int | None, Knob("epochs until the next layer trains", "[1, inf)", low=1, high=20)] = None
    penalties: tuple[Penalty, ...] = ()
    constraint: Constraint | None = None
    augment: tuple[Augmentation, ...] = ()
    statistics: Literal["moving", "precise"] = "moving"
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
        hints = typing.get_type_hints(Recipe)
        if isinstance(self.transfer, str | Path):
            object.__setattr__(self, "transfer", Transfer(source=str(self.transfer)))
        object.__setattr__(self, "penalties", coerce(hints["penalties"], self.penalties, "penalties=..."))
        if self.rule is None:
            object.__setattr__(self, "rule", default_rule(self.penalties))
        for field in (*_TEXTS, "decay_on", "statistics", "precision"):
            where = field if field == "schedules" else f"{field}=..."
            object.__setattr__(self, field, coerce(hints[field], getattr(self, field), where))
        check_knobs(self)
        for field in ("epochs", "batch_size", "windows", "evaluate_every", "seed", "threads", "unfreeze_every"):
            value = getattr(self, field)
            if value is not None and not isinstance(value, int):
                raise law(f"{field}=...", "must be a whole number", value)
        if self.compile and self.precision == "bfloat16":
            raise UsageError("compile=True and precision='bfloat16' do not go together yet; leave one out.")
        hyper = self.hyper()
        check_together(self.penalties, weight_decay=hyper.get("weight_decay", 0.0))
        check_steps(self.rule, self.penalties, self.constraint)
        for name in self.schedules:
            if name == "lr":
                raise UsageError("`schedules` moves other numbers than the rate; give the rate's as schedule=...")
            if name not in hyper:
                raise UnknownName("hyperparameter to schedule", name, [key for key in hyper if key != "lr"])
            if not hyper[name]:
                cure = f"Give {name} the value that the schedule is to multiply."
                raise law(f"schedules={{{name!r}: ...}}", "must move a number that is not zero", hyper[name], cure)

    def hyper(self) -> dict[str, float]:
        """Return the numbers that schedules and populations may move: the rule's and the penalties'."""
        return {**self.rule.hyper(), **strengths(self.penalties)}


_TEXTS = (
    "model",
    "init",
    "loss",
    "rule",
    "schedule",
    "schedules",
    "penalties",
    "constraint",
    "augment",
    "scaler",
    "freeze",
)
"""Fields whose components may be given as text."""


def replace(recipe: Recipe, changes: dict[str, Any]) -> Recipe:
    """Return the recipe with fields, or fields of its components ("rule.lr", "model.norm.num_groups"), changed.

    A rule around another hands on what it does not have itself: "rule.lr" is the rate of the rule inside.
    """
    names = [field.name for field in dataclasses.fields(Recipe)]
    changed: dict[str, Any] = {}
    for path, value in changes.items():
        head, _, tail = path.partition(".")
        if head not in names:
            raise UnknownName("field of a recipe", path, names)
        held = changed.get(head, getattr(recipe, head))
        if tail and head == "schedules":
            value = {**held, tail: value}
        elif tail and not isinstance(held, Component):
            raise UsageError(f"`{path}` reaches into a part that is not chosen yet or holds several; give {head}=...")
        elif tail:
            value = with_field(held, tail, value)
        elif head in _TEXTS:
            value = coerce(typing.get_type_hints(Recipe)[head], value, head)
        changed[head] = value
    return dataclasses.replace(recipe, **changed)
