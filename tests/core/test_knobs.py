"""Laws of numbers: intervals, and what is no number."""

import dataclasses
import math
from typing import Annotated, ClassVar, Literal, final

import pytest

from thalweg.core import Component, Knob, UsageError, knobs

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("law", "inside", "outside"),
    [
        ("(0, inf)", [1e-300, 1, 1e300], [0, -0.0, -1e-300, INF, -INF, NAN]),
        ("[0, 1)", [0, 0.0, -0.0, 0.999], [1, 1.0, -1e-9, NAN, INF]),
        ("(0, 1]", [1, 1e-9], [0, 1.0000001, NAN]),
        ("[0, 1]", [0, 1, 0.5], [-1e-9, 1.0000001, NAN]),
        ("(-inf, inf)", [0, -1e300, 1e300], [INF, -INF, NAN]),
        ("[1, inf]", [1, INF], [0.999, -INF, NAN]),
        ("[-1,  2.5)", [-1, 2.4], [2.5, -1.1]),
    ],
)
def test_intervals(law, inside, outside):
    knob = Knob("x", law)
    assert [value for value in inside if not knob.allows(value)] == []
    assert [value for value in outside if knob.allows(value)] == []


@final
@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Thing(Component):
    name: ClassVar[str] = "thing"
    rate: Annotated[float, Knob("a rate", "(0, 1)")] = 0.5
    count: Annotated[int, Knob("a count", "[1, inf)")] = 3
    limit: Annotated[int | None, Knob("a limit", "[1, inf)")] = None
    kind: Literal["left", "right"] = "left"
    free: float = 0.0


def test_knobs_come_in_the_order_of_the_fields():
    assert list(knobs(Thing)) == ["rate", "count", "limit"]
    assert knobs(Thing)["count"] == Knob("a count", "[1, inf)")


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rate": 1.0}, "`Thing(rate=...)` must lie in (0, 1), got 1.0."),
        ({"rate": NAN}, "`Thing(rate=...)` must lie in (0, 1), got nan."),
        ({"rate": True}, "`Thing(rate=...)` must be a number, got True."),
        ({"rate": "0.5"}, "`Thing(rate=...)` must be a number, got '0.5'."),
        ({"rate": None}, "`Thing(rate=...)` must be a number, got None."),
        ({"count": None}, "`Thing(count=...)` must be a number, got None."),
        ({"count": 2.5}, "`Thing(count=...)` must be a whole number, got 2.5."),
        ({"count": True}, "`Thing(count=...)` must be a number, got True."),
        ({"limit": 0}, "`Thing(limit=...)` must lie in [1, inf), got 0."),
        ({"limit": 1.5}, "`Thing(limit=...)` must be a whole number, got 1.5."),
        ({"kind": "lft"}, "Unknown value of Thing(kind=...) 'lft': did you mean 'left'?"),
        ({"kind": None}, "Unknown value of Thing(kind=...) None: known: left, right."),
    ],
)
def test_a_wrong_value_is_refused_in_one_sentence(fields, words):
    with pytest.raises(UsageError) as error:
        Thing(**fields)
    assert str(error.value) == words


def test_what_is_allowed():
    thing = Thing(rate=0.25, count=1, limit=None, kind="right", free=NAN)
    assert (thing.rate, thing.limit) == (0.25, None)
    assert Thing(limit=4).limit == 4


def test_frozen_and_keyword_only():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Thing().rate = 0.1
    with pytest.raises(TypeError):
        Thing(0.1)
