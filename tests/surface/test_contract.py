"""What every surface owes, and every rule on every surface."""

import dataclasses
import doctest
import importlib
import itertools
import math
import pkgutil

import pytest
import torch

import thalweg.surface
from thalweg.core import Outcome, UsageError, knobs, to_plain
from thalweg.core.component import from_plain
from thalweg.core.words import catalogue
from thalweg.rules import RULES, Rule
from thalweg.surface import SURFACES, Formula, Surface, descend, descend_many, heights, hessian, open_surface, slopes
from thalweg.surface.opening import text_of
from thalweg.surface.population import member

FORMULA = Formula(text="(1 - x*y)**2 + 0.1*sin(3x)")
VARIANTS = {
    **{name: kind() for name, kind in SURFACES.items() if kind is not Formula},
    "formula": FORMULA,
    "steep bowl": SURFACES["bowl"](a=0.5, b=40.0),
    "turned ravine": SURFACES["ravine"](condition=200.0, angle=30.0),
    "far well": SURFACES["double-well"](far=3.0),
    "narrow plateau": SURFACES["plateau"](width=0.5),
    "mild rosenbrock": SURFACES["rosenbrock"](b=5.0),
}
POINTS = torch.tensor([[0.3, -0.7], [1.1, 0.9], [-1.4, 0.2], [0.8, 1.6]], dtype=torch.float64)


@pytest.fixture(params=VARIANTS.values(), ids=VARIANTS.keys())
def surface(request):
    return request.param


def instance(name):
    """Return a rule with its defaults; a rule around another is put around plain descent."""
    kind = RULES[name]
    holds = any(f.name == "rule" and f.default is dataclasses.MISSING for f in dataclasses.fields(kind))
    return kind(rule="sgd") if holds else kind()


RULE_VARIANTS = {name: instance(name) for name in RULES}


def test_value_has_the_shape_of_both_coordinates(surface):
    x, y = POINTS[:, 0], POINTS[:, 1]
    flat = surface.value(x, y)
    assert flat.shape == (4,) and flat.dtype == torch.float64 and flat.isfinite().all()
    torch.testing.assert_close(surface.value(x.reshape(2, 2), y.reshape(2, 2)), flat.reshape(2, 2), rtol=0, atol=0)
    grid = surface.value(x[None, :], y[:, None])
    assert grid.shape == (4, 4)
    torch.testing.assert_close(grid.diagonal(), flat, rtol=1e-14, atol=1e-14)
    alone = torch.stack([surface.value(a, b) for a, b in zip(x, y, strict=True)])
    torch.testing.assert_close(alone, flat, rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(torch.func.vmap(surface.value)(x, y), flat, rtol=1e-14, atol=1e-14)
    assert surface.value(x.float(), y.float()).dtype == torch.float32


def test_slopes_are_differences(surface):
    losses, grads = slopes(surface, POINTS)
    h = 1e-6
    for axis in (0, 1):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[axis] = h
        up, down = (slopes(surface, POINTS + sign * shift)[0] for sign in (1, -1))
        torch.testing.assert_close(
            grads[:, axis], (up - down) / (2 * h), rtol=1e-6, atol=1e-6 * float(losses.abs().max())
        )


def test_landmarks_are_what_they_are_called(surface):
    known = surface.landmarks()
    kinds = {"minima": (True, True), "maxima": (False, False), "saddles": (False, True), "degenerate": None}
    for kind, signs in kinds.items():
        for point in getattr(known, kind):
            matrix = hessian(surface, point)
            scale = max(float(matrix.abs().max()), 1.0)
            _, grads = slopes(surface, torch.tensor([point], dtype=torch.float64))
            assert grads.abs().max() <= 1e-9 * scale, (kind, point)
            eigenvalues = torch.linalg.eigvalsh(matrix).tolist()
            if signs is None:
                assert eigenvalues == [0.0, 0.0]
            elif kind == "minima":
                assert eigenvalues[0] >= -1e-9 * scale and eigenvalues[1] > 1e-3, point
            else:
                assert [value > 0 for value in eigenvalues] == list(signs) and min(map(abs, eigenvalues)) > 1e-3, point


def test_minima_are_lower_than_all_around(surface):
    for x, y in surface.landmarks().minima:
        angle = torch.linspace(0, 2 * math.pi, 73, dtype=torch.float64)
        for radius in (1e-3, 1e-2):
            around = surface.value(x + radius * angle.cos(), y + radius * angle.sin())
            here = surface.value(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64))
            assert (around >= here - 1e-12).all()


def test_view_holds_start_and_landmarks(surface):
    known = surface.landmarks()
    points = [known.start, *known.minima, *known.saddles, *known.maxima, *known.degenerate]
    for x, y in points:
        assert known.x[0] < x < known.x[1] and known.y[0] < y < known.y[1], (x, y)
    _, grads = slopes(surface, torch.tensor([known.start], dtype=torch.float64))
    assert grads.norm() > 0 or text_of(surface) == "himmelblau"


def test_lowest_is_the_lowest_in_view(surface):
    known = surface.landmarks()
    x, y, z = heights(surface, known.x, known.y, count=101)
    assert z.shape == (101, 101) and z.isfinite().all()
    torch.testing.assert_close(z[7, 93], surface.value(x[93], y[7]))
    if (lowest := surface.lowest()) is not None:
        assert lowest <= float(z.min()) + 1e-9


def test_plain_and_text_give_the_surface_back(surface):
    assert from_plain(SURFACES, to_plain(surface), "surface") == surface
    if not isinstance(surface, Formula):
        assert open_surface(text_of(surface)) == surface


def test_numbers_have_knobs():
    for kind in SURFACES.values():
        numbers = {f.name for f in dataclasses.fields(kind) if kind is not Formula}
        assert numbers == set(knobs(kind))
        for knob in knobs(kind).values():
            assert knob.meaning and knob.allows(knob.low) and knob.allows(knob.high)


def test_each_surface_is_described_in_both_languages():
    for lang in ("en", "zh"):
        assert sorted(catalogue(lang, "surfaces")) == sorted(SURFACES)
        assert all("{" not in line for line in catalogue(lang, "surfaces").values())


@pytest.mark.parametrize("rule_name", RULES)
def test_every_rule_walks_on_every_surface(rule_name):
    rule: Rule = RULE_VARIANTS[rule_name]
    steps = 6  # a lookahead's slow weights move after five
    for name in SURFACES:
        surface = VARIANTS[name]
        path = descend(surface, rule, steps=steps, noise=0.01)
        assert path.points.shape == (steps + 1, 2) and path.points.dtype == torch.float64
        assert path.losses.shape == path.grad_norms.shape == (steps + 1,) and path.rates.shape == (steps,)
        assert tuple(path.points[0].tolist()) == surface.landmarks().start
        assert path.outcome in (Outcome.FINISHED, Outcome.DIVERGED), name
        rows = path.points.isfinite().all(dim=1) & path.losses.isfinite()
        assert rows.all() == (path.outcome is Outcome.FINISHED)
        assert rows[: path.steps + 1].all() and not rows[path.steps + 1 :].any()


@pytest.mark.parametrize("rule_name", RULES)
def test_a_walk_repeats_and_does_not_know_its_length(rule_name):
    rule = RULE_VARIANTS[rule_name]
    path = descend(FORMULA, rule, steps=6, noise=0.01, seed=3)
    for steps in (6, 9):
        again = descend(FORMULA, rule, steps=steps, noise=0.01, seed=3)
        torch.testing.assert_close(again.points[:7], path.points, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("rule_name", RULES)
def test_a_population_of_every_rule_is_its_loop(rule_name):
    rule, starts = RULE_VARIANTS[rule_name], torch.tensor([[0.3, 0.4], [1.0, 2.0]], dtype=torch.float64)
    rates = torch.tensor([0.01, 0.1], dtype=torch.float64)
    paths = descend_many("two-weights", rule, starts, {"lr": rates}, steps=5)
    for path, start, rate in zip(paths, starts.tolist(), rates.tolist(), strict=True):
        alone = descend("two-weights", member(rule, {"lr": rate}), tuple(start), steps=5)
        torch.testing.assert_close(path.points, alone.points, rtol=1e-9, atol=1e-12, equal_nan=True)


SLOW = {"adadelta": "its first steps have the size of sqrt(eps), a thousandth, and grow from there"}
"""Rules that do not lower the loss on the bowl with their best rate of a few, and why."""


@pytest.mark.parametrize("rule_name", RULES)
def test_rules_go_down_the_bowl(rule_name):
    rule = RULE_VARIANTS[rule_name]
    best = min(
        float(path.losses[-1] / path.losses[0])
        for lr in (0.01, 0.1, 1.0)
        for path in [descend("bowl", member(rule, {"lr": lr}), steps=120)]
        if path.outcome is Outcome.FINISHED
    )
    assert (best < 0.1) == (rule_name not in SLOW)


def test_doctests():
    for info in pkgutil.iter_modules(thalweg.surface.__path__, "thalweg.surface."):
        module = importlib.import_module(info.name)
        failed, _ = doctest.testmod(module)
        assert failed == 0, info.name


def test_there_are_doctests():
    found = [
        doctest.DocTestFinder().find(importlib.import_module(f"thalweg.surface.{name}"))
        for name in ("opening", "theory")
    ]
    assert sum(len(test.examples) for test in itertools.chain(*found)) >= 4


def test_the_base_asks_for_its_two():
    with pytest.raises(TypeError, match="landmarks"):
        Surface()
    with pytest.raises(UsageError, match=r"`Ravine\(condition=...\)` must lie in \[1, inf\), got 0.5"):
        SURFACES["ravine"](condition=0.5)
    with pytest.raises(UsageError, match=r"`heights\(count=...\)` must lie in \[2, 2000\], got 1"):
        heights(FORMULA, (0, 1), (0, 1), count=1)
