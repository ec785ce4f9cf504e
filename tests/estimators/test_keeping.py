"""Going on with batches, files without pickle, and pickle."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import safetensors.torch
import torch
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import NotFittedError
from torch import nn

import thalweg as tw
from thalweg.core import RunError

X, y = load_iris(return_X_y=True)
WORDS = np.array(["setosa", "versicolor", "virginica"])[y]
ORDER = np.random.default_rng(0).permutation(150)
NAMES = ["setosa", "versicolor", "virginica"]
FAST = tw.rules.Adam(lr=0.02)


def stream(estimator, passes=8):
    for _ in range(passes):
        for rows in np.split(ORDER, 3):
            estimator.partial_fit(X[rows], WORDS[rows], classes=NAMES)
    return estimator


def test_partial_fit_learns_and_repeats():
    one, other = (stream(tw.Classifier(tw.mlp(16, dropout=0.1), rule=FAST, random_state=0)) for _ in range(2))
    assert one.score(X, WORDS) > 0.9 and one.n_iter_ == 24 == len(one.loss_curve_)
    assert np.array_equal(one.predict_proba(X), other.predict_proba(X))


def test_partial_fit_is_one_pass_at_the_rules_own_rate():
    estimator = tw.Regressor(nn.Linear(4, 1), rule=tw.rules.SGD(lr=0.1), batch_size=150, random_state=0)
    estimator.partial_fit(X, X[:, 0])
    weight = estimator.module_.weight.detach().clone()
    x = (X - X.mean(0)) / X.std(0)
    target = (X[:, 0] - X[:, 0].mean()) / X[:, 0].std()
    residual = x @ weight[0].double().numpy() + estimator.module_.bias.item() - target
    expected = weight[0].double().numpy() - 0.1 * 2 * (residual[:, None] * x).mean(0)
    estimator.partial_fit(X, X[:, 0])
    assert estimator.module_.weight.detach()[0].numpy() == pytest.approx(expected, abs=1e-6)


def test_a_first_batch_may_lack_classes():
    estimator = tw.Classifier(tw.mlp(8), random_state=0).partial_fit(X[:50], WORDS[:50], classes=NAMES)
    assert estimator.predict_proba(X).shape == (150, 3)


@pytest.mark.parametrize(
    ("rows", "classes", "words"),
    [
        (150, None, "all that will come"),
        (150, ["setosa", "virginica"], "none of the classes"),
        (1, NAMES, "one sample"),
    ],
)
def test_a_first_call_that_cannot_be_is_refused(rows, classes, words):
    with pytest.raises(ValueError, match=words):
        tw.Classifier().partial_fit(X[:rows], WORDS[:rows], classes=classes)


def test_classes_may_not_change():
    estimator = tw.Classifier(tw.mlp(4)).partial_fit(X, WORDS, classes=NAMES)
    with pytest.raises(ValueError, match="must stay"):
        estimator.partial_fit(X, WORDS, classes=NAMES[:2])


def test_partial_fit_goes_on_after_fit():
    estimator = tw.Classifier(tw.mlp(8), epochs=3, random_state=0).fit(X, y)
    before = estimator.loss_curve_[-1]
    for _ in range(5):
        estimator.partial_fit(X, y)
    assert estimator.n_iter_ == 8 and estimator.loss_curve_[-1] < before


@pytest.mark.parametrize(
    "keep",
    [
        copy.deepcopy,
        lambda e: pickle.loads(pickle.dumps(e)),
        lambda e: through_file(e),
        lambda e: through_joblib(e),
    ],
    ids=["copy", "pickle", "file", "joblib"],
)
@pytest.mark.parametrize("model", [tw.mlp(16, dropout=0.2), tw.mlp(8, norm="batch")], ids=["dropout", "batch norm"])
def test_what_was_kept_predicts_and_goes_on_alike(keep, model, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    estimator = tw.Classifier(model, epochs=3, stop=True, random_state=0).fit(X, WORDS)
    kept = keep(estimator)
    assert np.array_equal(kept.predict_proba(X), estimator.predict_proba(X))
    assert kept.get_params() == estimator.get_params() and clone(kept).get_params() == kept.get_params()
    assert kept.loss_curve_ == estimator.loss_curve_ and kept.validation_scores_ == estimator.validation_scores_
    first, second = (e.partial_fit(X, WORDS).predict_proba(X) for e in (estimator, kept))
    assert np.array_equal(first, second)


def through_file(estimator):
    estimator.save("kept.safetensors")
    return type(estimator).load("kept.safetensors")


def through_joblib(estimator):
    joblib.dump(estimator, "kept.joblib")
    return joblib.load("kept.joblib")


def test_a_regressor_with_names_is_kept(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    estimator = tw.Regressor(epochs=2, batch_size=np.int64(32), random_state=0).fit(frame, X[:, :2])
    estimator.save(tmp_path / "kept")
    kept = tw.Regressor.load(tmp_path / "kept")
    assert kept.feature_names_in_.tolist() == list("abcd") and kept.n_features_in_ == 4
    assert np.array_equal(kept.predict(frame), estimator.predict(frame))


def test_a_pickle_carries_each_weight_once():
    estimator = tw.Classifier(tw.mlp(200, 200, 200), epochs=1).fit(X, y)
    count = sum(weight.numel() for weight in estimator.module_.parameters())
    assert len(pickle.dumps(estimator)) < 3 * 4 * count * 1.2  # the weights and two numbers of AdamW's for each


def test_files_that_cannot_be_read(tmp_path):
    estimator = tw.Classifier(tw.mlp(4), epochs=1).fit(X, y)
    with pytest.raises(RunError, match="does not exist"):
        tw.Classifier.load(tmp_path / "none")
    estimator.save(tmp_path / "kept")
    with pytest.raises(RunError, match="regressor"):
        tw.Regressor.load(tmp_path / "kept")
    content = (tmp_path / "kept").read_bytes()
    (tmp_path / "cut").write_bytes(content[: len(content) // 2])
    with pytest.raises(RunError, match="damaged"):
        tw.Classifier.load(tmp_path / "cut")
    tensors = safetensors.torch.load_file(tmp_path / "kept")
    with safetensors.safe_open(tmp_path / "kept", framework="pt") as file:
        metadata = file.metadata()
    tensors = {name: tensor for name, tensor in tensors.items() if not name.startswith("weights.output")}
    safetensors.torch.save_file(tensors, tmp_path / "less", metadata=metadata)
    with pytest.raises(RunError, match="lacks a part"):
        tw.Classifier.load(tmp_path / "less")


def test_what_a_file_cannot_hold_is_refused(tmp_path):
    with pytest.raises(NotFittedError):
        tw.Classifier().save(tmp_path / "kept")
    for params in ({"model": nn.Linear(4, 3)}, {"random_state": np.random.RandomState(0)}):
        estimator = tw.Classifier(epochs=1).set_params(**params).fit(X, y)
        with pytest.raises(ValueError, match="`save` cannot write"):
            estimator.save(tmp_path / "kept")
    assert not list(tmp_path.iterdir())


def test_fitting_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tw.Classifier(epochs=1).fit(X, y).partial_fit(X, y)
    assert not list(tmp_path.iterdir())


def test_weights_do_not_share_memory():
    estimator = tw.Classifier(tw.mlp(8), epochs=1).fit(X, y)
    places = {weight.untyped_storage().data_ptr() for weight in estimator.module_.parameters()}
    assert len(places) == len(list(estimator.module_.parameters()))
    assert not estimator.module_.training and torch.is_grad_enabled()
