"""Components as text: what is read, and one sentence for whatever cannot be."""

import importlib
import string
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from thalweg.core import UsageError, read_component, to_plain
from thalweg.core.grammar import read_list, read_text

CATALOGUES: dict[str, Any] = {
    what: getattr(importlib.import_module(module), name)
    for what, (module, name) in {
        "rule": ("thalweg.rules", "RULES"),
        "schedule": ("thalweg.schedules", "SCHEDULES"),
        "penalty": ("thalweg.regularisers", "PENALTIES"),
        "augment": ("thalweg.regularisers", "AUGMENTATIONS"),
        "model": ("thalweg.model", "MODELS"),
        "init": ("thalweg.init", "INITS"),
        "scaler": ("thalweg.data", "SCALERS"),
    }.items()
}

READ: list[tuple[str, list[dict[str, Any]]]] = [
    ("adam", [{"kind": "adam"}]),
    ("adam()", [{"kind": "adam"}]),
    (" adam ( lr = 0.1 ) ", [{"kind": "adam", "lr": "0.1"}]),
    ("adam(lr=1e-3,beta1=.5)", [{"kind": "adam", "lr": "1e-3", "beta1": ".5"}]),
    ("adam(lr=1e+3)", [{"kind": "adam", "lr": "1e+3"}]),
    ("adam(lr=-1)+ema", [{"kind": "adam", "lr": "-1"}, {"kind": "ema"}]),
    ("sgd+ema+sam(rho=1)", [{"kind": "sgd"}, {"kind": "ema"}, {"kind": "sam", "rho": "1"}]),
    ("ema(rule=sgd(lr=1))", [{"kind": "ema", "rule": {"kind": "sgd", "lr": "1"}}]),
    ("sequence(parts=[a, b(c=0.1)])", [{"kind": "sequence", "parts": ["a", {"kind": "b", "c": "0.1"}]}]),
    ("by-hand(points=[[0,1],[1,0]])", [{"kind": "by-hand", "points": [["0", "1"], ["1", "0"]]}]),
    ("a(b=[])", [{"kind": "a", "b": []}]),
    ("a(b=1.5.2)", [{"kind": "a", "b": "1.5.2"}]),
    ("a(b=runs/digits-1)", [{"kind": "a", "b": "runs/digits-1"}]),
    ("a(b=pkg.mod:Name)", [{"kind": "a", "b": "pkg.mod:Name"}]),
    ("1e3", [{"kind": "1e3"}]),
    ("动量", [{"kind": "动量"}]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "plain"), READ)
def test_read(text: str, plain: list[dict[str, Any]]) -> None:
    assert read_text(text, "it") == plain


WRONG = [
    ("", "needs a name there"),
    ("   ", "needs a name there"),
    ("+", "needs a name there"),
    ("sgd+", "needs a name there"),
    ("+sgd", "needs a name there"),
    ("(lr=1)", "needs a name there"),
    ("sgd(", "needs a name there"),
    ("sgd(lr", r"needs '=' there"),
    ("sgd(lr=", "needs a name there"),
    ("sgd(lr=1", r"needs ',' there"),
    ("sgd(lr=1,", "needs a name there"),
    ("sgd(lr=1,)", "needs a name there"),
    ("sgd(,lr=1)", "needs a name there"),
    ("sgd(lr=1 momentum=2)", r"needs ',' there"),
    ("sgd(lr=1))", "has something left over there"),
    ("sgd adam", "has something left over there"),
    ("sgd]", "has something left over there"),
    ("sgd(lr=[1)", r"needs ',' there"),
    ("sgd(lr=[1,)", "needs a name there"),
    ("sgd(lr==1)", "needs a name there"),
    ("sgd(lr=1, lr=2)", "gives a field twice"),
    ("sgd(kind=adam)", "names the kind before the brackets"),
    ("a(b=" + "[" * 30 + "]" * 30 + ")", "is nested too deeply"),
    ("a(b=" * 30 + ")" * 30, "is nested too deeply"),
    ("sgd" + "+ema" * 1000, "is nested too deeply"),
]


@pytest.mark.parametrize(("text", "sentence"), WRONG)
def test_what_cannot_be_read_is_said_with_its_place(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        read_text(text, "--rule")
    assert "▸" in str(caught.value) and "\n" not in str(caught.value) and "`--rule`" in str(caught.value)


def test_the_place_is_where_reading_ended() -> None:
    with pytest.raises(UsageError, match=r"'sgd\(lr=1▸ momentum=2\)'"):
        read_text("sgd(lr=1 momentum=2)", "it")


@pytest.mark.parametrize(
    ("text", "values"),
    [("[]", []), ("[a, b]", ["a", "b"]), ("[a(b=1), 2]", [{"kind": "a", "b": "1"}, "2"]), (" [ 1 ] ", ["1"])],
)
def test_lists(text: str, values: list[Any]) -> None:
    assert read_list(text, "it") == values


@pytest.mark.parametrize("text", ["[", "[a", "[a,", "[a,]", "[a b]", "[a] b", "[,]", "[[]"])
def test_lists_that_cannot_be_read(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_list(text, "it")
    assert "\n" not in str(caught.value)


def spell(value: Any) -> str:
    """Write a plain value as text."""
    if isinstance(value, dict):
        fields = [f"{key}={spell(item)}" for key, item in value.items() if key != "kind"]
        return f"{value['kind']}({', '.join(fields)})"
    if isinstance(value, list | tuple):
        return f"[{', '.join(spell(item) for item in value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


@pytest.mark.parametrize(("what", "name"), [(what, name) for what, family in CATALOGUES.items() for name in family])
def test_every_component_is_read_from_its_own_fields(what: str, name: str) -> None:
    """Each component with its defaults, written field by field, is read as itself."""
    inside = {"rule": "sgd(momentum=0.9)+"}.get(what, "")
    try:
        component = read_component(CATALOGUES[what], name, what)
    except UsageError:
        try:
            component = read_component(CATALOGUES[what], inside + name, what)
        except UsageError:
            return  # needs more than a name
    text = spell(to_plain(component))
    assert read_component(CATALOGUES[what], text, what) == component


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("adma", "Unknown rule 'adma': did you mean 'adam"),
        ("adam(rl=1)", r"Unknown key in \[rule\] 'rl'"),
        ("adam(lr=big)", "must be a number, got 'big'"),
        ("adam(lr=nan)", r"must lie in \(0, inf\), got nan"),
        ("adam(lr=[1])", "must be a number"),
        ("adam(lr=sgd(lr=1))", "must be a number"),
        ("adam(bias_correction=perhaps)", "must be true or false"),
        ("ema", "needs rule. Write it around another: NAME[+]ema"),
        ("sgd+adam", "puts 'adam' around another, which it cannot be"),
        ("sgd+emma", "did you mean 'ema'"),
        ("ema(rule=3)", "Unknown .* '3'"),
        ("sgd(momentum=0.9)+clip-norm(momentum=0.5)", r"Unknown key in \[rule\] 'momentum'"),
        ("sgd+clip-norm+clip-norm", "is set in the rule that it holds too"),
    ],
)
def test_components_that_cannot_be(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        read_component(CATALOGUES["rule"], text, "rule").hyper()
    assert "\n" not in str(caught.value)


NAMES = sorted({name for family in CATALOGUES.values() for name in family})
FIELDS = ("lr", "momentum", "rule", "parts", "points", "floor", "hidden", "norm", "strength", "value", "unit")
SCRAPS = (*"()[]=,+", " ", "-1", "0.5", "1e999", "nan", "inf", "true", "none", "[[0,1],[1,0]]", "▸", "\x00", "\n", "９")
soup = st.lists(st.sampled_from([*NAMES, *FIELDS, "kind", *SCRAPS]), max_size=14).map("".join)
anything = st.one_of(soup, st.text(max_size=40), st.text(alphabet=string.printable, max_size=40))


@given(text=anything)
@settings(max_examples=400, deadline=None)
@example(text="9" * 5000)
@example(text="sgd(lr=" + "9" * 5000 + ")")
@example(text="mlp(hidden=[" + "9" * 5000 + "])")
@example(text="[" * 5000)
@example(text="a(" * 5000)
@example(text="sgd+" * 5000 + "sgd")
def test_any_text_is_read_or_refused_in_a_sentence(text: str) -> None:
    for read in (read_text, read_list):
        try:
            read(text, "it")
        except UsageError as error:
            assert "▸" in str(error)
    for what, family in CATALOGUES.items():
        try:
            component = read_component(family, text, what)
        except UsageError:
            continue
        assert component.name in family


trees = st.recursive(
    st.sampled_from(["1", "0.5", "word", "none", "true"]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3).map(lambda d: {**d, "kind": "x"}),
    ),
    max_leaves=8,
)


@given(value=trees)
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read(value: Any) -> None:
    """Any nesting of lists and components comes back as it was."""
    assert read_text(f"a(b={spell(value)})", "it") == [{"kind": "a", "b": value}]
