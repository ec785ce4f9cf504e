"""Fitting: the engine's own numbers, nobody else's generators, and what comes out."""

import random
import warnings

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from torch import nn

import thalweg as tw
from thalweg.data import Arrays, Split
from thalweg.train import EarlyStopping, Recipe, advance, make_job

X, y = load_iris(return_X_y=True)
WORDS = np.array(["setosa", "versicolor", "virginica"])[y]


def same(one, other):
    pairs = zip(one.module_.state_dict().values(), other.module_.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize(
    "model", [tw.mlp(8, dropout=0.2), nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.1), nn.Linear(8, 3))]
)
def test_weights_are_those_of_the_engine(model):
    rule = tw.rules.Adam(lr=0.01)
    fitted = tw.Classifier(model, rule=rule, epochs=4, batch_size=16, random_state=7).fit(X, WORDS)
    spec = tw.Classifier(model).model if not isinstance(model, nn.Module) else fitted._learned.model
    recipe = Recipe(
        data=Arrays(X=X, y=WORDS), split=Split(validation=0.0, test=0.0), model=spec, rule=rule, stop=None,
        epochs=4, batch_size=16, seed=7,
    )  # fmt: skip
    job = make_job(recipe)
    with torch.random.fork_rng(devices=[]):
        states = random.getstate(), np.random.get_state()
        losses = [row.loss for snapshot in advance(job) for row in snapshot.rows]
        random.setstate(states[0])
        np.random.set_state(states[1])
    engine, ours = job.state.module.state_dict(), fitted.module_.state_dict()
    assert engine.keys() == ours.keys() and all(torch.equal(engine[name], ours[name]) for name in ours)
    assert fitted.loss_curve_ == pytest.approx(np.reshape(losses, (4, -1)).mean(axis=1))


def test_the_same_random_state_gives_the_same_bits():
    def fit(state):
        return tw.Classifier(tw.mlp(8, dropout=0.1), epochs=3, random_state=state).fit(X, y)

    assert same(fit(1), fit(1)) and not same(fit(1), fit(2))
    assert same(fit(np.random.RandomState(5)), fit(np.random.RandomState(5)))
    one, other = fit(None), fit(None)
    assert not same(one, other) and same(one, fit(one.seed_))


@pytest.mark.parametrize("model", [None, nn.Sequential(nn.Linear(4, 3), nn.Dropout(0.5))])
@pytest.mark.parametrize("state", [0, None])
def test_generators_and_threads_of_the_process_stay(model, state):
    before = torch.get_rng_state(), np.random.get_state(), random.getstate(), torch.get_num_threads()
    estimator = tw.Classifier(model, epochs=2, threads=2, random_state=state).fit(X, y)
    estimator.partial_fit(X, y).predict_proba(X)
    assert torch.equal(torch.get_rng_state(), before[0])
    assert all(np.array_equal(a, b) for a, b in zip(np.random.get_state(), before[1], strict=True))
    assert random.getstate() == before[2] and torch.get_num_threads() == before[3]
    assert estimator.threads_ == 2


def test_no_example_is_held_back_unless_asked():
    plain = tw.Classifier(epochs=2, random_state=0).fit(X, y)
    stopping = tw.Classifier(epochs=2, stop=True, random_state=0).fit(X, y)
    assert plain.validation_scores_ is None
    assert plain.preparation_.fitted["mean"].numpy() == pytest.approx(X.mean(axis=0))
    assert stopping.preparation_.fitted["mean"].numpy() != pytest.approx(X.mean(axis=0))


def test_early_stopping_gives_the_best_weights():
    features, values = load_diabetes(return_X_y=True)
    rule = tw.rules.Adam(lr=0.03)
    estimator = tw.Regressor(
        rule=rule, stop=EarlyStopping(metric="r2", patience=4), validation_fraction=0.3, random_state=0
    ).fit(features, values)
    _, validation, _ = (Split(validation=0.3, test=0.0).rows(values, "regression", 0))[0:3]
    scores = estimator.validation_scores_
    assert len(scores) == int(np.argmax(scores)) + 1 + 4
    assert estimator.score(features[validation], values[validation]) == pytest.approx(max(scores), abs=1e-5)


def test_labels_come_back_as_they_were():
    for labels in (WORDS, WORDS.astype(object), y - 5, y * 1.0, y == 1):
        estimator = tw.Classifier(epochs=12, random_state=0).fit(X, labels)
        found = estimator.predict(X)
        assert found.dtype == np.unique(labels).dtype and (found == labels).mean() > 0.9
        assert np.array_equal(estimator.classes_, np.unique(labels))
        assert np.allclose(np.log(estimator.predict_proba(X)), estimator.predict_log_proba(X))


def test_one_class_is_refused():
    with pytest.raises(ValueError, match=r"y holds 1 class, 'setosa'"):
        tw.Classifier().fit(X[:20], WORDS[:20])


def test_several_outputs():
    estimator = tw.Regressor(epochs=30, random_state=0).fit(X[:, :2], X[:, 2:])
    assert estimator.predict(X[:, :2]).shape == (150, 2) and estimator.score(X[:, :2], X[:, 2:]) > 0.8
    assert tw.Regressor(epochs=1).fit(X, X[:, :1]).predict(X).shape == (150, 1)
    assert tw.Regressor(epochs=1).fit(X, X[:, 0]).predict(X).shape == (150,)


def test_constant_values_are_learnt():
    estimator = tw.Regressor(random_state=0).fit(X, np.full(150, 7.0))
    assert estimator.predict(X) == pytest.approx(np.full(150, 7.0), abs=0.05)


@pytest.mark.parametrize(
    ("model", "shape"),
    [
        (tw.convnet(8), (8, 8)),
        (tw.convnet(8), (8, 8, 3)),
        (tw.recurrent(width=16), (8, 8)),
        (tw.transformer(width=16, heads=2, depth=1), (8, 8)),
        (tw.mlp(16, norm="batch"), (8, 8)),
        (None, (8, 8)),
    ],
    ids=["grey", "colour", "recurrent", "transformer", "mlp", "default"],
)
def test_images_and_sequences(model, shape):
    digits, labels = load_digits(return_X_y=True)
    images = digits[:200].reshape(-1, 8, 8)
    images = np.repeat(images[..., None], 3, axis=-1) if len(shape) == 3 else images
    estimator = tw.Classifier(model, epochs=8, random_state=0).fit(images, labels[:200])
    assert estimator.score(images, labels[:200]) > 0.5
    one_by_one = np.concatenate([estimator.predict_proba(images[k : k + 1]) for k in range(5)])
    assert np.allclose(one_by_one, estimator.predict_proba(images)[:5], rtol=1e-9, atol=1e-12)
    with pytest.raises(ValueError, match="X has shape"):
        estimator.predict(images[0])


def test_divergence_is_warned_of():
    rule = tw.rules.SGD(lr=1e4)
    with pytest.warns(ConvergenceWarning, match="no longer a number"):
        tw.Regressor(rule=rule, epochs=20, random_state=0).fit(X, X[:, 0])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        tw.Regressor(epochs=1, random_state=0).fit(X, X[:, 0])


def test_warm_start_goes_on_from_the_weights():
    estimator = tw.Classifier(epochs=3, warm_start=True, random_state=0).fit(X, y)
    first, scaling = estimator.loss_curve_, estimator.preparation_
    estimator.fit(X + 1.0, y)
    assert estimator.preparation_ is scaling
    estimator.fit(X, y)
    assert estimator.loss_curve_[0] < first[-1]
    with pytest.raises(ValueError, match="needs the classes of the last fit"):
        estimator.fit(X[:100], y[:100])
    with pytest.raises(ValueError, match="needs the model of the last fit"):
        estimator.set_params(model=tw.mlp(3)).fit(X, y)


def test_what_cannot_be_is_said():
    with pytest.raises(ValueError, match="random_state"):
        tw.Classifier(random_state="seven").fit(X, y)
    with pytest.raises(ValueError, match="validation_fraction"):
        tw.Classifier(stop=True, validation_fraction=0.0).fit(X, y)


def test_verbose_prints_the_passes(capsys):
    tw.Classifier(epochs=2, stop=True, verbose=1, random_state=0).fit(X, y)
    out = capsys.readouterr().out
    assert "pass 2/2: loss" in out and "validation accuracy" in out


def test_defaults_are_good():
    digits, labels = load_digits(return_X_y=True)
    features, test, wanted, truth = train_test_split(digits, labels, test_size=0.2, random_state=0, stratify=labels)
    assert tw.Classifier(random_state=0).fit(features, wanted).score(test, truth) > 0.965
