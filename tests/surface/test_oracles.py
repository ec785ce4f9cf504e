"""Surfaces and paths against what we did not write: scipy, numpy, torch.optim, closed forms."""

import math

import numpy as np
import pytest
import torch
from scipy import optimize

from thalweg.core import Outcome
from thalweg.rules import SGD, Adam, RMSProp
from thalweg.surface import (
    Beale,
    Bowl,
    DoubleWell,
    Himmelblau,
    MonkeySaddle,
    Plateau,
    Rastrigin,
    Ravine,
    Rosenbrock,
    Saddle,
    TwoWeights,
    convergence_rate,
    descend,
    hessian,
    optimum,
    race,
    slopes,
)

DRAWN = np.random.default_rng(0).uniform(-3, 3, size=(40, 2))
REFERENCES = {
    "bowl": (Bowl(a=2.0, b=0.5), lambda x, y: 2.0 * x * x + 0.5 * y * y),
    "saddle": (Saddle(), lambda x, y: (x - y) * (x + y)),
    "monkey": (MonkeySaddle(), lambda x, y: np.real((x + 1j * y) ** 3)),
    "plateau": (Plateau(width=2.0), lambda x, y: 1 - 1 / (1 + x * x / 4 + y * y)),
    "rosenbrock": (Rosenbrock(), lambda x, y: optimize.rosen(np.stack([x, y]))),
    "beale": (Beale(), lambda x, y: sum((c - x * (1 - y**k)) ** 2 for k, c in ((1, 1.5), (2, 2.25), (3, 2.625)))),
    "himmelblau": (Himmelblau(), lambda x, y: np.square(x * x + y - 11) + np.square(y * y + x - 7)),
    "rastrigin": (
        Rastrigin(),
        lambda x, y: sum(10 + t * t - 10 * np.cos(2 * np.pi * t) for t in (x, y)),
    ),
    "two weights": (TwoWeights(), lambda x, y: 1 - 2 * x * y + (x * y) ** 2),
    "ravine": (Ravine(condition=7.0, angle=90.0), lambda x, y: (y * y + 7 * x * x) / 2),
}


@pytest.mark.parametrize("case", REFERENCES)
def test_values(case):
    surface, reference = REFERENCES[case]
    x, y = DRAWN.T
    ours = surface.value(torch.from_numpy(x.copy()), torch.from_numpy(y.copy()))
    np.testing.assert_allclose(ours.numpy(), reference(x, y), rtol=1e-12, atol=1e-12)


def test_rosenbrock_is_scipys_with_its_derivatives():
    _, grads = slopes(Rosenbrock(), torch.from_numpy(DRAWN))
    np.testing.assert_allclose(grads.numpy(), [optimize.rosen_der(p) for p in DRAWN], rtol=1e-10)
    for point in DRAWN[:5]:
        np.testing.assert_allclose(hessian(Rosenbrock(), tuple(point)).numpy(), optimize.rosen_hess(point), rtol=1e-10)


def test_double_well_has_the_slope_that_it_names():
    x = torch.linspace(-3, 3, 31, dtype=torch.float64)
    _, grads = slopes(DoubleWell(far=1.5), torch.stack([x, torch.full_like(x, 0.3)], dim=1))
    torch.testing.assert_close(grads[:, 0], x * (x - 1) * (x + 1.5))
    assert DoubleWell(far=1.5).lowest() == pytest.approx(0, abs=1e-14)


def test_two_weights_has_the_notes_hessian():
    torch.testing.assert_close(
        torch.linalg.eigvalsh(hessian(TwoWeights(), (0.0, 0.0))), torch.tensor([-2.0, 2.0]).double()
    )
    x, y = 1.3, -0.4
    expected = [[2 * y * y, -2 + 4 * x * y], [-2 + 4 * x * y, 2 * x * x]]
    torch.testing.assert_close(hessian(TwoWeights(), (x, y)), torch.tensor(expected).double())


def test_plain_descent_on_a_quadratic_has_its_closed_form():
    path = descend(Bowl(a=0.5, b=2.0), SGD(lr=0.3), (2.0, -1.0), steps=60)
    k = np.arange(61)
    np.testing.assert_allclose(path.points[:, 0], 2.0 * (1 - 0.3 * 1.0) ** k, rtol=1e-12)
    np.testing.assert_allclose(path.points[:, 1], -1.0 * (1 - 0.3 * 4.0) ** k, rtol=1e-12)
    np.testing.assert_allclose(path.losses, 0.5 * path.points[:, 0] ** 2 + 2 * path.points[:, 1] ** 2)
    np.testing.assert_allclose(path.grad_norms, np.hypot(*(path.points * torch.tensor([1.0, 4.0])).T.numpy()))


def test_heavy_ball_on_a_quadratic_has_its_closed_form():
    """Each coordinate follows the powers of [[m, l], [-lr m, 1 - lr l]]."""
    lr, momentum, curvature, start = 0.1, 0.8, (1.0, 9.0), (2.0, -1.0)
    path = descend(Ravine(condition=9.0), SGD(lr=lr, momentum=momentum), start, steps=40)
    for axis, value in enumerate(curvature):
        matrix = np.array([[momentum, value], [-lr * momentum, 1 - lr * value]])
        expected = [(np.linalg.matrix_power(matrix, k) @ [0.0, start[axis]])[1] for k in range(41)]
        np.testing.assert_allclose(path.points[:, axis], expected, rtol=1e-10, atol=1e-14)


CASES = {
    "sgd": (SGD(lr=1e-3), torch.optim.SGD, {"lr": 1e-3}),
    "momentum": (SGD(lr=1e-3, momentum=0.9), torch.optim.SGD, {"lr": 1e-3, "momentum": 0.9}),
    "rmsprop": (RMSProp(lr=0.01), torch.optim.RMSprop, {"lr": 0.01}),
    "adam": (Adam(lr=0.1), torch.optim.Adam, {"lr": 0.1}),
}


@pytest.mark.parametrize("case", CASES)
def test_torchs_optimizers_step_by_step(case):
    rule, kind, settings = CASES[case]
    steps = 60
    path = descend("rosenbrock", rule, (-1.2, 1.0), steps=steps)
    point = torch.nn.Parameter(torch.tensor([-1.2, 1.0], dtype=torch.float64))
    optimizer = kind([point], **settings)
    for k in range(steps):
        loss = (1 - point[0]) ** 2 + 100 * (point[1] - point[0] ** 2) ** 2
        torch.testing.assert_close(path.losses[k], loss.detach(), rtol=1e-9, atol=0)
        torch.testing.assert_close(path.points[k], point.detach(), rtol=1e-9, atol=1e-12)
        optimizer.zero_grad()
        loss.backward()
        torch.testing.assert_close(path.grad_norms[k], point.grad.norm(), rtol=1e-8, atol=0)
        optimizer.step()


def measured(path, first, last):
    """Return the factor by which a step shrinks the distance to the origin, between two steps."""
    distance = path.points.norm(dim=1)
    return float(distance[last] / distance[first]) ** (1 / (last - first))


@pytest.mark.parametrize("condition", [2.0, 10.0, 100.0])
def test_the_fastest_rates_are_as_fast_as_theory_says(condition):
    best = optimum(Ravine(condition=condition, angle=25.0))
    assert best.eigenvalues == pytest.approx((1.0, condition)) and best.condition == pytest.approx(condition)
    plain, ball = best.gradient_descent, best.heavy_ball
    assert plain.rate == pytest.approx((condition - 1) / (condition + 1))
    surface = Ravine(condition=condition)
    length = min(400, int(-math.log(1e-10) / -math.log(plain.rate)))
    path = descend(surface, SGD(lr=plain.lr), (1.0, 1.0), steps=length)
    assert measured(path, length // 2, length) == pytest.approx(plain.rate, rel=1e-6)
    path = descend(surface, SGD(lr=ball.lr, momentum=ball.momentum), (1.0, 1.0), steps=200)
    # At the optimum both eigenvalues meet: k rate^k, whose rate is felt late.
    last = min(200, int(math.log(1e-130) / math.log(ball.rate)))
    assert measured(path, last // 2, last) == pytest.approx(ball.rate, rel=2.5 / last + 1e-3)
    assert ball.rate < plain.rate
    for setting in (plain, ball):
        found = convergence_rate(surface, lr=setting.lr, momentum=setting.momentum)
        assert found == pytest.approx(setting.rate, rel=1e-6)


def test_no_other_setting_is_faster():
    surface = Bowl(a=0.5, b=8.0)
    best = optimum(surface)
    for lr in np.geomspace(1e-2, 0.5, 20):
        assert convergence_rate(surface, lr=float(lr)) >= best.gradient_descent.rate - 1e-12
        for momentum in np.linspace(0, 0.95, 12):
            found = convergence_rate(surface, lr=float(lr), momentum=float(momentum))
            assert found >= best.heavy_ball.rate - 1e-7


def test_convergence_rate_is_the_spectral_radius():
    for lr, momentum in ((0.01, 0.0), (0.05, 0.5), (0.2, 0.9), (0.5, 0.3), (1.9, 0.95)):
        radii = [
            np.abs(np.linalg.eigvals([[momentum, l], [-lr * momentum, 1 - lr * l]])).max()
            for l in (1.0, 10.0)  # noqa: E741
        ]
        found = convergence_rate(Ravine(condition=10.0), lr=lr, momentum=momentum)
        assert found == pytest.approx(max(radii), rel=1e-6)


# What the notes say of these surfaces.


def test_momentum_rolls_through_the_shallow_minimum():
    paths = race("double-well", ["sgd(lr=0.02)", "sgd(lr=0.02, momentum=0.9)"], steps=300)
    plain, ball = paths.values()
    assert plain.end == pytest.approx((1.0, 0.0), abs=1e-2)
    assert ball.end == pytest.approx((-2.0, 0.0), abs=1e-2)


def test_plain_descent_creeps_on_the_plateau_where_adam_walks():
    plain, adam = race("plateau", ["sgd(lr=0.1)", "adam(lr=0.1)"], steps=150).values()
    assert plain.loss > 0.9 and adam.loss < 1e-2


def test_exactly_on_the_ridge_descent_ends_in_the_saddle_and_a_hair_beside_it_not():
    stuck = descend("saddle", "sgd(lr=0.1)", (-1.5, 0.0), steps=100)
    freed = descend("saddle", "sgd(lr=0.1)", (-1.5, 1e-3), steps=100)
    assert stuck.end == pytest.approx((0, 0), abs=1e-8) and freed.loss < -1e3
    at_rest = descend("two-weights", "sgd", (0.0, 0.0), steps=10)
    assert at_rest.outcome is Outcome.STALLED and at_rest.steps == 10
    assert descend("two-weights", "sgd", (0.0, 0.0), steps=200, noise=0.01).loss < 1e-2


def test_scaling_each_coordinate_undoes_a_ravine_along_the_axes_only():
    along, turned = (
        descend(f"ravine(condition=100, angle={angle})", "rmsprop(lr=0.05)", steps=180).loss for angle in (0, 45)
    )
    assert along < turned / 3
