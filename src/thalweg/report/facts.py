"""What a run was made of, in words: its data, and its recipe field by field."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from thalweg.core import Message, message
from thalweg.data import Dataset, Prepared
from thalweg.report.phrases import number

_MOST_NAMES = 12
_COMPONENTS = ("model", "loss", "rule", "schedule", "stop", "split")
_SCALARS = (
    "epochs",
    "batch_size",
    "windows",
    "evaluate_every",
    "max_seconds",
    "seed",
    "device",
    "precision",
    "threads",
)
_ORDINARY = {"windows": 1}  # values that go without saying


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fact:
    """Hold one line of a list: what it is about, and what it is."""

    what: Message
    value: str | Message


def data_facts(plain: Mapping[str, Any], data: Prepared | None, dataset: Dataset | None) -> tuple[Fact, ...]:
    """List what a run was trained on; the source alone where the data cannot be read."""
    facts = [Fact(what=message("report.source"), value=component_words(plain.get("data", {})))]
    if data is None or dataset is None:
        return tuple(facts)
    preparation = data.preparation
    facts.append(Fact(what=message("report.task"), value=message(f"report.task_{preparation.task}")))
    if preparation.target_names:
        facts.append(Fact(what=message("report.target"), value=_names(preparation.target_names)))
    sizes = {name: number(len(getattr(data, name))) for name in ("train", "validation", "test")}
    facts.append(Fact(what=message("report.examples"), value=message("report.split_sizes", **sizes)))
    if preparation.class_names:
        count, names = len(preparation.class_names), _names(preparation.class_names)
        facts.append(Fact(what=message("report.classes"), value=f"{count}: {names}"))
    facts.append(Fact(what=message("report.inputs"), value=_inputs(data)))
    if preparation.feature_names:
        facts.append(Fact(what=message("report.features"), value=_names(preparation.feature_names)))
    facts.append(Fact(what=message("report.scaling"), value=component_words(plain.get("scaler", {"kind": "none"}))))
    return tuple(facts)


def recipe_facts(plain: Mapping[str, Any]) -> tuple[Fact, ...]:
    """List the fields of a resolved recipe."""
    facts = []
    for field in _COMPONENTS:
        if field in plain:
            facts.append(Fact(what=message(f"report.field_{field}"), value=component_words(plain[field])))
    for field in _SCALARS:
        if field in plain and plain[field] != _ORDINARY.get(field):
            facts.append(Fact(what=message(f"report.field_{field}"), value=_scalar(plain[field])))
    return tuple(facts)


def component_words(plain: Mapping[str, Any] | str) -> str:
    """Write a component of a recipe in a line: its kind and its fields.

    >>> component_words({"kind": "adamw", "lr": 0.003, "channels": [16, 32]})
    'adamw(lr=0.003, channels=16×32)'
    """
    if isinstance(plain, str):
        return plain
    fields = [f"{name}={_scalar(value)}" for name, value in plain.items() if name != "kind" and value not in ([], "")]
    kind = str(plain.get("kind", "?"))
    return f"{kind}({', '.join(fields)})" if fields else kind


def _scalar(value: Any) -> str:
    if isinstance(value, list):
        return "×".join(map(_scalar, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _names(names: tuple[str, ...]) -> str | Any:
    shown = ", ".join(names[:_MOST_NAMES])
    return shown if len(names) <= _MOST_NAMES else f"{shown}, … ({len(names)})"


def _inputs(data: Prepared) -> Message:
    preparation = data.preparation
    shape = "×".join(map(str, preparation.input_shape))
    if preparation.kind == "tokens":
        return message("report.inputs_tokens", window=preparation.window, count=len(preparation.vocabulary))
    return message(f"report.inputs_{preparation.kind}", shape=shape)
