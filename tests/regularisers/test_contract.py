"""What every regulariser owes: pure, repeatable, shape and precision kept, nothing done at no strength."""

import dataclasses
import doctest
import importlib
import pkgutil
import tomllib
from importlib import resources

import pytest
import torch

import thalweg.regularisers as package
from thalweg.core import UsageError, from_plain, knobs, to_plain
from thalweg.core.random import generator
from thalweg.regularisers import (
    AUGMENTATIONS,
    CONSTRAINTS,
    PENALTIES,
    REGULARISERS,
    CutMix,
    Erase,
    Flip,
    InputNoise,
    MaxNorm,
    Mixup,
    Rotate,
    Shift,
)
from thalweg.rules.layout import ROLES, WEIGHTS

MEMBERS = 4
NONE = {
    "input-noise": InputNoise(std=0.0),
    "mixup": Mixup(alpha=0.0),
    "cutmix": CutMix(alpha=0.0),
    "shift": Shift(pixels=0),
    "flip": Flip(p=0.0),
    "rotate": Rotate(degrees=0.0),
    "erase": Erase(size=0),
}
FLAT = ("input-noise", "mixup")
SHAPES = {"flat": (6, 12), "plain": (6, 5, 7), "channels": (6, 3, 7, 5)}


def cases(name):
    return [shape for kind, shape in SHAPES.items() if kind != "flat" or name in FLAT]


def weights(seed=0, dtype=torch.float64, shape=(4, 3)):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize("name", REGULARISERS)
def test_a_plain_description_gives_it_back(name):
    value = REGULARISERS[name]()
    assert from_plain(REGULARISERS, to_plain(value), "regulariser") == value
    assert hash(value) == hash(REGULARISERS[name]())


@pytest.mark.parametrize("name", REGULARISERS)
def test_each_number_has_a_knob_that_allows_its_range(name):
    numbers = {f.name for f in dataclasses.fields(REGULARISERS[name]) if isinstance(f.default, int | float)}
    assert numbers == set(knobs(REGULARISERS[name]))
    for knob in knobs(REGULARISERS[name]).values():
        assert knob.meaning and knob.low < knob.high and knob.allows(knob.low) and knob.allows(knob.high)


@pytest.mark.parametrize("name", REGULARISERS)
def test_numbers_outside_their_law_are_refused(name):
    kind = REGULARISERS[name]
    for field, knob in knobs(kind).items():
        for wrong in (-1, float("nan")):
            with pytest.raises(UsageError) as error:
                kind(**{field: wrong})
            whole = f"must lie in {knob.law}" if isinstance(wrong, int) else ""
            assert str(error.value).startswith(f"`{kind.__name__}({field}=...)` must") and whole in str(error.value)


def test_names_are_kept_apart_and_described_in_both_languages():
    assert len(REGULARISERS) == len(PENALTIES) + len(CONSTRAINTS) + len(AUGMENTATIONS)
    for lang in ("en", "zh"):
        text = resources.files("thalweg.core.words").joinpath(lang, "regularisers.toml").read_text(encoding="utf-8")
        words = tomllib.loads(text)
        assert set(words) == set(REGULARISERS)
        assert all(line and "{" not in line for line in words.values())


def test_roles_are_those_that_rules_know():
    assert tuple(package.Penalty.roles) == tuple(WEIGHTS)
    for kind in (*PENALTIES.values(), *CONSTRAINTS.values()):
        assert kind.roles and set(kind.roles) <= set(ROLES)


def test_docstrings_run():
    for module in pkgutil.iter_modules(package.__path__):
        found = importlib.import_module(f"{package.__name__}.{module.name}")
        assert doctest.testmod(found).failed == 0, module.name


# Penalties.


@pytest.fixture(params=PENALTIES.values(), ids=PENALTIES.keys())
def penalty(request):
    return request.param(strength=0.7)


@pytest.mark.parametrize("scaling", ["notes", "plain"])
@pytest.mark.parametrize("shape", [(), (5,), (4, 3), (2, 3, 2, 2)])
def test_gradient_is_that_of_the_value(penalty, shape, scaling):
    penalty = dataclasses.replace(penalty, scaling=scaling)
    w = weights(shape=shape).requires_grad_()
    value = penalty.value(w, num_examples=5)
    assert value.shape == () and value > 0
    (expected,) = torch.autograd.grad(value, w)
    torch.testing.assert_close(penalty.gradient(w.detach(), num_examples=5), expected, rtol=1e-12, atol=1e-14)


def test_prox_is_the_minimum_that_defines_it(penalty):
    w, length = weights(), 2.0

    def objective(u):
        return length * penalty.value(u, num_examples=2) + (u - w).square().sum() / 2

    found = penalty.prox(w, length=length, num_examples=2)
    least = objective(found)
    for seed in range(1, 30):
        assert objective(found + 0.01 * weights(seed)) > least
    assert 0 < found.norm() < w.norm()


def test_the_notes_scaling_divides_by_the_examples(penalty):
    w, plain = weights(), dataclasses.replace(penalty, scaling="plain")
    torch.testing.assert_close(8 * penalty.value(w, num_examples=8), plain.value(w, num_examples=8))
    torch.testing.assert_close(8 * penalty.gradient(w, num_examples=8), plain.gradient(w, num_examples=8))
    same = plain.prox(w, length=0.1, num_examples=8)
    torch.testing.assert_close(penalty.prox(w, length=0.8, num_examples=8), same)


def test_penalties_are_pure_and_repeat(penalty):
    w = weights()
    before = w.clone()
    calls = (
        lambda: penalty.value(w, num_examples=3),
        lambda: penalty.gradient(w, num_examples=3),
        lambda: penalty.prox(w, length=0.1, num_examples=3),
    )
    first = [call() for call in calls]
    assert all(torch.equal(one, call()) for one, call in zip(first, calls, strict=True))
    assert torch.equal(w, before)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(), (4, 3)])
def test_penalties_keep_shape_and_precision(penalty, dtype, shape):
    w = weights(dtype=dtype, shape=shape)
    for strength in (None, 0.5, torch.tensor(0.5, dtype=torch.float64)):
        value = penalty.value(w, num_examples=3, strength=strength)
        gradient = penalty.gradient(w, num_examples=3, strength=strength)
        moved = penalty.prox(w, length=torch.tensor(0.1, dtype=torch.float64), num_examples=3, strength=strength)
        assert value.shape == () and gradient.shape == moved.shape == w.shape
        assert value.dtype == gradient.dtype == moved.dtype == dtype


def test_no_strength_does_nothing(penalty):
    w, none = weights(), dataclasses.replace(penalty, strength=0.0)
    assert none.value(w, num_examples=3) == 0
    assert torch.equal(none.gradient(w, num_examples=3), torch.zeros_like(w))
    assert torch.equal(none.prox(w, length=0.5, num_examples=3), w)


def test_a_weight_of_zero_is_left_alone_and_nan_stays_where_it_is(penalty):
    w = torch.tensor([0.0, torch.nan, 2.0])
    for found in (penalty.gradient(w, num_examples=2), penalty.prox(w, length=0.1, num_examples=2)):
        assert found[0] == 0 and found[2] > 0
    assert found[1].isnan()


def test_a_flat_buffer_is_its_parts(penalty):
    parts = [weights(1), weights(2, shape=(5,)), weights(3, shape=(2, 2, 2))]
    flat = torch.cat([part.reshape(-1) for part in parts])
    value = sum(penalty.value(part, num_examples=4) for part in parts)
    torch.testing.assert_close(penalty.value(flat, num_examples=4), value)
    gradient = torch.cat([penalty.gradient(part, num_examples=4).reshape(-1) for part in parts])
    assert torch.equal(penalty.gradient(flat, num_examples=4), gradient)


def test_a_strength_for_each_weight_leaves_some_out(penalty):
    w, share = weights(shape=(6,)), torch.tensor([1.0, 1, 0, 0, 1, 0], dtype=torch.float64)
    alone, strength = w[share.bool()], 0.7 * share
    torch.testing.assert_close(
        penalty.value(w, num_examples=2, strength=strength), penalty.value(alone, num_examples=2)
    )
    gradient = penalty.gradient(w, num_examples=2, strength=strength)
    assert torch.equal(gradient[share.bool()], penalty.gradient(alone, num_examples=2))
    assert not gradient[~share.bool()].any()
    moved = penalty.prox(w, length=0.1, num_examples=2, strength=strength)
    assert torch.equal(moved[~share.bool()], w[~share.bool()])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_population_is_the_loop_over_members(penalty, dtype):
    w = weights(dtype=dtype, shape=(MEMBERS, 4, 3))
    strengths, lengths = (torch.linspace(0, 2, MEMBERS, dtype=torch.float64) for _ in range(2))

    def each(w, strength, length):
        at = {"num_examples": 3, "strength": strength}
        return penalty.value(w, **at), penalty.gradient(w, **at), penalty.prox(w, length=length, **at)

    together = torch.func.vmap(each)(w, strengths, lengths)
    alone = [each(w[m], float(strengths[m]), float(lengths[m])) for m in range(MEMBERS)]
    for k, found in enumerate(together):
        assert found.dtype == dtype
        torch.testing.assert_close(found, torch.stack([one[k] for one in alone]), rtol=1e-6, atol=1e-7)


def test_no_examples_are_refused(penalty):
    with pytest.raises(UsageError) as error:
        penalty.value(weights(), num_examples=0)
    assert str(error.value) == f"`{type(penalty).__name__}(num_examples=...)` must be 1 or more, got 0."


# Constraints.


@pytest.fixture(params=CONSTRAINTS.values(), ids=CONSTRAINTS.keys())
def constraint(request):
    return request.param()


def test_constraints_are_pure_and_projecting_twice_is_projecting_once(constraint):
    w = 10 * weights(dtype=torch.float32)
    before = w.clone()
    once = constraint.project(w)
    assert torch.equal(w, before) and not torch.equal(once, w)
    assert once.shape == w.shape and once.dtype == w.dtype
    torch.testing.assert_close(constraint.project(once), once)


def test_constraints_leave_the_inside_alone_bit_for_bit(constraint):
    w = 0.1 * weights()
    assert torch.equal(constraint.project(w), w)


def test_constrained_members_are_the_loop(constraint):
    w, bounds = 5 * weights(shape=(MEMBERS, 4, 3)), torch.linspace(1, 4, MEMBERS, dtype=torch.float64)
    together = torch.func.vmap(lambda w, bound: constraint.project(w, bound=bound))(w, bounds)
    alone = [constraint.project(one, bound=float(bound)) for one, bound in zip(w, bounds, strict=True)]
    torch.testing.assert_close(together, torch.stack(alone))


# Augmentations.


def run(augmentation, x, y, seed=0, num_classes=None):
    return augmentation.apply(x, y, generator(seed, "augment", 3), num_classes=num_classes)


@pytest.fixture(params=[(n, s) for n in AUGMENTATIONS for s in cases(n)], ids=lambda p: f"{p[0]}-{len(p[1])}d")
def augmented(request):
    name, shape = request.param
    return AUGMENTATIONS[name](), weights(shape=shape), torch.tensor([0, 1, 2, 0, 1, 2])


def test_every_augmentation_has_its_zero():
    assert set(NONE) == set(AUGMENTATIONS)


def test_augmentations_are_pure_and_repeat_by_their_generator(augmented):
    augmentation, x, y = augmented
    before = x.clone(), y.clone()
    first = run(augmentation, x, y, num_classes=3)
    again = run(augmentation, x, y, num_classes=3)
    assert all(torch.equal(one, other) for one, other in zip(first, again, strict=True))
    assert torch.equal(x, before[0]) and torch.equal(y, before[1])
    others = [run(augmentation, x, y, seed=seed, num_classes=3)[0] for seed in range(1, 5)]
    assert any(not torch.equal(first[0], other) for other in others)
    assert any(not torch.equal(x, other) for other in (first[0], *others))


def test_augmentations_do_not_move_the_global_generator(augmented):
    augmentation, x, y = augmented
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    run(augmentation, x, y, num_classes=3)
    assert torch.equal(torch.rand(2), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_augmentations_keep_shape_and_precision(augmented, dtype):
    augmentation, x, y = augmented
    changed, targets = run(augmentation, x.to(dtype), y, num_classes=3)
    assert changed.shape == x.shape and changed.dtype == dtype and changed.isfinite().all()
    assert len(targets) == len(y)


def test_examples_are_changed_apart_from_each_other(augmented):
    augmentation, x, y = augmented
    same = x[:1].expand_as(x).contiguous()
    changed = torch.stack([run(augmentation, same, y, seed=s, num_classes=3)[0] for s in range(6)]).flatten(2)
    if augmentation.name not in ("mixup", "cutmix"):
        assert (changed != changed[:, :1]).any()
    else:
        torch.testing.assert_close(changed, same.flatten(1).expand_as(changed))


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_augmentations_of_no_strength_hand_the_batch_back(name):
    x, y = weights(shape=(6, 1, 4, 4)), torch.arange(6)
    changed, targets = run(NONE[name], x, y)
    assert changed is x and targets is y


@pytest.mark.parametrize("name", AUGMENTATIONS)
@pytest.mark.parametrize("size", [0, 1])
def test_augmentations_take_batches_of_none_and_one(name, size):
    x, y = torch.ones(size, 1, 4, 4), torch.zeros(size, dtype=torch.long)
    changed, targets = run(AUGMENTATIONS[name](), x, y, num_classes=2)
    assert changed.shape == x.shape and len(targets) == size


@pytest.mark.parametrize("name", [name for name in AUGMENTATIONS if name not in FLAT])
@pytest.mark.parametrize("shape", [(6,), (6, 64), (2, 3, 4, 5, 6)])
def test_what_is_no_image_is_refused(name, shape):
    with pytest.raises(UsageError) as error:
        run(AUGMENTATIONS[name](), torch.zeros(shape), torch.zeros(shape[0]), num_classes=2)
    begin = f"`{AUGMENTATIONS[name].__name__}.apply(x=...)` must be images (B, H, W) or (B, C, H, W), got {shape}. "
    assert str(error.value).startswith(begin) and "reshape(-1, 8, 8)" in str(error.value)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_whole_numbers_are_refused(name):
    with pytest.raises(UsageError, match=r"apply\(x=...\)` must hold floating-point numbers, got 'torch.int64'. Conv"):
        run(AUGMENTATIONS[name](), torch.zeros(2, 4, 4, dtype=torch.long), torch.zeros(2))


def test_the_constraint_without_units_is_refused():
    with pytest.raises(UsageError, match=r"`MaxNorm.project\(w=...\)` must have two axes or more.*got \(3,\). Leave"):
        MaxNorm().project(torch.ones(3))
