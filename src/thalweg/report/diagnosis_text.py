"""A diagnosis on one page of a terminal: the verdict, the cause, where, why, what to change, how sure."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import click
import numpy as np

from thalweg.core import Message, message
from thalweg.core.columns import width_of, wrap
from thalweg.diagnosis import Diagnosis
from thalweg.findings import Evidence, Finding, Severity
from thalweg.report import diagnosis_facts as facts
from thalweg.report.diagnosis_picture import draw, shorten_name
from thalweg.report.phrases import SIGNS, either, number
from thalweg.report.sparkline import sparkline

_NARROWEST = 40
_FURTHER = 3  # findings after the best that are told
_LOG_FROM = 20.0  # times the lowest loss: from there on the curve is drawn on a logarithmic axis
_LOSS = 40  # columns of the loss curve
_LEVEL = 0.1  # of the loss: changes below it must not fill the height of the line
_LABELS = ("where", "cause", "evidence", "remedy", "tried", "sure", "explains")
_VERDICT = {"sick": ("✗", "red"), "healthy": ("✓", "green"), "unsure": ("?", "yellow")}
_COLOURS = {Severity.CRITICAL: "red", Severity.WARNING: "yellow", Severity.NOTE: "cyan"}
_DRAWN: dict[str, dict[str, Any]] = {
    "caption": {"dim": True}, "bar": {}, "marked": {"bold": True}, "curve": {}, "mark": {"bold": True},
}  # fmt: skip


def diagnosis_page(diagnosis: Diagnosis, *, lang: str | None = None, width: int = 80, color: bool | None = None) -> str:
    """Write a diagnosis as a page of at most `width` columns (40 at least); with escape codes only if `color`."""
    pen = _Pen(lang=lang, width=max(width, _NARROWEST), color=bool(color))
    found = facts.sort(diagnosis)
    blocks = [
        _head(diagnosis, pen),
        _finding(found.best, pen) if found.best else (),
        _further(found.further, pen),
        _notes(found.notes, pen),
        _tested(diagnosis, pen),
        _listed("diagnosis.next", facts.next_steps(diagnosis), pen),
        _listed("diagnosis.unseen", diagnosis.unseen, pen),
        _listed("diagnosis.faults", diagnosis.faults, pen),
        _foot(diagnosis, pen),
    ]
    return "\n\n".join("\n".join(block) for block in map(list, blocks) if block)


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Pen:
    """Say, wrap and paint; what is painted has been measured before."""

    lang: str | None
    width: int
    color: bool

    def say(self, value: Message | str) -> str:
        return facts.clean(either(value, self.lang))

    def joined(self, values: Sequence[Message | str]) -> str:
        return " · ".join(map(self.say, values))

    def paint(self, text: str, **style: Any) -> str:
        return click.style(text, **style) if self.color and style and text else text

    def wrapped(self, text: str, *, indent: int = 0, hang: int = 0, **style: Any) -> list[str]:
        """Wrap below an indent; lines after the first stand `hang` columns deeper."""
        first, *rest = wrap(text, self.width - indent - hang)
        lines = [" " * indent + first, *(" " * (indent + hang) + line for line in rest)]
        return [self.paint(line, **style) for line in lines]

    def listed(self, mark: str, text: str, *, indent: int) -> list[str]:
        """Wrap below an indent, a mark before the first line."""
        first, *rest = self.wrapped(text, indent=indent + 2)
        return [f"{' ' * indent}{mark} {first[indent + 2 :]}", *rest]

    @property
    def gutter(self) -> int:
        """The columns before what a label introduces."""
        return 4 + max(width_of(self.say(message(f"diagnosis.{name}"))) for name in _LABELS)

    @property
    def room(self) -> int:
        return self.width - self.gutter


def _cut(text: str, width: int) -> str:
    """Cut a line that must not be broken: a line of code, a note."""
    if width_of(text) <= width:
        return text
    while text and width_of(text) > width - 1:
        text = text[:-1]
    return text.rstrip() + "…"


def _head(diagnosis: Diagnosis, pen: _Pen) -> Iterator[str]:
    sign, colour = _VERDICT[diagnosis.verdict]
    yield from pen.wrapped(f"{sign} {pen.say(facts.verdict(diagnosis))}", hang=2, fg=colour, bold=True)
    yield from _loss(diagnosis.losses, pen)


def _loss(losses: Sequence[float], pen: _Pen) -> Iterator[str]:
    """Draw the loss in a line between where it began and where it ended; a level one looks level."""
    if len(losses) < 2 or not np.isfinite(losses).any():
        return
    parts = np.array_split(np.array(losses, dtype=np.float64), min(_LOSS, pen.width // 2, len(losses)))
    means = np.array([part.mean() for part in parts])
    heights, known = means, means[np.isfinite(means)]
    if not len(known):
        return
    if known.min() > 0 and known.max() > _LOG_FROM * known.min():
        heights, known = np.log(means), np.log(known)
    middle, reach = (known.max() + known.min()) / 2, max((known.max() - known.min()) / 2, _LEVEL * abs(known[0]))
    frame = [middle - reach, middle + reach]  # drawn with the curve, then cut off
    line = sparkline([*heights.tolist(), *frame], len(means) + 2)[:-2].replace(" ", "×")
    first, last = (number(float(mean), 3) for mean in means[[0, -1]])
    yield pen.paint(f"  {pen.say(message('diagnosis.loss'))} {first} {line} {last}", dim=True)


def _finding(finding: Finding, pen: _Pen) -> Iterator[str]:
    """Write the finding that leads the page, in full."""
    colour = _COLOURS[finding.severity]
    head = f"{SIGNS[finding.severity]} {pen.say(facts.title(finding.code))}"
    yield from pen.wrapped(head, hang=2, fg=colour, bold=True)
    kind: list[Message | str] = [facts.severity(finding), facts.category(finding.category), finding.code]
    yield from pen.wrapped(pen.joined(kind), indent=2, dim=True)
    yield ""
    yield from _labelled("where", [*_where(finding, pen)], pen)
    yield from _labelled("cause", wrap(pen.say(finding.cause), pen.room), pen)
    yield from _labelled("evidence", [*_evidence(finding.evidence, pen), *_picture(finding, pen)], pen, apart=True)
    yield from _labelled("remedy", [*wrap(pen.say(finding.remedy), pen.room), *_diff(finding, pen)], pen, apart=True)
    tried = wrap(pen.say(facts.trial(finding.tried)), pen.room) if finding.tried else []
    yield from _labelled("tried", tried, pen)
    yield from _labelled("sure", wrap(pen.say(facts.sureness(finding)), pen.room), pen)
    titles = pen.say(message("diagnosis.separator")).join(pen.say(facts.title(name)) for name in finding.explains)
    yield from _labelled("explains", wrap(titles, pen.room) if titles else [], pen)


def _labelled(name: str, lines: Sequence[str], pen: _Pen, *, apart: bool = False) -> Iterator[str]:
    """Set lines beside their label; nothing where there are none. `apart` leaves a blank line around a block."""
    if not lines:
        return
    label = pen.say(message(f"diagnosis.{name}"))
    if apart:
        yield ""
    yield f"  {pen.paint(label, dim=True)}{' ' * (pen.gutter - 2 - width_of(label))}{lines[0]}".rstrip()
    yield from (f"{' ' * pen.gutter}{line}".rstrip() for line in lines[1:])


def _where(finding: Finding, pen: _Pen) -> Iterator[str]:
    where = finding.where
    place, code = facts.clean(facts.place(where)), facts.code(where)
    if place:
        yield pen.paint(place if width_of(place) <= pen.room else shorten_name(place, pen.room), bold=True)
    for line, text in code:
        yield pen.paint(_cut(f"{line} │ {text}", pen.room), fg="cyan")
    inside = pen.joined(facts.inside(where))
    if inside:
        yield from wrap(inside, pen.room)


def _evidence(evidence: Sequence[Evidence], pen: _Pen) -> Iterator[str]:
    """Write a table: what, how much, and how much in a healthy run; what is long is wrapped beside its number."""
    if not evidence:
        return
    head = ["", *(pen.say(message(f"diagnosis.{name}")) for name in ("found", "healthy"))]
    rows = [[pen.say(e.what), _value(e), facts.clean(facts.healthy(e.healthy))] for e in evidence]
    if not any(row[2] for row in rows):
        head, rows = head[:2], [row[:2] for row in rows]
    widths = [max(width_of(row[k]) for row in (head, *rows)) for k in range(len(head))]
    widths[1] = min(widths[1], pen.room // 2 - 2)
    most = pen.room - 2 - widths[1]
    if len(widths) > 2:
        widths[2] = min(widths[2], most // 3)
        most -= 2 + widths[2]
    widths[0] = max(min(widths[0], most), 8)
    for row in (head, *rows):
        for line in _row(row, widths):
            yield pen.paint(line, dim=True) if row is head else line


def _value(evidence: Evidence) -> str:
    return " ".join(filter(None, [number(evidence.value), facts.clean(evidence.unit)]))


def _row(row: Sequence[str], widths: Sequence[int]) -> Iterator[str]:
    """Lay out cells, the number in the second to the right; a long cell goes on below itself."""
    cells = [wrap(text, width) for text, width in zip(row, widths, strict=True)]
    for k in range(max(map(len, cells))):
        parts = [cell[k] if k < len(cell) else "" for cell in cells]
        blanks = [" " * max(width - width_of(part), 0) for part, width in zip(parts, widths, strict=True)]
        line = [
            parts[0] + blanks[0],
            blanks[1] + parts[1],
            *(p + b for p, b in zip(parts[2:], blanks[2:], strict=True)),
        ]
        yield "  ".join(line).rstrip()


def _picture(finding: Finding, pen: _Pen) -> Iterator[str]:
    if finding.picture is None:
        return
    if finding.evidence:
        yield ""
    for text, role in draw(finding.picture, width=pen.room, lang=pen.lang):
        style = {**_DRAWN[role], **({"fg": _COLOURS[finding.severity]} if role in ("marked", "mark") else {})}
        for line in wrap(facts.clean(text), pen.room) if role == "caption" else [facts.clean(text)]:
            yield pen.paint(line, **style)


def _diff(finding: Finding, pen: _Pen) -> Iterator[str]:
    """Write the change, code that is too long for a line broken by force: it is there to be copied."""
    styles: dict[str, dict[str, Any]] = {"-": {"fg": "red"}, "+": {"fg": "green"}, " ": {"dim": True}}
    for sign, text in facts.diff(finding.change) if finding.change else ():
        for k, line in enumerate(_broken(text, pen.room - 2)):
            yield pen.paint(f"{sign if k == 0 else ' '} {line}", **styles[sign])


def _broken(code: str, width: int) -> Iterator[str]:
    """Break a line of code below its own indent."""
    text = code.lstrip()
    indent = " " * min(len(code) - len(text), width // 2)
    yield from (indent + line for line in wrap(text, width - len(indent)))


def _further(findings: Sequence[Finding], pen: _Pen) -> Iterator[str]:
    if not findings:
        return
    yield from pen.wrapped(pen.say(message("diagnosis.further")), bold=True)
    for finding in findings[:_FURTHER]:
        yield from _shorter(finding, pen)
    if len(findings) > _FURTHER:
        yield from pen.wrapped(pen.say(message("diagnosis.more", count=len(findings) - _FURTHER)), indent=2, dim=True)


def _shorter(finding: Finding, pen: _Pen) -> Iterator[str]:
    head = f"{SIGNS[finding.severity]} {pen.say(facts.title(finding.code))}"
    sure = pen.joined([facts.sure_short(finding), finding.code])
    gap = pen.width - 2 - width_of(head) - width_of(sure)
    title = pen.paint(head, fg=_COLOURS[finding.severity], bold=True)
    if gap >= 2:
        yield f"  {title}{' ' * gap}{pen.paint(sure, dim=True)}"
    else:
        yield from pen.wrapped(head, indent=2, hang=2, fg=_COLOURS[finding.severity], bold=True)
        yield from pen.wrapped(sure, indent=4, dim=True)
    place = [*filter(None, [facts.clean(facts.place(finding.where))]), *map(pen.say, facts.inside(finding.where))]
    if place:
        yield from pen.wrapped(" · ".join(place), indent=4)
    yield from pen.wrapped(pen.say(finding.cause), indent=4)
    yield from pen.listed("→", pen.say(finding.remedy), indent=4)


def _notes(notes: Sequence[Finding], pen: _Pen) -> Iterator[str]:
    """Write a line for each note."""
    if not notes:
        return
    yield from pen.wrapped(pen.say(message("diagnosis.notes")), bold=True)
    for note in notes:
        yield "  " + _cut(f"· {pen.say(facts.note_line(note))}", pen.width - 2)


def _tested(diagnosis: Diagnosis, pen: _Pen) -> Iterator[str]:
    for name, members in facts.tested(diagnosis):
        yield from pen.wrapped(pen.say(message(f"diagnosis.{name}")), bold=True)
        for hypothesis in members:
            yield from pen.listed("–", pen.say(facts.tested_line(hypothesis)), indent=2)


def _listed(key: str, sentences: Sequence[Message | str], pen: _Pen) -> Iterator[str]:
    if sentences:
        yield from pen.wrapped(pen.say(message(key)), bold=True)
        for sentence in sentences:
            yield from pen.listed("–", pen.say(sentence), indent=2)


def _foot(diagnosis: Diagnosis, pen: _Pen) -> Iterator[str]:
    """Write what was watched and what it cost, in one line where it fits."""
    parts = [pen.joined(part) for part in (facts.watched(diagnosis), facts.cost(diagnosis)) if part]
    line = " · ".join(parts)
    for part in [line] if width_of(line) <= pen.width else parts:
        yield from pen.wrapped(part, dim=True)
