"""The catalogues of sentences: complete in both languages, and every sentence asked for is there."""

import ast
import re
import string
import tomllib
from pathlib import Path

import pytest

import thalweg.core.words as words_package
from thalweg.core import LANGUAGES, Message, UnknownName, language, message, say, set_language

WORDS = Path(words_package.__file__).parent
SOURCE = WORDS.parents[1]
AREAS = sorted(path.stem for path in (WORDS / "en").glob("*.toml"))
SILENT = ("THALWEG_LANG", "LC_ALL", "LANG")


def read(lang, area):
    return tomllib.loads((WORDS / lang / f"{area}.toml").read_text(encoding="utf-8"))


def holes(sentence):
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name is not None}


def test_each_language_has_the_same_areas():
    assert AREAS and all(sorted(p.stem for p in (WORDS / lang).glob("*.toml")) == AREAS for lang in LANGUAGES)


@pytest.mark.parametrize("area", AREAS)
def test_both_languages_say_the_same(area):
    english, chinese = read("en", area), read("zh", area)
    assert list(english) == list(chinese)
    for key, sentence in english.items():
        assert isinstance(sentence, str) and sentence.strip() and chinese[key].strip(), key
        assert holes(sentence) == holes(chinese[key]), key
        assert "" not in holes(sentence) and not any(name[0].isdigit() for name in holes(sentence)), key
        assert sentence.count("\n") == chinese[key].count("\n") or area == "cli", key
        assert re.findall(r"`thalweg [^`]*`", sentence) == re.findall(r"`thalweg [^`]*`", chinese[key]), key


@pytest.mark.parametrize("area", AREAS)
def test_chinese_is_chinese(area):
    """A sentence of some length that is the same in both was forgotten."""
    english, chinese = read("en", area), read("zh", area)
    same = [key for key in english if english[key] == chinese[key] and len(english[key].split()) > 2]
    assert same == []


def asked_for():
    """Yield (file:line, key or its start, is it whole, names given or None) for each call."""
    for path in sorted(SOURCE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("message", "say") and node.args):
                continue
            given = None if any(k.arg is None for k in node.keywords) else {k.arg for k in node.keywords}
            choices = (
                [node.args[0].body, node.args[0].orelse] if isinstance(node.args[0], ast.IfExp) else [node.args[0]]
            )
            for key in choices:
                place = f"{path.relative_to(SOURCE)}:{node.lineno}"
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield place, key.value, True, given
                elif isinstance(key, ast.JoinedStr) and isinstance(key.values[0], ast.Constant):
                    yield place, key.values[0].value, False, given


ASKED = list(asked_for())


def test_the_search_finds_something():
    assert len(ASKED) > 60 and {key.partition(".")[0] for _, key, _, _ in ASKED} >= {
        "train",
        "findings",
        "data",
        "cli",
    }


def test_every_sentence_asked_for_exists_and_gets_what_it_needs():
    missing = []
    for place, key, whole, given in ASKED:
        area, _, name = key.partition(".")
        sentences = read("en", area) if area in AREAS else {}
        found = [k for k in sentences if (k == name if whole else k.startswith(name))]
        if not found:
            missing.append(f"{place}: no sentence {key!r}")
        elif whole and given is not None and given != holes(sentences[name]):
            missing.append(f"{place}: {key!r} needs {sorted(holes(sentences[name]))}, gets {sorted(given)}")
    assert missing == []


@pytest.fixture
def no_language(monkeypatch):
    before = list(words_package._current)
    set_language(None)
    for name in SILENT:
        monkeypatch.delenv(name, raising=False)
    yield monkeypatch
    words_package._current[:] = before


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, "en"), ({"LANG": "zh_CN.UTF-8"}, "zh"), ({"LANG": "C.UTF-8"}, "en"), ({"LANG": "de_DE"}, "en"),
        ({"LC_ALL": "zh_TW", "LANG": "en_US"}, "zh"), ({"LC_ALL": "", "LANG": "zh_CN"}, "zh"),
        ({"THALWEG_LANG": "en", "LANG": "zh_CN"}, "en"), ({"THALWEG_LANG": "ZH"}, "zh"),
    ],
)  # fmt: skip
def test_language_of_the_environment(no_language, environment, expected):
    for name, value in environment.items():
        no_language.setenv(name, value)
    assert language() == expected


def test_language_set(no_language):
    no_language.setenv("LANG", "zh_CN")
    set_language("en")
    assert language() == "en"
    set_language(None)
    assert language() == "zh"
    with pytest.raises(UnknownName, match="Unknown language 'english'"):
        set_language("english")
    assert language() == "zh"


def test_a_message_can_be_said_in_any_language(no_language):
    said = message("train.diverged", step=7)
    assert said == Message("train.diverged", {"step": 7})
    assert said.text("en") == "the loss is no longer a number at step 7" == str(said)
    assert "7" in said.text("zh") and said.text("zh") != said.text("en")
    set_language("zh")
    assert str(said) == said.text("zh") == say("train.diverged", step=7)
