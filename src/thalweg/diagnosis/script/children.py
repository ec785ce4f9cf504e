"""Training in child processes: each child watches itself and leaves a record, the parent puts them together."""

import contextlib
import dataclasses
import json
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from thalweg.core import Message, message
from thalweg.diagnosis.answer import Diagnosis
from thalweg.diagnosis.watching import Watch
from thalweg.findings import Evidence, Finding, Severity, Where

_ROUNDING = 1e-4  # relative difference of sums of parameters that rounding does not make
_CHILD_BUDGET = 5.0  # seconds of experiments in a child: its parent waits for it


class Children:
    """Follow forked children of a watched script. As a context, it holds their records and removes them at the end."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._parent = os.getpid()
        self._folder = Path(tempfile.mkdtemp(prefix="thalweg-"))
        self._on = False

    def __enter__(self) -> Self:
        self._on = True
        os.register_at_fork(after_in_child=self._forked)
        return self

    def __exit__(self, *error: object) -> None:
        self._on = False
        if os.getpid() == self._parent:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _forked(self) -> None:
        if self._on:
            self._watch.child()

    def left(self, status: int) -> None:
        """Write what a child saw, as it leaves; a child that trained nothing writes nothing."""
        if os.getpid() == self._parent or not self._on:
            return
        self._on = False
        case = self._watch.case()
        if not case.steps:
            return
        from thalweg.diagnosis.judging import judge

        with contextlib.suppress(Exception):
            self._watch.detach()
            diagnosis = judge(case, budget=_CHILD_BUDGET)
            record = {
                "rank": _rank(),
                "fingerprints": self._watch.fingerprints,
                "place": dataclasses.astuple(case.courses[0].place) if case.courses[0].place else None,
                "clip": next((dataclasses.astuple(n.place) for n in case.notes if n.kind == "clip" and n.place), None),
            }
            import pickle

            (self._folder / f"{os.getpid()}.pickle").write_bytes(pickle.dumps(diagnosis))
            (self._folder / f"{os.getpid()}.json").write_text(json.dumps(record), encoding="utf-8")

    def join(self, own: Diagnosis) -> Diagnosis:
        """Return the answer for the script: its own, or that of its children where it trained nothing itself."""
        files = sorted(self._folder.glob("*.json"))
        if not files:
            return own
        import pickle  # our own files, written by our own children a moment ago

        records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
        answers: list[Diagnosis] = [pickle.loads(file.with_suffix(".pickle").read_bytes()) for file in files]
        if own.steps:
            answers.insert(0, own)
        found = desync(records)
        findings = ([found] if found else []) + _once([f for answer in answers for f in answer.findings], found)
        worst = max(answers, key=lambda answer: (answer.verdict == "sick", answer.steps))
        return dataclasses.replace(
            worst,
            verdict="sick" if found else worst.verdict,
            findings=tuple(findings),
            steps=max(answer.steps for answer in answers),
            seconds=max(own.seconds, worst.seconds),
        )


def desync(records: Sequence[dict[str, Any]]) -> Finding | None:
    """Return the finding that replicas drifted apart: equal at first, different for good at the end.

    `records` hold `fingerprints`: for each process a list of (step, one sum for each parameter). Replicas that are
    brought together again now and then (local SGD) are healthy.
    """
    tables = [dict((int(step), sums) for step, sums in record["fingerprints"]) for record in records]
    if len(tables) < 2:
        return None
    common = sorted(set.intersection(*(set(table) for table in tables)))
    shapes = {len(table[step]) for table in tables for step in common}
    if len(common) < 4 or len(shapes) != 1:
        return None
    gaps = [_gap([table[step] for table in tables]) for step in common]
    half = len(gaps) // 2
    if gaps[0] > 1e-2 or min(gaps[half:]) < _ROUNDING or gaps[-1] < 10 * _ROUNDING:
        return None
    first = next(step for step, gap in zip(common, gaps, strict=True) if gap > _ROUNDING)
    places = [record.get("clip") for record in records]
    place = next((p for p in places if p), None) if len({bool(p) for p in places}) == 2 else None
    place = place or next((record.get("place") for record in records if record.get("place")), None)
    where = Where(step=first, file=place[0] if place else None, line=place[1] if place else None)
    key = "unequal_clip" if len({bool(p) for p in places}) == 2 else "desync"
    return Finding(
        code="replica-desync", category="loop", severity=Severity.CRITICAL, confidence=0.98,
        reckoned=message("findings.fact"), cause=message(f"diagnose.{key}", number=len(tables), step=first),
        remedy=message(f"diagnose.{key}_cure"), where=where,
        evidence=(Evidence(what=message("diagnose.gap"), value=max(gaps), healthy=f"< {_ROUNDING:g}"),),
    )  # fmt: skip


def _gap(sums: Sequence[Sequence[float]]) -> float:
    """Return the largest difference between processes over parameters, as a share of the parameters' size."""
    size = max((abs(value) for row in sums for value in row), default=0.0) or 1.0
    return max((max(column) - min(column) for column in zip(*sums, strict=True)), default=0.0) / size


def _once(findings: Sequence[Finding], first: Finding | None) -> list[Finding]:
    """Keep one finding of a code; beside drifting replicas all else is a remark."""
    kept: dict[str, Finding] = {}
    for finding in findings:
        known = kept.get(finding.code)
        if known is None or finding.confidence > known.confidence:
            kept[finding.code] = finding
    from thalweg.findings import ranked

    if first is None:
        return ranked(list(kept.values()))
    return [dataclasses.replace(finding, severity=Severity.NOTE) for finding in kept.values()]


def _rank() -> int | None:
    import torch

    ready = torch.distributed.is_available() and torch.distributed.is_initialized()
    return torch.distributed.get_rank() if ready else None


def unfollowed() -> Message:
    """Say that another program was started, which is not watched."""
    return message("diagnose.subprocess")
