"""The HTML page of a diagnosis: whole, self-contained, harmless, and telling everything."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

import thalweg.core.words as words_package
from thalweg.core import LANGUAGES
from thalweg.report.diagnosis_html import diagnosis_html

from .diagnosis_samples import AREA, EVIL, WORDS, samples
from .test_html import Reader

NAMES = ["sick", "layers", "healthy", "unsure", "suspected", "faulty", "untrained", "evil"]
CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def given(tmp_path, monkeypatch):
    """The samples; their sentences are lent to the catalogue, and their script lies in the working directory."""
    real = words_package.catalogue
    monkeypatch.setattr(
        words_package, "catalogue", lambda lang, area: WORDS[lang] if area == AREA else real(lang, area)
    )
    monkeypatch.chdir(tmp_path)
    return samples(tmp_path)


@pytest.mark.parametrize("name", NAMES)
def test_page_is_whole_and_fetches_nothing(given, name):
    text = diagnosis_html(given[name], lang="en")
    reader = Reader(text)
    assert not re.search(r"https?:|//[a-z]|url\(|@import|<link|srcset", text)
    assert all(not key.startswith("on") and key != "style" for _, attributes in reader.tags for key in attributes)
    ids = [attributes["id"] for _, attributes in reader.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag, attributes in reader.tags:
        assert attributes.get("src") is None, tag
        assert attributes.get("href") is None or attributes["href"].removeprefix("#") in ids
        for key in ("aria-labelledby", "aria-describedby"):
            assert attributes.get(key) is None or attributes[key] in ids
    assert sum(tag == "script" for tag, _ in reader.tags) == 1


def test_policy_names_the_blocks(given):
    reader = Reader(diagnosis_html(given["sick"]))
    policy = next(a["content"] for name, a in reader.tags if name == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    assert set(reader.blocks) == {"style", "script"}
    for block, content in reader.blocks.items():
        assert f"{block}-src 'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'" in policy


def test_names_do_no_harm(given):
    text = diagnosis_html(given["evil"])
    assert EVIL not in text and "&lt;script&gt;alert(1)&lt;/script&gt;" in text and 'onload="' not in text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)
    assert EVIL in "".join(Reader(text).texts)


@pytest.mark.parametrize("lang", LANGUAGES)
def test_all_facts_of_every_finding(given, lang):
    """Both languages stand in the page, whichever is shown first."""
    reader = Reader(diagnosis_html(given["sick"], lang=lang))
    texts = re.sub(r"\s+", " ", "".join(reader.texts)).replace("`", "")
    root = next(attributes for name, attributes in reader.tags if name == "html")
    assert root["lang"] == lang and root["data-title-zh"].startswith("有问题")
    for finding in given["sick"].findings:
        for other in LANGUAGES:
            for sentence in (finding.cause, finding.remedy, finding.reckoned, *(e.what for e in finding.evidence)):
                said = sentence.text(other).replace("`", "").replace(" %", "\u202f%")
                assert re.sub(r"\s+", " ", said) in texts, said
        assert finding.code in texts and f"train.py:{finding.where.line}" in texts
    for fact in (
        "27.31 ×",
        "≤ 1",
        "+ optimizer.zero_grad()",
        "- rule.lr = 0.05",
        "0.112 → 0.9461",
        "features.6",
        "42.1 s",
    ):
        assert fact in texts, fact


def test_findings_have_anchors(given):
    reader = Reader(diagnosis_html(given["faulty"]))
    ids = [a["id"] for name, a in reader.tags if name == "article"]
    assert ids == [f"finding-{k}-dead-relu" for k in range(1, 7)]
    assert {f"#{one}" for one in ids} <= {a["href"] for name, a in reader.tags if name == "a"}


def test_pictures_say_in_words_and_numbers_what_they_show(given):
    for name in ("sick", "layers", "faulty"):
        reader = Reader(diagnosis_html(given[name]))
        figures = [a for tag, a in reader.tags if tag == "figure"]
        assert figures and all("aria-labelledby" in a and "aria-describedby" in a for a in figures)
        assert sum(tag == "details" for tag, _ in reader.tags) == len(figures)
    text = diagnosis_html(given["layers"], lang="en")
    assert "Marked: encoder.layers.0.self_attn.out_proj, 3.98e-10." in text and text.count("<rect") == 14


def test_the_code_is_shown_around_its_line(given):
    text = diagnosis_html(given["sick"])
    assert '<span class="at"><i>10</i>    loss.backward()</span>' in text
    assert text.count('class="source"') == 3  # a note shows none


def test_steps_of_findings_are_marked_on_the_loss(given):
    text = diagnosis_html(given["sick"])
    marks = re.findall(r'<text class="mark[^"]*" x="([\d.]+)%"[^>]*>([^<]*)</text>', text)
    assert [name for _, name in marks] == ["1", "2"]
    assert float(marks[1][0]) == pytest.approx(100 * 310 / 1199, abs=0.1)


def test_a_lost_loss(given):
    assert "It is no finite number from step 400 on." in diagnosis_html(given["faulty"])
    assert "<figure" not in diagnosis_html(given["untrained"])


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=str(CHROMIUM), args=["--no-sandbox"])
        yield found
        found.close()


@pytest.mark.browser
@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no /usr/bin/chromium; apt-get install chromium")
@pytest.mark.parametrize(
    ("width", "scheme", "background"), [(390, "dark", "21, 23, 26"), (1200, "light", "253, 252, 249")]
)
def test_a_browser_has_no_complaint(given, browser, tmp_path, width, scheme, background):
    """It fits the screen, asks for nothing, is dark where that is preferred, and changes its language."""
    complaints = []
    for name in ("sick", "evil"):
        (tmp_path / "page.html").write_text(diagnosis_html(given[name], lang="en"), encoding="utf-8")
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, offline=True)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda asked: asked.url.startswith("file:") or complaints.append(asked.url))
        page.goto((tmp_path / "page.html").as_uri())
        wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert wide <= room
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == f"rgb({background})"
        page.click("#language")
        assert page.locator("h1").inner_text().startswith("有问题")
        context.close()
    assert complaints == []
