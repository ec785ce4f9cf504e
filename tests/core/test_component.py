"""Components as plain values, the catalogues, and reading values from TOML and the command line."""

import dataclasses
import importlib
import itertools
import tomllib
import types
import typing
from typing import Annotated, Any, ClassVar, Literal, final

import pytest
import tomli_w

from thalweg.core import (
    Component,
    UnknownName,
    UsageError,
    coerce,
    find,
    from_plain,
    knobs,
    members,
    read_component,
    read_fields,
    to_plain,
    to_text,
)

CATALOGUES = {
    "rule": ("thalweg.rules", "RULES"),
    "schedule": ("thalweg.schedules", "SCHEDULES"),
    "check": ("thalweg.findings", "CHECKS"),
    "model": ("thalweg.model", "MODELS"),
    "loss": ("thalweg.model", "LOSSES"),
    "scaler": ("thalweg.data", "SCALERS"),
    "data": ("thalweg.data", "SOURCES"),
}
FAMILIES = {what: getattr(importlib.import_module(module), name) for what, (module, name) in CATALOGUES.items()}
EVERY = [(what, name) for what, family in FAMILIES.items() for name in family]


def required(member):
    return [
        field.name
        for field in dataclasses.fields(member)
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
    ]


PLAIN = [(what, name) for what, name in EVERY if not required(FAMILIES[what][name])]


def other(field, hint, knob):
    """Return a value of a field other than its default, or None where none is known."""
    if knob is not None and knob.low is not None:
        value = knob.low if knob.low != field.default else knob.high
        return int(value) if hint is int or int in getattr(hint, "__args__", ()) else float(value)
    if hint is bool:
        return not field.default
    if hasattr(hint, "__args__") and hint.__args__ and isinstance(hint.__args__[0], str):
        return next(value for value in hint.__args__ if value != field.default)
    return None


def through_toml(plain):
    return tomllib.loads(tomli_w.dumps(plain))


@pytest.mark.parametrize(("what", "name"), PLAIN)
def test_round_trip_of_the_defaults(what, name):
    component = FAMILIES[what][name]()
    plain = to_plain(component)
    assert plain["kind"] == name and None not in plain.values()
    assert from_plain(FAMILIES[what], through_toml(plain), what) == component


@pytest.mark.parametrize(("what", "name"), PLAIN)
def test_round_trip_of_each_field(what, name):
    member = FAMILIES[what][name]
    hints, numbers = typing.get_type_hints(member), knobs(member)
    for field in dataclasses.fields(member):
        value = other(field, hints[field.name], numbers.get(field.name))
        if value is None:
            continue
        try:
            component = member(**{field.name: value})
        except UsageError:
            continue  # a law between fields
        assert getattr(component, field.name) == value
        again = from_plain(FAMILIES[what], through_toml(to_plain(component)), what)
        assert again == component != member()


@pytest.mark.parametrize(("what", "name"), EVERY)
def test_members_are_final_frozen_keyword_only_and_named(what, name):
    member = FAMILIES[what][name]
    assert member.name == name and issubclass(member, Component)
    assert getattr(member, "__final__", False)
    assert member.__dataclass_params__.frozen and all(field.kw_only for field in dataclasses.fields(member))


@pytest.mark.parametrize(("what", "name"), EVERY)
def test_any_value_is_read_or_refused_in_a_sentence(what, name):
    """Whatever a recipe holds, no field lets a raw error out."""
    member = FAMILIES[what][name]
    odd = [
        "",
        "x",
        "none",
        "1",
        "0.5",
        "true",
        0,
        1,
        -3,
        2.5,
        float("nan"),
        True,
        [],
        [1, 2],
        ["a"],
        [[1]],
        {},
        {"a": 1},
        None,
    ]
    for field, value in itertools.product(dataclasses.fields(member), odd):
        try:
            read_fields(member, {field.name: value}, what)
        except UsageError as error:
            assert str(error).endswith((".", "?")) and field.name in str(error)


@pytest.mark.parametrize(("what", "name"), [pair for pair in EVERY if pair not in PLAIN])
def test_what_must_be_given_is_asked_for(what, name):
    member = FAMILIES[what][name]
    with pytest.raises(UsageError) as error:
        from_plain(FAMILIES[what], {"kind": name}, what)
    cure = f" Write it around another: NAME+{name}." if "rule" in required(member) else ""
    assert str(error.value) == f"[{what}] of kind {name!r} needs {', '.join(required(member))}.{cure}"


class Animal(Component):
    __slots__ = ()


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Cat(Animal):
    name: ClassVar[str] = "cat"
    lives: int = 9
    colours: tuple[str, ...] = ("grey",)
    place: tuple[float, float] | None = None


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Dog(Animal):
    name: ClassVar[str] = "dog"


def test_members():
    found = members(Animal, {"Animal": Animal, "Cat": Cat, "also": Cat, "Dog": Dog, "x": 1, "int": int, "types": types})
    assert found == {"cat": Cat, "dog": Dog} and list(found) == ["cat", "dog"]


def test_two_members_of_one_name_are_refused():
    @final
    @dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
    class Copy(Animal):
        name: ClassVar[str] = "cat"

    with pytest.raises(TypeError, match="two members of Animal are called 'cat'"):
        members(Animal, {"Cat": Cat, "Copy": Copy})


KINDS = {"cat": Cat, "dog": Dog}


def test_find():
    assert find(KINDS, "cat", "animal") is Cat
    with pytest.raises(UnknownName) as error:
        find(KINDS, "cta", "animal")
    assert str(error.value) == "Unknown animal 'cta': did you mean 'cat'?"
    assert error.value.__cause__ is None


def test_plain():
    assert to_plain(Cat()) == {"kind": "cat", "lives": 9, "colours": ["grey"]}
    assert to_plain(Cat(place=(1.0, 2.0)))["place"] == [1.0, 2.0]
    built = from_plain(KINDS, {"kind": "cat", "lives": "3", "colours": "red, blue", "place": [1, 2]}, "animal")
    assert built == Cat(lives=3, colours=("red", "blue"), place=(1.0, 2.0))


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        ({"lives": 3}, "[animal] names no kind; add kind = one of cat, dog."),
        ({"kind": "cat", "live": 3}, "Unknown key in [animal] 'live': did you mean 'lives'?"),
        ({"kind": "dog", "lives": 3}, "Unknown key in [animal] 'lives': known: none."),
        ({"kind": "cat", "lives": "nine"}, "`animal.lives` must be a whole number, got 'nine'."),
        ({"kind": "cat", "lives": 2.0}, "`animal.lives` must be a whole number, got 2.0."),
        ({"kind": "cat", "lives": True}, "`animal.lives` must be a whole number, got True."),
        ({"kind": "cat", "colours": {}}, "`animal.colours` must be a list, got {}."),
        ({"kind": "cat", "colours": [1]}, "`animal.colours` must be text, got 1."),
        ({"kind": "cat", "place": [1]}, "`animal.place` must have 2 entries, got [1]."),
        ({"kind": ["cat"]}, "Unknown animal \"['cat']\": did you mean 'cat'?"),
    ],
)
def test_wrong_plain_values(plain, words):
    with pytest.raises(UsageError) as error:
        from_plain(KINDS, plain, "animal")
    assert str(error.value) == words


REFUSED = object()


@pytest.mark.parametrize(
    ("hint", "value", "expected"),
    [
        (int, 3, 3),
        (int, "3", 3),
        (int, " -3 ", -3),
        (int, 3.0, REFUSED),
        (int, "3.5", REFUSED),
        (int, True, REFUSED),
        (float, 3, 3.0),
        (float, "1e-3", 1e-3),
        (float, "nan?", REFUSED),
        (float, True, REFUSED),
        (float, None, REFUSED),
        (bool, True, True),
        (bool, "yes", True),
        (bool, "False", False),
        (bool, "0", False),
        (bool, 1, REFUSED),
        (bool, "perhaps", REFUSED),
        (str, "a", "a"),
        (str, 1, REFUSED),
        (str, None, REFUSED),
        (Annotated[float, "note"], "2", 2.0),
        (Annotated[int | None, "note"], "none", None),
        (int | None, None, None),
        (int | None, "none", None),
        (int | None, "4", 4),
        (int | None, "four", REFUSED),
        (str | None, "none", "none"),
        (str | None, None, None),
        (int | str, "4", 4),
        (int | str, "four", "four"),
        (int | str, None, REFUSED),
        (int | bool, "true", True),
        (float | tuple[float, ...], "1,2", (1.0, 2.0)),
        (float | tuple[float, ...], 3, 3.0),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, ...], (1,), (1,)),
        (tuple[int, ...], "64, 32,", (64, 32)),
        (tuple[int, ...], 64, (64,)),
        (tuple[int, ...], [], ()),
        (tuple[int, ...], "", ()),
        (tuple[int, ...], "a", REFUSED),
        (tuple[int, ...], None, REFUSED),
        (tuple[int, ...], [1.5], REFUSED),
        (tuple[int, ...], True, REFUSED),
        (tuple[int, float], [1, 2], (1, 2.0)),
        (tuple[int, float], [1], REFUSED),
        (tuple[int, float], "1,2", (1, 2.0)),
        (Literal["a", "b"], "a", "a"),
        (Literal["a", "b"], "c", REFUSED),
        (Literal["a", "b"], None, REFUSED),
        (Literal["a", "b"], ["a"], REFUSED),
        (Literal["a", "b"] | None, None, None),
        (Any, {"x": 1}, {"x": 1}),
        (dict[str, int], {"x": 1}, {"x": 1}),
        (dict[str, int], 3, REFUSED),
    ],
)
def test_coerce(hint, value, expected):
    if expected is REFUSED:
        with pytest.raises(UsageError) as error:
            coerce(hint, value, "there")
        assert "there" in str(error.value) and str(error.value).endswith((".", "?"))
    else:
        found = coerce(hint, value, "there")
        assert found == expected and type(found) is type(expected)


TEXTS = (
    ("rule", "sgd(lr=0.2, momentum=0.9)+clip-norm(clip_norm=2.0)+ema"),
    ("rule", "adam"),
    ("schedule", "sequence(parts=[warmup(length=5.0, unit=epochs), cosine])"),
    ("model", "convnet(channels=[4, 8], norm=none)"),
    ("model", "mlp(hidden=[8], norm=group(num_groups=4))"),
)


@pytest.mark.parametrize(("what", "text"), TEXTS)
def test_text_and_back(what, text):
    component = read_component(FAMILIES[what], text, what)
    assert to_text(component) == text and read_component(FAMILIES[what], to_text(component), what) == component


@pytest.mark.parametrize(("what", "name"), PLAIN)
def test_defaults_are_left_out_of_the_text(what, name):
    component = from_plain(FAMILIES[what], {"kind": name}, what)
    assert to_text(component) == name and read_component(FAMILIES[what], name, what) == component
