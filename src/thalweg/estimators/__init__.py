"""scikit-learn's face: our engine behind `fit` and `predict`, in memory, nothing written to disk."""

from thalweg.estimators.classifier import Classifier as Classifier
from thalweg.estimators.regressor import Regressor as Regressor
