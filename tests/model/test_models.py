"""What every model promises: its shape, weights that the seed decides, a sentence for what it cannot read."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn

from thalweg.core import UsageError, from_plain, to_plain
from thalweg.model import (
    MODELS,
    Built,
    Model,
    Module,
    build_seeded,
    convnet,
    mlp,
    recurrent,
    transformer,
)

Case = tuple[Model, tuple[int, ...], int, tuple[int, ...]]

# a model, the shape it reads, its outputs, the shape of its predictions for one example
CASES: dict[str, Case] = {
    "mlp": (mlp(8, 6, dropout=0.2, norm="layer"), (5,), 3, (3,)),
    "mlp of images": (mlp(8), (4, 4), 3, (3,)),
    "mlp with weight norm": (mlp(8, 6, norm="weight"), (5,), 3, (3,)),
    "convnet with spectral norm": (convnet(4, 8, norm="spectral"), (8, 8), 3, (3,)),
    "softmax regression": (mlp(), (5,), 3, (3,)),
    "convnet of grey images": (convnet(4, 8, dropout=0.2), (8, 8), 10, (10,)),
    "convnet of colour images": (convnet(4, pooling="none", hidden=0, norm="layer"), (3, 5, 4), 2, (2,)),
    "convnet with maxout": (convnet(4, 6, activation="maxout", pooling="average"), (1, 9, 8), 2, (2,)),
    "rnn of vectors": (recurrent("rnn", width=6), (7, 3), 4, (4,)),
    "lstm of vectors": (recurrent("lstm", width=6, depth=2, dropout=0.1), (7, 3), 1, (1,)),
    "gru with norm": (recurrent("gru", width=6, depth=2, norm="layer"), (7, 3), 4, (4,)),
    "gru of language": (recurrent("gru", width=6, vocabulary=9), (7,), 9, (7, 9)),
    "gru of tokens": (recurrent("gru", width=6, vocabulary=9), (7,), 2, (2,)),
    "transformer of vectors": (transformer(width=8, dropout=0.1), (7, 3), 4, (4,)),
    "transformer with rms": (transformer(width=8, norm="rms"), (7, 3), 4, (4,)),
    "transformer of language": (transformer(width=8, vocabulary=9), (7,), 9, (7, 9)),
    "transformer of tokens": (transformer(width=8, vocabulary=9), (7,), 2, (2,)),
    "module": (Module(factory="torch.nn:Identity"), (3,), 3, (3,)),
    "built": (Built(module=nn.Linear(3, 2)), (3,), 2, (2,)),
}


def examples(model: Model, shape: tuple[int, ...], *, count: int = 4) -> Tensor:
    vocabulary = getattr(model, "vocabulary", None)
    generator = torch.Generator().manual_seed(0)
    if vocabulary is None:
        return torch.randn(count, *shape, generator=generator)
    return torch.randint(vocabulary, (count, *shape), generator=generator)


@pytest.fixture(params=CASES.values(), ids=CASES.keys())
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


def test_every_model_has_a_case() -> None:
    assert {type(model).name for model, *_ in CASES.values()} == set(MODELS)


def test_predictions_have_the_promised_shape(case: Case) -> None:
    model, shape, num_outputs, predicted = case
    outputs = build_seeded(model, shape, num_outputs, 0)(examples(model, shape))
    assert outputs.shape == (4, *predicted)
    assert outputs.isfinite().all()


def test_the_same_seed_gives_the_same_weights(case: Case) -> None:
    model, shape, num_outputs, _ = case
    one, again, other = (build_seeded(model, shape, num_outputs, seed).state_dict() for seed in (1, 1, 2))
    assert list(one) == list(again)
    assert all(torch.equal(one[name], again[name]) for name in one)
    if model.traceable:
        assert any(not torch.equal(one[name], other[name]) for name in one)


def test_the_callers_generator_is_left_alone(case: Case) -> None:
    model, shape, num_outputs, _ = case
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    build_seeded(model, shape, num_outputs, 0)
    assert torch.equal(torch.rand(3), expected)


def test_every_weight_gets_a_gradient(case: Case) -> None:
    model, shape, num_outputs, _ = case
    module = build_seeded(model, shape, num_outputs, 0).train()
    weights = dict(module.named_parameters())
    if weights:
        grads = torch.autograd.grad(module(examples(model, shape)).square().sum(), list(weights.values()))
        still = [name for name, grad in zip(weights, grads, strict=True) if not grad.any()]
        # A dense unit of these tiny networks may be dead; a whole weight never is.
        assert not still


def test_a_plain_description_gives_the_model_back(case: Case) -> None:
    model, *_ = case
    if not isinstance(model, Built):
        assert from_plain(MODELS, to_plain(model), "model") == model


def test_a_convnet_without_norm_stays_without() -> None:
    model = convnet(4, norm="none")
    assert model.norm is None
    assert from_plain(MODELS, to_plain(model), "model") == model


def test_dropout_leaves_the_start_unchanged(case: Case) -> None:
    model, shape, num_outputs, _ = case
    if hasattr(model, "dropout"):
        dry, wet = (dataclasses.replace(model, dropout=p) for p in (0.0, 0.3))
        ours, theirs = (build_seeded(m, shape, num_outputs, 3) for m in (dry, wet))
        for (name, one), (other, two) in zip(ours.named_parameters(), theirs.named_parameters(), strict=True):
            assert name == other and torch.equal(one, two)


@pytest.mark.parametrize(
    ("model", "shape", "says"),
    [
        (mlp(4), (), "MLP.build"),
        (convnet(4), (64,), r"must be \(C, H, W\) or \(H, W\), got \(64,\). Reshape"),
        (convnet(4, 4, 4), (4, 4), r"8 pixels or more each way.*got \(4, 4\). Use fewer channels"),
        (recurrent("gru"), (64,), r"must be \(L, D\), got \(64,\). Reshape"),
        (recurrent("gru", vocabulary=5), (6, 4), r"must be \(L,\) for 5 tokens, got \(6, 4\)"),
        (transformer(), (3, 8, 8), r"must be \(L, D\), got \(3, 8, 8\)"),
        (mlp(4), (0,), "axes of length 1 or more"),
    ],
)
def test_a_shape_that_cannot_be_read_is_refused(model: Model, shape: tuple[int, ...], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        build_seeded(model, shape, 3, 0)


def test_no_outputs_are_refused() -> None:
    with pytest.raises(UsageError, match=r"num_outputs=\.\.\.\)` must be 1 or more, got 0"):
        build_seeded(mlp(4), (3,), 0, 0)
