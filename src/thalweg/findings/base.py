"""Findings: what a trace means. A finding is a cause named with evidence, place, confidence and remedy.

A check reads a trace and nothing else: what it needs must have been written down. To add one: a file with a final
dataclass that has `look`, its sentences in core/words/{en,zh}/findings.toml, one import line in `findings/__init__.py`.
"""

import dataclasses
from abc import abstractmethod
from enum import StrEnum
from typing import Any

from thalweg.core import Component, Message
from thalweg.findings.parts import Change, Picture, Tried
from thalweg.signals import Trace


class Severity(StrEnum):
    """Say how bad a finding is."""

    CRITICAL = "critical"  # the run cannot succeed like this
    WARNING = "warning"  # it costs real quality or time
    NOTE = "note"  # worth knowing, never an alarm


_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.NOTE: 2}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evidence:
    """Hold one number that speaks for a finding, and what it would be in a healthy run."""

    what: Message
    value: float
    unit: str = ""
    healthy: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Where:
    """Say where a cause sits, as far as it is known."""

    file: str | None = None
    line: int | None = None
    layer: str | None = None
    parameter: str | None = None
    step: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Finding:
    """Name a cause. `confidence` lies in [0, 1]; `reckoned` says how it was arrived at."""

    code: str
    category: str
    severity: Severity
    confidence: float
    reckoned: Message
    cause: Message
    remedy: Message
    where: Where = dataclasses.field(default_factory=Where)
    evidence: tuple[Evidence, ...] = ()
    picture: Picture | None = None
    change: Change | None = None
    tried: Tried | None = None
    explains: tuple[str, ...] = ()  # codes of findings that are consequences of this cause

    def to_plain(self, lang: str | None = None) -> dict[str, Any]:
        """Write the finding as the record of schema 1, its sentences in one language."""
        return {
            "code": self.code,
            "category": self.category,
            "severity": self.severity.value,
            "confidence": round(self.confidence, 3),
            "reckoned": self.reckoned.text(lang),
            "where": dataclasses.asdict(self.where),
            "evidence": [
                {"what": e.what.text(lang), "value": e.value, "unit": e.unit, "healthy": e.healthy}
                for e in self.evidence
            ],
            "cause": self.cause.text(lang),
            "remedy": {
                "sentence": self.remedy.text(lang),
                "change": dataclasses.asdict(self.change) if self.change else None,
                "tried": dataclasses.asdict(self.tried) if self.tried else None,
            },
            "picture": self.picture.to_plain(lang) if self.picture else None,
        }


class Check(Component):
    """Look for one cause in a trace."""

    __slots__ = ()

    @abstractmethod
    def look(self, trace: Trace) -> list[Finding]:
        """Return what was found: nothing, as a rule."""


def ranked(findings: list[Finding]) -> list[Finding]:
    """Sort findings: the worst first, then the surest."""
    return sorted(findings, key=lambda f: (_RANK[f.severity], -f.confidence))
