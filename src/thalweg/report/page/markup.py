"""Markup: elements, escaping, and sentences in both languages side by side."""

import html
import re
from collections.abc import Mapping, Sequence

from thalweg.core import LANGUAGES, Message
from thalweg.report.phrases import phrase

Words = Message | str
Attributes = Mapping[str, object]
_CODE = re.compile(r"`([^`]+)`")
_VOID = ("img", "meta", "rect", "line", "path", "circle", "image", "br")


def escape(text: object) -> str:
    """Make any text safe inside an element or an attribute; control characters are dropped."""
    kept = "".join(letter for letter in str(text) if letter >= " " or letter in "\n\t")
    return html.escape(kept.replace(" %", "\u202f%"), quote=True)


def tag(name: str, attributes: Attributes | None = None, /, *inside: str) -> str:
    """Write an element; attribute values are escaped, None leaves an attribute out, "" writes its name alone.

    >>> tag("p", {"class": "a<b"}, escape("1 < 2"))
    '<p class="a&lt;b">1 &lt; 2</p>'
    """
    given = {key: value for key, value in (attributes or {}).items() if value is not None}
    head = "".join(f" {key}" if value == "" else f' {key}="{escape(value)}"' for key, value in given.items())
    if name in _VOID:
        return f"<{name}{head}/>"
    return f"<{name}{head}>{''.join(inside)}</{name}>"


def words(value: Words, element: str = "span") -> str:
    """Write a sentence in every language, one of which the page shows; once where they are the same."""
    if isinstance(value, str):
        return escape(value)
    said = {lang: phrase(value, lang).strip() for lang in LANGUAGES}
    if len(set(said.values())) == 1:
        return escape(said["en"])
    return "".join(tag(element, {"lang": lang}, _coded(text)) for lang, text in said.items())


def _coded(text: str) -> str:
    """Set what stands between backticks as code."""
    return _CODE.sub(r"<code>\1</code>", escape(text))


def sentences(values: Sequence[Message]) -> str:
    """Write sentences one after the other, with a space between them where the language has one."""
    return "".join(
        tag(
            "span",
            {"lang": lang},
            escape(("" if lang == "zh" else " ").join(phrase(value, lang) for value in values)),
        )
        for lang in LANGUAGES
    )


def table(head: Sequence[Words], rows: Sequence[Sequence[Words]], *, name: str = "") -> str:
    """Write a table whose first column names its rows."""
    top = tag("tr", {}, *(tag("th", {"scope": "col"}, words(cell)) for cell in head))
    body = [
        tag(
            "tr",
            {},
            tag("th", {"scope": "row"}, words(row[0])),
            *(tag("td", {}, words(cell)) for cell in row[1:]),
        )
        for row in rows
    ]
    inner = tag("table", {"class": name or None}, tag("thead", {}, top), tag("tbody", {}, *body))
    return tag("div", {"class": "scroll", "tabindex": 0}, inner)


def twin(summary: Words, content: str) -> str:
    """Fold away the table that says what a chart shows."""
    return tag("details", {}, tag("summary", {}, words(summary)), content)


def section(key: str, title: Words, *inside: str) -> str:
    """Write a section; its title stands in the margin of a wide page."""
    name = tag("h2", {"id": f"{key}-title"}, words(title))
    return tag(
        "section",
        {"id": key, "aria-labelledby": f"{key}-title"},
        name,
        tag("div", {"class": "body"}, *inside),
    )
