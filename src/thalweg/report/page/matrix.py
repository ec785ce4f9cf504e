"""The confusion matrix: shaded cells for few classes, a picture for many, and the commonest mistakes."""

import numpy as np
from numpy.typing import NDArray

from thalweg.core import Message, message
from thalweg.report.judged import Confusion
from thalweg.report.page.markup import Words, escape, table, tag, twin, words
from thalweg.report.page.shades import BLUE, ORANGE, one_way, png
from thalweg.report.phrases import number, percent

_MOST_CELLS = 16  # classes a side up to which each count is written
_MOST_PAIRS = 10
_SHADES = 9
_MOST_NAME = 18


def confusion_chart(confusion: Confusion) -> str:
    """Show what is taken for what, the commonest mistakes, and how well each class is found."""
    small = len(confusion.classes) <= _MOST_CELLS
    about = message("report.confusion_about", split=message(f"report.split_{confusion.split}"))
    shown = _cells(confusion) if small else _picture(confusion)
    return (
        tag("p", {"class": "about"}, words(about))
        + tag("div", {"class": "sides"}, shown, _pairs(confusion))
        + twin(message("report.as_table"), _classes(confusion))
    )


def _cells(confusion: Confusion) -> str:
    shares = _shares(confusion.counts)
    top = [tag("th", {"scope": "col"}, escape(_short(name))) for name in confusion.classes]
    corner = tag("td", {"class": "corner"}, words(message("report.truth")), " \\ ", words(message("report.prediction")))
    rows = []
    for i, name in enumerate(confusion.classes):
        cells = [_cell(int(confusion.counts[i, j]), shares[i, j], right=i == j) for j in range(len(confusion.classes))]
        rows.append(tag("tr", {}, tag("th", {"scope": "row"}, escape(_short(name))), *cells))
    head = tag("thead", {}, tag("tr", {}, corner, *top))
    size = "matrix" if len(confusion.classes) > 4 else "matrix roomy"
    return tag(
        "div",
        {"class": "scroll", "tabindex": 0},
        tag("table", {"class": size}, head, tag("tbody", {}, *rows)),
    )


def _cell(count: int, share: float, *, right: bool) -> str:
    if not count:
        return tag("td", {"class": "none"}, "·")
    level = min(int(np.ceil(share * _SHADES)), _SHADES)
    # A mistake of one example in a hundred is to be seen, so mistakes are shaded from a third upwards.
    level = level if right else max(level, 3)
    return tag("td", {"class": f"{'right' if right else 'wrong'} l{level}"}, number(count))


def _picture(confusion: Confusion) -> str:
    """Draw a pixel for each pair of classes: blue on the diagonal, orange off it, by root of share."""
    shares = np.sqrt(_shares(confusion.counts))
    pixels = np.where(np.eye(len(shares), dtype=bool)[..., None], one_way(shares, BLUE), one_way(shares, ORANGE))
    image = tag("img", {"class": "pixels", "src": png(pixels), "alt": ""})
    sides = tag("figcaption", {}, words(message("report.truth")), " ↓ ", words(message("report.prediction")), " →")
    return tag("figure", {"class": "picture"}, image, sides)


def _pairs(confusion: Confusion) -> str:
    found = confusion.pairs(_MOST_PAIRS)
    title = tag("h3", {}, words(message("report.commonest_mistakes")))
    if not found:
        return tag("div", {}, title, tag("p", {"class": "about"}, words(message("report.no_mistakes"))))
    rows: list[list[Words]] = [
        [
            message("report.mistake", true=true, said=said),
            message("report.of_count", count=number(count), total=number(total)),
        ]
        for true, said, count, total in found
    ]
    return tag("div", {}, title, table(["", ""], rows, name="plain bare"))


def _classes(confusion: Confusion) -> str:
    """Write for each class how many there are, what share was found, what share of its mentions was right."""
    counts = confusion.counts
    hits, true, said = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    head: list[Message | str] = [
        "",
        message("report.count"),
        message("report.recall"),
        message("report.precision"),
    ]
    rows = [
        [name, number(int(true[k])), _share(hits[k], true[k]), _share(hits[k], said[k])]
        for k, name in enumerate(confusion.classes)
    ]
    return table(head, rows, name="numbers")


def _share(part: float, whole: float) -> str:
    return percent(float(part) / float(whole)) if whole else "–"


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return shares


def _short(name: str) -> str:
    return name if len(name) <= _MOST_NAME else name[: _MOST_NAME - 1] + "…"
