"""The page of a diagnosis: fits the terminal, says everything of its best finding, and nothing harmful."""

import re
import unicodedata

import pytest

import thalweg.core.words as words_package
from thalweg.core import LANGUAGES
from thalweg.core.words import catalogue
from thalweg.diagnosis.codes import CATEGORIES, CATEGORY
from thalweg.findings import Picture
from thalweg.report.diagnosis_facts import diff, next_steps, sort, title
from thalweg.report.diagnosis_picture import draw, short_names, shorten_name
from thalweg.report.diagnosis_text import diagnosis_page

from .diagnosis_samples import AREA, WORDS, Change, Diagnosis, Finding, Hypothesis, Severity, said, samples

NAMES = ["sick", "layers", "healthy", "unsure", "suspected", "faulty", "untrained", "evil"]


@pytest.fixture
def given(tmp_path, monkeypatch):
    """The samples; their sentences are lent to the catalogue, and their script lies in the working directory."""
    real = words_package.catalogue
    monkeypatch.setattr(
        words_package, "catalogue", lambda lang, area: WORDS[lang] if area == AREA else real(lang, area)
    )
    monkeypatch.chdir(tmp_path)
    return samples(tmp_path)


def columns(line):
    """Count columns in another way than the house does: no combining marks occur in the samples."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in line)


def flat(page):
    """Join the lines of a page, without the bars and blocks of its pictures."""
    return re.sub(r"\s+", " ", page)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("width", [100, 80, 60, 40, 10])
def test_no_line_is_wider(given, name, lang, width):
    page = diagnosis_page(given[name], lang=lang, width=width)
    assert max(columns(line) for line in page.splitlines()) <= max(width, 40)
    assert "\n\n\n" not in page and not any(line != line.rstrip() for line in page.splitlines())


@pytest.mark.parametrize("name", NAMES)
def test_colour_changes_nothing_but_colour(given, name):
    plain, painted = (diagnosis_page(given[name], lang="en", color=color) for color in (None, True))
    assert "\x1b" not in plain and "\x1b[" in painted
    assert re.sub(r"\x1b\[[\d;]*m", "", painted) == plain


@pytest.mark.parametrize(
    ("name", "colour", "verdict"),
    [("sick", 31, "✗ Sick: this run cannot"), ("faulty", 31, "✗ Sick: it trains, but"),
     ("healthy", 32, "✓ Healthy"), ("unsure", 33, "? Unsure"), ("untrained", 33, "? Nothing to judge")],
)  # fmt: skip
def test_the_first_line_is_the_verdict(given, name, colour, verdict):
    first = diagnosis_page(given[name], lang="en", color=True).splitlines()[0]
    assert first.startswith(f"\x1b[{colour}m\x1b[1m{verdict}")


def test_all_facts_of_the_best_finding(given):
    page = diagnosis_page(given["sick"], lang="en")
    best = given["sick"].findings[0]
    for fact in (
        "✗ Gradients are never cleared: zero_grad is missing", "critical · training loop · missing-zero-grad",
        "train.py:10", "10 │ loss.backward()", "parameter 0.weight · step 2", best.cause.text("en"),
        "27.31 × 1", "1,200 ≤ 1", "0.9981", "gradient norm, step by step · logarithmic · ┄ healthy: 1", "▲ 17",
        best.remedy.text("en"), "+ optimizer.zero_grad() loss.backward() optimizer.step()",
        "accuracy 0.112 → 0.9461, on 3 seeds; gain between 0.81 and 0.85", "certain (99 %): a fact, not an estimate",
        "Gradients explode; The learning rate is too high",
    ):  # fmt: skip
        assert fact in flat(page), fact
    order = [
        page.index(word) for word in ("where ", "why ", "evidence ", "fix ", "tried ", "sure ", "Further", "Notes")
    ]
    assert order == sorted(order)


def test_the_rest_is_shorter(given):
    page = flat(diagnosis_page(given["sick"], lang="en"))
    for finding in given["sick"].findings[1:3]:
        assert all(text in page for text in (finding.code, finding.cause.text("en"), finding.remedy.text("en")))
    assert "very likely (83 %) · dead-relu" in page and "features.6" in page
    assert "Training stopped too early (train.py:7): The last fifth" in page
    assert "Put to the test and ruled out – The learning rate is too low · rate × 10 for 60 steps → the loss" in page
    assert "What could not be seen – `model.head` runs inside torch.compile" in page
    assert page.endswith("Sequential · SGD(lr=0.05) 1,200 steps · 42.1 s · watching took 1.8 % · judged in 3.2 s")


def test_no_more_than_four_findings(given):
    page = diagnosis_page(given["faulty"], lang="en")
    assert page.count("ReLU units are dead") == 4 and "2 more: see --html or --json." in page
    assert "Errors of thalweg itself" in page and "checks.symmetry: ValueError" in page


def test_healthy_is_short(given):
    page = diagnosis_page(given["healthy"], lang="en")
    assert len(page.splitlines()) <= 8 and "fix" not in page and "1,200 steps" in page.splitlines()[-1]


def test_unsure_says_what_to_try(given):
    page = flat(diagnosis_page(given["unsure"], lang="en"))
    assert "ruled out" in page and "undecided" in page
    assert "60 steps show little" in page and "(`--budget`): 1 stayed undecided" in page and "one batch alone" in page
    assert next_steps(given["sick"]) == [] == next_steps(given["healthy"])
    assert len(next_steps(given["untrained"])) == 1


@pytest.mark.parametrize("lang", LANGUAGES)
def test_names_do_no_harm(given, lang):
    page = diagnosis_page(given["evil"], lang=lang)
    assert all(unicodedata.category(letter)[0] != "C" for letter in page.replace("\n", ""))
    assert "<script>alert(1)</script>[2J" in page


def test_chinese_is_said_throughout(given):
    page = diagnosis_page(given["sick"], lang="zh")
    assert page.startswith("✗ 有问题") and "位置  train.py:10" in page and "第 2 步" in page and "（99 %）" in page
    assert not re.search(r"\b(layer|step|healthy|seeds|found|sure)\b", page.replace("optimizer.step()", ""))


@pytest.mark.parametrize("lang", LANGUAGES)
def test_every_code_and_category_has_a_name(lang):
    known = catalogue(lang, "diagnosis")
    titles = [known[f"title_{code.replace('-', '_')}"] for code in CATEGORY]
    assert len(set(titles)) == len(CATEGORY) == sum(key.startswith("title_") for key in known)
    assert all(columns(one) <= 58 for one in titles)
    assert sorted(CATEGORIES) == sorted(key[9:] for key in known if key.startswith("category_"))


def test_languages_say_the_same_things():
    english, chinese = catalogue("en", "diagnosis"), catalogue("zh", "diagnosis")
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert set(re.findall(r"{(\w+)}", sentence)) == set(re.findall(r"{(\w+)}", chinese[key])), key


def test_an_unknown_code_keeps_its_name():
    assert title("as-yet-unknown").text("zh") == "as-yet-unknown"


def test_a_script_that_is_gone(given, tmp_path):
    (tmp_path / "train.py").unlink()
    page = diagnosis_page(given["sick"], lang="en")
    assert "train.py:10" in page and "│ loss" not in page
    (tmp_path / "train.py").write_text("one line\n")
    assert diagnosis_page(given["sick"], lang="en") == page


def test_a_control_is_no_cause(given):
    control = Hypothesis(code="as-it-was", tried=said("as it was", "照旧"), result=said("0.1", "0.1"))
    asked = Diagnosis(verdict="unsure", steps=500, hypotheses=(control,))
    assert "For comparison\n  – as it was → 0.1\n" in diagnosis_page(asked, lang="en")
    assert len(next_steps(asked)) == 1  # more time would decide nothing


def test_sorting(given):
    found = sort(given["sick"])
    assert found.best.code == "missing-zero-grad"
    assert [f.code for f in (*found.further, *found.notes)] == ["dead-relu", "unscaled-inputs", "stopped-too-early"]
    assert sort(given["healthy"]).best is None


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        (Change(before="  a\n  b", after="  a\n    c\n  b"), [(" ", "a"), ("+", "  c"), (" ", "b")]),
        (Change(before="", after="x = 1"), [("+", "x = 1")]),
        (Change(before="x = 1", after=""), [("-", "x = 1")]),
        (Change(before="0.1", after="0.01", path="rule.lr"), [("-", "rule.lr = 0.1"), ("+", "rule.lr = 0.01")]),
    ],
)
def test_diff(change, lines):
    assert diff(change) == lines


def picture(*values, **facts):
    return Picture(what=said("it", "它"), values=values, **facts)


def test_bars_are_as_long_as_their_values(given):
    lines = draw(picture(1.0, 2.0, 4.0, names=("a", "b", "c"), mark=1), width=60, lang="en")
    lengths = [line.count("█") + line.count("▌") / 2 for line, _ in lines[1:]]
    assert lengths[1] == lengths[2] / 2 == 2 * lengths[0] and lengths[2] > 40
    assert [role for _, role in lines] == ["caption", "bar", "marked", "bar"] and lines[2][0].endswith("◂")


def test_logarithmic_bars(given):
    lines = draw(picture(1e-6, 1e-4, 1e-2, 0.0, names=("a", "b", "c", "d"), log=True), width=60, lang="en")
    a, b, c, d = (line.count("█") for line, _ in lines[1:])
    assert b - a == pytest.approx(c - b, abs=1) and a >= 1 and d == 0
    assert "logarithmic" in lines[0][0]


def test_many_bars_keep_the_marked_one(given):
    names = tuple(f"layer{k}" for k in range(50))
    lines = draw(picture(*map(float, range(50)), names=names, mark=23), width=70, lang="en")
    assert len(lines) == 11 and any(line.startswith("layer23 ") and role == "marked" for line, role in lines)
    assert "10 of 50 shown" in lines[0][0] and "layer0 " in lines[1][0] and "layer49 " in lines[-1][0]


def test_a_curve_points_at_its_mark(given):
    values = [1.0] * 200
    values[150] = 9.0
    lines = [line for line, _ in draw(picture(*values, mark=150), width=60, lang="en")]
    assert lines[-1].strip() == "▲ 9" and lines[1][lines[-1].index("▲")] == "█"
    assert lines[1].lstrip().startswith("9 ┤") and lines[4].lstrip().startswith("1 ┤")


@pytest.mark.parametrize("log", [True, False])
def test_curves_of_strange_values(given, log):
    nan, inf = float("nan"), float("inf")
    for values in ((nan,), (nan, nan), (inf, 1.0, -inf), (0.0, 0.0), (-1.0, -2.0), (5.0,), (0.0, 1e-300, 1e300)):
        for names in ((), tuple("abc"[: len(values)])):
            for healthy in (None, 0.0, -1.0, inf):
                shown = picture(*values, names=names, healthy=healthy, log=log, mark=0)
                assert all(columns(line) <= 40 for line, _ in draw(shown, width=40, lang="en")[1:])


def test_names_stay_apart():
    names = [f"model.encoder.layers.{k}.attention.out" for k in (0, 11)]
    assert short_names(names, 16) == ["…layers.0…", "…layers.11…"]
    assert short_names(["a", "b"], 4) == ["a", "b"]
    assert columns(shorten_name("很长的名字" * 5, 11)) <= 11 and shorten_name("x" * 30, 10).count("x") < 10


def test_a_note_leads_nothing(given):
    note = Finding(
        code="overfitting", category="generalization", severity=Severity.NOTE, confidence=0.2,
        reckoned=said("so", "如此"), cause=said("c", "因"), remedy=said("r", "法"),
    )  # fmt: skip
    page = diagnosis_page(Diagnosis(verdict="healthy", findings=(note,), steps=1), lang="en")
    assert "· The model overfits: c" in page and "\n1 step · 0 s" in page
