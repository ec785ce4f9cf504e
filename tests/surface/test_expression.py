"""The reader of formulas: fuzzed against Python's own eval of the same text, and its sentences for mistakes."""

import inspect
import math
import random
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from thalweg.core import UnknownName, UsageError
from thalweg.surface import Formula, descend, formula
from thalweg.surface.expression import DEEPEST, FUNCTIONS, VARIABLES, read_formula
from thalweg.surface.tokens import LONGEST


def relu(t):
    return max(t, 0.0)


PYTHON = {
    "__builtins__": {}, "sin": math.sin, "cos": math.cos, "tan": math.tan, "exp": math.exp, "log": math.log,
    "sqrt": math.sqrt, "abs": abs, "tanh": math.tanh, "sigmoid": lambda t: 1 / (1 + math.exp(-t)), "relu": relu,
    "min": min, "max": max, "sign": lambda t: float(t > 0) - float(t < 0), "pi": math.pi, "e": math.e,
}  # fmt: skip


def ours(text, x, y):
    return float(Formula(text=text).value(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64)))


def test_the_reference_knows_every_function():
    assert set(FUNCTIONS) <= set(PYTHON)


numbers = st.sampled_from(["0", "1", "2", "3.5", ".25", "10.", "1e-2", "2E1", "pi", "e"])
names = st.sampled_from(sorted(VARIABLES))
spaces = st.sampled_from(["", "", " ", "  "])


def grow(inner):
    one = st.sampled_from([name for name in FUNCTIONS if name not in ("min", "max")])
    return st.one_of(
        st.builds(lambda a, s, op, b: f"{a}{s}{op}{s}{b}", inner, spaces, st.sampled_from("+-*/"), inner),
        st.builds(lambda a, b: f"{a}**{b}", inner, st.sampled_from(["2", "3", "-1", "0.5", "x", "(y)", "2**2", "-x"])),
        st.builds(lambda sign, a: f"{sign}{a}", st.sampled_from(["-", "+", "--", "-+"]), inner),
        st.builds(lambda a: f"({a})", inner),
        st.builds(lambda f, a: f"{f}({a})", one, inner),
        st.builds(lambda f, s, many: f"{f}({s}{','.join(many)}{s})", st.sampled_from(["min", "max"]), spaces,
                  st.lists(inner, min_size=2, max_size=3)),
    )  # fmt: skip


formulas = st.recursive(st.one_of(numbers, names), grow, max_leaves=12)


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(formulas, st.floats(-3, 3), st.floats(-3, 3))
def test_a_formula_means_what_python_says(text, x, y):
    try:
        expected = eval(text, PYTHON, {"x": x, "y": y, "w1": x, "w2": y})
    except (ValueError, OverflowError, ZeroDivisionError, TypeError):
        return  # Python raises, or goes on with complex numbers, where torch gives NaN or infinity
    if isinstance(expected, complex) or not math.isfinite(expected) or abs(expected) > 1e12:
        return
    try:
        found = ours(text, x, y)
    except UsageError as error:
        assert "exponents from" in str(error)
        return
    if math.isnan(found):  # an infinity within: Python raised only where it met one by itself
        return
    # A sum that nearly cancels, or a steep function of it, may differ by rounding in the order of operations.
    assert found == pytest.approx(expected, rel=1e-6, abs=1e-6), text


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(st.text(alphabet="xyw12e.+-*/^(), sincoqrtπ²=[_ab", max_size=30))
def test_any_text_is_read_or_refused_in_one_sentence(text):
    try:
        value = ours(text, 0.7, -0.3)
    except UsageError as error:
        said = str(error)
        assert "formula" in said and "\n" not in said and len(said) < 700
        return
    assert isinstance(value, float)


CASES = {
    "2x": 2 * 3.0,
    "2 x": 6.0,
    "2(x+1)": 8.0,
    "(x+1)(y-1)": 4.0 * 1.0,
    "(x+1)y": 8.0,
    "2x^2": 18.0,
    "2x²y": 36.0,
    "-x^2": -9.0,
    "2^3^2": 512.0,
    "2^-1": 0.5,
    "x^2y": 18.0,
    "3sin(0)x + 2e": 2 * math.e,
    "2e0x": 6.0,
    "x × y − 1": 5.0,
    "π·x": 3 * math.pi,
    "（x，0）"[0] + "x" + "）": 3.0,
    "min(x, y, 1)": 1.0,
    "max(1, 2)": 2.0,
    "min(x, 2)": 2.0,
    "w1*w2": 6.0,
    "1/2/2": 0.25,
    "x-y-1": 0.0,
    "7": 7.0,
    "\tx\n+ y ": 5.0,
}


@pytest.mark.parametrize("text", CASES)
def test_what_is_meant(text):
    assert ours(text, 3.0, 2.0) == pytest.approx(CASES[text], rel=1e-15)


MISTAKES = {
    "": ("must have a value, got the end at character 1: `▸`.", "Put x, y"),
    "x +": ("must have a value, got the end at character 4: `x +▸`.", "Put x, y"),
    "x**2 + +*y": ("must have a value, got '*' at character 9: `x**2 + +▸*y`.", "Put x, y"),
    "(x + y": ("must close the bracket of character 1, got the end at character 7", "Put ) there."),
    "sin(x, 2": ("must close the bracket of character 4", "Put )"),
    "x)": ("must end or go on with a sign, got ')' at character 2: `x▸)`.", "A ( is missing"),
    "x y": ("must end or go on with a sign, got 'y' at character 3", "Put + - * / or **"),
    "2 3": ("must end or go on with a sign, got '3'", "Put +"),
    "xy": ("must have a sign in 'xy' at character 1: `▸xy`.", "Write x*y."),
    "x(y+1)": ("must have a sign between 'x' and '(' at character 2", "Write x*( ... )."),
    "pi(x)": ("must have a sign between 'pi' and '('", "Write pi*("),
    "1/2x": ("must have a sign before 'x' at character 4: `1/2▸x`.", "Write a/(b*c) or (a/b)*c"),
    "sin x": ("must have '(' behind sin", "Write sin(x)."),
    "sin(x, y)": ("must give sin one value, got 2 at character 1", "Write sin(x)."),
    "max(x)": ("must give max two values or more, got 1", "Write max(x, y)."),
    "x^101": ("must have exponents from -100 to 100 at character 3: `x^▸101`.", "Use exp"),
    "x^9^9": ("must have exponents from -100 to 100", "Use exp"),
    "x = 2": ("has a '=', which means nothing there at character 3", "Give one side only"),
    "[x]": ("has a '[', which means nothing there at character 1", "Use round brackets."),
    "x.real": ("has a '.', which means nothing there at character 2", "Write numbers"),
    "x; y": ("has a ';'", "Write numbers"),
    "2X + 1": ("must have small letters in 'X' at character 2: `2▸X + 1`.", "Write x."),
    "θ + 1": ("has a 'θ'", "The variables are x and y"),
    "x 😀": ("has a '😀'", "Leave it out."),
    "x" + "+x" * 500: (f"must have at most {LONGEST} characters, got 1001.", "Shorten it."),
    "(" * 60 + "x" + ")" * 60: (f"must not be nested more than {DEEPEST} deep", "Leave out brackets"),
    "1" + "+x" * 50 + " 2 " + "+y" * 50: ("got '2' at character 103: `…", "…`. Put"),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_its_cure(text):
    with pytest.raises(UsageError) as error:
        Formula(text=text)
    law, cure = MISTAKES[text]
    said = str(error.value)
    assert said.startswith("`formula(...)` ") and law in said and cure in said, said
    assert len(said) < 220


@pytest.mark.parametrize(("text", "said"), [("sine(x)", "did you mean 'sin'?"), ("x + z", "name at character 5 of"),
                                            ("__import__('os')", "has a")])  # fmt: skip
def test_unknown_names(text, said):
    with pytest.raises(UsageError, match="formula") as error:
        Formula(text=text)
    assert said in str(error.value)
    if "'os'" not in text:
        assert isinstance(error.value, UnknownName)


def test_long_sums_are_not_nested():
    """A formula of the greatest length is evaluated and differentiated without deep recursion."""
    descend("x*y + x*y", "sgd", steps=1)  # imports what it needs
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 130)
    try:
        path = descend("+".join(["x*y"] * 250), "sgd", (1.0, 1.0), steps=1)
    finally:
        sys.setrecursionlimit(limit)
    assert float(path.losses[0]) == 250


def test_formulas_differentiate_twice():
    x = torch.tensor([0.0, 1.5], dtype=torch.float64)
    for text, second in (("x^2", [2.0, 2.0]), ("x**3", [0.0, 9.0]), ("exp(x)", [1.0, math.exp(1.5)])):
        found = [
            torch.autograd.functional.hessian(lambda t, text=text: formula(text).value(t, t), value).item()
            for value in x
        ]
        assert found == pytest.approx(second)


def test_a_constant_is_a_surface_too():
    flat = formula("7")
    assert flat.value(torch.zeros(2, 1), torch.zeros(3)).shape == (2, 3)


def test_precision_and_shape_follow_the_coordinates():
    x = torch.linspace(0, 1, 4)
    found = formula("max(x, 0.5) + min(2, y) + 2^x").value(x[:, None], x)
    assert found.dtype == torch.float32 and found.shape == (4, 4)


def test_nothing_is_kept_of_random_text():
    """Random bytes are refused or read, and reading them has no side effect on the reader of others."""
    generator = random.Random(0)
    before = ours("x^2 + y", 2.0, 1.0)
    for _ in range(200):
        text = "".join(chr(generator.randrange(32, 500)) for _ in range(generator.randrange(1, 20)))
        try:
            read_formula(text)
        except UsageError:
            pass
    assert ours("x^2 + y", 2.0, 1.0) == before


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"x": (2.0, -2.0)}, r"`Formula\(x=...\)` must have the lower end first, got \(2.0, -2.0\)"),
        ({"y": (0.0, math.inf)}, r"`Formula\(y=...\)` must be two finite numbers"),
        ({"start": (0.0, 1.0, 2.0)}, r"`Formula\(start=...\)` must be two finite numbers"),
        ({"start": "ab"}, r"`Formula\(start=...\)` must be two finite numbers, got 'ab'"),
        ({"text": 3}, r"`Formula\(text=...\)` must be text, got 3"),
    ],
)
def test_fields_that_cannot_be(fields, said):
    with pytest.raises(UsageError, match=said):
        Formula(**{"text": "x*y", **fields})
