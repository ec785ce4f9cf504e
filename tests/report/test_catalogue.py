"""Everything with a name is told in full: sentences in both languages, meanings, lines that can be typed."""

import ast
import inspect
import shlex

import click
import pytest

from thalweg.cli import front
from thalweg.core import LANGUAGES, Component, UnknownName, find, knobs, read_component, set_language
from thalweg.core.words import catalogue as sentences
from thalweg.regularisers import REGULARISERS
from thalweg.report.catalogue import FAMILIES, entry, fields_of, find_family, sentence_of, show
from thalweg.rules import RULES

MEMBERS = [(family, name) for family, home in FAMILIES.items() for name in home.members()]
ENTRIES = pytest.mark.parametrize(("family", "name"), MEMBERS)
AREAS = sorted({home.words for home in FAMILIES.values()})


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("area", AREAS)
def test_each_member_has_a_sentence_and_each_sentence_a_member(area, lang):
    told = set(sentences(lang, area))
    assert told == {name for home in FAMILIES.values() if home.words == area for name in home.members()}


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_family_is_introduced(lang):
    told = sentences(lang, "catalogue")
    assert [f"family_{name}" for name in FAMILIES] == [key for key in told if key.startswith("family_")]


@pytest.mark.parametrize("lang", LANGUAGES)
def test_each_meaning_of_a_number_is_told(lang):
    meanings = {
        field.knob.meaning
        for home in FAMILIES.values()
        for member in home.members().values()
        for field in fields_of(member)
        if field.knob
    }
    assert set(sentences(lang, "knobs")) == meanings


def test_sentences_are_sentences():
    for area in AREAS:
        assert all(text.endswith(".") for text in sentences("en", area).values())
        assert all(text.endswith("。") for text in sentences("zh", area).values())


def test_regularisers_are_three_families():
    told = [name for kind in ("penalties", "constraints", "augmentations") for name in FAMILIES[kind].members()]
    assert told == list(REGULARISERS)


@ENTRIES
def test_an_entry_tells_every_field(family, name):
    found = entry(family, name)
    member = FAMILIES[family].members()[name]
    if not (inspect.isclass(member) and issubclass(member, Component)):
        assert found.fields == ()
        return
    assert [field.name for field in found.fields] == list(inspect.signature(member).parameters)
    told = {field.name: field.knob for field in found.fields if field.knob}
    assert knobs(member).items() <= told.items()
    for field in found.fields:
        assert field.kind != "object" or (family, name) in {
            ("models", "built"), ("sources", "arrays"), ("sources", "frame")
        }  # fmt: skip
        assert not field.required or field.default is None


@ENTRIES
def test_an_entry_can_be_typed(family, name):
    found = entry(family, name)
    lines = [found.command, found.python, *found.also]
    assert (found.command is None) <= (name in FAMILIES[family].values)
    try:
        for line in filter(None, lines):
            if line.startswith("thalweg"):
                parse(front, shlex.split(line)[1:])
            else:
                ast.parse(line)
    finally:
        set_language(None)


def parse(command, words):
    if isinstance(command, click.Group):
        parse(command.get_command(click.Context(command), words[0]), words[1:])
    else:
        command.make_context("thalweg", words).close()


BY_TEXT = [pair for pair in MEMBERS if pair[0] not in ("sources", "activations", "surfaces")]


@pytest.mark.parametrize(("family", "name"), BY_TEXT)
def test_the_text_of_an_entry_makes_the_member(family, name):
    found = entry(family, name)
    if found.command is None or name == "module":
        return
    text = shlex.split(found.command)[-1].removeprefix("constraint=")
    assert isinstance(read_component(FAMILIES[family].members(), text, family), found.member)
    assert f'"{text}"' in found.python and all(text in line for line in found.also)


def test_formula_remarks_and_source_come_from_the_docstring():
    adam = entry("rules", "adam")
    assert adam.formula[0] == "m = beta1 * m + (1 - beta1) * g;  s = beta2 * s + (1 - beta2) * g²"
    assert adam.source == "Kingma and Ba 2015, algorithm 1." and "Source" not in " ".join(adam.remarks)
    assert adam.remarks[0].startswith("`bias_correction=False` leaves")
    assert entry("schedules", "exponential").formula == ("factor = gamma ** t",)
    assert entry("schedules", "product").formula == ("factor = factor_1 * factor_2 * ...",)
    assert entry("augmentations", "shift").source == "Krizhevsky et al. 2012, section 4.1."
    assert not any("Raises" in remark for remark in entry("augmentations", "shift").remarks)


def test_what_is_torchs_is_not_quoted():
    relu = entry("activations", "relu")
    assert (relu.formula, relu.remarks, relu.source, relu.fields) == ((), (), "", ())
    assert "max(0, x)" in relu.sentence


def test_every_rule_has_a_formula_and_a_source_or_remarks():
    for name in RULES:
        found = entry("rules", name)
        assert found.formula and (found.source or found.remarks), name


def test_fields_of_each_kind():
    told = {field.name: field for field in entry("models", "mlp").fields}
    assert told["hidden"].kind == "list" and show(told["hidden"].default) == "[64, 64]"
    assert told["activation"].family == "activations" and told["norm"].family == "norms"
    assert told["norm_place"].choices == ("before", "after") and show(told["norm"].default) == "none"
    clip = {field.name: field for field in entry("rules", "clip-norm").fields}
    assert clip["rule"].required and clip["rule"].family == "rules"
    gain = {field.name: field for field in entry("init", "orthogonal").fields}["gain"]
    assert gain.knob and gain.choices == ("auto",)
    parts = {field.name: field for field in entry("schedules", "sequence").fields}["parts"]
    assert parts.kind == "list" and parts.family == "schedules"


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.001, "0.001"), (1e-8, "1e-08"), (1.0, "1"), (True, "true"), (None, "none"), ((1, 2.5), "[1, 2.5]"),
     ("auto", "auto"), (0.123456789, "0.123456789")],
)  # fmt: skip
def test_defaults_are_shown_as_they_are_typed(value, text):
    assert show(value) == text


def test_unknown_names_are_answered_with_the_nearest():
    with pytest.raises(UnknownName, match="Unknown family 'ruls': did you mean 'rules'"):
        find_family("ruls")
    with pytest.raises(UnknownName, match="Unknown rule 'adm': did you mean 'adam'"):
        entry("rules", "adm")


def test_a_sentence_in_either_language():
    home = find_family("losses")
    assert sentence_of(home, "mse", "zh").startswith("均方误差") and sentence_of(home, "mse", "en").startswith(
        "Squared"
    )
    assert find(home.members(), "mse", "loss").__name__ == "MSE"
