"""The families of components that a user can name, and how their members are typed.

To add one: a row of `FAMILIES`, and its sentence in core/words/{en,zh}/catalogue.toml.
"""

import dataclasses
import importlib
from collections.abc import Mapping
from typing import Any, Final

_TRAIN: Final = "thalweg train digits"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """Say where a family lives and how its members are typed; {} stands for the member as text."""

    home: str
    """Module and name of the catalogue: "thalweg.rules:RULES"."""
    words: str
    """Area of core/words with a sentence for each member."""
    command: str
    python: str
    texts: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """What to type for members that their fields do not show how to write; "" where Python alone can give one."""
    values: Mapping[str, str] = dataclasses.field(default_factory=dict)
    """Lines of Python for members that a text cannot give there."""
    also: tuple[str, ...] = ()
    """Other lines that take a member's text, on the command line or in Python."""
    setting: str = ""
    """The setting of a recipe whose fields --set changes, where no brackets are read: "data"."""

    def members(self) -> Mapping[str, Any]:
        """Return the catalogue; its folder is imported now."""
        module, _, name = self.home.partition(":")
        found: Mapping[str, Any] = getattr(importlib.import_module(module), name)
        return found


FAMILIES: Final[Mapping[str, Family]] = {
    "sources": Family(
        home="thalweg.data.sources:SOURCES", words="sources", setting="data",
        command="thalweg train {}", python="tw.train({})",
        texts={"array_file": "data.npz", "idx": "train-images-idx3-ubyte", "image_folder": "photos/",
               "table": "prices.csv", "text": "book.txt", "arrays": "", "frame": ""},
        values={"arrays": "tw.train((X, y))", "frame": 'tw.train(frame, target="price")'},
    ),
    "scalers": Family(
        home="thalweg.data.scalers:SCALERS", words="scalers",
        command=_TRAIN + " --scaler {}", python='tw.train("digits", scaler={})',
    ),
    "models": Family(
        home="thalweg.model:MODELS", words="models",
        command=_TRAIN + " --model {}", python='tw.train("digits", {})',
        texts={"module": "package.module:Factory", "mlp": "mlp(hidden=[64, 64])", "built": ""},
        values={"built": 'tw.train("digits", MyModule())', "module": 'tw.train("digits", Factory())'},
    ),
    "activations": Family(
        home="thalweg.model:ACTIVATIONS", words="activations",
        command=_TRAIN + " --model mlp --activation {}", python="tw.mlp(64, 64, activation={})",
    ),
    "norms": Family(
        home="thalweg.norms:NORMS", words="norms",
        command=_TRAIN + " --model mlp --norm {}", python="tw.mlp(64, 64, norm={})",
    ),
    "init": Family(
        home="thalweg.init:INITS", words="init",
        command=_TRAIN + " --init {}", python='tw.train("digits", init={})',
        also=("thalweg survey digits --init {}",),
    ),
    "losses": Family(
        home="thalweg.model:LOSSES", words="losses",
        command=_TRAIN + " --loss {}", python='tw.train("digits", loss={})',
    ),
    "rules": Family(
        home="thalweg.rules:RULES", words="rules",
        command=_TRAIN + " --rule {}", python='tw.train("digits", rule={})',
        also=("thalweg descend ravine --rule {}", "tw.optim.from_rule({}, model)"),
    ),
    "schedules": Family(
        home="thalweg.schedules:SCHEDULES", words="schedules",
        command=_TRAIN + " --schedule {}", python='tw.train("digits", schedule={})',
        also=("thalweg schedule show {}",),
        texts={"by-hand": "by-hand(points=[[0, 1], [0.5, 0.1]])", "product": "product(parts=[warmup, plateau])",
               "sequence": "sequence(parts=[warmup(length=5, unit=epochs), cosine])"},
    ),
    "penalties": Family(
        home="thalweg.regularisers:PENALTIES", words="regularisers",
        command=_TRAIN + " --rule adam --penalty {}", python='tw.train("digits", rule="adam", penalties=[{}])',
    ),
    "constraints": Family(
        home="thalweg.regularisers:CONSTRAINTS", words="regularisers",
        command=_TRAIN + " --set constraint={}", python='tw.train("digits", constraint={})',
    ),
    "augmentations": Family(
        home="thalweg.regularisers:AUGMENTATIONS", words="regularisers",
        command=_TRAIN + " --augment {}", python='tw.train("digits", augment=[{}])',
    ),
    "surfaces": Family(
        home="thalweg.surface:SURFACES", words="surfaces",
        command="thalweg descend {}", python='tw.surface.descend({}, "adam(lr=0.1)")',
        texts={"formula": "(1-x*y)**2"},
    ),
}  # fmt: skip
"""In the order in which data meet them. A penalty of squares wants a rule without decay, hence adam."""
