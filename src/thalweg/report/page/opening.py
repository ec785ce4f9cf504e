"""The top of the page: what came of the run, the numbers, the findings."""

import math

from thalweg.core import Message, message
from thalweg.findings import Finding, Severity
from thalweg.report.page.markup import Words, escape, section, table, tag, words
from thalweg.report.phrases import SIGNS, metric_name, metric_value, number, percent
from thalweg.report.story import Story
from thalweg.report.text import places
from thalweg.report.verdict import Figure, compared, figures, outcome_word, verdict


def masthead(story: Story) -> str:
    """Write the name of the run, its verdict, and the few numbers that matter."""
    source = next((fact.value for fact in story.data), "")
    line = [words(outcome_word(story)), tag("b", {}, escape(story.name)), words(source)]
    return tag(
        "header", {},
        tag("p", {"class": "kicker"}, *_dotted(line)),
        tag("h1", {}, words(verdict(story))),
        _lead(story),
        tag("dl", {"class": "figures"}, *map(_figure, figures(story))),
    )  # fmt: skip


def gaps(story: Story) -> str:
    """Write what the page cannot show; nothing where it shows all."""
    if not story.gaps:
        return ""
    return section("gaps", message("report.gaps"), *(tag("p", {"class": "about"}, words(gap)) for gap in story.gaps))


def findings(story: Story) -> str:
    """Write the findings, the worst first."""
    if not story.findings:
        inside = [tag("p", {"class": "calm"}, words(message("report.no_findings")))] if story.final else []
    else:
        inside = [_finding(finding) for finding in story.findings]
    return section("findings", message("report.findings"), *inside) if inside else ""


def scores(story: Story) -> str:
    """Write every metric on every split."""
    if not story.scores:
        return ""
    metrics = list(dict.fromkeys(metric for values in story.scores.values() for metric in values))
    head: list[Words] = ["", *map(metric_name, metrics)]
    rows: list[list[Words]] = []
    for split, values in story.scores.items():
        shown = [metric_value(metric, values.get(metric, math.nan)) for metric in metrics]
        rows.append([message(f"report.split_{split}"), *shown])
    return section("scores", message("report.scores"), table(head, rows, name="plain"))


def _dotted(parts: list[str]) -> list[str]:
    return [part if k == 0 else f' <i aria-hidden="true">·</i> {part}' for k, part in enumerate(parts) if part]


def _lead(story: Story) -> str:
    """Write what the first sentence should be held against."""
    said = compared(story)
    return tag("p", {"class": "lead"}, words(said)) if said else ""


def _figure(figure: Figure) -> str:
    note = tag("dd", {"class": "beside"}, words(figure.beside)) if figure.beside else ""
    value = tag("dd", {"class": "value"}, escape(figure.value))
    return tag("div", {}, tag("dt", {}, words(figure.what)), value, note)


def _finding(finding: Finding) -> str:
    severity = finding.severity.value
    mark = tag("span", {"class": "sign", "aria-hidden": "true"}, SIGNS[Severity(severity)])
    kind = tag("span", {"class": "severity"}, words(message(f"report.severity_{severity}")))
    head = tag("p", {"class": "head"}, mark, kind, tag("code", {}, escape(finding.code)), *_places(finding))
    remedy = tag("p", {"class": "remedy"}, tag("b", {}, words(message("report.remedy"))), " ", words(finding.remedy))
    cause = tag("h3", {}, words(finding.cause))
    return tag("article", {"class": f"finding {severity}"}, head, cause, remedy, _evidence(finding))


def _places(finding: Finding) -> list[str]:
    found = places(finding.where)
    return [tag("span", {"class": "where"}, words(part)) for part in found]


def _evidence(finding: Finding) -> str:
    sure = message("report.reckoned", percent=percent(finding.confidence), how=finding.reckoned)
    head: list[Words] = [message("report.evidence"), message("report.measured"), message("report.healthy")]
    rows: list[list[Words]] = [
        [e.what, " ".join(filter(None, [number(e.value), e.unit])), e.healthy or "–"] for e in finding.evidence
    ]
    confidence: Message = message("report.confidence")
    told = tag("p", {"class": "about"}, words(confidence), " ", words(sure))
    return (table(head, rows, name="plain") if rows else "") + told
