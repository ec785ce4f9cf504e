"""thalweg: train neural networks, find out why a run fails, show that the remedy helps.

Names are looked up when they are first used: `import thalweg` alone does not import torch.
"""

import importlib
import inspect
import sys
import types
from typing import TYPE_CHECKING, Any

from thalweg.core.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from thalweg import data as data
    from thalweg import init as init
    from thalweg import norms as norms
    from thalweg import optim as optim
    from thalweg import regularisers as regularisers
    from thalweg import rules as rules
    from thalweg import schedules as schedules
    from thalweg import surface as surface
    from thalweg.core import set_language as set_language
    from thalweg.data import open_source as open_source
    from thalweg.diagnosis import check as check
    from thalweg.diagnosis import diagnose_run as diagnose  # noqa: F401 - it has another name here
    from thalweg.diagnosis import lightning_callback as lightning_callback
    from thalweg.diagnosis import trainer_callback as trainer_callback
    from thalweg.diagnosis import watch as watch
    from thalweg.estimators import Classifier as Classifier
    from thalweg.estimators import Regressor as Regressor
    from thalweg.model import convnet as convnet
    from thalweg.model import mlp as mlp
    from thalweg.model import recurrent as recurrent
    from thalweg.model import transformer as transformer
    from thalweg.runs import Run as Run
    from thalweg.runs import go_on as resume  # noqa: F401 - a name of ours for it
    from thalweg.runs import train as train
    from thalweg.runs.rates import range_test as rates  # noqa: F401 - a name of ours for it
    from thalweg.train import EarlyStopping as EarlyStopping
    from thalweg.train import Recipe as Recipe
    from thalweg.train import Transfer as Transfer

_HOMES = {
    "train": "thalweg.train",
    "resume": "thalweg.runs:go_on",
    "Run": "thalweg.runs:Run",
    "Recipe": "thalweg.train:Recipe",
    "EarlyStopping": "thalweg.train:EarlyStopping",
    "mlp": "thalweg.model:mlp",
    "convnet": "thalweg.model:convnet",
    "recurrent": "thalweg.model:recurrent",
    "transformer": "thalweg.model:transformer",
    "Transfer": "thalweg.train:Transfer",
    "rules": "thalweg.rules",
    "optim": "thalweg.optim",
    "init": "thalweg.init",
    "norms": "thalweg.norms",
    "regularisers": "thalweg.regularisers",
    "surface": "thalweg.surface",
    "schedules": "thalweg.schedules",
    "data": "thalweg.data",
    "open_source": "thalweg.data:open_source",
    "watch": "thalweg.diagnosis:watch",
    "check": "thalweg.diagnosis:check",
    "diagnose": "thalweg.diagnosis:diagnose_run",
    "lightning_callback": "thalweg.diagnosis:lightning_callback",
    "trainer_callback": "thalweg.diagnosis:trainer_callback",
    "Classifier": "thalweg.estimators:Classifier",
    "Regressor": "thalweg.estimators:Regressor",
    "rates": "thalweg.runs.rates:range_test",
    "set_language": "thalweg.core:set_language",
}
__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'thalweg' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    found = importlib.import_module(module)
    value = getattr(found, attribute) if attribute else found
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)


class _Verb(types.ModuleType):
    """Be a folder that is also a verb: `thalweg.train` holds the loop, `thalweg.train(...)` trains."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:  # handed to `runs.train`, which names each of them
        return importlib.import_module("thalweg.runs").train(*args, **kwargs)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(importlib.import_module("thalweg.runs").train)


class _Front(types.ModuleType):
    """Make the folder `train` a verb as soon as it is imported."""

    def __setattr__(self, name: str, value: object) -> None:
        if name == "train" and type(value) is types.ModuleType:
            value.__class__ = _Verb
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Front
