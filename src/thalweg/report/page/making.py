"""What the run was made of, what was decided, and how to do it again."""

from collections.abc import Sequence

from thalweg.core import Message, message
from thalweg.report.facts import Fact
from thalweg.report.page.markup import escape, section, tag, words
from thalweg.report.story import Story


def data_and_recipe(story: Story) -> str:
    """List the data and every field of the recipe."""
    data = tag("div", {}, tag("h3", {}, words(message("report.data"))), _facts(story.data))
    recipe = tag("div", {}, tag("h3", {}, words(message("report.recipe"))), _facts(story.recipe))
    said = _said("report.decided", story.said) + _said("report.ending", story.ending)
    return section("recipe", message("report.data_recipe"), tag("div", {"class": "pair"}, data, recipe), said)


def repeat(story: Story) -> str:
    """Say how to get the same run again."""
    recipe = story.path / "recipe.toml"
    python = f'import thalweg as tw\n\nrun = tw.train("{recipe}")'
    versions = " · ".join(f"{name} {version}" for name, version in story.made_with.items() if version)
    seed = message("report.field_seed")
    line = tag(
        "p",
        {"class": "versions"},
        escape(versions),
        " · " if versions else "",
        words(seed),
        " ",
        escape(story.seed),
    )
    return section(
        "repeat", message("report.repeat"),
        tag("p", {"class": "about"}, words(message("report.repeat_about"))),
        _code(message("report.in_shell"), f"thalweg train {recipe}"),
        _code(message("report.in_python"), python),
        line,
    )  # fmt: skip


def _code(name: Message, text: str) -> str:
    return tag(
        "div",
        {"class": "code"},
        tag("p", {}, words(name)),
        tag("pre", {"tabindex": 0}, tag("code", {}, escape(text))),
    )


def _facts(facts: Sequence[Fact]) -> str:
    return tag(
        "dl",
        {"class": "facts"},
        *(tag("div", {}, tag("dt", {}, words(f.what)), tag("dd", {}, words(f.value))) for f in facts),
    )


def _said(key: str, sentences: Sequence[Message]) -> str:
    if not sentences:
        return ""
    items = [tag("li", {}, words(sentence)) for sentence in sentences]
    return tag("h3", {}, words(message(key))) + tag("ul", {"class": "said"}, *items)
