"""Augmentations, against scipy.ndimage, numpy and their formulas; how often and how far they act."""

import math

import numpy as np
import pytest
import scipy.ndimage
import scipy.stats
import torch

from thalweg.core import UsageError
from thalweg.core.random import generator
from thalweg.model import CrossEntropy
from thalweg.regularisers import CutMix, Erase, Flip, InputNoise, Mixup, Rotate, Shift, apply_all
from thalweg.regularisers.rotate import rotated
from thalweg.regularisers.shift import shifted

B = 2000
MODES = {"edge": "nearest", "zero": "grid-constant"}


def images(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def apply(augmentation, x, y=None, seed=0, num_classes=None):
    y = torch.zeros(len(x), dtype=torch.long) if y is None else y
    return augmentation.apply(x, y, generator(seed, "augment", 0), num_classes=num_classes)


# Moving and turning.


@pytest.mark.parametrize("fill", MODES)
def test_shifting_is_scipys(fill):
    x = images(5, 2, 6, 7)
    down, right = torch.tensor([0, 1, -2, 3, -4]), torch.tensor([0, -1, 2, 5, 6])
    found = shifted(x, down, right, fill=fill)
    for b in range(5):
        by = (0, int(down[b]), int(right[b]))
        expected = scipy.ndimage.shift(x[b].numpy(), by, order=0, mode=MODES[fill])
        np.testing.assert_array_equal(found[b].numpy(), expected)


def test_shifts_are_uniform_both_ways():
    spot = torch.zeros(B, 7, 7)
    spot[:, 3, 3] = 1
    found, _ = apply(Shift(pixels=2, fill="zero"), spot)
    assert torch.equal(found.sum((1, 2)), torch.ones(B))
    share = found.mean(0)[1:6, 1:6]
    assert (share - 1 / 25).abs().max() < 5 * math.sqrt(0.04 * 0.96 / B)
    assert found.mean(0).sum() == pytest.approx(float(share.sum()))


def test_a_shift_out_of_the_image_is_refused():
    with pytest.raises(
        UsageError, match=r"`Shift\(pixels=...\)` must be less than height and width, here 4 and 9, got"
    ):
        apply(Shift(pixels=4), images(2, 4, 9))


@pytest.mark.parametrize("fill", MODES)
@pytest.mark.parametrize("shape", [(8, 8), (7, 11), (12, 5)])
def test_turning_is_scipys(fill, shape):
    x, degrees = images(4, 2, *shape), torch.tensor([0.0, 17.0, -33.0, 90.0], dtype=torch.float64)
    found = rotated(x, degrees.deg2rad(), fill=fill)
    for b in range(4):
        expected = scipy.ndimage.rotate(
            x[b].numpy(), float(degrees[b]), axes=(2, 1), reshape=False, order=1, mode=MODES[fill]
        )
        np.testing.assert_allclose(found[b].numpy(), expected, atol=1e-10)


def test_a_quarter_turn_goes_counter_clockwise():
    x = images(1, 1, 6, 6)
    found = rotated(x, torch.tensor([math.pi / 2], dtype=torch.float64), fill="zero")
    np.testing.assert_allclose(found[0, 0].numpy(), np.rot90(x[0, 0].numpy()), atol=1e-12)


def test_angles_are_uniform_both_ways():
    # A plane that rises to the right reads cos(angle) to the right of the middle and sin(angle) above it.
    plane = (torch.arange(9, dtype=torch.float64) - 4).expand(B, 9, 9)
    found, _ = apply(Rotate(degrees=30), plane)
    angle = torch.atan2(found[:, 5, 4] - found[:, 4, 4], found[:, 4, 5] - found[:, 4, 4]).rad2deg()
    assert angle.abs().max() <= 30 + 1e-4 and angle.abs().max() > 29
    assert angle.mean().abs() < 5 * 30 / math.sqrt(3 * B)
    assert angle.abs().mean() == pytest.approx(15, abs=5 * 30 / math.sqrt(12 * B))


@pytest.mark.parametrize(("direction", "axis"), [("horizontal", -1), ("vertical", -2)])
def test_flips_mirror_a_share_of_the_images(direction, axis):
    x = images(B, 2, 3, 4)
    found, _ = apply(Flip(direction=direction, p=0.3), x)
    mirrored = torch.from_numpy(np.flip(x.numpy(), axis).copy())
    changed = (found == mirrored).flatten(1).all(1)
    assert torch.equal(found, torch.where(changed[:, None, None, None], mirrored, x))
    assert changed.double().mean() == pytest.approx(0.3, abs=5 * math.sqrt(0.21 / B))
    assert torch.equal(apply(Flip(direction=direction, p=1.0), x)[0], mirrored)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_erased_is_a_square_cut_off_at_the_border(size):
    found, _ = apply(Erase(size=size), torch.ones(B, 2, 6, 7))
    assert torch.equal(found[:, 0], found[:, 1])
    gone = found[:, 0] == 0
    area = gone.sum((1, 2))
    assert int(area.max()) == size**2 and int(area.min()) >= 1
    assert torch.equal(gone.any(2).sum(1) * gone.any(1).sum(1), area)
    # The corner goes where the middle lies within half a side of it.
    corner = (size // 2 + 1) ** 2 / 42
    assert gone[:, 0, 0].double().mean() == pytest.approx(corner, abs=5 * math.sqrt(corner / B))
    assert gone.double().mean(0).min() > 0


# Noise and mixtures.


def test_noise_has_its_deviation():
    found, _ = apply(InputNoise(std=0.5), torch.ones(B, 30, dtype=torch.float64))
    noise = (found - 1).flatten()
    assert noise.mean().abs() < 5 * 0.5 / math.sqrt(30 * B)
    assert noise.std() == pytest.approx(0.5, rel=5 / math.sqrt(60 * B))
    assert scipy.stats.kstest(noise[:5000].numpy() / 0.5, "norm").pvalue > 0.001


def test_noise_on_a_linear_model_is_ridge_on_average():
    """E mean((y - (x + n) w)²) = mean((y - x w)²) + std² * sum(w²) (Bishop 1995)."""
    x, w, y = images(40, 5), images(5, seed=1), images(40, seed=2)
    losses = torch.stack([((y - apply(InputNoise(std=0.4), x, seed=s)[0] @ w) ** 2).mean() for s in range(600)])
    expected = ((y - x @ w) ** 2).mean() + 0.16 * w.square().sum()
    assert (losses.mean() - expected).abs() < 4 * losses.std() / math.sqrt(600)
    assert 0.16 * w.square().sum() > 20 * losses.std() / math.sqrt(600)


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_mixup_mixes_inputs_and_labels_alike(alpha):
    """With one-hot inputs the mixed input is the mixed target."""
    y = torch.arange(6).repeat(B // 5)
    x = torch.eye(6, dtype=torch.float64)[y]
    mixed, soft = apply(Mixup(alpha=alpha), x, y, num_classes=6)
    torch.testing.assert_close(mixed, soft.double(), rtol=0, atol=1e-6)
    torch.testing.assert_close(soft.sum(1), torch.ones(len(y)))
    assert soft.dtype == torch.float32 and int((soft > 0).sum(1).max()) == 2
    kept = soft.gather(1, y[:, None])[:, 0][(soft > 0).sum(1) == 2].double()
    assert scipy.stats.kstest(kept.numpy(), scipy.stats.beta(alpha, alpha).cdf).pvalue > 0.001
    CrossEntropy().check_shapes(torch.zeros(len(y), 6), soft, 6)


def test_mixup_mixes_values_and_probabilities_as_they_are():
    x = images(50, 4)
    for part in (slice(0, 1), slice(0, 3), 2):
        mixed, values = apply(Mixup(alpha=1.0), x, x[:, part])
        torch.testing.assert_close(values, mixed[:, part])
        assert not torch.allclose(values, x[:, part])
    probabilities = x.softmax(1)
    mixed, soft = apply(Mixup(alpha=1.0), probabilities, probabilities, num_classes=4)
    torch.testing.assert_close(soft, mixed)
    torch.testing.assert_close(soft.sum(1), torch.ones(50, dtype=torch.float64))


def test_mixup_keeps_a_yes_or_no_question_one_number():
    x, y = images(6, 3), torch.tensor([0, 1, 1, 0, 1, 0])
    _, targets = apply(Mixup(alpha=1.0), x, y, num_classes=1)
    assert targets.shape == (6,) and targets.dtype == torch.float32
    assert ((targets >= 0) & (targets <= 1)).all() and ((targets > 0) & (targets < 1)).any()


@pytest.mark.parametrize("shape", [(9, 8), (3, 8, 9)])
def test_cutmix_pastes_a_box_and_mixes_by_its_area(shape):
    y = torch.arange(6).repeat(100)
    x = y.double().reshape(-1, *[1] * len(shape)).expand(-1, *shape)
    mixed, soft = apply(CutMix(alpha=1.0), x, y, num_classes=6)
    torch.testing.assert_close(soft.sum(1), torch.ones(600))
    own = (mixed == x).flatten(1).double().mean(1)
    torch.testing.assert_close(soft.gather(1, y[:, None])[:, 0].double(), own, rtol=0, atol=1e-6)
    plain = mixed if mixed.ndim == 3 else mixed[:, 0]
    pasted = plain != y.double()[:, None, None]
    assert torch.equal(pasted.any(2).sum(1) * pasted.any(1).sum(1), pasted.sum((1, 2)))
    assert 0.1 < pasted.double().mean() < 0.5
    assert all(len(image.unique()) <= 2 for image in mixed)


def test_cutmix_mixes_values_by_area_too():
    x = images(20, 6, 6)
    x[:] = x[:, :1, :1]
    mixed, targets = apply(CutMix(), x, x[:, 0, 0])
    torch.testing.assert_close(targets, mixed.mean((1, 2)))


@pytest.mark.parametrize("kind", [Mixup, CutMix])
@pytest.mark.parametrize(
    ("y", "num_classes", "says"),
    [
        (
            torch.zeros(4, dtype=torch.long),
            None,
            r"apply\(num_classes=...\)` must be 1 or more for labels, got None. Give",
        ),
        (torch.tensor([0, 1, 2, 3]), 3, r"apply\(y=...\)` must hold labels from 0 to 2, got '0 to 3'"),
        (torch.tensor([0, -1, 2, 1]), 3, r"must hold labels from 0 to 2, got '-1 to 2'"),
        (torch.zeros(4, 5, dtype=torch.long), 3, r"must hold one label for each example, or numbers, got \(4, 5\)"),
    ],
)
def test_labels_that_cannot_be_mixed_are_named(kind, y, num_classes, says):
    with pytest.raises(UsageError, match=rf"`{kind.__name__}\.?.*{says}"):
        apply(kind(), images(4, 3, 3), y, num_classes=num_classes)


# Several at once.


def test_each_has_a_stream_of_its_own():
    x, y = images(20, 6, 6), torch.arange(20) % 3
    noise, shift = InputNoise(std=0.1), Shift(pixels=2)
    alone, _ = apply_all([noise], x, y, seed=3, step=5)
    both, _ = apply_all([shift, noise], x, y, seed=3, step=5)
    moved, _ = apply_all([shift], x, y, seed=3, step=5)
    torch.testing.assert_close(both - moved, alone - x)
    assert torch.equal(both, apply_all([shift, noise], x, y, seed=3, step=5)[0])
    for seed, step in ((3, 6), (4, 5)):
        assert not torch.equal(both, apply_all([shift, noise], x, y, seed=seed, step=step)[0])


def test_two_of_one_kind_draw_apart():
    x = torch.zeros(4, 5)
    twice, _ = apply_all([InputNoise(std=1.0), InputNoise(std=1.0)], x, x[:, 0], seed=0, step=0)
    once, _ = apply_all([InputNoise(std=1.0)], x, x[:, 0], seed=0, step=0)
    assert not torch.equal(twice, 2 * once)


def test_mixtures_follow_each_other_and_train_a_classifier():
    x, y = images(12, 6, 6), torch.arange(12) % 3
    mixed, soft = apply_all([Mixup(alpha=1.0), CutMix(), Flip()], x, y, seed=0, step=0, num_classes=3)
    assert mixed.shape == x.shape and soft.shape == (12, 3)
    torch.testing.assert_close(soft.sum(1), torch.ones(12))
    outputs = torch.zeros(12, 3, requires_grad=True)
    CrossEntropy(label_smoothing=0.1).total(outputs, soft).backward()
    assert outputs.grad is not None and outputs.grad.abs().sum() > 0


def test_nothing_to_do_hands_the_batch_back():
    x, y = images(3, 4), torch.arange(3)
    assert apply_all([], x, y, seed=0, step=0) == (x, y)
