"""The report is one file that holds everything, fetches nothing, and lets no name do harm."""

import base64
import hashlib
import re
from html.parser import HTMLParser

import numpy as np
import pytest

from thalweg.core import LANGUAGES
from thalweg.core.words import catalogue
from thalweg.report import tell, write_report
from thalweg.report.html import page
from thalweg.report.page.markup import escape, tag, words

from .conftest import EVIL

VOID = {"meta", "img", "rect", "line", "path", "circle", "image", "br"}
RUNS = ["digits", "diabetes", "diverged", "interrupted", "evil"]


class Reader(HTMLParser):
    """Hold the elements of a page; fail where they are not closed in order."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.tags, self.blocks, self.texts = [], [], {}, []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))
        if name not in VOID:
            self.open.append(name)

    def handle_startendtag(self, name, attributes):
        self.tags.append((name, dict(attributes)))

    def handle_endtag(self, name):
        assert self.open.pop() == name

    def handle_data(self, data):
        if self.open and self.open[-1] in ("style", "script"):
            self.blocks[self.open[-1]] = self.blocks.get(self.open[-1], "") + data
        else:
            self.texts.append(data)


@pytest.mark.parametrize("run", RUNS)
def test_page_is_whole_and_fetches_nothing(request, run):
    text = page(tell(request.getfixturevalue(run)), lang="en")
    reader = Reader(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|srcset", text.replace("xmlns", ""))
    assert all(not key.startswith("on") and key != "style" for _, attributes in reader.tags for key in attributes)
    for name, attributes in reader.tags:
        source = attributes.get("src") or attributes.get("href")
        assert source is None or source.startswith("data:image/png;base64,"), name
    assert sum(name == "script" for name, _ in reader.tags) == 1
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for _, attributes in reader.tags:
        for key in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(key) is None or attributes[key] in ids


def test_policy_names_the_blocks(digits):
    reader = Reader(page(tell(digits)))
    policy = next(a["content"] for name, a in reader.tags if name == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;")
    for block, content in reader.blocks.items():
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{block}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy and set(reader.blocks) == {"style", "script"}


def test_names_do_no_harm(evil):
    text = page(tell(evil))
    assert EVIL not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert 'onload="x' not in text
    assert EVIL in "".join(Reader(text).texts)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_both_languages(digits, lang):
    text = page(tell(digits), lang=lang)
    root = next(attributes for name, attributes in Reader(text).tags if name == "html")
    assert root["lang"] == lang and "270" in root["data-title-zh"]
    assert "What is taken for what" in text and "把什么认成了什么" in text
    said = [attributes["lang"] for name, attributes in Reader(text).tags if name != "html" and "lang" in attributes]
    assert said.count("en") == said.count("zh") == len(said) / 2 > 50


def test_languages_say_the_same_things():
    english, chinese = catalogue("en", "report"), catalogue("zh", "report")
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(re.findall(r"{(\w+)}", sentence)) == set(re.findall(r"{(\w+)}", chinese[key])), key


def test_every_chart_has_its_table(digits):
    reader = Reader(page(tell(digits)))
    charts = sum(name == "figure" and a.get("class", "").split()[0] in ("chart", "heat") for name, a in reader.tags)
    assert charts >= 7 and sum(name == "details" for name, _ in reader.tags) >= charts


def test_a_long_run_stays_small(written):
    rng = np.random.default_rng(0)
    steps = np.arange(200_000)
    losses = np.exp(-steps / 4e4) + 0.1 * rng.random(len(steps))
    folder = written(losses, outcome="finished")
    path = write_report(folder, folder.path / "sub" / "report.html", lang="zh")
    assert path.stat().st_size < 1_000_000
    assert '<html lang="zh"' in path.read_text(encoding="utf-8")


def test_nothing_recorded(written):
    Reader(page(tell(written(np.empty(0)))))


def test_markup():
    assert escape('a\x00<b> & "c" 5 %') == "a&lt;b&gt; &amp; &quot;c&quot; 5\u202f%"
    assert tag("p", {"hidden": "", "class": None}, "x") == "<p hidden>x</p>"
    assert words("plain `x`") == "plain `x`"
