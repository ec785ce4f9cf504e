"""scikit-learn's classifier."""

import dataclasses
from typing import Any, Self, final

import numpy as np
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import validate_data

from thalweg.core import DataError, UsageError, law
from thalweg.data import Dataset, label
from thalweg.estimators.base import Estimator
from thalweg.estimators.learning import as_dataset


@final
class Classifier(ClassifierMixin, Estimator):  # type: ignore[misc]  # scikit-learn has no types
    """Classify with a neural network; labels of any kind, two classes or more.

    Attributes: classes_, n_features_in_, feature_names_in_, n_iter_ (passes over the data), loss_curve_ (mean
    loss of each pass), validation_scores_ (accuracy of each evaluation if it was to stop early), module_ (the
    torch module), preparation_ (the scaling), seed_, threads_.

    >>> X, y = [[0.0], [0.1], [0.9], [1.0]], ["low", "low", "high", "high"]
    >>> Classifier(random_state=0).fit(X, y).predict([[0.05], [0.95]]).tolist()
    ['low', 'high']
    """

    classes_: np.ndarray

    def fit(self, X: Any, y: Any) -> Self:
        """Train on examples X (N, ...) and labels y (N,). Raises `DataError` for a single class."""
        again = self._goes_on()
        X, y = validate_data(self, X, y, allow_nd=True, reset=not again)
        check_classification_targets(y)
        classes = np.unique(y)
        if len(classes) < 2:
            raise DataError(f"y holds 1 class, {classes.tolist()[0]!r}; classification needs two or more.")
        if again and not np.array_equal(classes, self.classes_):
            raise UsageError(f"warm_start=True needs the classes of the last fit, got {classes.tolist()}.")
        self.classes_ = classes
        return self._train(X, y)

    def partial_fit(self, X: Any, y: Any, classes: Any = None) -> Self:
        """Take one pass over a batch at the rule's own rate, going on from the weights and the rule's memory.

        The first call needs `classes`, all that will ever come, and learns the scaling from its batch.
        """
        first = not self.__sklearn_is_fitted__()
        X, y = validate_data(self, X, y, allow_nd=True, reset=first)
        check_classification_targets(y)
        self._know(classes, first)
        if unknown := sorted(set(np.unique(y).tolist()) - set(self.classes_.tolist())):
            raise DataError(f"y holds {unknown[0]!r}, which is none of the classes {self.classes_.tolist()}.")
        return self._pass_over(X, y)

    def predict(self, X: Any) -> np.ndarray:
        """Return the most probable class of each example."""
        codes = self._outputs(X).argmax(dim=-1).numpy()
        found: np.ndarray = self.classes_[codes]
        return found

    def predict_proba(self, X: Any) -> np.ndarray:
        """Return the probability of each class, (N, K), in the order of `classes_`."""
        probabilities: np.ndarray = self._outputs(X).softmax(dim=-1).numpy()
        return probabilities

    def predict_log_proba(self, X: Any) -> np.ndarray:
        """Return the logarithm of the probabilities, exact also where they are as good as zero."""
        logs: np.ndarray = self._outputs(X).log_softmax(dim=-1).numpy()
        return logs

    def _know(self, classes: Any, first: bool) -> None:
        if classes is None:
            if first:
                raise law("partial_fit(classes=...)", "must name all that will come, at the first call", None)
            return
        given = np.unique(classes)
        if not first and not np.array_equal(given, self.classes_):
            known = self.classes_.tolist()
            raise law("partial_fit(classes=...)", f"must stay {known}", given.tolist())
        if len(given) < 2:
            raise law("partial_fit(classes=...)", "must name two classes or more", given.tolist())
        self.classes_ = given

    def _dataset(self, X: np.ndarray, y: np.ndarray) -> Dataset:
        codes = np.searchsorted(self.classes_, y).astype(np.int64)
        dataset = as_dataset(X, codes, model=self.model, task="classification")
        names = tuple(label(value) for value in self.classes_.tolist())
        features = tuple(getattr(self, "feature_names_in_", ()))
        return dataclasses.replace(dataset, class_names=names, feature_names=features)

    def _stand_in(self, dataset: Dataset) -> Dataset:
        return dataclasses.replace(dataset, targets=np.arange(len(dataset)) % len(self.classes_))
