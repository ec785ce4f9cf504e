"""The report as one HTML file that holds everything it shows: no network, no fonts, no script but its own.

A strict policy stands in the page itself: nothing may be fetched, and of style and script only the two blocks
whose hashes it names. What a user named (runs, classes, features, files) is escaped wherever it stands.
"""

import base64
import functools
import hashlib
from importlib import resources
from pathlib import Path

from thalweg.core import LANGUAGES, language, make_folder, message, write_atomically
from thalweg.model import Model
from thalweg.report.page import making, mistakes, opening, progress
from thalweg.report.page.markup import escape, tag, words
from thalweg.report.phrases import phrase
from thalweg.report.story import Story, tell
from thalweg.report.verdict import verdict
from thalweg.train import Folder


def write_report(folder: Folder, path: Path, *, lang: str | None = None, model: Model | None = None) -> Path:
    """Write the report of a run to `path`, which opens in `lang`; return the path.

    `model` is needed to look at predictions where the network came from Python.
    """
    make_folder(path.parent)
    write_atomically(path, page(tell(folder, model=model), lang=lang))
    return path


def page(story: Story, *, lang: str | None = None) -> str:
    """Draw a story as an HTML document in both languages, of which `lang` is shown first."""
    shown = lang or language()
    titles = {f"data-title-{name}": f"{phrase(verdict(story), name)} · {story.name}" for name in LANGUAGES}
    body = [_bar(), tag("main", {}, opening.masthead(story), *_sections(story)), _foot(story)]
    script = tag("script", {}, _file("behaviour.js"))
    html = tag(
        "html",
        {"lang": shown, **titles},
        _head(titles[f"data-title-{shown}"]),
        tag("body", {}, *body, script),
    )
    return f"<!doctype html>\n{html}\n"


def _sections(story: Story) -> list[str]:
    return [
        opening.findings(story),
        opening.gaps(story),
        progress.curves(story),
        opening.scores(story),
        mistakes.confusion(story),
        mistakes.residuals(story),
        mistakes.worst(story),
        progress.layers(story),
        making.data_and_recipe(story),
        making.repeat(story),
    ]


def _head(title: str) -> str:
    style = _file("style.css")
    policy = "; ".join(
        [
            "default-src 'none'",
            "img-src data:",
            f"style-src '{_digest(style)}'",
            f"script-src '{_digest(_file('behaviour.js'))}'",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )
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
        tag("p", {}, tag("b", {}, "thalweg"), " ", words(message("report.report"))),
        tag("button", {"type": "button", "id": "language"}, words(message("report.language_button"))),
        tag("button", {"type": "button", "id": "theme"}, tag("span", {"aria-hidden": "true"}, "◐"), change),
    )  # fmt: skip


def _foot(story: Story) -> str:
    version = story.made_with.get("thalweg", "")
    return tag("footer", {}, tag("p", {}, words(message("report.made_by", version=version))))


@functools.cache
def _file(name: str) -> str:
    return resources.files("thalweg.report.page").joinpath(name).read_text(encoding="utf-8")


def _digest(content: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode("ascii")
