"""The options that make a recipe, and the recipe that they make."""

import dataclasses
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from thalweg.cli.verb import F, option
from thalweg.core import UsageError

if TYPE_CHECKING:
    from thalweg.train import Recipe

_PATHS = {  # option: the setting it stands for
    "scaler": "scaler", "model": "model", "hidden": "model.hidden", "activation": "model.activation",
    "norm": "model.norm", "dropout": "model.dropout", "init": "init", "transfer": "transfer",
    "freeze": "freeze", "loss": "loss", "rule": "rule", "lr": "rule.lr", "schedule": "schedule", "epochs": "epochs",
    "layer_decay": "layer_decay", "unfreeze_every": "unfreeze_every", "penalty": "penalties", "augment": "augment",
    "statistics": "statistics",
    "batch_size": "batch_size", "windows": "windows", "max_seconds": "max_seconds", "seed": "seed",
    "device": "device", "precision": "precision", "threads": "threads",
}  # fmt: skip
_OPTIONS: Sequence[Callable[[Any], Any]] = (
    option("--target", metavar="COLUMN", section="data"),
    option("--scaler", metavar="NAME", section="data"),
    option("--model", metavar="NAME", section="network"),
    option("--hidden", metavar="N,N", section="network"),
    option("--activation", metavar="NAME", section="network"),
    option("--norm", metavar="NAME", section="network"),
    option("--dropout", metavar="SHARE", section="network"),
    option("--init", metavar="NAME", section="network"),
    option("--loss", metavar="NAME", section="network"),
    option("--from", "transfer", metavar="RUN|FILE", section="network"),
    option("--new-head", is_flag=True, section="network"),
    option("--restart", metavar="LAYER", multiple=True, section="network"),
    option("--freeze", metavar="LAYER", multiple=True, section="network"),
    option("--rule", metavar="NAME", section="training"),
    option("--lr", metavar="RATE", section="training"),
    option("--schedule", metavar="NAME", section="training"),
    option("--penalty", metavar="NAME", multiple=True, section="training"),
    option("--augment", metavar="NAME", multiple=True, section="training"),
    option("--layer-decay", metavar="SHARE", section="training"),
    option("--unfreeze-every", metavar="N", section="training"),
    option("--statistics", metavar="moving|precise", section="training"),
    option("--epochs", metavar="N", section="training"),
    option("--batch-size", metavar="N", section="training"),
    option("--windows", metavar="N", section="training"),
    option("--max-seconds", metavar="S", section="training"),
    option("--seed", metavar="N", section="training"),
    option("--set", "sets", metavar="PATH=VALUE", multiple=True, section="training", help="set"),
    option("--device", metavar="NAME", section="machine"),
    option("--precision", metavar="NAME", section="machine"),
    option("--threads", metavar="N", section="machine"),
    option("--compile", is_flag=True, section="machine"),
)


def recipe_options(function: F) -> F:
    """Give a verb the options that make a recipe."""
    for decorate in reversed(_OPTIONS):
        function = decorate(function)
    return function


def given_options(asked: Mapping[str, Any]) -> list[str]:
    """Return the recipe options that were given, as they are typed."""
    names = ("target", *_PATHS, "new_head", "restart", "compile", "sets")
    flags = {"sets": "--set", "transfer": "--from"}
    return [flags.get(name, "--" + name.replace("_", "-")) for name in names if asked.get(name)]


def ask_recipe(source: str, asked: Mapping[str, Any]) -> "Recipe":
    """Make the recipe that a source, or the path of a recipe.toml, and the options describe."""
    from thalweg.cli.settings import change, read_settings
    from thalweg.data import open_source
    from thalweg.train import Recipe, default_model, read_recipe

    see_working_folder()
    target = asked.get("target")
    if source.endswith(".toml"):
        recipe = read_recipe(Path(source))
        first = [("data.target", target)] if target else []
    else:
        penalties = () if asked.get("rule") else tuple(asked.get("penalty") or ())  # the default rule gives way to them
        recipe, first = Recipe(data=open_source(source, target=target), penalties=penalties), []
    settings = [*first, *_settings(asked), *read_settings(asked.get("sets") or ())]
    if recipe.model is None and "model" not in dict(settings):
        if asked.get("hidden") is not None:
            settings.insert(0, ("model", "mlp"))
        elif any(path.startswith("model.") for path, _ in settings):
            recipe = dataclasses.replace(recipe, model=default_model(recipe.data.load().kind))
    return change(recipe, settings)


def see_working_folder() -> None:
    """Let modules of the working folder be imported, after all that is installed: for `--model`."""
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())


def must_have(source: str | None, verb: str) -> str:
    """Return the source, or say what to give."""
    if source is None:
        raise UsageError(f"`thalweg {verb}` needs data: a name such as digits, a file, a folder, or a recipe.toml.")
    return source


def _settings(asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return what the options say as settings; several of one kind make a list."""
    found = []
    for name, path in _PATHS.items():
        value = asked.get(name)
        if name == "transfer" and value:
            found += _transfer(value, asked)
        elif isinstance(value, tuple):
            found += [(path, f"[{', '.join(value)}]")] if value else []
        elif value is not None:
            found.append((path, str(value)))
    if not asked.get("transfer") and (asked.get("new_head") or asked.get("restart")):
        given = "--new-head" if asked.get("new_head") else "--restart"
        raise UsageError(
            f"`{given}` starts a part of another network's weights afresh; name that network with --from RUN."
        )
    return [*found, ("compile", "true")] if asked.get("compile") else found


def _transfer(source: str, asked: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the settings of a start from a run, by its name or folder, or from a file."""
    from thalweg.runs.store import find_run

    path = Path(source)
    if not path.exists():
        out = asked.get("where") or asked.get("out") or "runs"
        path = find_run(Path("runs" if Path(out).suffix else out), source)
    found = [("transfer", str(path))]
    if asked.get("new_head"):
        found.append(("transfer.head", "new"))
    if asked.get("restart"):
        found.append(("transfer.restart", f"[{', '.join(asked['restart'])}]"))
    return found
