"""One answer from those of several processes."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.core import message
from thalweg.diagnosis.answer import Diagnosis
from thalweg.diagnosis.script.desync import desync
from thalweg.diagnosis.script.plain import from_json
from thalweg.findings import Finding, Severity, ranked

_MOST = 4  # alarms, and as many notes


def merge(own: Diagnosis, records: Sequence[Mapping[str, Any]]) -> Diagnosis:
    """Put the answers of child processes together with that of their parent, which counts if it trained itself.

    Equal codes are said once. Replicas that drifted apart come first, and all else is a remark beside that.
    """
    if not records:
        return own
    answers: list[Diagnosis] = [from_json(record["diagnosis"]) for record in records]
    faults = dict.fromkeys(itertools.chain(own.faults, *(answer.faults for answer in answers)))
    if own.steps:
        answers.insert(0, own)
    apart = desync(records)
    findings = _once([finding for answer in answers for finding in answer.findings])
    if apart is not None:
        rest = [dataclasses.replace(finding, severity=Severity.NOTE) for finding in findings]
        findings = [dataclasses.replace(apart, explains=tuple(f.code for f in findings)), *rest]
    alarms = [finding for finding in findings if finding.severity is not Severity.NOTE]
    notes = [finding for finding in findings if finding.severity is Severity.NOTE]
    main = max(answers, key=lambda answer: (answer.verdict == "sick", answer.verdict == "unsure", answer.steps))
    unseen = dict.fromkeys(str(sentence.key) for answer in answers for sentence in answer.unseen)
    messages = {sentence.key: sentence for answer in answers for sentence in answer.unseen}
    return dataclasses.replace(
        main,
        verdict="sick" if alarms else main.verdict,
        findings=tuple(alarms[:_MOST] + notes[:_MOST]),
        steps=max(answer.steps for answer in answers),
        seconds=own.seconds,
        overhead=max(answer.overhead for answer in answers),
        judged_seconds=own.judged_seconds + max(answer.judged_seconds for answer in answers if answer is not own),
        unseen=(message("diagnose.in_children", number=len(records)), *(messages[key] for key in unseen)),
        faults=tuple(faults),
    )


def _once(findings: Sequence[Finding]) -> list[Finding]:
    """Keep the worst finding of each code, and of those the surest."""
    kept: dict[str, Finding] = {}
    for finding in ranked(list(findings)):
        kept.setdefault(finding.code, finding)
    return list(kept.values())
