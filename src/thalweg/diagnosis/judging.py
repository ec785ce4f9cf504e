"""From what was seen to an answer: exact probes first, then statistics, then experiments; consequences fall away."""

import dataclasses
import time
import warnings
from collections import Counter
from collections.abc import Iterable

from thalweg.core import Message, message
from thalweg.diagnosis.answer import Diagnosis, Verdict
from thalweg.diagnosis.checks import CHECKS
from thalweg.diagnosis.checks.loop.unstepped import never_stepped
from thalweg.diagnosis.facts import Facts
from thalweg.diagnosis.watching import Case
from thalweg.findings import Finding, Severity, ranked

_SHOWN = 6  # models and optimizers that are named
MOST = 4  # alarms in one answer; more are not read
_ORDER = ("exact", "signal", "trial")


def judge(case: Case, *, budget: float = 60.0) -> Diagnosis:
    """Say what is wrong with what was watched. Experiments end after `budget` seconds.

    A fault of a check of ours is named in the answer and takes nothing else with it.
    """
    begun = time.perf_counter()
    if not case.steps:
        return _untrained(case)
    facts = Facts(case, budget=budget)
    findings, faults = list[Finding](), list(case.faults)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for check in sorted(CHECKS.values(), key=lambda check: _ORDER.index(check.rank)):
            if check.rank == "trial" and (_is_settled(findings) or facts.left <= 0):
                continue
            try:
                findings += check().look(case, facts)
            except Exception as error:
                faults.append(_fault(check.name, error))
    kept = _best(findings)
    return Diagnosis(
        verdict=_verdict(kept, facts),
        findings=tuple(kept),
        steps=case.main.steps if case.main else 0,
        seconds=case.seconds,
        overhead=case.watched / case.seconds if case.seconds else 0.0,
        judged_seconds=time.perf_counter() - begun,
        hypotheses=tuple(facts.hypotheses),
        unseen=_unseen(case),
        faults=tuple(faults),
        models=_counted(f"{root.name} ({type(root.module).__name__})" for root in case.roots if root.trained),
        optimizers=_counted(_names(case)),
        losses=tuple(case.main.losses if case.main else ()),
    )


def _untrained(case: Case) -> Diagnosis:
    """Say of what took no step whether it should have."""
    idle = never_stepped(case)
    return Diagnosis(
        verdict="unsure" if idle is None else "sick",
        findings=() if idle is None else (idle,),
        seconds=case.seconds,
        overhead=case.watched / case.seconds if case.seconds else 0.0,
        unseen=_unseen(case) if idle is None else (),
        faults=tuple(case.faults),
    )


def _is_settled(findings: Iterable[Finding]) -> bool:
    """Return whether a fact already says why the run cannot succeed: experiments could only repeat it."""
    return any(finding.severity is Severity.CRITICAL and finding.confidence >= 0.9 for finding in findings)


def _best(findings: list[Finding]) -> list[Finding]:
    """Sort findings, drop what others explain, and keep what a person can act on."""
    kept: list[Finding] = []
    for finding in ranked(findings):
        causes = (known for known in kept if known.severity is not Severity.NOTE)
        if any(known.code == finding.code for known in kept) or any(finding.code in known.explains for known in causes):
            continue
        kept.append(finding)
    codes = {finding.code for finding in findings}
    kept = [dataclasses.replace(f, explains=tuple(code for code in f.explains if code in codes)) for f in kept]
    alarms = [finding for finding in kept if finding.severity is not Severity.NOTE][:MOST]
    return alarms + [finding for finding in kept if finding.severity is Severity.NOTE][:MOST]


def _verdict(findings: list[Finding], facts: Facts) -> Verdict:
    if any(finding.severity is not Severity.NOTE for finding in findings):
        return "sick"
    stuck = facts.memory.get("judged") is not None and facts.learnt is not True
    return "unsure" if facts.learnt is False or stuck else "healthy"


def _unseen(case: Case) -> tuple[Message, ...]:
    keys = list(dict.fromkeys(case.unseen))
    keys += [] if case.steps else ["no_training"]
    return tuple(message(f"diagnose.{key}") for key in keys)


def _counted(names: Iterable[str]) -> tuple[str, ...]:
    """Return names once each, with how often they came; of very many the first."""
    told = [f"{name} × {count}" if count > 1 else name for name, count in Counter(names).items()]
    return (*told[:_SHOWN], *(["…"] if len(told) > _SHOWN else []))


def _names(case: Case) -> Iterable[str]:
    for course in case.courses:
        if course.optimizer is None:
            yield "by hand"
        else:
            lr = course.first_settings[0].get("lr") if course.first_settings else None
            name = type(course.optimizer).__name__
            yield f"{name}(lr={lr:g})" if isinstance(lr, float) else name


def _fault(name: str, error: Exception) -> str:
    trail = error.__traceback__
    while trail is not None and trail.tb_next is not None:
        trail = trail.tb_next
    line = f"{trail.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trail.tb_lineno}" if trail else "?"
    return f"{name} ({line}): {type(error).__name__}: {error}"
