import random

import numpy as np
import pytest
import torch

import thalweg
from thalweg.core import UsageError
from thalweg.data import Arrays
from thalweg.runs.rates import RateTest, _judge, range_test
from thalweg.train import Recipe

RATES = 1e-6 * 1e7 ** (np.arange(100) / 99)


def judged(*curves: np.ndarray) -> RateTest:
    return _judge(np.stack(curves), RATES, seeds=tuple(range(len(curves))), source="made", model="up")


def curve(
    *,
    fall_at: float = 1e-3,
    lost_at: float = 0.3,
    start: float = 2.0,
    fall: float = 1.5,
    noise: float = 0.0,
    seed: int = 0,
) -> np.ndarray:
    """Fall around one rate, blow up from another on."""
    draw = np.random.default_rng(seed)
    values = start - fall / (1 + (fall_at / RATES) ** 2) + noise * draw.normal(size=len(RATES))
    return values + np.where(RATES > lost_at, 4 * (RATES / lost_at) ** 2, 0)


def doubts(test: RateTest) -> set[str]:
    return {doubt.key.removeprefix("cli.doubt_") for doubt in test.doubts}


def test_a_clear_curve_is_trusted_and_proposes_the_more_careful_rate() -> None:
    early = judged(*(curve(noise=0.02, seed=seed) for seed in range(3)))
    assert early.trusted and early.proposed == pytest.approx(1e-3, rel=0.5)
    late = judged(*(curve(fall_at=0.05, noise=0.02, seed=seed) for seed in range(3)))
    assert late.proposed == pytest.approx(0.03, rel=0.4)


def test_a_tenth_of_where_it_is_lost_is_the_limit() -> None:
    test = judged(*(curve(fall_at=0.15, lost_at=0.2) for _ in range(2)))
    assert test.proposed == pytest.approx(0.02, rel=0.3)


def test_doubts() -> None:
    assert "no_divergence" in doubts(judged(curve(lost_at=1e9)))
    assert "edge" in doubts(judged(curve(fall_at=8.0, lost_at=1e9)))
    assert "flat" in doubts(judged(curve(fall=0.02, lost_at=1e9)))
    assert "noisy" in doubts(judged(curve(fall=0.3, noise=0.5)))
    assert "seeds" in doubts(judged(curve(fall_at=1e-4), curve(fall_at=1e-2)))
    assert doubts(judged(curve(fall=0.0))) == {"converged"}
    assert judged(curve(fall=0.0)).proposed is None
    lost = np.full(100, np.nan)
    lost[:3] = 2.0
    assert "few" in doubts(judged(lost))


def test_iris_gives_a_rate_that_trains() -> None:
    test = range_test("iris", seeds=2, steps=60)
    assert test.proposed is not None and 1e-4 < test.proposed < 0.1
    assert test.losses.shape == (2, 60) and test.seeds == (0, 1)
    assert test.to_plain()["proposed"] == test.proposed


def test_the_same_call_gives_the_same_answer() -> None:
    one, other = (range_test("iris", seeds=2, steps=40) for _ in range(2))
    assert np.array_equal(one.raw, other.raw, equal_nan=True)


@pytest.mark.parametrize("training", [True, False])
def test_a_model_object_and_all_generators_are_as_before(training: bool) -> None:
    torch.manual_seed(3)
    model = torch.nn.Sequential(
        torch.nn.Linear(4, 8), torch.nn.BatchNorm1d(8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 3)
    ).train(training)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    before = torch.get_rng_state(), random.getstate(), np.random.get_state(), torch.get_num_threads()
    range_test("iris", model, seeds=2, steps=30)
    assert all(torch.equal(weights[name], tensor) for name, tensor in model.state_dict().items())
    assert model.training is training and all(param.grad is None for param in model.parameters())
    after = torch.get_rng_state(), random.getstate(), np.random.get_state(), torch.get_num_threads()
    assert torch.equal(before[0], after[0]) and before[1] == after[1] and before[3] == after[3]
    assert all(np.array_equal(one, other) for one, other in zip(before[2], after[2], strict=True))


def test_noise_alone_is_not_to_be_trusted() -> None:
    draw = np.random.default_rng(0)
    data = Arrays(X=draw.normal(size=(200, 5)), y=draw.integers(0, 2, 200))
    assert not range_test(Recipe(data=data), seeds=2, steps=60).trusted


def test_wrong_calls() -> None:
    for wrong in ({"seeds": 0}, {"steps": 5}, {"low": 0.0}, {"low": 1.0, "high": 0.1}):
        with pytest.raises(UsageError):
            thalweg.rates("iris", **wrong)  # type: ignore[arg-type]
