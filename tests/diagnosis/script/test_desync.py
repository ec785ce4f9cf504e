"""Replicas that drift apart, and those that only seem to. Two-layer networks trained by hand are the oracle."""

from typing import Any

import numpy as np
import pytest

from thalweg.diagnosis.script.desync import desync

RATE, STEPS = 0.05, 300


def replicas(how: str, *, seed: int = 0, every: int = 0, number: int = 2, steps: int = STEPS) -> list[dict[str, Any]]:
    """Train replicas on shares of the same data. `every` steps their weights are averaged, if that is asked for."""
    draw = np.random.default_rng(seed)
    true = draw.normal(size=(6, 8)), draw.normal(size=(8, 2))
    starts = [np.random.default_rng(seed + (10 + r if how in ("own start", "strangers") else 0)) for r in range(number)]
    weights = [[s.normal(size=(6, 8)) / 2.5, np.zeros(8), s.normal(size=(8, 2)) / 2.8, np.zeros(2)] for s in starts]
    left: list[list[Any]] = [[[0, [float(p.sum()) for p in w]]] for w in weights]
    for step in range(1, steps + 1):
        grads = []
        for w in weights:
            x = draw.normal(size=(16, 6))
            y = np.tanh(x @ true[0]) @ true[1] + 0.1 * draw.normal(size=(16, 2))
            h = np.tanh(x @ w[0] + w[1])
            error = (h @ w[2] + w[3] - y) / 16
            back = (error @ w[2].T) * (1 - h * h)
            grads.append([x.T @ back, back.sum(0), h.T @ error, error.sum(0)])
        mean = [sum(parts) / number for parts in zip(*grads, strict=True)]
        for r, w in enumerate(weights):
            grad = grads[r] if how in ("local", "strangers") else mean
            norm = float(np.sqrt(sum((g * g).sum() for g in grad)))
            share = min(1.0, 0.3 / norm) if how == "one clips" and r == 0 else 1.3 if how == "own rate" and r else 1.0
            for k in range(4):
                w[k] = w[k] - RATE * share * grad[k] + (1e-9 * draw.normal(size=w[k].shape) if how == "rounds" else 0)
            if step & (step - 1) == 0 or step % 25 == 0:
                left[r].append([step, [float(p.sum()) for p in w]])
        if every and step % every == 0:
            middle = [sum(parts) / number for parts in zip(*weights, strict=True)]
            weights = [[p.copy() for p in middle] for _ in range(number)]
    return [{"rank": r, "fingerprints": left[r], "acts": []} for r in range(number)]


@pytest.mark.parametrize("number", [2, 3])
@pytest.mark.parametrize("how", ["one clips", "own rate"])
def test_replicas_that_step_differently_drift_apart(how: str, number: int) -> None:
    files = replicas(how, number=number)
    found = desync(files)
    assert found is not None and found.code == "replica-desync" and found.severity == "critical"
    assert found.where.step == 1 and str(number) in found.cause.text("en") and "apart" in found.cause.text("en")
    assert found.evidence[0].value > 1e-2


def test_where_the_start_is_not_known_it_is_reckoned_from_the_first_steps() -> None:
    def without(how: str, seed: int) -> Any:
        files = replicas(how, seed=seed)
        return desync([{**file, "fingerprints": file["fingerprints"][1:]} for file in files])

    assert without("one clips", 1) and without("own rate", 1) and not without("strangers", 1)


def test_the_line_that_only_some_of_them_run_is_named() -> None:
    files = replicas("one clips")
    files[0]["acts"] = [["optimizer", "t.py", 9], ["clip", "t.py", 20]]
    files[1]["acts"] = [["optimizer", "t.py", 9]]
    found = desync(files)
    assert found is not None and (found.where.file, found.where.line) == ("t.py", 20)
    assert "gradients are clipped in some" in found.cause.text("en") and "梯度裁剪" in found.cause.text("zh")
    files[1]["acts"] = files[0]["acts"]
    again = desync(files)
    assert again is not None and again.where.line == 9


def test_the_same_updates_to_different_weights_are_found() -> None:
    found = desync(replicas("own start"))
    assert found is not None and "same updates to different weights" in found.cause.text("en")


@pytest.mark.parametrize("how", ["averages", "rounds"])
def test_replicas_that_stay_together_are_healthy(how: str) -> None:
    assert desync(replicas(how, number=3)) is None


@pytest.mark.parametrize("every", [2, 3, 5, 10, 16, 25, 50, 64])
def test_weights_averaged_now_and_then_are_healthy(every: int) -> None:
    assert all(desync(replicas("local", every=every, seed=seed)) is None for seed in (0, 1))


def test_networks_that_have_nothing_to_do_with_each_other_are_healthy() -> None:
    assert all(desync(replicas("strangers", seed=seed)) is None for seed in (0, 1, 2))
    alone = replicas("one clips")
    for file in alone:
        file["rank"] = None  # a search over settings in a pool of processes
    assert desync(alone) is None


def test_too_little_says_nothing() -> None:
    files = replicas("one clips")
    assert desync([]) is None and desync(files[:1]) is None
    assert desync([{**file, "fingerprints": file["fingerprints"][:3]} for file in files]) is None
    other = [{**files[0], "fingerprints": [[s, v[:2]] for s, v in files[0]["fingerprints"]]}, files[1]]
    assert desync(other) is None
    lost = [{**file, "fingerprints": [[s, [float("nan")] * 4] for s, _ in file["fingerprints"]]} for file in files]
    assert desync(lost) is None
