"""Where the network is wrong: confusions, residuals, single examples."""

from thalweg.core import Message, message
from thalweg.report.examples import Example
from thalweg.report.page.markup import Words, escape, section, tag, words
from thalweg.report.page.matrix import confusion_chart
from thalweg.report.page.shades import address
from thalweg.report.page.spread import residual_charts
from thalweg.report.phrases import number, percent
from thalweg.report.story import Story

_MOST_TARGETS = 4


def confusion(story: Story) -> str:
    """Show the confusion matrix of a classification, nothing else."""
    found = story.judged.confusion
    return section("confusion", message("report.confusion"), confusion_chart(found)) if found else ""


def residuals(story: Story) -> str:
    """Show the residuals of a regression, nothing else."""
    found = story.judged.residuals
    if not found:
        return ""
    about = message("report.residuals_about", split=message(f"report.split_{found[0].split}"))
    charts = [residual_charts(one, f"residuals-{k}") for k, one in enumerate(found[:_MOST_TARGETS])]
    return section("residuals", message("report.residuals"), tag("p", {"class": "about"}, words(about)), *charts)


def worst(story: Story) -> str:
    """Show the examples that the network is most wrong about."""
    judged = story.judged
    if not judged.worst:
        if judged.confusion is None:
            return ""
        return section("worst", message("report.worst"), tag("p", {"class": "calm"}, words(message("report.no_worst"))))
    key = "report.worst_mistakes" if judged.confusion else f"report.worst_{story.task}"
    kind = "pictures" if judged.worst[0].picture else "texts" if story.task == "language" else "rows"
    cards = [_card(example) for example in judged.worst]
    about = tag("p", {"class": "about"}, words(message(key)))
    return section("worst", message("report.worst"), about, tag("ol", {"class": f"worst {kind}"}, *cards))


def _card(example: Example) -> str:
    parts = []
    if example.picture:
        name = f"{example.truth} / {example.predicted}"
        parts.append(tag("img", {"class": "pixels", "src": address(example.picture), "alt": name}))
    if example.truth:
        parts.append(tag("p", {"class": "said"}, *_said(example)))
    if example.text:
        parts.append(tag("blockquote", {}, escape(example.text)))
    if example.features:
        cells = "".join(
            tag("div", {}, tag("dt", {}, escape(name)), tag("dd", {}, escape(value)))
            for name, value in example.features
        )
        parts.append(tag("dl", {"class": "features"}, cells))
    parts.append(tag("p", {"class": "beside"}, *_beside(example)))
    return tag("li", {}, *parts)


def _said(example: Example) -> list[str]:
    truth = tag("span", {"class": "true"}, words(message("report.truth")), " ", tag("b", {}, escape(example.truth)))
    said = tag(
        "span",
        {"class": "false"},
        words(message("report.prediction")),
        " ",
        tag("b", {}, escape(example.predicted)),
    )
    return [truth, said]


def _beside(example: Example) -> list[str]:
    notes: list[Words] = []
    if example.probability:
        notes.append(message("report.share_of", percent=percent(example.probability[1])))
    place: Message = message("report.example", split=message(f"report.split_{example.split}"), row=example.row)
    if not example.truth:
        place = message("report.passage", row=example.row)
    notes += [message("report.loss_is", loss=number(example.loss, 3)), place]
    return [tag("span", {}, words(note)) for note in notes]
