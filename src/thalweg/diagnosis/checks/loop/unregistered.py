"""Layers that a model calls and does not own: kept in a plain list, or made anew in every forward pass."""

import dataclasses
from collections.abc import Sequence
from typing import ClassVar, final

from torch import Tensor

from thalweg.diagnosis.checks.base import CaseCheck
from thalweg.diagnosis.checks.loop.telling import critical_unless_learnt, seen, tell
from thalweg.diagnosis.checks.loop.threads import in_any_optimizer, in_any_root, leaf, reached, steps_of, users
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case, Look, Op
from thalweg.findings import Finding

_EXPLAINS = (
    "parameters-not-optimized",
    "underfitting",
    "lr-too-low",
    "saddle-point",
    "stopped-too-early",
    "linear-network",
    "optimizer-settings",
    "bad-init-scale",
    "wrong-labels",
    "vanishing-gradients",
    "lr-too-high",
    "batch-size",
    "dead-relu",
    "unscaled-inputs",
    "bad-columns",
    "class-imbalance",
)


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class UnregisteredModules(CaseCheck):
    """Find weights inside a model that get a gradient and are neither among its parameters nor in any optimizer.

    They are the same at every step where a plain list, tuple or dictionary holds them, and others at every step where
    the forward pass makes them. What is handed to the model as an argument is data, even if it asks for a gradient.
    """

    name: ClassVar[str] = "unregistered-modules"

    def look(self, case: Case, facts: Facts) -> list[Finding]:
        for course in case.courses:
            looks = steps_of(case, course)
            if course.optimizer is None or len(looks) < 2:
                continue
            strangers = [_strangers(case, look) for look in looks]
            if not all(strangers):
                continue
            always = set.intersection(*(set(found) for found in strangers))
            ever = set[int]().union(*strangers)
            anew = not always and len(ever) == sum(map(len, strangers))
            if always or anew:
                return [
                    self._told(
                        case, facts, looks, strangers[-1] if anew else {k: strangers[-1][k] for k in always}, anew
                    )
                ]
        return []

    def _told(
        self, case: Case, facts: Facts, looks: Sequence[Look], strangers: dict[int, Tensor], anew: bool
    ) -> Finding:
        op = _first_use(looks[-1], strangers)
        registered = {id(m) for _, m in case.modules()}
        own = op.module is not None and id(op.module) not in registered
        place = (case.made.get(id(op.module)) if own else None) or op.place
        kind = type(op.module).__name__ if own else op.name
        evidence = [
            seen("strangers", len(strangers), "0"),
            seen("strangers_numbers", sum(p.numel() for p in strangers.values())),
        ]
        return tell(
            self.name,
            critical_unless_learnt(facts),
            0.98,
            said="made-in-forward" if anew else None,
            place=place,
            values={"count": len(strangers), "kind": kind},
            evidence=evidence,
            explains=_EXPLAINS,
            where={"layer": kind},
        )


def _strangers(case: Case, look: Look) -> dict[int, Tensor]:
    """Return the leaves with a gradient that only functions inside modules took and that nobody holds."""
    known = in_any_root(case) | in_any_optimizer(case)
    outside = {id(leaf(look, n)) for op in look.ops if op.depth == 0 and op.kind != "event" for n in op.inputs}
    return {
        key: p for key, p in reached(look).items() if key not in known and key not in outside and p.is_floating_point()
    }


def _first_use(look: Look, strangers: dict[int, Tensor]) -> Op:
    taken = users(look)
    places = [place for number, found in taken.items() if id(leaf(look, number)) in strangers for place in found]
    return look.ops[min(places)]
