"""Metrics, against scikit-learn, over batches of any size."""

import math

import numpy as np
import pytest
import torch
from sklearn import metrics as oracle
from torch import Tensor

from thalweg.core import UnknownName, UsageError
from thalweg.model import Metric, metrics_for
from thalweg.model.metrics import R2, Accuracy, MacroF1, MeanAbsoluteError, RootMeanSquaredError

torch.manual_seed(0)
LABELS = torch.randint(3, (101,))
SCORES = torch.randn(101, 5) + 1.5 * torch.eye(5)[LABELS]
TRUTH = 1000 + torch.randn(101, 2, dtype=torch.float64)
VALUES = TRUTH + 0.3 * torch.randn(101, 2, dtype=torch.float64)


def measured(metric: Metric, outputs: Tensor, targets: Tensor, size: int) -> float:
    for batch in zip(outputs.split(size), targets.split(size), strict=True):
        metric.update(*batch)
    return metric.value()


@pytest.mark.parametrize("size", [1, 7, 101])
def test_classification_is_that_of_scikit_learn(size: int) -> None:
    named = SCORES.argmax(1)
    assert measured(Accuracy(), SCORES, LABELS, size) == pytest.approx(oracle.accuracy_score(LABELS, named))
    expected = oracle.f1_score(LABELS, named, average="macro")
    assert measured(MacroF1(), SCORES, LABELS, size) == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 7, 101])
@pytest.mark.parametrize("columns", [slice(0, 1), slice(0, 2)])
def test_regression_is_that_of_scikit_learn(size: int, columns: slice) -> None:
    outputs, targets = VALUES[:, columns], TRUTH[:, columns]
    r2, mae, rmse = (measured(metric, outputs, targets, size) for metric in metrics_for("regression"))
    assert r2 == pytest.approx(oracle.r2_score(targets, outputs))
    assert mae == pytest.approx(oracle.mean_absolute_error(targets, outputs))
    assert rmse == pytest.approx(math.sqrt(oracle.mean_squared_error(targets, outputs)))


def test_single_outputs_are_paired_with_flat_targets() -> None:
    flat, column = TRUTH[:, 0], VALUES[:, :1]
    assert measured(R2(), column, flat, 10) == pytest.approx(oracle.r2_score(flat, column))
    assert measured(MeanAbsoluteError(), VALUES[:, 0], flat[:, None], 10) < 1


def test_a_single_logit_names_two_classes() -> None:
    logits, answers = SCORES[:, :1], (LABELS == 0).long()
    named = (logits[:, 0] > 0).long()
    for outputs in (logits, logits[:, 0]):
        assert measured(Accuracy(), outputs, answers, 9) == pytest.approx(oracle.accuracy_score(answers, named))
        expected = oracle.f1_score(answers, named, average="macro")
        assert measured(MacroF1(), outputs, answers, 9) == pytest.approx(expected)


@pytest.mark.parametrize("size", [1, 4, 20])
def test_language(size: int) -> None:
    torch.manual_seed(1)
    outputs, tokens = torch.randn(20, 6, 9), torch.randint(9, (20, 6))
    nats = oracle.log_loss(tokens.flatten(), outputs.flatten(0, 1).double().softmax(-1), labels=range(9))
    perplexity, bits, accuracy = (measured(m, outputs, tokens, size) for m in metrics_for("language"))
    assert perplexity == pytest.approx(math.exp(nats))
    assert bits == pytest.approx(nats / math.log(2))
    assert accuracy == pytest.approx(np.mean((outputs.argmax(-1) == tokens).numpy()))


def test_constant_targets_as_in_scikit_learn() -> None:
    same = torch.ones(4, 1)
    assert measured(R2(), same, same, 2) == oracle.r2_score(same, same) == 1
    assert measured(R2(), same + 1, same, 2) == oracle.r2_score(same, same + 1) == 0
    assert math.isnan(measured(R2(), same * torch.nan, same, 2))


def test_nothing_measured_is_nan_and_nan_stays() -> None:
    assert math.isnan(Accuracy().value())
    assert math.isnan(measured(RootMeanSquaredError(), torch.tensor([1.0, torch.nan]), torch.ones(2), 1))


def test_which_way_is_better() -> None:
    found = {m.name: m.better for task in ("classification", "regression", "language") for m in metrics_for(task)}
    higher = {name for name, better in found.items() if better == "higher"}
    assert higher == {"accuracy", "macro_f1", "r2"}


def test_metrics_are_fresh_and_mistakes_named() -> None:
    assert metrics_for("regression")[0] is not metrics_for("regression")[0]
    with pytest.raises(UnknownName, match="did you mean 'language'"):
        metrics_for("langage")
    with pytest.raises(UsageError, match=r"got outputs \(4, 2\) and targets \(4,\)"):
        R2().update(torch.zeros(4, 2), torch.zeros(4))
