"""How the checks of the loop say what they found: sentences of the area `loop_checks`."""

from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.core import message
from thalweg.diagnosis.codes import CATEGORY
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Place
from thalweg.findings import Evidence, Finding, Picture, Severity, Where


def tell(  # noqa: PLR0913 - a finding has that many sides
    code: str, severity: Severity, confidence: float, *, place: Place | None, values: Mapping[str, Any],
    evidence: Sequence[Evidence], said: str | None = None, where: Mapping[str, Any] | None = None,
    reckoned: str = "fact", explains: Sequence[str] = (), picture: Picture | None = None,
) -> Finding:  # fmt: skip
    """Make a finding whose sentences are `<said>` and `<said>_cure`; `said` is its code where nothing else is given."""
    key = said or code
    spot = {"file": place.file, "line": place.line} if place is not None else {}
    return Finding(
        code=code,
        category=CATEGORY[code],
        severity=severity,
        confidence=confidence,
        reckoned=message(f"loop_checks.reckoned_{reckoned}"),
        cause=message(f"loop_checks.{key}", **values),
        remedy=message(f"loop_checks.{key}_cure", **values),
        where=Where(**{**spot, **(where or {})}),
        evidence=tuple(evidence),
        explains=tuple(explains),
        picture=picture,
    )


def seen(what: str, value: float, healthy: str = "", unit: str = "") -> Evidence:
    """Make a piece of evidence; its name is `seen_<what>`."""
    return Evidence(what=message(f"loop_checks.seen_{what}"), value=float(value), healthy=healthy, unit=unit)


def critical_unless_learnt(facts: Facts) -> Severity:
    return Severity.WARNING if facts.learnt else Severity.CRITICAL


def some(names: Sequence[str], most: int = 3) -> str:
    """Write the first few names and how many there are beside them."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown}, … (+{len(names) - most})"
