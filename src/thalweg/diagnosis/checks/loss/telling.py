"""How the checks of losses say what they found: sentences of the area `loss_checks`."""

from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.core import message
from thalweg.diagnosis.codes import CATEGORY
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Place
from thalweg.findings import Change, Evidence, Finding, Picture, Severity, Where


def tell(  # noqa: PLR0913 - a finding has that many sides
    code: str,
    severity: Severity,
    confidence: float,
    *,
    place: Place | None,
    values: Mapping[str, Any],
    evidence: Sequence[Evidence],
    said: str | None = None,
    layer: str | None = None,
    reckoned: str = "fact",
    explains: Sequence[str] = (),
    picture: Picture | None = None,
    change: Change | None = None,
) -> Finding:
    """Make a finding whose sentences are `<said>` and `<said>_cure`; `said` is its code where nothing else is given."""
    key = said or code
    return Finding(
        code=code,
        category=CATEGORY[code],
        severity=severity,
        confidence=confidence,
        reckoned=message(f"loss_checks.reckoned_{reckoned}"),
        cause=message(f"loss_checks.{key}", **values),
        remedy=message(f"loss_checks.{key}_cure", **values),
        where=Where(file=place.file if place else None, line=place.line if place else None, layer=layer or None),
        evidence=tuple(evidence),
        explains=tuple(explains),
        picture=picture,
        change=change,
    )


def seen(what: str, value: float, healthy: str = "", unit: str = "") -> Evidence:
    """Make a piece of evidence; its name is `seen_<what>`."""
    return Evidence(what=message(f"loss_checks.seen_{what}"), value=float(value), healthy=healthy, unit=unit)


def critical_unless_learnt(facts: Facts) -> Severity:
    return Severity.WARNING if facts.learnt else Severity.CRITICAL
