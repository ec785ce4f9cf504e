"""A diagnosis as one HTML file, in the look of the run report: both languages, light and dark, nothing fetched.

All of it can be read without its script, which only switches language and theme and reads values off charts.
"""

import base64
import functools
import hashlib
import re
from collections.abc import Sequence
from importlib import resources

from thalweg.core import LANGUAGES, Message, language, message
from thalweg.core.version import VERSION
from thalweg.diagnosis import Diagnosis
from thalweg.findings import Finding, Severity
from thalweg.report import diagnosis_facts as facts
from thalweg.report.diagnosis_svg import loss_chart, picture
from thalweg.report.page.markup import Words, escape, section, table, tag, words
from thalweg.report.phrases import SIGNS, duration, number, percent, phrase

_UNSEEN = re.compile("[\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")  # would turn the direction of writing
_AROUND = 2  # lines of code before and after the one that is meant


def diagnosis_html(diagnosis: Diagnosis, *, lang: str | None = None) -> str:
    """Draw a diagnosis as an HTML document in both languages, of which `lang` is shown first."""
    shown = lang or language()
    found = facts.sort(diagnosis)
    numbered = [*([found.best] if found.best else []), *found.further, *found.notes]
    sections = [_findings(numbered), _loss(diagnosis, numbered), _tested(diagnosis), *_sentences(diagnosis)]
    titles = {f"data-title-{name}": phrase(facts.verdict(diagnosis), name) for name in LANGUAGES}
    foot = tag("footer", {}, tag("p", {}, words(message("report.made_by", version=VERSION))))
    main = tag("main", {}, _masthead(diagnosis, numbered), *sections)
    body = tag("body", {}, _bar(), main, foot, tag("script", {}, _file("page", "behaviour.js")))
    document = tag("html", {"lang": shown, **titles}, _head(titles[f"data-title-{shown}"]), body)
    return f"<!doctype html>\n{_UNSEEN.sub('', document)}\n"


def _head(title: str) -> str:
    style = _style()
    policy = "; ".join(
        [
            "default-src 'none'", "img-src data:", f"style-src '{_digest(style)}'",
            f"script-src '{_digest(_file('page', 'behaviour.js'))}'", "base-uri 'none'", "form-action 'none'",
        ]
    )  # fmt: skip
    return tag(
        "head", {},
        tag("meta", {"charset": "utf-8"}),
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"/>',
        tag("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        tag("meta", {"name": "referrer", "content": "no-referrer"}),
        tag("meta", {"name": "color-scheme", "content": "light dark"}),
        tag("title", {}, escape(title)),
        tag("style", {}, style),
    )  # fmt: skip


def _bar() -> str:
    """Draw the line on top: what this is, and the two switches."""
    change = tag("span", {"class": "unseen"}, words(message("report.theme_label")))
    return tag(
        "nav", {},
        tag("p", {}, tag("b", {}, "thalweg"), " ", words(message("diagnosis.report"))),
        tag("button", {"type": "button", "id": "language"}, words(message("report.language_button"))),
        tag("button", {"type": "button", "id": "theme"}, tag("span", {"aria-hidden": "true"}, "◐"), change),
    )  # fmt: skip


def _masthead(diagnosis: Diagnosis, numbered: Sequence[Finding]) -> str:
    """Write what was watched, the verdict, the cause that leads, and what it cost."""
    watched = ' <i aria-hidden="true">·</i> '.join(map(escape, facts.watched(diagnosis)))
    kind = diagnosis.verdict if diagnosis.verdict != "sick" else numbered[0].severity.value if numbered else "critical"
    lead = ""
    if numbered and numbered[0].severity is not Severity.NOTE:
        link = tag("a", {"href": f"#{_anchor(numbered[0], 1)}"}, words(facts.title(numbered[0].code)))
        place = facts.place(numbered[0].where)
        lead = tag("p", {"class": "lead"}, link, *([" · ", tag("code", {}, escape(place))] if place else []))
    figures = [
        ("steps", number(diagnosis.steps)), ("seconds", duration(diagnosis.seconds)),
        ("cost", percent(diagnosis.overhead)), ("judged", duration(diagnosis.judged_seconds)),
    ]  # fmt: skip
    drawn = [
        tag(
            "div",
            {},
            tag("dt", {}, words(message(f"diagnosis.figure_{name}"))),
            tag("dd", {"class": "value"}, escape(value)),
        )
        for name, value in figures
    ]
    return tag(
        "header", {},
        tag("p", {"class": "kicker"}, watched) if watched else "",
        tag("h1", {"class": kind}, words(facts.verdict(diagnosis))), lead,
        tag("dl", {"class": "figures"}, *drawn),
    )  # fmt: skip


def _anchor(finding: Finding, k: int) -> str:
    """Name the place of a finding in the page; its number keeps two of one code apart."""
    name = re.sub(r"[^a-z0-9]+", "-", finding.code.lower()).strip("-")
    return f"finding-{k}-{name}" if name else f"finding-{k}"


def _findings(numbered: Sequence[Finding]) -> str:
    drawn = [_finding(finding, k, alone=len(numbered) == 1) for k, finding in enumerate(numbered, 1)]
    return section("findings", message("diagnosis.findings"), *drawn) if drawn else ""


def _finding(finding: Finding, k: int, *, alone: bool) -> str:
    key = _anchor(finding, k)
    evidence = _evidence(finding)
    drawn = picture(finding.picture, f"{key}-picture") if finding.picture else ""
    shown = [part for part in (evidence, drawn) if part]
    return tag(
        "article", {"class": f"finding {finding.severity.value}", "id": key, "aria-labelledby": f"{key}-title"},
        _kind(finding, k, alone=alone),
        tag("h3", {"id": f"{key}-title"}, words(facts.title(finding.code))),
        tag("p", {"class": "cause"}, words(finding.cause)),
        _place(finding),
        tag("div", {"class": "pair"}, *shown) if shown else "",
        tag("p", {"class": "remedy"}, _label("remedy"), words(finding.remedy)),
        _diff(finding),
        *_beneath(finding),
    )  # fmt: skip


def _kind(finding: Finding, k: int, *, alone: bool) -> str:
    """Write the line above a title: number, severity, category, code, and the way here."""
    count = tag("span", {"class": "no"}, str(k)) if not alone else ""
    sign = tag("span", {"class": "sign", "aria-hidden": "true"}, SIGNS[finding.severity])
    kind = tag("span", {"class": "severity"}, words(facts.severity(finding)))
    area = tag("span", {}, words(facts.category(finding.category)))
    link = tag("a", {"class": "anchor screen", "href": f"#{_anchor(finding, k)}", "aria-label": finding.code}, "#")
    return tag("p", {"class": "head"}, count, sign, kind, area, tag("code", {}, escape(finding.code)), link)


def _place(finding: Finding) -> str:
    """Write file, line, layer, parameter and step, and the code there."""
    place = facts.place(finding.where)
    parts = [tag("b", {}, escape(place))] if place else []
    parts += [words(part) for part in facts.inside(finding.where)]
    shown = [] if finding.severity is Severity.NOTE else facts.code(finding.where, around=_AROUND)
    lines = [
        tag(
            "span",
            {"class": "at" if line == finding.where.line else None},
            tag("i", {}, str(line)),
            escape(text) or " ",
        )
        for line, text in shown
    ]
    code = tag("pre", {"class": "source", "tabindex": 0}, *lines) if lines else ""
    return (tag("p", {"class": "place"}, " · ".join(parts)) if parts else "") + code


def _evidence(finding: Finding) -> str:
    if not finding.evidence:
        return ""
    head: list[Words] = [message(f"diagnosis.{name}") for name in ("evidence", "found", "healthy")]
    rows: list[list[Words]] = [
        [e.what, " ".join(filter(None, [number(e.value), e.unit])), facts.healthy(e.healthy) or "–"]
        for e in finding.evidence
    ]
    return table(head, rows, name="plain")


def _diff(finding: Finding) -> str:
    if finding.change is None:
        return ""
    kinds = {"-": "gone", "+": "new", " ": "kept"}
    lines = [tag("span", {"class": kinds[sign]}, escape(f"{sign} {text}")) for sign, text in facts.diff(finding.change)]
    return tag("pre", {"class": "diff", "tabindex": 0}, *lines) if lines else ""


def _beneath(finding: Finding) -> list[str]:
    """Write what a trial showed, how sure it is, and what else the cause explains."""
    found = [tag("p", {"class": "remedy"}, _label("tried"), words(facts.trial(finding.tried)))] if finding.tried else []
    found.append(tag("p", {"class": "about"}, _label("sure"), words(facts.sureness(finding))))
    if finding.explains:
        titles = " · ".join(words(facts.title(code)) for code in finding.explains)
        found.append(tag("p", {"class": "about"}, _label("explains"), titles))
    return found


def _label(name: str) -> str:
    return tag("b", {}, words(message(f"diagnosis.{name}"))) + " "


def _loss(diagnosis: Diagnosis, numbered: Sequence[Finding]) -> str:
    drawn = loss_chart(diagnosis, numbered)
    return section("course", message("report.loss"), drawn) if drawn else ""


def _tested(diagnosis: Diagnosis) -> str:
    """Write a table of what was put to the test."""
    if not diagnosis.hypotheses:
        return ""
    names = ("hypothesis", "test", "result", "outcome")
    top = [tag("th", {"scope": "col"}, words(message(f"diagnosis.{name}"))) for name in names]
    rows = []
    for name, members in facts.tested(diagnosis):
        for one in members:
            cells = [tag("th", {"scope": "row"}, words(facts.title(one.code)))]
            cells += [tag("td", {}, words(part)) for part in (one.tried, one.result)]
            cells.append(tag("td", {"class": f"verdict {name}"}, words(facts.outcome(one))))
            rows.append(tag("tr", {}, *cells))
    inner = tag("table", {"class": "plain tests"}, tag("thead", {}, tag("tr", {}, *top)), tag("tbody", {}, *rows))
    return section("tests", message("diagnosis.tests"), tag("div", {"class": "scroll", "tabindex": 0}, inner))


def _sentences(diagnosis: Diagnosis) -> list[str]:
    """Write what to try next, what could not be seen, and errors of thalweg's own."""
    told: tuple[tuple[str, Sequence[Message | str]], ...] = (
        ("next", facts.next_steps(diagnosis)), ("unseen", diagnosis.unseen), ("faults", diagnosis.faults),
    )  # fmt: skip
    return [
        section(
            name, message(f"diagnosis.{name}"), tag("ul", {"class": "said"}, *(tag("li", {}, words(s)) for s in said))
        )
        for name, said in told
        if said
    ]


@functools.cache
def _style() -> str:
    return _file("page", "style.css") + _file("diagnosis.css")


@functools.cache
def _file(*path: str) -> str:
    return resources.files("thalweg.report").joinpath(*path).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
