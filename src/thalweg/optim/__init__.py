"""Rules in plain PyTorch loops, and what they must know of a network: each parameter's role.

`tw.optim.Adam(model)` and so on, one class for each rule of the catalogue; `from_rule` for rules around rules.
"""

from typing import Any

from thalweg.optim.classes import class_of as class_of
from thalweg.optim.classes import from_rule as from_rule
from thalweg.optim.describe import describe as describe
from thalweg.optim.keeping import LoadReport as LoadReport
from thalweg.optim.optimizer import RuleOptimizer as RuleOptimizer
from thalweg.optim.roles import depth_of as depth_of
from thalweg.optim.roles import layout as layout
from thalweg.optim.roles import matching as matching
from thalweg.optim.roles import roles as roles
from thalweg.rules import RULES as _RULES

_CLASSES = {kind.__name__: kind for kind in _RULES.values()}
__all__ = [
    "LoadReport", "RuleOptimizer", "depth_of", "describe", "from_rule", "layout", "matching", "roles", *_CLASSES
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _CLASSES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(sorted(__all__))}")
    return class_of(_CLASSES[name])


def __dir__() -> list[str]:
    return sorted(__all__)
