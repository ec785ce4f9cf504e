"""What a page says of a diagnosis, on a terminal or in a browser: titles, the verdict, the code, what to try next."""

import dataclasses
import difflib
import textwrap
import unicodedata
from pathlib import Path

from thalweg.core import Message, message
from thalweg.core.words import catalogue
from thalweg.diagnosis import Diagnosis, Hypothesis
from thalweg.findings import Change, Finding, Severity, Tried, Where
from thalweg.report.phrases import duration, metric_name, number, percent

_FEW_STEPS = 100
_LARGEST = 4_000_000  # bytes of a file that is read for the sake of a few lines
_SURE = ((0.95, "certain"), (0.8, "very_likely"), (0.6, "likely"), (0.35, "possible"), (0.0, "weak"))


@dataclasses.dataclass(frozen=True, kw_only=True)
class Sorted:
    """Hold the findings in the order of a page: the one that leads it, the rest, and the notes."""

    best: Finding | None
    further: tuple[Finding, ...]
    notes: tuple[Finding, ...]


def sort(diagnosis: Diagnosis) -> Sorted:
    """Part alarms from notes; a diagnosis puts the best first."""
    alarms = tuple(f for f in diagnosis.findings if f.severity is not Severity.NOTE)
    notes = tuple(f for f in diagnosis.findings if f.severity is Severity.NOTE)
    return Sorted(best=alarms[0] if alarms else None, further=alarms[1:], notes=notes)


def title(code: str) -> Message:
    """Name a cause in a few words; one that has no title keeps its code."""
    return message(f"diagnosis.{_title_key(code)}") if _is_known(code) else _as_is(code)


def _is_known(code: str) -> bool:
    return _title_key(code) in catalogue("en", "diagnosis")


def _title_key(code: str) -> str:
    return f"title_{code.replace('-', '_')}"


def category(name: str) -> Message:
    key = f"category_{name}"
    return message(f"diagnosis.{key}") if key in catalogue("en", "diagnosis") else _as_is(name)


def _as_is(text: str) -> Message:
    return message("report.as_is", text=text)


def severity(finding: Finding) -> Message:
    return message(f"report.severity_{finding.severity.value}")


def verdict(diagnosis: Diagnosis) -> Message:
    """Say the verdict in one plain sentence."""
    found = sort(diagnosis)
    if diagnosis.verdict == "healthy":
        return message("diagnosis.verdict_healthy")
    if diagnosis.verdict == "sick":
        critical = found.best is None or found.best.severity is Severity.CRITICAL
        return message("diagnosis.verdict_critical" if critical else "diagnosis.verdict_warning")
    if found.best is not None:
        return message("diagnosis.verdict_suspected")
    return message("diagnosis.verdict_unsure" if diagnosis.steps else "diagnosis.verdict_untrained")


def sureness(finding: Finding) -> Message:
    """Say how sure a finding is: a word, the number, and how it was reckoned."""
    return message("diagnosis.sureness", sure=sure_short(finding), how=finding.reckoned)


def sure_short(finding: Finding) -> Message:
    word = next((word for least, word in _SURE if finding.confidence >= least), "weak")
    named = message(f"diagnosis.sure_{word}")
    return message("diagnosis.sure_short", word=named, percent=percent(finding.confidence))


def note_line(note: Finding) -> Message:
    """Say a note in one line: what it is, where, and why."""
    told = {"title": title(note.code), "cause": note.cause}
    where = place(note.where)
    if not where:
        return message("diagnosis.note", **told)
    return message("diagnosis.note_at", **told, place=where)


def trial(tried: Tried) -> Message:
    """Say what a remedy did when it was tried."""
    before, after = number(tried.before), number(tried.after)
    told = message("diagnosis.trial", measure=metric_name(tried.measure), before=before, after=after)
    if tried.seeds > 1:
        told = message("diagnosis.trial_seeds", trial=told, seeds=tried.seeds)
    else:
        told = message("diagnosis.trial_seed", trial=told)
    if tried.interval is None:
        return told
    low, high = (number(end, 3) for end in tried.interval)
    return message("diagnosis.trial_sure", trial=told, low=low, high=high)


def healthy(text: str) -> str:
    """Write a range of healthy values as it is written by hand."""
    return text.replace("<=", "≤").replace(">=", "≥")


def place(where: Where) -> str:
    """Write file and line as editors and terminals take them; a file below the working directory from there."""
    if where.file is None:
        return ""
    path = Path(where.file)
    shown = path.relative_to(Path.cwd()) if path.is_absolute() and path.is_relative_to(Path.cwd()) else path
    return f"{shown}:{where.line}" if where.line is not None else str(shown)


def inside(where: Where) -> list[Message]:
    """Say where a cause sits within the network and the run."""
    found = []
    if where.layer is not None:
        found.append(message("diagnosis.layer", layer=where.layer))
    if where.parameter is not None:
        found.append(message("diagnosis.parameter", parameter=where.parameter))
    if where.step is not None:
        found.append(message("diagnosis.step", step=number(where.step)))
    return found


def clean(text: str) -> str:
    """Leave out what would move the cursor, change colours or turn the direction of writing."""
    return "".join(letter if unicodedata.category(letter)[0] != "C" else " " * (letter in "\n\t") for letter in text)


def code(where: Where, *, around: int = 0) -> list[tuple[int, str]]:
    """Read the line that is meant, and so many before and after it; nothing where the file cannot be read."""
    if where.file is None or where.line is None:
        return []
    try:
        path = Path(where.file)
        if not path.is_file() or path.stat().st_size > _LARGEST:
            return []
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except (OSError, ValueError):
        return []
    if not 1 <= where.line <= len(lines):
        return []
    first, last = max(where.line - around, 1), min(where.line + around, len(lines))
    while first < where.line and not lines[first - 1].strip():
        first += 1
    while last > where.line and not lines[last - 1].strip():
        last -= 1
    shown = textwrap.dedent("\n".join(line.expandtabs(4) for line in lines[first - 1 : last])).split("\n")
    return list(zip(range(first, last + 1), (clean(line.rstrip()) for line in shown), strict=True))


def diff(change: Change) -> list[tuple[str, str]]:
    """Return the lines of a change with their signs: "-" goes, "+" comes, " " stays."""
    if change.path is not None:
        before, after = ([f"{change.path} = {value}"] for value in (change.before, change.after))
    else:
        before, after = _lines(change)
    found = [(line[0], clean(line[2:])) for line in difflib.ndiff(before, after) if line[0] != "?"]
    return [pair for pair in found if pair[1].strip() or pair[0] == " "]


def _lines(change: Change) -> tuple[list[str], list[str]]:
    """Split both sides into lines and take away the indent that they share."""
    before, after = change.before.expandtabs(4).splitlines(), change.after.expandtabs(4).splitlines()
    level = textwrap.dedent("\n".join([*before, *after])).split("\n")
    return level[: len(before)], level[len(before) :] if after else []


def tested(diagnosis: Diagnosis) -> list[tuple[str, tuple[Hypothesis, ...]]]:
    """Group what was put to the test: confirmed, ruled out, undecided, controls; empty groups are left out."""
    groups: dict[str, list[Hypothesis]] = {name: [] for name in ("confirmed", "ruled_out", "undecided", "control")}
    for hypothesis in diagnosis.hypotheses:
        groups[_outcome(hypothesis)].append(hypothesis)
    return [(name, tuple(members)) for name, members in groups.items() if members]


def _outcome(hypothesis: Hypothesis) -> str:
    """Name what came of a trial; one for no cause that can be found is a control."""
    if hypothesis.holds is None:
        return "undecided" if _is_known(hypothesis.code) else "control"
    return "confirmed" if hypothesis.holds else "ruled_out"


def outcome(hypothesis: Hypothesis) -> Message:
    return message(f"diagnosis.outcome_{_outcome(hypothesis)}")


def tested_line(hypothesis: Hypothesis) -> Message:
    told = {"tried": hypothesis.tried, "result": hypothesis.result}
    if _outcome(hypothesis) == "control":
        return message("diagnosis.control_line", **told)
    return message("diagnosis.tested_line", cause=title(hypothesis.code), **told)


def next_steps(diagnosis: Diagnosis) -> list[Message]:
    """Say what may decide a case that is unsure."""
    if diagnosis.verdict != "unsure":
        return []
    if not diagnosis.steps:
        return [message("diagnosis.next_script")]
    found = []
    if diagnosis.steps < _FEW_STEPS:
        found.append(message("diagnosis.next_longer", steps=number(diagnosis.steps)))
    undecided = sum(_outcome(hypothesis) == "undecided" for hypothesis in diagnosis.hypotheses)
    if undecided:
        found.append(message("diagnosis.next_budget", count=undecided))
    if sort(diagnosis).best is not None:
        found.append(message("diagnosis.next_seeds"))
    return [*found, message("diagnosis.next_batch")]


def watched(diagnosis: Diagnosis) -> list[str]:
    return [*diagnosis.models, *diagnosis.optimizers]


def cost(diagnosis: Diagnosis) -> list[Message | str]:
    """Return how many steps were watched, how long they took, and what watching and judging cost."""
    steps = message("diagnosis.one_step")
    if diagnosis.steps != 1:
        steps = message("diagnosis.steps", steps=number(diagnosis.steps))
    found: list[Message | str] = [steps, duration(diagnosis.seconds)]
    found.append(message("diagnosis.cost", percent=percent(diagnosis.overhead)))
    if diagnosis.judged_seconds > 0:
        found.append(message("diagnosis.judged", time=duration(diagnosis.judged_seconds)))
    return found
