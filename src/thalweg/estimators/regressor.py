"""scikit-learn's regressor."""

import dataclasses
from typing import Any, Self, final

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.utils.validation import validate_data

from thalweg.data import Dataset
from thalweg.estimators.base import Estimator
from thalweg.estimators.learning import as_dataset


@final
class Regressor(RegressorMixin, Estimator):  # type: ignore[misc]  # scikit-learn has no types
    """Predict one value, or several, with a neural network; targets are standardised inside.

    Attributes: n_features_in_, feature_names_in_, n_iter_ (passes over the data), loss_curve_ (mean loss of
    each pass), validation_scores_ (R² of each evaluation if it was to stop early), module_ (the torch
    module), preparation_ (the scaling of inputs and targets), seed_, threads_.

    >>> X, y = [[0.0], [1.0], [2.0], [3.0]], [0.0, 10.0, 20.0, 30.0]
    >>> Regressor(random_state=0).fit(X, y).predict([[1.5]]).round().tolist()
    [15.0]
    """

    def fit(self, X: Any, y: Any) -> Self:
        """Train on examples X (N, ...) and values y (N,) or (N, T).

        Raises `DataError` for what cannot be learnt from.
        """
        X, y = self._checked(X, y, reset=not self._goes_on())
        return self._train(X, y)

    def partial_fit(self, X: Any, y: Any) -> Self:
        """Take one pass over a batch at the rule's own rate, going on from the weights and the rule's memory.

        The first call learns the scaling of inputs and targets from its batch.
        """
        X, y = self._checked(X, y, reset=not self.__sklearn_is_fitted__())
        return self._pass_over(X, y)

    def predict(self, X: Any) -> np.ndarray:
        """Return the values in the targets' unit, (N,) or (N, T) as they were given."""
        outputs = self._outputs(X)
        return self.preparation_.decode(outputs)

    def _checked(self, X: Any, y: Any, *, reset: bool) -> tuple[np.ndarray, np.ndarray]:
        X, y = validate_data(self, X, y, allow_nd=True, multi_output=True, y_numeric=True, reset=reset)
        return X, np.asarray(y, dtype=np.float64)

    def _dataset(self, X: np.ndarray, y: np.ndarray) -> Dataset:
        dataset = as_dataset(X, y, model=self.model, task="regression")
        return dataclasses.replace(dataset, feature_names=tuple(getattr(self, "feature_names_in_", ())))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
