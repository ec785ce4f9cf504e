"""The answer: what is wrong with a run, best finding first, with what was tried and what could not be seen."""

import dataclasses
from typing import Any, Literal

from thalweg.core import Message
from thalweg.findings import Finding, Severity

SCHEMA = 1
Verdict = Literal["healthy", "sick", "unsure"]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Hypothesis:
    """Hold one cause that was put to the test: what was tried and what came of it. `holds` is None if undecided."""

    code: str
    tried: Message
    result: Message
    holds: bool | None = None

    def to_plain(self, lang: str | None = None) -> dict[str, Any]:
        return {
            "code": self.code,
            "tried": self.tried.text(lang),
            "result": self.result.text(lang),
            "holds": self.holds,
        }


@dataclasses.dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """Hold the answer. `overhead` is the share of the script's time that watching took; `seconds` the script's time.

    `unseen` says what could not be looked at and why, `faults` names errors of thalweg's own, which never stop a run.
    `losses` is the loss at each step of the main training loop, for the picture.
    """

    verdict: Verdict
    findings: tuple[Finding, ...] = ()
    steps: int = 0
    seconds: float = 0.0
    overhead: float = 0.0
    judged_seconds: float = 0.0
    hypotheses: tuple[Hypothesis, ...] = ()
    unseen: tuple[Message, ...] = ()
    faults: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ()
    losses: tuple[float, ...] = ()

    @property
    def worst(self) -> Severity | None:
        return self.findings[0].severity if self.findings else None

    def to_plain(self, lang: str | None = None) -> dict[str, Any]:
        """Write the record of schema 1, its sentences in one language."""
        return {
            "schema": SCHEMA,
            "verdict": self.verdict,
            "findings": [finding.to_plain(lang) for finding in self.findings],
            "steps": self.steps,
            "seconds": round(self.seconds, 3),
            "overhead": round(self.overhead, 4),
            "judged_seconds": round(self.judged_seconds, 3),
            "hypotheses": [hypothesis.to_plain(lang) for hypothesis in self.hypotheses],
            "unseen": [sentence.text(lang) for sentence in self.unseen],
            "faults": list(self.faults),
            "models": list(self.models),
            "optimizers": list(self.optimizers),
        }
