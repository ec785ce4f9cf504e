"""A run on a page of text: as wide as a terminal, with Chinese counted at its width."""

from collections.abc import Iterator, Sequence

import numpy as np

from thalweg.core import Message, message
from thalweg.core.columns import width_of, wrap
from thalweg.findings import Evidence, Finding, Where
from thalweg.report.phrases import SIGNS, metric_name, metric_value, number, percent, phrase
from thalweg.report.sparkline import sparkline
from thalweg.report.story import Story
from thalweg.report.verdict import figures, outcome_word, verdict

_CURVE = 40  # columns
_LOG_FROM = 20.0


def run_page(story: Story, *, lang: str | None = None, width: int = 80, decisions: bool = True) -> str:
    """Write a run as plain text of at most `width` columns: outcome, scores, findings, decisions, files."""
    blocks = [
        _head(story, lang, width),
        _scores(story, lang),
        _curve(story, lang, width),
        _findings(story, lang, width),
        _list("report.gaps", story.gaps, lang, width),
        _list("report.ending", story.ending, lang, width),
        _list("report.decided", story.said if decisions else (), lang, width),
        _files(story, lang),
    ]
    return "\n\n".join("\n".join(_fit(line, width) for line in block) for block in map(list, blocks) if block)


def _fit(line: str, width: int) -> str:
    """Cut a line that cannot be broken, a path say."""
    if width_of(line) <= width:
        return line
    while width_of(line) > width - 1:
        line = line[:-1]
    return line.rstrip() + "…"


def _head(story: Story, lang: str | None, width: int) -> Iterator[str]:
    yield from wrap(phrase(verdict(story), lang), width)
    time = figures(story)[-1]
    facts = [story.name, phrase(outcome_word(story), lang), time.value]
    facts += [phrase(time.beside, lang)] if time.beside else []
    yield from wrap(" · ".join(facts), width)


def _scores(story: Story, lang: str | None) -> Iterator[str]:
    """Write a table: a row for each split, a column for each metric."""
    if not story.scores:
        return
    metrics = list(dict.fromkeys(metric for values in story.scores.values() for metric in values))
    rows = [["", *(phrase(metric_name(metric), lang).strip() for metric in metrics)]]
    for split, values in story.scores.items():
        shown = [metric_value(metric, values[metric]) if metric in values else "" for metric in metrics]
        rows.append([phrase(message(f"report.split_{split}"), lang), *shown])
    yield from _table(rows)


def _table(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(width_of(row[k]) for row in rows) for k in range(len(rows[0]))]
    for row in rows:
        first, *rest = zip(row, widths, strict=True)
        cells = [" " * (width - width_of(text)) + text for text, width in rest]
        yield "   ".join(["  " + first[0] + " " * (first[1] - width_of(first[0])), *cells]).rstrip()


def _curve(story: Story, lang: str | None, width: int) -> Iterator[str]:
    smoothed = story.curves.smoothed
    if len(smoothed.finite) < 2:
        return
    values, known = smoothed.values, smoothed.finite
    if known.min() > 0 and known.max() > _LOG_FROM * known.min():
        values = np.log(values)  # a loss that falls by orders of magnitude would be a spike and a floor
    line = sparkline(values.tolist(), min(_CURVE, width // 2))
    first, last = number(float(smoothed.finite[0]), 3), number(smoothed.last, 3)
    yield f"  {phrase(message('report.loss'), lang)} {first} {line} {last}"


def _findings(story: Story, lang: str | None, width: int) -> Iterator[str]:
    if not story.findings:
        yield from wrap(phrase(message("report.no_findings"), lang), width) if story.final else ()
        return
    yield phrase(message("report.findings"), lang)
    for finding in story.findings:
        yield from _finding(finding, lang, width)


def _finding(finding: Finding, lang: str | None, width: int) -> Iterator[str]:
    severity = phrase(message(f"report.severity_{finding.severity.value}"), lang)
    place = ", ".join(phrase(part, lang) for part in places(finding.where))
    head = f"  {SIGNS[finding.severity]} {finding.code} ({', '.join([severity, percent(finding.confidence)])})"
    yield f"{head} · {place}" if place else head
    yield from _indented(phrase(finding.cause, lang), width, 4)
    for evidence in finding.evidence:
        yield from _indented("– " + evidence_line(evidence, lang), width, 4)
    yield from _indented("→ " + phrase(finding.remedy, lang), width, 4)


def evidence_line(evidence: Evidence, lang: str | None) -> str:
    """Write a piece of evidence in a line: what, how much, and what it would be in a healthy run."""
    value = " ".join(filter(None, [number(evidence.value), evidence.unit]))
    line = f"{phrase(evidence.what, lang)}: {value}"
    return f"{line} ({phrase(message('report.healthy'), lang)}: {evidence.healthy})" if evidence.healthy else line


def places(where: Where) -> list[Message]:
    """Say where a cause sits, as far as it is known, the closest first."""
    found = []
    if where.file is not None:
        found.append(message("report.where_file", file=where.file, line=where.line or "?"))
    if where.layer is not None:
        found.append(message("report.where_layer", layer=where.layer))
    if where.parameter is not None:
        found.append(message("report.where_parameter", parameter=where.parameter))
    if where.step is not None:
        found.append(message("report.where_step", step=number(where.step)))
    return found


def _list(key: str, sentences: Sequence[Message], lang: str | None, width: int) -> Iterator[str]:
    if sentences:
        yield phrase(message(key), lang)
        for sentence in sentences:
            yield from _indented("– " + phrase(sentence, lang), width, 2)


def _indented(text: str, width: int, indent: int) -> Iterator[str]:
    """Wrap below an indent; the lines after the first hang two columns deeper where a mark leads."""
    deeper = 2 if text[:2] in ("– ", "→ ") else 0
    first, *rest = wrap(text, width - indent - deeper)
    yield " " * indent + first
    yield from (" " * (indent + deeper) + line for line in rest)


def _files(story: Story, lang: str | None) -> Iterator[str]:
    yield phrase(message("report.files"), lang)
    names = {
        "recipe.toml": "file_recipe", "trace.sqlite": "file_trace",
        "checkpoints/last.safetensors": "file_weights", "report.html": "file_report",
    }  # fmt: skip
    for name, key in names.items():
        path = story.path / name
        if path.exists():
            yield f"  {path}  ({phrase(message('report.' + key), lang)})"
