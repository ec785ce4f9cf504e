"""Parameters: frozen components under scikit-learn's get, set and clone."""

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

import thalweg as tw
from thalweg.train import EarlyStopping

X, y = load_iris(return_X_y=True)


def test_fields_of_components_are_parameters():
    estimator = tw.Classifier(tw.mlp(8, dropout=0.1), rule=tw.rules.Adam(lr=0.01))
    params = estimator.get_params()
    assert params["rule__lr"] == 0.01 and params["model__dropout"] == 0.1 and params["model__hidden"] == (8,)
    assert "rule__lr" not in estimator.get_params(deep=False)


def test_a_field_is_set_on_a_copy():
    rule = tw.rules.Adam(lr=0.01)
    one, other = tw.Classifier(rule=rule), tw.Classifier(rule=rule)
    one.set_params(rule__lr=np.float64(0.1), rule__beta1=0.5)
    assert one.rule == tw.rules.Adam(lr=0.1, beta1=0.5) and type(one.rule.lr) is float
    assert other.rule is rule and rule.lr == 0.01


def test_a_component_and_its_field_can_be_set_together():
    estimator = tw.Regressor().set_params(rule=tw.rules.SGD(), rule__lr=0.5)
    assert estimator.rule == tw.rules.SGD(lr=0.5)


def test_a_field_without_a_component_starts_from_the_default():
    estimator = tw.Classifier().set_params(rule__lr=0.5, stop__patience=3, schedule__warmup=0.0)
    assert type(estimator.rule) is tw.rules.AdamW and estimator.rule.lr == 0.5
    assert estimator.stop == EarlyStopping(patience=3) and estimator.schedule.warmup == 0.0
    assert tw.Classifier().rule is None


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("rule__rate", 1.0, "key in"),
        ("rule__lr", -1.0, "must lie in"),
        ("model__dropout", 0.5, "Set model=... first"),
        ("optimiser__lr", 1.0, "optimiser"),
        ("epoch", 3, "epoch"),
    ],
)
def test_a_wrong_name_or_value_is_said(name, value, words):
    with pytest.raises(ValueError, match=words):
        tw.Classifier().set_params(**{name: value})


def test_clone_keeps_components():
    estimator = tw.Classifier(tw.mlp(8, 8), rule=tw.rules.Adam(lr=0.01), stop=EarlyStopping(), random_state=3)
    twin = clone(estimator)
    assert twin.get_params() == estimator.get_params() and not hasattr(twin, "module_")


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_grid_search_over_a_field(n_jobs):
    estimator = tw.Classifier(tw.mlp(8), rule=tw.rules.Adam(lr=0.01), epochs=30, random_state=0)
    search = GridSearchCV(estimator, {"rule__lr": [1e-6, 0.02]}, cv=3, n_jobs=n_jobs).fit(X, y)
    assert search.best_params_ == {"rule__lr": 0.02} and search.best_score_ > 0.9
    assert search.best_estimator_.rule.lr == 0.02


def test_pipeline_names_reach_the_field():
    pipeline = make_pipeline(StandardScaler(), tw.Classifier(tw.mlp(8), epochs=60, random_state=0))
    pipeline.set_params(classifier__model__activation="tanh")
    assert pipeline.fit(X, y).score(X, y) > 0.9
    assert pipeline[-1].model == tw.mlp(8, activation="tanh")


def test_cross_val_score():
    features, labels = load_breast_cancer(return_X_y=True)
    scores = cross_val_score(tw.Classifier(epochs=5, random_state=0), features, labels, cv=3)
    assert scores.mean() > 0.95


def test_column_transformer_and_feature_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"size": X[:, 0], "colour": np.where(y == 0, "red", "blue")})
    columns = ColumnTransformer([("word", OneHotEncoder(), ["colour"])], remainder="passthrough")
    pipeline = make_pipeline(columns, tw.Regressor(epochs=5, random_state=0)).fit(frame, X[:, 2])
    assert pipeline.score(frame, X[:, 2]) > 0.5
    estimator = tw.Regressor(epochs=2, random_state=0).fit(frame[["size"]].assign(two=X[:, 1]), X[:, 2])
    assert estimator.feature_names_in_.tolist() == ["size", "two"]
    with pytest.raises(ValueError, match="feature names should match"):
        estimator.predict(frame[["size"]].assign(three=X[:, 1]))
