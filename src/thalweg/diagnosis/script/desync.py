"""Replicas that drift apart: processes that train one model together, whose weights are no longer the same."""

import itertools
import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from thalweg.core import message
from thalweg.findings import Evidence, Finding, Picture, Severity, Where

ROUNDING = 1e-4  # relative difference of sums of weights that rounding does not make
# steps, up to which a first difference counts as made by one step; two starts lie many of them apart
_CLOSE = 1.5
_APART = 0.05  # relative difference from which weights count as different ones
_GROWN = 2.0  # times the first difference that the last one is, at least
_KEPT = 0.5  # of the largest difference so far, or in the later half; one that falls below was made up for
_STRAIGHT = 0.9  # cosine between differences at two looks that follow each other, the median
_ALIKE = 1e-3  # relative difference of two updates that count as the same
_FEWEST = 4  # steps at which all of them were looked at


def desync(files: Sequence[Mapping[str, Any]]) -> Finding | None:
    """Return the finding that replicas drifted apart, from what each process left; None where they did not.

    `files` hold `rank` (None outside torch.distributed), `fingerprints` ([step, one sum for each parameter], ...; step
    0 is the start) and `acts` ([kind, file, line], ...). Two facts count. Weights that began the same and whose
    difference grows for good: where weights are averaged now and then (local SGD) it returns. And updates that are the
    same, to weights that never were: the gradients are averaged, the starts differ.
    """
    replicas = [file for file in files if file.get("rank") is not None]
    tables = [{int(step): list(sums) for step, sums in file["fingerprints"]} for file in replicas]
    if len(tables) < 2:
        return None
    steps = sorted(set.intersection(*(set(table) for table in tables)))
    rows = [[table[step] for table in tables] for step in steps]
    shapes = {len(sums) for row in rows for sums in row}
    if len(steps) < _FEWEST or len(shapes) != 1 or not shapes.pop():
        return None
    while rows and not all(math.isfinite(value) for sums in rows[-1] for value in sums):
        rows.pop()  # what comes after the weights were lost says nothing
    gaps = [_gap(row) for row in rows]
    if len(gaps) < _FEWEST:
        return None
    known = steps[0] == 0  # else it is reckoned from the first steps
    one_start = gaps[0] < ROUNDING if known else _gap(rows[0], of=_pace(rows)) < _CLOSE
    if one_start and _grows(gaps[known:], rows[known:]):
        first = next(step for step, gap in zip(steps, gaps, strict=False) if gap > ROUNDING)
        return _finding("drift", replicas, gaps, first)
    if min(gaps) > _APART and _updated_alike(rows):
        return _finding("start", replicas, gaps, steps[0])
    return None


def _grows(gaps: Sequence[float], rows: Sequence[Sequence[Sequence[float]]]) -> bool:
    """Return whether a difference that began small grew, and then kept its size and its direction."""
    late = range(len(gaps) // 2, len(gaps))
    largest, least = max(gaps[k] for k in late), min(gaps[k] for k in late)
    if gaps[-1] < max(10 * ROUNDING, _GROWN * gaps[0]):
        return False
    turns = [_cosine(_apart(rows[k - 1]), _apart(rows[k])) for k in late if k]
    rising = all(gaps[k] >= _KEPT * max(gaps[:k], default=0.0) for k in late)
    return (rising or least >= _KEPT * largest) and statistics.median(turns) > _STRAIGHT


def _updated_alike(rows: Sequence[Sequence[Sequence[float]]]) -> bool:
    """Return whether all processes changed their weights by the same amounts between any two looks."""
    for before, after in itertools.pairwise(rows):
        moved = [[b - a for a, b in zip(old, new, strict=True)] for old, new in zip(before, after, strict=True)]
        if _norm(moved[0]) == 0 or _gap(moved) > _ALIKE:
            return False
    return True


def _pace(rows: Sequence[Sequence[Sequence[float]]]) -> float:
    """Return how far the fastest process went from its first look to its second, which are steps 1 and 2."""
    moves = [[b - a for a, b in zip(old, new, strict=True)] for old, new in zip(rows[0], rows[1], strict=True)]
    return max(_norm(move) for move in moves)


def _gap(row: Sequence[Sequence[float]], *, of: float | None = None) -> float:
    """Return the largest distance of a process from the first one, as a share of the largest size, or of `of`."""
    size = (max(_norm(sums) for sums in row) if of is None else of) or 1.0
    return max(_norm([a - b for a, b in zip(sums, row[0], strict=True)]) for sums in row[1:]) / size


def _apart(row: Sequence[Sequence[float]]) -> list[float]:
    """Return the difference between the first process and the one farthest from it."""
    apart = [[a - b for a, b in zip(sums, row[0], strict=True)] for sums in row[1:]]
    return max(apart, key=_norm)


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return abs(sum(x * y for x, y in zip(a, b, strict=True))) / ((_norm(a) * _norm(b)) or 1.0)


def _norm(values: Sequence[float]) -> float:
    return math.sqrt(math.fsum(value * value for value in values))


def _finding(how: str, files: Sequence[Mapping[str, Any]], gaps: Sequence[float], step: int) -> Finding:
    act, uneven = _act(files) if how == "drift" else (None, False)
    key = f"drift_{act[0]}" if act and uneven else how
    where = Where(step=step, file=act[1] if act else None, line=act[2] if act else None)
    values = {"number": len(files), "step": step}
    largest = message("diagnose.replica_gap")
    return Finding(
        code="replica-desync", category="loop", severity=Severity.CRITICAL, confidence=0.97,
        reckoned=message("findings.fact"),
        cause=message(f"diagnose.{key}", **values), remedy=message(f"diagnose.{key}_cure", **values), where=where,
        evidence=(Evidence(what=largest, value=max(gaps), healthy=f"< {ROUNDING:g}"),),
        picture=Picture(what=largest, values=tuple(gaps), healthy=ROUNDING, log=True),
    )  # fmt: skip


def _act(files: Sequence[Mapping[str, Any]]) -> tuple[Sequence[Any] | None, bool]:
    """Return the line that only some processes ran, else that of the optimizer; and whether it is the former."""
    done = [{tuple(act) for act in file.get("acts", ())} for file in files]
    everywhere, anywhere = set.intersection(*done), set.union(*done)
    uneven = sorted(act for act in anywhere - everywhere if act[0] in ("clip", "schedule"))
    if uneven:
        return uneven[0], True
    return next((act for act in sorted(everywhere) if act[0] == "optimizer"), None), False
