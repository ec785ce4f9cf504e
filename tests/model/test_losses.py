"""Losses, against torch.nn.functional and the formula in their docstrings."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from thalweg.core import UnknownName, UsageError, from_plain, to_plain
from thalweg.model import BCE, LOSSES, MAE, MSE, CrossEntropy, Huber, Loss, loss_for

torch.manual_seed(0)
SCORES, LABELS = torch.randn(6, 4), torch.tensor([0, 1, 2, 3, 3, 0])
TEXT, NEXT = torch.randn(6, 5, 4), torch.randint(4, (6, 5))
VALUES, TRUTH = torch.randn(6, 2), torch.randn(6, 2)
ANSWERS = torch.tensor([0.0, 1, 1, 0, 1, 0])
SOFT, SOFT_TEXT = torch.randn(6, 4).softmax(-1), torch.randn(6, 5, 4).softmax(-1)
CASES: list[tuple[Loss, Tensor, Tensor]] = [
    (CrossEntropy(), SCORES, LABELS),
    (CrossEntropy(label_smoothing=0.1), SCORES, LABELS),
    (CrossEntropy(), TEXT, NEXT),
    (CrossEntropy(label_smoothing=0.1), TEXT, NEXT),
    (CrossEntropy(), SCORES, SOFT),
    (CrossEntropy(label_smoothing=0.1), SCORES, SOFT),
    (CrossEntropy(label_smoothing=0.1), SCORES, SOFT.double()),
    (CrossEntropy(), TEXT, SOFT_TEXT),
    (BCE(), VALUES[:, 0], SOFT[:, 0]),
    (BCE(), VALUES, SOFT[:, :2]),
    (BCE(), VALUES[:, 0], ANSWERS),
    (BCE(), VALUES[:, :1], ANSWERS),
    (BCE(), VALUES[:, :1], ANSWERS.long()),
    (BCE(), VALUES, (TRUTH > 0).float()),
    (MSE(), VALUES, TRUTH),
    (MSE(), VALUES[:, :1], TRUTH[:, 0]),
    (MSE(), VALUES[:, 0], TRUTH[:, :1]),
    (MSE(), VALUES, TRUTH.double()),
    (MAE(), VALUES, TRUTH),
    (Huber(delta=0.5), VALUES, TRUTH),
    (Huber(), VALUES[:, 0], TRUTH[:, 0]),
]


@pytest.mark.parametrize(("loss", "outputs", "targets"), CASES)
def test_one_value_an_example_and_their_mean(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    loss.check_shapes(outputs, targets)
    each = loss.compute(outputs, targets)
    assert each.shape == (6,) and each.dtype == torch.float32
    alone = torch.cat([loss.compute(o, t) for o, t in zip(outputs.split(1), targets.split(1), strict=True)])
    assert torch.allclose(each, alone)
    assert torch.allclose(loss.total(outputs, targets), each.mean())
    assert torch.allclose(loss.mean(outputs, targets), each.mean())


def test_every_loss_has_a_case() -> None:
    assert {type(loss).name for loss, *_ in CASES} == set(LOSSES)


@pytest.mark.parametrize(("loss", "outputs", "targets"), CASES)
def test_members_of_a_population_agree_with_the_loop(loss: Loss, outputs: Tensor, targets: Tensor) -> None:
    members = torch.stack([outputs, 2 * outputs])
    together = torch.func.vmap(loss.total, in_dims=(0, None))(members, targets)
    assert torch.allclose(together, torch.stack([loss.total(one, targets) for one in members]))


def test_cross_entropy_is_its_formula() -> None:
    log_probabilities = SCORES.log_softmax(1)
    q = 0.9 * F.one_hot(LABELS, 4) + 0.1 / 4
    expected = -(q * log_probabilities).sum(1)
    assert torch.allclose(CrossEntropy(label_smoothing=0.1).compute(SCORES, LABELS), expected)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_probabilities_are_torchs_and_the_formula(smoothing: float) -> None:
    loss = CrossEntropy(label_smoothing=smoothing)
    assert torch.equal(loss.total(SCORES, SOFT), torch.nn.CrossEntropyLoss(label_smoothing=smoothing)(SCORES, SOFT))
    q = (1 - smoothing) * SOFT_TEXT + smoothing / 4
    torch.testing.assert_close(loss.compute(TEXT, SOFT_TEXT), -(q * TEXT.log_softmax(-1)).sum(-1).mean(1))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize(("outputs", "labels"), [(SCORES, LABELS), (TEXT, NEXT)])
def test_sure_probabilities_are_labels(outputs: Tensor, labels: Tensor, smoothing: float) -> None:
    loss, sure = CrossEntropy(label_smoothing=smoothing), F.one_hot(labels, 4).float()
    loss.check_shapes(outputs, sure, 4)
    torch.testing.assert_close(loss.compute(outputs, sure), loss.compute(outputs, labels))
    torch.testing.assert_close(loss.total(outputs, sure), loss.total(outputs, labels))


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_labels_go_to_torch_as_they_are(smoothing: float) -> None:
    loss = CrossEntropy(label_smoothing=smoothing)
    assert torch.equal(loss.total(SCORES, LABELS), F.cross_entropy(SCORES, LABELS, label_smoothing=smoothing))
    flat = F.cross_entropy(TEXT.flatten(0, 1), NEXT.flatten(), label_smoothing=smoothing)
    assert torch.equal(loss.total(TEXT, NEXT), flat)


@pytest.mark.parametrize("loss", [CrossEntropy(), BCE()])
def test_probabilities_are_finite_in_bfloat16(loss: Loss) -> None:
    scores = SCORES.bfloat16().requires_grad_()
    loss.check_shapes(scores, SOFT.bfloat16())
    loss.total(scores, SOFT).backward()
    assert scores.grad is not None and scores.grad.isfinite().all()


def test_language_is_the_mean_over_positions() -> None:
    expected = F.cross_entropy(TEXT.transpose(1, 2), NEXT, reduction="none").mean(1)
    assert torch.allclose(CrossEntropy().compute(TEXT, NEXT), expected)


def test_the_others_are_their_formulas() -> None:
    logits, error = VALUES[:, 0], (VALUES - TRUTH).abs()
    assert torch.allclose(BCE().compute(logits, ANSWERS), F.softplus(logits) - logits * ANSWERS)
    assert torch.allclose(MSE().compute(VALUES, TRUTH), error.square().mean(1))
    assert torch.allclose(MAE().compute(VALUES, TRUTH), error.mean(1))
    huber = torch.where(error <= 0.5, error.square() / 2, 0.5 * (error - 0.25)).mean(1)
    assert torch.allclose(Huber(delta=0.5).compute(VALUES, TRUTH), huber)


@pytest.mark.parametrize("loss", [MSE(), MAE(), Huber(), BCE()])
def test_silent_broadcasting_is_refused(loss: Loss) -> None:
    for outputs, targets in [((6, 2), (6,)), ((6,), (5,)), ((6, 1), (6, 3)), ((6, 6), (6,))]:
        with pytest.raises(UsageError, match=r"needs outputs and targets of one shape, got outputs \(6"):
            loss.total(torch.zeros(outputs), torch.zeros(targets))


@pytest.mark.parametrize(
    ("outputs", "targets", "says"),
    [
        (SCORES, LABELS.float(), r"whole labels, got outputs \(6, 4\) and targets \(6,\). Convert"),
        (SCORES, LABELS[:, None], r"targets \(6, 1\). Drop the last axis"),
        (SCORES, LABELS[:5], "one label for each row"),
        (SCORES[:, 0], LABELS, "one label for each row"),
        (SCORES[:, :3], LABELS, "an output for each of the 4 classes.*num_outputs=4"),
        (SCORES, LABELS + 1, "labels from 0 to 3, got 1 to 4.*Number the classes from 0"),
        (SCORES, LABELS - 1, "labels from 0 to 3, got -1 to 2"),
        (SCORES, 2 * SOFT, r"probabilities of sum 1, got sums from 2 to 2 .*\(6, 4\) and.*Give labels, or use MSE"),
        (SCORES, 2 * F.one_hot(LABELS, 4) - SOFT, "probabilities of sum 1, got sums from 1 to 1 and a smallest of -0"),
        (SCORES, SOFT * torch.nan, "probabilities of sum 1, got sums from nan"),
        (SCORES, SOFT[:, :3], r"whole labels, got .* targets \(6, 3\). Give probabilities in the outputs' own"),
        (SCORES[:, :3], SOFT[:, :3], "an output for each of the 4 classes.*num_outputs=4"),
    ],
)
def test_labels_that_do_not_fit_are_named(outputs: Tensor, targets: Tensor, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        CrossEntropy().check_shapes(outputs, targets, 4)


def test_answers_are_zero_or_one() -> None:
    with pytest.raises(UsageError, match=r"targets from 0 to 1, got 0 to 3.*CrossEntropy"):
        BCE().check_shapes(torch.zeros(6), LABELS)


def test_the_loss_of_a_task() -> None:
    assert loss_for("classification", 10) == loss_for("language", 65) == CrossEntropy()
    assert loss_for("classification", 1) == BCE()
    assert loss_for("regression", 3) == MSE()
    with pytest.raises(UnknownName, match=r"did you mean 'regression'"):
        loss_for("regresion", 1)


@pytest.mark.parametrize("name", LOSSES)
def test_a_plain_description_gives_the_loss_back(name: str) -> None:
    assert from_plain(LOSSES, to_plain(LOSSES[name]()), "loss") == LOSSES[name]()
